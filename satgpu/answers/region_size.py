"""500 km cells in regions of growing size: does a smaller region favour the second, and is it the density of points?"""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from satgpu.answers.sentences import all_within, decided, judged, least_to_most, own, printed, simes
from satgpu.answers.tables import contrasts, difference, differences, extreme, given, means, p_above, pairs
from satgpu.answers.types import Answer, Unit
from satgpu.run.read import Run
from satgpu.run.read_table import is_starved

TITLE = "Region size: does a smaller region favour the second?"
FACTORS = {"sampling": "sampling", "span_deg": "span (°)"}
SAMPLINGS = {
    "fixed_points": "the same number of points in every region",
    "fixed_density": "the same points per cell in every region",
}
SMALL_SPAN_DEG = 50.0  # the notebook's "smaller regions": up to a continent
_CALL = "satgpu.compare(run.probes('region_size'), first, second, by=['sampling', 'span_deg'])"


def table(run: Run) -> pd.DataFrame:
    """Second less first by sampling and span."""
    return differences(run, "region_size", tuple(FACTORS))


def accuracies(run: Run, sampling: str) -> pd.DataFrame:
    """Accuracy of every encoder by span."""
    return means(run, "region_size", ("span_deg",), "test_accuracy", sampling)


def density(run: Run, sampling: str) -> pd.DataFrame:
    """[span_deg, points_per_cell, starved]: training points per cell of each region."""
    rows = run.probes("region_size", sampling=sampling)
    table = rows.groupby("span_deg")["train_points_per_cell"].median().reset_index()
    return table.assign(starved=is_starved(table), points_per_cell=table["train_points_per_cell"])


def answer(run: Run) -> list[Answer]:
    """The difference at both ends under either sampling, what density adds, and the notebook's sentences."""
    cells = {sampling: _cells(run, sampling) for sampling in SAMPLINGS}
    found = [_ends(run, sampling, own_cells) for sampling, own_cells in cells.items() if len(own_cells) > 1]
    if all(len(own_cells) > 1 for own_cells in cells.values()):
        found.append(_density(run, cells))
    if cells["fixed_points"]:
        found.append(_printed_gain(run))
    if len(cells["fixed_points"]) > 1:
        found.append(_printed_smaller(run, cells["fixed_points"]))
    return found


def _cells(run: Run, sampling: str) -> dict[float, pd.DataFrame]:
    """Paired differences by span, the smallest region first."""
    rows = pairs(run, "region_size", tuple(FACTORS))
    return dict(list(rows[rows["sampling"] == sampling].groupby("span_deg")))


def _ends_change(cells: dict[float, pd.DataFrame]) -> pd.DataFrame:
    spans = list(cells)
    return contrasts([(cells[spans[0]], cells[spans[-1]])])


def _ends(run: Run, sampling: str, cells: dict[float, pd.DataFrame]) -> Answer:
    rows = table(run)[table(run)["sampling"] == sampling]
    change, per_cell = _ends_change(cells), density(run, sampling)["points_per_cell"]
    values = {"change": difference(change.iloc[0]), "sampling": SAMPLINGS[sampling]}
    for end, i in (("small", 0), ("large", -1)):
        values |= {end: difference(rows.iloc[i]), f"{end}_span": given(rows.iloc[i]["span_deg"], Unit.DEGREES)}
        values[f"{end}_density"] = f"{per_cell.iloc[i]:.3g} training points per cell" if len(per_cell) else ""
    statement = (
        "with {sampling} {second} less {first} is {small} in the smallest region ({small_span}, {small_density}) and "
        "{large} in the largest ({large_span}, {large_density}); smallest less largest {change}"
    )
    p = float(change["p"].iloc[0])
    return own(run, f"region_size.{sampling}", statement, values, decided(p), p, _CALL)


def _density(run: Run, cells: dict[str, dict[float, pd.DataFrame]]) -> Answer:
    """How much more the smallest region gains over the largest where density differs than where it is the same."""
    gains = []
    for own_cells in (cells["fixed_points"], cells["fixed_density"]):
        small, large = (own_cells[span].groupby("replicate")["difference"].mean() for span in _both_ends(own_cells))
        gains.append((small - large).rename("difference").reset_index())
    extra = contrasts([(gains[0], gains[1])])
    statement = "of smallest less largest, {extra} comes with the density of points"
    p = float(extra["p"].iloc[0])
    values = {"extra": difference(extra.iloc[0])}
    return own(run, "region_size.density", statement, values, decided(p), p, _CALL)


def _both_ends(cells: dict[float, pd.DataFrame]) -> tuple[float, float]:
    return min(cells), max(cells)


def _printed_gain(run: Run) -> Answer:
    """10 to 30 points in every region up to a continent."""
    cells = table(run)
    cells = cells[(cells["sampling"] == "fixed_points") & (cells["span_deg"] <= SMALL_SPAN_DEG)].reset_index(drop=True)
    verdict, p = all_within(cells, 0.10, 0.30)
    claim, values = "L=40 gains 10 to 30 points in smaller regions", {}
    statement = "the same number of points, regions up to 50°: no region was read"
    if len(cells):
        words, values = least_to_most(cells, span_deg=Unit.DEGREES)
        statement = "in regions up to 50° {second} less {first} is " + words
    return printed(run, "region_size.gain", claim, statement, values, verdict, p, _CALL)


def _printed_smaller(run: Run, cells: dict[float, pd.DataFrame]) -> Answer:
    """The smallest region is ahead of the largest, and no smaller region is behind a larger one."""
    couples = list(combinations(cells, 2))
    gaps, change = contrasts([(cells[small], cells[large]) for small, large in couples]), _ends_change(cells)
    verdict, p = judged(float(p_above(change, 0.0)[0]), simes(1 - p_above(gaps, 0.0)))
    statement, values = "smallest less largest {change}", {"change": difference(change.iloc[0])}
    worst = gaps["difference"].idxmin()
    if gaps.loc[worst, "difference"] < 0:
        small, large = couples[worst]
        values |= {"gap": extreme(gaps.loc[worst]), "small": given(small, Unit.DEGREES)}
        values |= {"large": given(large, Unit.DEGREES)}
        statement += "; yet {small} less {large} is {gap}"
    claim = "Smaller regions favour L=40: constraining the region's size helps it"
    return printed(run, "region_size.smaller", claim, statement, values, verdict, p, _CALL)
