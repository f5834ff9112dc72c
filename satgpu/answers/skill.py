"""Skill of the probes, and the resolution they reach: where skill against scale crosses a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from satgpu.answers.types import Estimate
from satgpu.earth import HALF_TURN_KM
from satgpu.errors import UserError
from satgpu.readouts.bootstrap import deviation_weights, percentiles
from satgpu.run.read_table import STARVED_POINTS_PER_CELL, check_pair, scored_rows, typed

INTERPOLATION_ERROR = 0.1  # of the step between two scales

# One resolution belongs to all of these; it says nothing without them.
GROUP_COLUMNS = (
    "protocol",
    "experiment",
    "encoder",
    "role",
    "trained",
    "legendre_polys",
    "probe",
    "hidden_layer_sizes",
    "standardize",
    "pattern",
    "region",
    "span_deg",
    "sampling",
)


SKILL_COLUMNS = ("task", "test_accuracy", "test_r2", "chance", "ceiling")
_CURVE_COLUMNS = (*SKILL_COLUMNS, "encoder", "replicate", "scale_km", "train_points_per_cell")


def skill(table: pd.DataFrame) -> pd.Series:
    """How much of what can be read is read: (accuracy - chance) / (ceiling - chance); R2 for regression.

    0 is chance, 1 the best possible; NaN where there is no score or nothing to
    be read (a ceiling at chance).
    """
    table = typed(table, needs=SKILL_COLUMNS)
    room = table["ceiling"].fillna(1.0) - table["chance"]
    classified = (table["test_accuracy"] - table["chance"]) / room.where(room > 0)
    return classified.where(table["task"] != "regression", table["test_r2"]).rename("skill")


def probe_resolution(
    table: pd.DataFrame, threshold: float = 0.5, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """The smallest scale that the probes read, for every encoder, extent, sampling and kind of probe.

    The mean skill at each scale is made monotone (isotonic regression) and its
    crossing of ``threshold`` is interpolated in log scale. The interval is a
    bootstrap over replicates, whole curves at a time, widened for their number
    (``satgpu.answers.intervals``), and for the curve's course between two scales.

    Where the curve is above the threshold at the finest scale the resolution
    is "finer than" that scale; where it stays below at the coarsest it is "not
    reached by" it. A bound is open (0 or inf) where more than (1 - confidence) / 2
    of the draws don't cross, and on the fine side where the crossing or its bound
    lies among starved scales (fewer than 5 training points per cell): more points
    might show a finer one.

    Args:
        table: rows of results.csv; rows without a scale are left out.
        threshold: skill, between 0 and 1.

    Returns:
        DataFrame[protocol, experiment, encoder, role, trained, legendre_polys,
        probe, hidden_layer_sizes, standardize, pattern, region, span_deg,
        sampling, threshold, resolution_km, low_km, high_km, censored, starved,
        nominal_km, n_replicates, n_scales, finest_km, coarsest_km,
        starved_up_to_km, points_per_cell_low, points_per_cell_high,
        extent_km2_low, extent_km2_high].

    Raises:
        UserError: a threshold or confidence outside (0, 1), or a column that is missing.
    """
    if not 0 < threshold < 1:
        raise UserError(f"threshold must lie between 0 and 1, both left out; got {threshold}; 0.5 is the default")
    if not 0 < confidence < 1:
        raise UserError(f"confidence must lie between 0 and 1, both left out; got {confidence}")
    rows = scored_rows(table, (*_CURVE_COLUMNS, *GROUP_COLUMNS, "extent_km2"))
    one_place = rows["sampling"] != "local_caps"  # caps lie at random places and shrink with the scale
    rows = rows.assign(
        skill=skill(rows), region=rows["region"].where(one_place, "caps"), span_deg=rows["span_deg"].where(one_place)
    )
    rows = rows[rows["scale_km"].notna() & rows["skill"].notna()]
    found = [
        dict(zip(GROUP_COLUMNS, key, strict=True)) | _resolution_of(group, threshold, confidence, seed)
        for key, group in rows.groupby(list(GROUP_COLUMNS), dropna=False, sort=True)
        if group["scale_km"].nunique() > 1
    ]
    return pd.DataFrame(found, columns=[*GROUP_COLUMNS, *RESOLUTION_COLUMNS])


def resolution_ratio(
    table: pd.DataFrame, first: str, second: str, threshold: float = 0.5, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Resolution of ``second`` as a share of that of ``first``, at equal points, labels and density.

    Replicates are drawn for both at once, so what they share cancels; it says
    who reads finer even where both are starved. A crossing beyond the measured
    scales counts as the last of them.

    Args:
        table: rows of one experiment, extent, sampling and kind of probe.

    Returns:
        Estimate; below 1 where the second is finer, NaN bounds for one replicate.

    Raises:
        UserError: an encoder or column that the table lacks, or nothing that both read.
    """
    rows = scored_rows(table, _CURVE_COLUMNS)
    check_pair(rows, first, second)
    rows = rows.assign(skill=skill(rows))
    rows = rows[rows["scale_km"].notna() & rows["skill"].notna()]
    names = ["replicate", "scale_km"]
    both = rows[rows["encoder"] == first][names].merge(rows[rows["encoder"] == second][names]).drop_duplicates()
    if both.empty:
        raise UserError(f"{first!r} and {second!r} share no scale and replicate; give one table of both")
    curves = [_curves(rows[rows["encoder"] == name].merge(both)) for name in (first, second)]
    ends = np.log(curves[0].scales_km[[0, -1]])
    middle = [np.clip(_log_crossing(np.log(c.scales_km), c.mean_K, threshold)[0], *ends) for c in curves]
    ratio, n = float(np.exp(middle[1] - middle[0])), len(curves[0].skill_RK)
    if n < 2:
        return Estimate(ratio, np.nan, np.nan, n)
    draws = [np.clip(_crossing_draws(c, threshold, confidence, seed, i), *ends) for i, c in enumerate(curves)]
    return Estimate(ratio, *percentiles(np.exp(draws[1] - draws[0]), confidence), n)


