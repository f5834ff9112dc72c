"""The finest cells that probes read, on the globe and in small caps, beside what the embedding alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers import similarity
from satgpu.answers.sentences import decided, listed, own
from satgpu.answers.skill import probe_resolution, resolution_ratio
from satgpu.answers.tables import NEAREST, given, means, probe_rows
from satgpu.answers.types import Answer, Censoring, Estimate, Unit, Verdict
from satgpu.earth import HALF_TURN_KM
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Resolution of probes: the finest cells they read"
SAMPLINGS = {"fixed_per_cell": "over the globe", "local_caps": "in small caps"}
NEAREST_KIND = "nearest-neighbour"


@once
def table(run: Run) -> pd.DataFrame:
    """``probe_resolution`` of the resolution experiment, nearest neighbours included."""
    parts = [run.probes("resolution"), run.probes("resolution", probe=NEAREST_KIND)]
    return probe_resolution(pd.concat(parts), run.skill_threshold)


def skills(run: Run, sampling: str) -> pd.DataFrame:
    """Skill of every encoder by cell size, nearest neighbour and shuffled labels under their own names."""
    return means(run, "resolution", ("scale_km",), "skill", sampling)


def estimate(row: pd.Series | dict) -> Estimate:
    """A row of ``table`` as an estimate in km."""
    ends = float(row["low_km"]), float(row["high_km"])
    return Estimate(float(row["resolution_km"]), *ends, int(row["n_replicates"]), Unit.KM, Censoring(row["censored"]))


def starved_up_to_km(run: Run, sampling: str) -> float:
    """The coarsest cell size with fewer than 5 training points per cell; 0 where none is."""
    return float(table(run).query("sampling == @sampling")["starved_up_to_km"].max() or 0)


@once
def by_probes(run: Run, sampling: str) -> dict[str, Estimate]:
    """Resolution of every encoder, and of the nearest neighbour, under one sampling."""
    rows = table(run)
    rows = rows[rows["sampling"] == sampling]
    names = rows["encoder"].mask(rows["probe"] == NEAREST_KIND, NEAREST)
    return dict(zip(names, map(estimate, rows.to_dict("records")), strict=True))


@once
def headline(run: Run) -> dict[str, dict[str, Estimate]]:
    """Measure to encoder to estimate; the table people came for, a measure that nobody has left out."""
    nominal = {name: given(HALF_TURN_KM / polys) for name, polys in run.legendre.items()}
    columns = {
        "nominal 180°/L": nominal,
        "centred half similarity": similarity.half_distances(run, "centred"),
        "plain half similarity": similarity.half_distances(run, "plain"),
        "centred spectral extent": similarity.spectral_extents(run, "centred"),
    }
    columns |= {f"probes {where}": by_probes(run, sampling) for sampling, where in SAMPLINGS.items()}
    measured = any(found for name, found in columns.items() if not name.startswith("nominal"))
    return {name: found for name, found in columns.items() if found and measured}


def answer(run: Run) -> list[Answer]:
    """Where each encoder's probes cross the skill threshold, and how the pair compares, for each sampling."""
    return [_probes(run, sampling) for sampling in SAMPLINGS if set(by_probes(run, sampling)) - {NEAREST}]


def _probes(run: Run, sampling: str) -> Answer:
    found = by_probes(run, sampling)
    named = [name for name in [*run.compared, *run.controls] if name in found]
    words, values = listed((encoder_label(name), found[name]) for name in named)
    values |= {"threshold": f"{run.skill_threshold:g}", "where": SAMPLINGS[sampling]}
    values["belongs"] = conditions(run, sampling)
    statement = f"{{where}} the skill of probes crosses {{threshold}} at: {words}"
    verdict, p = Verdict.UNDECIDED, None
    if run.pair and set(run.pair) <= set(found) and not _both_beyond(*(found[name] for name in run.pair)):
        ratio = the_ratio(run, sampling)
        beyond = any(found[name].censored for name in run.pair)  # a crossing beyond the scales counts as the last one
        bound = ("at least " if ratio.value > 1 else "at most ") if beyond else ""
        values |= {"ratio": ratio, "bound": bound}
        statement += "; {second} reads cells {bound}{ratio} times as wide as {first}"
        p = _p_of_ratio(ratio)
        verdict = decided(p)
    statement += " ({belongs})"
    call = "satgpu.answers.resolution.table(run)"
    return own(run, f"resolution.{sampling}", statement, values, verdict, p, call)


def _both_beyond(first: Estimate, second: Estimate) -> bool:
    """Both finer than the finest scale, or both coarser than the coarsest: nothing tells them apart."""
    return bool(first.censored) and first.censored is second.censored


@once
def the_ratio(run: Run, sampling: str) -> Estimate:
    """Resolution of the second as a share of that of the first, paired by replicate."""
    rows = probe_rows(run, "resolution", "test_accuracy", sampling)
    found = resolution_ratio(rows, *run.pair, run.skill_threshold)
    return Estimate(found.value, found.low, found.high, found.n)


def _p_of_ratio(ratio: Estimate) -> float | None:
    """Two-sided p of a ratio of 1, from the width of its interval in logarithms; None where that is open."""
    if not ratio.has_interval or ratio.low <= 0 or not np.isfinite(ratio.high):
        return None
    df = max(1, ratio.n - 1)
    error = np.log(ratio.high / ratio.low) / (2 * stats.t.ppf(0.975, df))
    return float(2 * stats.t.sf(abs(np.log(ratio.value)) / max(error, 1e-9), df))


def conditions(run: Run, sampling: str) -> str:
    """What a probe's resolution belongs to, and says nothing without."""
    rows = table(run)
    rows = rows[(rows["sampling"] == sampling) & (rows["probe"] == "mlp")]
    first = rows.iloc[0]
    low, high = rows["points_per_cell_low"].min(), rows["points_per_cell_high"].max()
    density = f"{low:.3g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.3g} to {high:.3g}"
    scaling = "standardised" if first["standardize"] else "unscaled"
    words = f"MLP {first['hidden_layer_sizes']} on {scaling} embeddings, {density} training points per cell, "
    words += f"{rows['finest_km'].min():g} to {rows['coarsest_km'].max():g} km tried"
    return words + ("; starved where a cell holds fewer than 5 points" if rows["starved"].any() else "")


@once
def effective(run: Run) -> pd.DataFrame:
    """Every measured resolution as a row of numbers, for ``effective_resolution.csv``.

    Returns:
        DataFrame[protocol, encoder, role, trained, nominal_km, measure, sampling, value, low, high, unit, censored,
        n, conditions]: an open bound is 0 or inf.
    """
    kinds = tuple(similarity.VALUES)
    measures = [(name, "", found) for name, found in headline(run).items() if name.startswith(kinds)]
    measures += [("probe", sampling, by_probes(run, sampling)) for sampling in SAMPLINGS]
    rows = []
    for measure, sampling, found in measures:
        belongs = conditions(run, sampling) if sampling and set(found) - {NEAREST} else ""
        for name, value in found.items():
            role = "compared" if name in run.compared else "control"
            nominal = HALF_TURN_KM / run.legendre[name] if name in run.legendre else np.nan
            facts = (run.protocol, name, role, run.trained.get(name, False), nominal, measure, sampling)
            numbers = (value.value, value.low, value.high, str(value.unit), str(value.censored), value.n)
            rows.append((*facts, *numbers, belongs.replace(", ", "; ")))
    columns = "protocol encoder role trained nominal_km measure sampling value low high unit censored n conditions"
    return pd.DataFrame(rows, columns=columns.split())
