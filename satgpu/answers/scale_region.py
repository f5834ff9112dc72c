"""Checkerboards of 400 to 800 km within a continent: who is ahead in which region, span and cell size?"""

from __future__ import annotations

import pandas as pd

from satgpu.answers.patterns import alike
from satgpu.answers.sentences import all_within, by_cell, least_to_most, own, printed, tally
from satgpu.answers.tables import differences, means, pairs
from satgpu.answers.types import Answer, Unit, Verdict
from satgpu.run.read import Run
from satgpu.run.read_table import is_starved

TITLE = "Scale and region: who leads where"
FACTORS = {"region": "region", "span_deg": "span (°)", "scale_km": "scale (km)"}
CONTINENT_KM = (400.0, 800.0)
_CALL = "satgpu.compare(run.probes('scale_region'), first, second, by=['region', 'span_deg', 'scale_km'])"


def table(run: Run) -> pd.DataFrame:
    """Second less first by region, span and cell size."""
    return differences(run, "scale_region", tuple(FACTORS))


def accuracies(run: Run) -> pd.DataFrame:
    """Accuracy of every encoder by region and cell size, over the spans."""
    return means(run, "scale_region", ("region", "scale_km"))


def starved(run: Run) -> pd.Series:
    """By (region, span_deg, scale_km): whether a cell held fewer than 5 training points."""
    rows = run.probes("scale_region")
    per_cell = rows.groupby(list(FACTORS))["train_points_per_cell"].median().to_frame()
    return is_starved(per_cell)


def answer(run: Run) -> list[Answer]:
    """The tally of the cells, the regions' averages, and the notebook's sentences."""
    cells = table(run)
    if cells.empty:
        return []
    statement, values, verdict, p = tally(cells, "combinations of region, span and cell size")
    n_starved = int(starved(run).sum())
    if n_starved:
        statement += f"; fewer than 5 training points per cell in {n_starved} of them"
    found = [own(run, "scale_region.cells", statement, values, verdict, p, _CALL, headline=True), _averages(run)]
    return [*found, _printed_alike(run), _printed_gain(run), _printed_use(run)]


def _averages(run: Run) -> Answer:
    rows = differences(run, "scale_region", ("region",))
    lead = "averaged over spans and cell sizes {second} less {first} is"
    call = "satgpu.compare(run.probes('scale_region'), first, second, by=['region'])"
    return by_cell(run, "scale_region.averages", lead, rows, "region", call)


def _printed_alike(run: Run) -> Answer:
    rows = pairs(run, "scale_region", tuple(FACTORS))
    statement, values, verdict, p = alike(rows, "region", ["span_deg", "scale_km"])
    claim = "The advantage of L=40 is alike in all continents"
    return printed(run, "scale_region.alike", claim, statement, values, verdict, p, _CALL)


def _printed_gain(run: Run) -> Answer:
    cells = table(run)
    cells = cells[cells["scale_km"].isin([500, 600])].reset_index(drop=True)
    claim = "L=40 has 25 to 31 points of advantage within continents at 500 to 600 km"
    return _printed_within(run, "scale_region.gain", claim, cells, 0.25, 0.31)


def _printed_use(run: Run) -> Answer:
    cells = table(run)
    cells = cells[cells["scale_km"].between(*CONTINENT_KM)].reset_index(drop=True)
    claim = "For tasks at 400 to 800 km within a continent: use L=40"
    return _printed_within(run, "scale_region.use_second", claim, cells, low=0.0)


def _printed_within(run: Run, name: str, claim: str, cells: pd.DataFrame, low: float, high=float("inf")) -> Answer:
    """Every cell's difference lies in [low, high]."""
    if cells.empty:
        return printed(run, name, claim, "no such cell was read", {}, Verdict.UNDECIDED)
    verdict, p = all_within(cells, low, high)
    words, values = least_to_most(cells, region=None, span_deg=Unit.DEGREES, scale_km=Unit.KM)
    statement = "in {n} {second} less {first} is " + words
    return printed(run, name, claim, statement, values | {"n": f"{len(cells)} cells"}, verdict, p, _CALL)