RESOLUTION_COLUMNS = (
    "threshold",
    "resolution_km",
    "low_km",
    "high_km",
    "censored",
    "starved",
    "nominal_km",
    "n_replicates",
    "n_scales",
    "finest_km",
    "coarsest_km",
    "starved_up_to_km",
    "points_per_cell_low",
    "points_per_cell_high",
    "extent_km2_low",
    "extent_km2_high",
)


@dataclass(frozen=True)
class _Curves:
    """Skill by replicate and scale."""

    scales_km: np.ndarray  # (K,), ascending
    skill_RK: np.ndarray  # NaN where a replicate lacks a scale
    points_per_cell_K: np.ndarray

    @property
    def mean_K(self) -> np.ndarray:
        return np.nanmean(self.skill_RK, axis=0)


def _resolution_of(group: pd.DataFrame, threshold: float, confidence: float, seed: int) -> dict:
    curves = _curves(group)
    crossing = crossing_km(curves.scales_km, curves.mean_K, threshold)
    low, high = _bounds(curves, threshold, confidence, seed)
    starved_up_to = _starved_up_to_km(curves)
    reach = np.fmin(_finer_neighbour_km(curves.scales_km, crossing), low)  # fmin: no interval leaves the crossing's own
    starved = bool(crossing > 0 and reach <= starved_up_to)
    finest, coarsest = curves.scales_km[0], curves.scales_km[-1]
    return {
        "threshold": threshold,
        "resolution_km": float(np.clip(crossing, finest, coarsest)),
        "low_km": 0.0 if starved and not np.isnan(low) else low,
        "high_km": high,
        "censored": "finer than" if crossing == 0 else "not reached by" if np.isinf(crossing) else "",
        "starved": starved,
        "nominal_km": float(HALF_TURN_KM / group["legendre_polys"].iloc[0]),
        "n_replicates": len(curves.skill_RK),
        "n_scales": len(curves.scales_km),
        "finest_km": float(finest),
        "coarsest_km": float(coarsest),
        "starved_up_to_km": starved_up_to,
        "points_per_cell_low": float(group["train_points_per_cell"].min()),
        "points_per_cell_high": float(group["train_points_per_cell"].max()),
        "extent_km2_low": float(group["extent_km2"].min()),
        "extent_km2_high": float(group["extent_km2"].max()),
    }


