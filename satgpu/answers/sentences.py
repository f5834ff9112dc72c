"""From tables to answers: how a sentence is judged, and how its numbers are put into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from satgpu.answers.tables import difference, extreme, given, p_above
from satgpu.answers.types import Answer, Estimate, Source, Unit, Verdict
from satgpu.run.read import Run

LEVEL = 0.05
Values = Mapping[str, Estimate | str]


def own(run: Run, name: str, statement: str, values: Values, verdict=Verdict.UNDECIDED, p=None, recompute="", **more):
    """A sentence of satgpu's own; {first} and {second} in it are the compared pair."""
    return _answer(run, name, Source.SATGPU, verdict, statement, values, p, recompute, **more)


def printed(run: Run, name: str, claim: str, statement: str, values: Values, verdict, p=None, recompute="") -> Answer:
    """A sentence that the notebook printed, and beside it what this run measured.

    The notebook speaks of SatCLIP. Where something else stands in for it the
    statement says what that did, and the sentence stays undecided.
    """
    if not run.is_satclip:
        verdict, p = Verdict.UNDECIDED, None
    return _answer(run, name, Source.NOTEBOOK, verdict, statement, values, p, recompute, claim=claim)


def _answer(run: Run, name, source, verdict, statement: str, values: Values, p, recompute, **more) -> Answer:
    first, second = run.labels
    if p is not None and not p < LEVEL:  # also NaN: one replicate decides nothing
        verdict, p = Verdict.UNDECIDED, None if np.isnan(p) else float(min(p, 1.0))
    values = {"first": first, "second": second} | dict(values)
    return Answer(name, source, run.protocol, verdict, statement, values, recompute, p, **more)


def judged(p_supported: float, p_contradicted: float) -> tuple[Verdict, float | None]:
    """The verdict that the smaller of two p speaks for, doubled for having looked at both sides."""
    if np.isnan(p_supported) or np.isnan(p_contradicted):
        return Verdict.UNDECIDED, None
    p = min(1.0, 2 * min(p_supported, p_contradicted))
    side = Verdict.SUPPORTED if p_supported < p_contradicted else Verdict.CONTRADICTED
    return (side if p < LEVEL else Verdict.UNDECIDED), p


def decided(p: float | None) -> Verdict:
    """Supported where p decides."""
    return Verdict.SUPPORTED if p is not None and p < LEVEL else Verdict.UNDECIDED


def all_within(table: pd.DataFrame, low: float = -np.inf, high: float = np.inf) -> tuple[Verdict, float | None]:
    """Do all rows' differences lie in [low, high]? Each must (intersection-union); one outside contradicts (Simes)."""
    above, below = p_above(table, low), 1 - p_above(table, high)
    inside = np.maximum(above if np.isfinite(low) else 0, below if np.isfinite(high) else 0)
    outside = np.minimum(1 - above if np.isfinite(low) else 1, 1 - below if np.isfinite(high) else 1)
    if len(table) == 0 or np.isnan(inside).any():
        return Verdict.UNDECIDED, None
    return judged(float(inside.max()), simes(2 * outside))


def simes(p: Sequence[float]) -> float:
    """p of all being null together; NaN where there is none."""
    p = np.asarray(p, dtype=float)
    p = np.sort(p[~np.isnan(p)])
    return float(min(1.0, np.min(p * len(p) / np.arange(1, len(p) + 1)))) if len(p) else np.nan


def of_table(table: pd.DataFrame) -> tuple[Verdict, float]:
    """Verdict and p of a whole table of differences: something in it is decided."""
    return Verdict.SUPPORTED if (table["verdict"] != "undecided").any() else Verdict.UNDECIDED, simes(table["p"])


def tally(table: pd.DataFrame, noun: str) -> tuple[str, dict, Verdict, float]:
    """Statement, values, verdict and p of "in how many cells who leads" of a table of differences."""
    counts = table["verdict"].value_counts()
    words = {name: f"{counts.get(name, 0)}" for name in ("second", "first", "undecided")}
    values = {f"n_{name}": word for name, word in words.items()} | {"n_cells": f"{len(table)} {noun}"}
    statement = "Of {n_cells}, {second} leads in {n_second}, {first} in {n_first}; {n_undecided} undecided"
    return statement, values, *of_table(table)


def by_cell(run: Run, name: str, lead: str, table: pd.DataFrame, cell: str, call: str, unit=Unit.POINTS) -> Answer:
    """``lead`` and the difference of every row of a table, each by the name of its ``cell``."""
    words, values = listed((_cell_word(row[cell], cell), difference(row, unit)) for row in table.to_dict("records"))
    return own(run, name, f"{lead}: {words}", values, *of_table(table), call)


def least_to_most(table: pd.DataFrame, unit: Unit = Unit.POINTS, **at: Unit | None) -> tuple[str, dict]:
    """``"{least} ({least_scale_km}) to {most} ({most_scale_km})"`` of a table of differences, and its values.

    ``at`` names the columns that say where a row lies, and their units; None for words.
    """
    words, values = [], {}
    for end, place in (("least", table["difference"].idxmin()), ("most", table["difference"].idxmax())):
        row = table.loc[place]
        words.append(f"{{{end}}} ({', '.join(f'{{{end}_{name}}}' for name in at)})")
        values |= {end: extreme(row, unit)}
        values |= {f"{end}_{name}": given(row[name], of) if of else row[name] for name, of in at.items()}
    return " to ".join(words[: len(table)]), values


def _cell_word(cell: object, column: str) -> str:
    return f"{cell:g} km" if column.endswith("_km") else plain(cell)


def listed(items: Iterable[tuple[str, Estimate]], key: str = "v", between: str = " ") -> tuple[str, dict]:
    """``"checkerboard {v0}, rings {v1} and stripes {v2}"`` and its values."""
    items = list(items)
    words = [f"{name}{between}{{{key}{i}}}" for i, (name, _) in enumerate(items)]
    return listing(words), {f"{key}{i}": value for i, (_, value) in enumerate(items)}


def listing(items: Iterable[object]) -> str:
    """``a, b and c``."""
    items = [str(item) for item in items]
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def ranges(chosen_km: Iterable[float], grid_km: Iterable[float]) -> str:
    """Neighbours on the grid joined.

    >>> ranges([300, 350, 900], [300, 350, 400, 900])
    '300 to 350 km, 900 km'
    """
    order, runs = sorted(set(grid_km)), []
    for km in sorted(set(chosen_km)):
        if runs and order.index(km) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(km)
        else:
            runs.append([km])
    return ", ".join(f"{run[0]:g} km" if len(run) == 1 else f"{run[0]:g} to {run[-1]:g} km" for run in runs) or "none"


def plain(name: str) -> str:
    """``horizontal_stripes`` as people write it."""
    return str(name).replace("_", " ")
