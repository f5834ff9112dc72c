"""A boundary that is sharp or blurred over kilometres: who reads it better, against the best possible?"""

from __future__ import annotations

import pandas as pd

from satgpu.answers.sentences import judged, listed, own, printed, tally
from satgpu.answers.tables import contrasts, difference, differences, given, mean, means, p_above, pairs
from satgpu.answers.types import Answer
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

TITLE = "Boundaries: accuracy against the best possible, by width"
FACTORS = {"width_km": "width (km)"}
_CALL = "satgpu.compare(run.probes('boundaries'), first, second, by=['width_km'])"


def table(run: Run) -> pd.DataFrame:
    """Second less first by width."""
    return differences(run, "boundaries", tuple(FACTORS))


def accuracies(run: Run) -> pd.DataFrame:
    """Accuracy of every encoder by width."""
    return means(run, "boundaries", tuple(FACTORS))


def skills(run: Run) -> pd.DataFrame:
    """Share of what the label noise leaves to be read, of every encoder by width."""
    return means(run, "boundaries", tuple(FACTORS), "skill")


def ceilings(run: Run) -> pd.Series:
    """Best possible accuracy by width."""
    return run.probes("boundaries").groupby("width_km")["ceiling"].mean()


def answer(run: Run) -> list[Answer]:
    """Skill at the sharpest and the widest boundary, the tally of widths, and the notebook's sentence."""
    found = [_reached(run, name) for name in run.compared if (skills(run)["encoder"] == name).any()]
    if len(table(run)):
        statement, values, verdict, p = tally(table(run), "widths")
        found.append(own(run, "boundaries.cells", statement, values, verdict, p, _CALL))
    return found + ([_printed_preference(run)] if len(table(run)) > 1 else [])


def _reached(run: Run, name: str) -> Answer:
    rows = skills(run)[skills(run)["encoder"] == name].sort_values("width_km")
    ends = [("a sharp boundary" if w == 0 else f"{w:g} km", mean(row)) for w, row in _first_and_last(rows)]
    words, values = listed(ends)
    statement = "{name} reaches, of what the label noise leaves: " + words
    call = "satgpu.answers.boundaries.skills(run)"
    return own(run, f"boundaries.{name}", statement, values | {"name": encoder_label(name)}, recompute=call)


def _first_and_last(rows: pd.DataFrame) -> list[tuple[float, dict]]:
    records = rows.to_dict("records")
    chosen = records if len(records) < 2 else [records[0], records[-1]]
    return [(row["width_km"], row) for row in chosen]


def _printed_preference(run: Run) -> Answer:
    """The notebook compared the sharp boundary's difference with the mean of all and printed the sign."""
    rows = pairs(run, "boundaries", tuple(FACTORS))
    sharpest = rows["width_km"].min()
    gap = contrasts([(rows[rows["width_km"] == sharpest], rows[rows["width_km"] > sharpest])])
    p = float(p_above(gap, 0.0)[0])
    verdict, p = judged(1 - p, p)
    values = {"gap": difference(gap.iloc[0]), "width": given(sharpest)}
    statement = "{second} less {first} at a width of {width} less the mean of the wider ones: {gap}"
    claim = "L=40 prefers gradual boundaries"
    return printed(run, "boundaries.preference", claim, statement, values, verdict, p, _CALL)
