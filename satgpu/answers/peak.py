"""The scale at which one encoder is furthest ahead, corrected for having been chosen as the largest.

The largest of 25 noisy means is too large: the luck that made it the largest is
in it. The value is therefore read on replicates that had no part in the choice,
the interval holds for whichever scale came out highest, and the scales that may
be the peak are all those that can't be told from the one that did.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.moderated import moderated
from satgpu.answers.pairs import paired_cells
from satgpu.answers.types import Estimate, Unit


@dataclass(frozen=True)
class Peak:
    """Where ``second`` is furthest ahead of ``first``.

    Attributes:
        scale_km: the scale of the largest mean difference.
        difference: the height of the peak, corrected for the choice; for one replicate the plain maximum without
            an interval.
        possible_km: the scales that may be the peak, ``scale_km`` among them; all of them for one replicate.
    """

    scale_km: float
    difference: Estimate
    possible_km: tuple[float, ...]


def peak(
    table: pd.DataFrame, first: str, second: str, by: str = "scale_km", value: str = "test_accuracy"
) -> Peak:
    """The peak of ``second`` less ``first`` over the scales, differences paired by replicate.

    Args:
        table: rows of results.csv of one experiment.
        first, second: names in the column ``encoder``.
        by: the column of scales.
        value: column that is compared.

    Raises:
        UserError: an encoder or a column that the table doesn't hold.
    """
    cells = paired_cells(table, first, second, [by], value)
    curves_KR = cells.difference_KR
    found = peak_of(curves_KR, cells.rounding_K)
    scales = cells.keys[by].to_numpy(dtype=float)
    n = int((~np.isnan(curves_KR)).sum(1).min())
    return Peak(
        scale_km=float(scales[found.best]),
        difference=Estimate(float(found.value), float(found.low), float(found.high), n, Unit.POINTS),
        possible_km=tuple(scales[found.possible_K].tolist()),
    )


@dataclass(frozen=True)
class PeakOfCurves:
    """The peak of curves, for any leading axes: best, value, low, high (...), possible_K (..., K)."""

    best: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    possible_K: np.ndarray


def peak_of(curves_KR: np.ndarray, rounding_K: np.ndarray | float = 0.0, level: float = 0.95) -> PeakOfCurves:
    """Height and place of the highest mean over K scales of (..., K, R) replicates.

    The height is the average, over replicates, of a replicate read at the scale that the others choose. Its
    interval goes from max_i(m_i - t(1 - .025/K) se_i), a bound for all scales at once because any may have come out
    highest, to max_i(m_i + t(.975) se_i), where no correction is due: the bound at the true peak is enough.
    A scale stays possible while the best is no further ahead of it than t(1 - .05/(K - 1)) standard errors of
    their paired difference.
    """
    n_scales = curves_KR.shape[-2]
    found = moderated(curves_KR, rounding_K=rounding_K, skewed=False)
    best = np.nanargmax(found.mean, axis=-1)
    several = (found.n > 1).all(-1)
    tail = (1 - level) / 2
    low = (found.mean - stats.t.ppf(1 - tail / n_scales, found.df) * found.se).max(-1)
    high = (found.mean + stats.t.ppf(1 - tail, found.df) * found.se).max(-1)
    value = _read_on_the_one_left_out(curves_KR)
    value = np.where(np.isnan(value), np.nanmax(found.mean, -1), value)
    return PeakOfCurves(
        best=best,
        value=value,
        low=np.where(several, np.minimum(low, value), np.nan),
        high=np.where(several, np.maximum(high, value), np.nan),
        possible_K=_possible(curves_KR, best, rounding_K, level),
    )


def _read_on_the_one_left_out(curves_KR: np.ndarray) -> np.ndarray:
    """Mean (...) of replicates, each read at the scale that the others choose.

    Replicates that lack a scale have no part in it; NaN below two.
    """
    whole_R = ~np.isnan(curves_KR).any(-2)
    curves_KR = np.where(whole_R[..., None, :], curves_KR, 0.0)
    chosen_R = (curves_KR.sum(-1, keepdims=True) - curves_KR).argmax(-2)
    read_R = np.take_along_axis(curves_KR, chosen_R[..., None, :], -2)[..., 0, :]
    use_R = whole_R & (whole_R.sum(-1, keepdims=True) > 1)
    value = np.where(use_R, read_R, 0).sum(-1) / np.maximum(use_R.sum(-1), 1)
    return np.where(use_R.any(-1), value, np.nan)


def _possible(curves_KR: np.ndarray, best: np.ndarray, rounding_K: np.ndarray | float, level: float) -> np.ndarray:
    """(..., K) True for the scales that can't be told from the best."""
    n_scales = curves_KR.shape[-2]
    at_best_R = np.take_along_axis(curves_KR, best[..., None, None], -2)
    is_best_K = np.arange(n_scales) == best[..., None]
    gaps_KR = np.where(is_best_K[..., None], np.nan, at_best_R - curves_KR)  # its own gap has no say
    gaps = moderated(gaps_KR, rounding_K=2 * np.asarray(rounding_K), skewed=False)
    reach = stats.t.ppf(1 - (1 - level) / max(n_scales - 1, 1), np.maximum(gaps.df, 1e-3)) * gaps.se
    return is_best_K | (gaps.n < 2) | (gaps.mean <= reach)

