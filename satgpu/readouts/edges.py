"""From shares by scale to bands, edges and anisotropy at a place; numpy and pandas only, so that answers can use it.

A **band** is a run of neighbouring scales of which at least half is read, its ends found between the scales by a
straight line in log scale. Bands are never joined across a gap. An end that lies beyond the scales looked at is open:
0 where it is finer, infinity where it is coarser.

The **fine edge** of a place is the fine end of its finest band.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

LEVEL = 0.5
DIRECTIONS = 8
# Of the wave's crossing direction, clockwise from north: 0 reads detail from north to south, 90 from east to west.
BEARINGS_DEG = np.arange(DIRECTIONS) * 180.0 / DIRECTIONS
SHARE_COLUMNS = tuple(f"share_{bearing:05.1f}".replace(".", "_") for bearing in BEARINGS_DEG)
EDGE_COLUMNS = (
    "fine_km", "low", "high", "relative", "anisotropy", "finest_bearing_deg", "open_directions", "n_draws", "bands",
)  # fmt: skip


def bands_km(scale_km: np.ndarray, share: np.ndarray, level: float = LEVEL) -> list[tuple[float, float]]:
    """(fine, coarse) ends of every run of scales with at least ``level`` read, finest first.

    >>> bands_km([100, 200, 400, 800], [0.0, 1.0, 1.0, 0.8])
    [(141.4213562373095, inf)]
    """
    log_km, share = np.log(np.asarray(scale_km, dtype=float)), np.asarray(share, dtype=float)
    reads = share >= level
    starts = np.flatnonzero(reads & ~np.r_[False, reads[:-1]])
    ends = np.flatnonzero(reads & ~np.r_[reads[1:], False])
    return [
        (
            0.0 if start == 0 else _crossing_km(log_km, share, start - 1, level),
            np.inf if end == len(share) - 1 else _crossing_km(log_km, share, end, level),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def fine_edge_km(scale_km: np.ndarray, share: np.ndarray, level: float = LEVEL) -> float:
    """Fine end of the finest band: 0 where it is finer than every scale, NaN where nothing is read."""
    bands = bands_km(scale_km, share, level)
    return bands[0][0] if bands else np.nan


def brackets(share: np.ndarray, level: float = LEVEL) -> list[int]:
    """Every i where the level is crossed between scale i and i + 1."""
    return np.flatnonzero(np.diff(np.asarray(share) >= level)).tolist()


def anisotropy(edge_km: np.ndarray, bearing_deg: np.ndarray = BEARINGS_DEG) -> tuple[float, float]:
    """How much finer the finest bearing is than the coarsest, and the finest bearing in degrees.

    A map stretched by any factor along any axis has edges with edge² = a + b·cos 2θ + c·sin 2θ exactly, so that is what
    is fitted to the directions; noise averages out over them, where the ratio of the extremes would collect it.

    >>> ratio, bearing = anisotropy(np.hypot(np.cos(np.radians(BEARINGS_DEG)), 2 * np.sin(np.radians(BEARINGS_DEG))))
    >>> round(ratio, 6), round(bearing, 6)
    (2.0, 0.0)
    """
    edge_km, angle = np.asarray(edge_km, dtype=float), 2 * np.radians(bearing_deg)
    if not np.isfinite(edge_km).all():
        return np.nan, np.nan
    a, b, c = np.linalg.lstsq(np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)]), edge_km**2)[0]
    swing = np.hypot(b, c)
    # Noise can push the ellipse past a line; the plain ratio of the extremes stands in there.
    ratio = np.sqrt((a + swing) / (a - swing)) if a - swing > 0 else edge_km.max() / edge_km.min()
    return float(ratio), float(np.degrees(np.arctan2(-c, -b)) / 2 % 180)


def edges(shares: pd.DataFrame) -> pd.DataFrame:
    """Bands and edges by place, of shares by place, draw and scale.

    Args:
        shares: rows with place, lon, lat, draw, cells, tolerance, scale_km, share and SHARE_COLUMNS.

    Returns:
        DataFrame with cells, tolerance, place, lon, lat and EDGE_COLUMNS, one row per place. ``fine_km`` is 0 where the
        band runs on below the finest scale and NaN where nothing is read. ``low`` and ``high`` are 95 % over draws of
        labels, their spread pooled over the places that have two draws or more; NaN where none has. ``relative`` is
        to the median place. Directions whose edge lies beyond the scales count with the last scale, and
        ``open_directions`` says how many: the anisotropy is then at least what stands there.
    """
    tables = [_edges_of_design(rows) for _, rows in shares.groupby(["cells", "tolerance"], sort=True)]
    return pd.concat(tables, ignore_index=True)


def _edges_of_design(shares: pd.DataFrame) -> pd.DataFrame:
    places = [_edges_of_place(rows) for _, rows in shares.groupby("place", sort=True)]
    table = pd.DataFrame([row for row, _ in places])
    half = _half_width([np.log(km[km > 0]) for _, km in places]) / np.sqrt(table["n_draws"])
    table["low"], table["high"] = table["fine_km"] * np.exp(-half), table["fine_km"] * np.exp(half)
    # The median counts open edges as fine or coarse as they are.
    median = table["fine_km"].fillna(np.inf).median()
    table["relative"] = table["fine_km"] / median if 0 < median < np.inf else np.nan
    return table[["cells", "tolerance", "place", "lon", "lat", *EDGE_COLUMNS]]


def _edges_of_place(shares: pd.DataFrame) -> tuple[dict, np.ndarray]:
    """The row of a place from the mean over its draws, and the edge of each draw."""
    mean = shares.groupby("scale_km")[["share", *SHARE_COLUMNS]].mean()
    scale_km = mean.index.to_numpy(dtype=float)
    by_draw = [curve.sort_values("scale_km") for _, curve in shares.groupby("draw")]
    draws = np.array([fine_edge_km(curve["scale_km"], curve["share"]) for curve in by_draw])
    by_direction = np.array([fine_edge_km(scale_km, mean[column]) for column in SHARE_COLUMNS])
    ratio, bearing = anisotropy(_closed(by_direction, scale_km))
    bands = bands_km(scale_km, mean["share"].to_numpy())
    key = {name: shares[name].iloc[0] for name in ("cells", "tolerance", "place", "lon", "lat")}
    return key | {
        "fine_km": bands[0][0] if bands else np.nan,
        "anisotropy": ratio if bands else np.nan,
        "finest_bearing_deg": bearing if bands else np.nan,
        "open_directions": int((~(by_direction > 0)).sum()),
        "n_draws": len(draws),
        "bands": "; ".join(f"{fine:.4g} to {coarse:.4g}" for fine, coarse in bands),
    }, draws


def _closed(edge_km: np.ndarray, scale_km: np.ndarray) -> np.ndarray:
    """Edges with the last scale in place of an open end."""
    return np.where(np.isnan(edge_km), scale_km[-1], np.maximum(edge_km, scale_km[0]))


def _half_width(log_edges: list[np.ndarray]) -> float:
    """Half of the 95 % interval of one draw's log edge, from the spread within places, pooled."""
    deviations = [x - x.mean() for x in log_edges if len(x) >= 2]
    freedom = sum(len(x) - 1 for x in deviations)
    if not freedom:
        return np.nan
    return student_t.ppf(0.975, freedom) * np.sqrt(sum((x**2).sum() for x in deviations) / freedom)


def _crossing_km(log_km: np.ndarray, share: np.ndarray, i: int, level: float) -> float:
    """Where the straight line from scale i to i + 1 meets the level."""
    step = (level - share[i]) / (share[i + 1] - share[i])
    return float(np.exp(log_km[i] + step * (log_km[i + 1] - log_km[i])))