def crossing_km(scales_km: np.ndarray, skill_K: np.ndarray, threshold: float) -> float:
    """Where the monotone fit of skill crosses the threshold, interpolated in log scale.

    Returns 0 where it is above at the finest scale and inf where it never gets there.

    >>> round(crossing_km(np.array([100.0, 400.0]), np.array([0.25, 0.75]), 0.5))
    200
    """
    return float(np.exp(_log_crossing(np.log(scales_km), skill_K, threshold)[0]))


def _log_crossing(log_K: np.ndarray, skill_K: np.ndarray, threshold: float) -> tuple[float, float]:
    """Log scale of the crossing, and how far a straight line between two scales may be out there.

    Between two measured scales the curve is not known. For a logistic curve that
    rises from 20 to 80 % over one step the line is out by up to 6 % of the step, for
    one from 6 to 94 % by up to 14 %: a tenth is allowed halfway, nothing at the ends.
    """
    fit = isotonic_regression(skill_K).x
    above = np.flatnonzero(fit >= threshold)
    if len(above) == 0:
        return np.inf, 0.0
    upper = above[0]
    if upper == 0:
        return -np.inf, 0.0
    step = log_K[upper] - log_K[upper - 1]
    share = (threshold - fit[upper - 1]) / (fit[upper] - fit[upper - 1])
    return log_K[upper - 1] + share * step, INTERPOLATION_ERROR * 4 * share * (1 - share) * step


def _curves(group: pd.DataFrame) -> _Curves:
    table = group.groupby(["replicate", "scale_km"])["skill"].mean().unstack()
    density = group.groupby("scale_km")["train_points_per_cell"].mean()
    return _Curves(table.columns.to_numpy(dtype=float), table.to_numpy(dtype=float), density.to_numpy(dtype=float))


def _bounds(curves: _Curves, threshold: float, confidence: float, seed: int) -> tuple[float, float]:
    """Percentiles of the crossings of widened bootstrap curves, each moved by the error of interpolation."""
    if len(curves.skill_RK) < 2:
        return np.nan, np.nan
    return percentiles(np.exp(_crossing_draws(curves, threshold, confidence, seed)), confidence)


def _crossing_draws(curves: _Curves, threshold: float, confidence: float, seed: int, move_seed: int = 0) -> np.ndarray:
    """(B,) log scales; the same ``seed`` draws the same replicates for every curve."""
    mean_K, log_K = curves.mean_K, np.log(curves.scales_km)
    deviations_RK = np.nan_to_num(curves.skill_RK - mean_K)
    # Three replicates have ten distinct resamples: fit each curve once.
    weights, draw_of = np.unique(deviation_weights(len(deviations_RK), confidence, seed), axis=0, return_inverse=True)
    found = np.array([_log_crossing(log_K, mean_K + w @ deviations_RK, threshold) for w in weights])[draw_of.ravel()]
    return found[:, 0] + found[:, 1] * np.random.default_rng([seed, move_seed]).uniform(-1, 1, len(found))


def _starved_up_to_km(curves: _Curves) -> float:
    """The coarsest starved scale, 0 where none is."""
    starved = curves.scales_km[curves.points_per_cell_K < STARVED_POINTS_PER_CELL]
    return float(starved.max()) if len(starved) else 0.0


def _finer_neighbour_km(scales_km: np.ndarray, crossing: float) -> float:
    """The scale of the grid next below the crossing."""
    return float(scales_km[max(0, np.searchsorted(scales_km, crossing) - 1)])
