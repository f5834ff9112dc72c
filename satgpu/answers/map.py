"""Where on the Earth is detail read, how fine, and along which bearing?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from satgpu.answers.intervals import mean_interval
from satgpu.answers.sentences import own
from satgpu.answers.tables import given
from satgpu.answers.types import Answer, Censoring, Estimate, Unit, Verdict
from satgpu.readouts.edges import edges
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Map: the finest scale read around each place"


@once
def table(run: Run) -> pd.DataFrame:
    """Bands and edges by encoder and place: see ``satgpu.readouts.edges.edges``."""
    if run.map.empty:
        return pd.DataFrame()
    parts = [edges(rows).assign(encoder=name) for name, rows in run.map.groupby("encoder", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@once
def ratio(run: Run) -> tuple[Estimate, int] | None:
    """How many times finer the second's edge is than the first's, over the same places; and how many both have one."""
    if table(run).empty or not run.pair or not set(run.pair) <= set(table(run)["encoder"]):
        return None
    wide = table(run).pivot(index="place", columns="encoder", values="fine_km")
    both = wide[list(run.pair)]
    logs = np.log(both.where(both > 0)).dropna()
    gaps = (logs[run.pair[0]] - logs[run.pair[1]]).to_numpy()
    if len(gaps) < 3:
        return None
    found = mean_interval(gaps)
    value, low, high = np.exp([found.value, found.low, found.high]).tolist()
    return Estimate(value, low, high, found.n), len(both)


def median_edge(run: Run, encoder: str) -> Estimate | None:
    """Fine edge of the median place, with the central nine tenths of the places as its range."""
    rows = table(run)[table(run)["encoder"] == encoder] if len(table(run)) else table(run)
    return None if rows.empty else edge_over_places(rows["fine_km"], run.map["scale_km"])


def edge_over_places(fine_km: pd.Series, scales_km: pd.Series) -> Estimate:
    """The median of the places' fine edges, and the central nine tenths of them; ``scales_km`` were looked at."""
    km = fine_km.fillna(np.inf)
    middle = float(km.median())
    if middle in (0.0, np.inf):
        censored, end = (Censoring.FINER, scales_km.min()) if middle == 0 else (Censoring.COARSER, scales_km.max())
        return Estimate(float(end), n=len(km), unit=Unit.KM, censored=censored)
    low, high = np.quantile(km, [0.05, 0.95], method="nearest")
    return Estimate(middle, float(low), float(high), len(km), Unit.KM)


def answer(run: Run) -> list[Answer]:
    """The ratio of the pair's edges, and each encoder's edge over places."""
    if table(run).empty:
        return []
    names = [name for name in [*run.compared, *run.controls] if name in set(table(run)["encoder"])]
    return [*_ratio(run), *(_edge(run, name) for name in names)]


def _ratio(run: Run) -> list[Answer]:
    if ratio(run) is None:
        return []
    found, places = ratio(run)
    verdict = Verdict.UNDECIDED if 1 in found else Verdict.SUPPORTED
    values = {"ratio": found, "places": f"{found.n} of {places} places"}
    statement = "Around a place {second} reads {ratio} times finer than {first} (edges compared at {places})"
    return [own(run, "map.ratio", statement, values, verdict, recompute="satgpu.answers.map.ratio(run)", headline=True)]


def _edge(run: Run, name: str) -> Answer:
    rows, edge = table(run)[table(run)["encoder"] == name], median_edge(run, name)
    values = {"encoder": encoder_label(name), "edge": edge, "n": f"{len(rows)}"}
    statement = "around a place {encoder} reads down to {edge} (median of {n} places; brackets: nine in ten of them)"
    if edge.censored:
        statement = "around the median of {n} places the fine edge of {encoder} is {edge}"
    read = rows[rows["anisotropy"].notna()]
    if len(read):
        statement += "; along its finest bearing it reads {ratio} times finer than across, at the median place"
        values["ratio"] = given(round(float(read["anisotropy"].median()), 2), Unit.NUMBER)
    return own(run, f"map.edge.{name}", statement, values, recompute="satgpu.answers.map.table(run)")
