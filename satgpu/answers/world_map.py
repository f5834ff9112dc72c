"""Where on Earth the probes are right: shares by equal-area cell and by latitude, from kept test predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from satgpu.answers.sentences import listed, own
from satgpu.answers.sweet_spot import the_peak
from satgpu.answers.types import Answer, Estimate, Unit
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Where on Earth the probes are right"
POINTS_PER_CELL = 20  # aimed at, so that a cell's share is good to about 10 points
MIN_POINTS = 6  # test points a cell needs before it has a share
ZONES_DEG = {"within 30° of the equator": (0, 30), "between 30° and 60°": (30, 60), "beyond 60°": (60, 90.001)}


@once
def kept(run: Run) -> pd.DataFrame:
    """Kept predictions of the compared encoders at one scale: the nearest (in log km) to the peak, or the middle."""
    rows = run.predictions
    if rows.empty:
        return rows
    rows = rows[(rows["experiment"] == "sweet_spot") & rows["encoder"].isin(run.compared) & rows["scale_km"].notna()]
    scales = np.sort(rows["scale_km"].unique())
    if not len(scales) or "sweet_spot" not in run.experiments():
        return rows.iloc[:0]
    peak = the_peak(run)
    nearest = len(scales) // 2 if peak is None else np.argmin(np.abs(np.log(scales / peak.scale_km)))
    return rows[rows["scale_km"] == scales[nearest]]


def right(rows: pd.DataFrame) -> float:
    """Share of predictions that are right."""
    return float((rows["label"] == rows["prediction"]).mean())


def answer(run: Run) -> list[Answer]:
    """The share of right test points by latitude, of each compared encoder."""
    rows = kept(run)
    if rows.empty:
        return []
    return [_by_zone(run, name, rows[rows["encoder"] == name]) for name in run.compared if name in set(rows["encoder"])]


def _by_zone(run: Run, name: str, rows: pd.DataFrame) -> Answer:
    lat = rows["lat_deg"].abs()
    zones = {zone: rows[(lat >= low) & (lat < high)] for zone, (low, high) in ZONES_DEG.items()}
    words, values = listed((zone, _share(own_rows)) for zone, own_rows in zones.items() if len(own_rows))
    values |= {"name": encoder_label(name), "at": Estimate(rows["scale_km"].iloc[0], n=0, unit=Unit.KM)}
    values["all"] = _share(rows)
    statement = f"{{name}} classifies {{all}} of the kept test points right at {{at}} cells: {words}"
    return own(run, f"world_map.{name}", statement, values, recompute="satgpu.answers.world_map.kept(run)")


def _share(rows: pd.DataFrame) -> Estimate:
    return Estimate(right(rows), n=0, unit=Unit.SHARE)


def bands_for(n_points: int) -> int:
    """Bands that leave about POINTS_PER_CELL points a cell: b bands make about pi/2 * b² cells."""
    return int(np.clip(np.sqrt(n_points / POINTS_PER_CELL / 1.57), 5, 24))


def equal_area_cells(bands: int) -> pd.DataFrame:
    """Cells of nearly equal area: bands equal in sin(lat), each cut to cells about as wide as high."""
    edges = np.degrees(np.arcsin(np.linspace(-1, 1, bands + 1)))
    rows = []
    for band, (south, north) in enumerate(zip(edges, edges[1:], strict=False)):
        width = np.cos(np.radians((south + north) / 2))
        columns = max(3, round(2 * bands * width))
        for i in range(columns):
            rows.append((band, i, columns, south, north, -180 + 360 * i / columns, -180 + 360 * (i + 1) / columns))
    return pd.DataFrame(rows, columns=["band", "column", "columns", "south", "north", "west", "east"])


def accuracy_by_cell(predictions: pd.DataFrame, bands: int) -> pd.DataFrame:
    """Share of right test points in each cell of ``equal_area_cells``, NaN under MIN_POINTS points."""
    cells = equal_area_cells(bands)
    band = np.clip(((np.sin(np.radians(predictions["lat_deg"])) + 1) / 2 * bands).astype(int), 0, bands - 1)
    columns = cells.groupby("band")["columns"].first().to_numpy()[band]
    column = np.clip(((predictions["lon_deg"] + 180) / 360 * columns).astype(int), 0, columns - 1)
    is_right = (predictions["label"] == predictions["prediction"]).astype(float)
    tally = is_right.groupby([band.rename("band"), column.rename("column")]).agg(["mean", "size"]).reset_index()
    merged = cells.merge(tally, on=["band", "column"], how="left")
    merged["accuracy"] = merged["mean"].where(merged["size"] >= MIN_POINTS)
    return merged
