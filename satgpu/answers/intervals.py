"""The mean of replicates and its interval: Student's, everywhere.

Three values have ten bootstrap resamples, and their percentiles cover the truth
7 times in 10 where they claim 95 in 100; Student's quantiles know how few the
values are. What is no mean (a crossing, a ratio) is bounded by resampling whole
curves, widened to Student's width (``satgpu.readouts.bootstrap``).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.types import Estimate, Unit


class Interval(Estimate):
    """An estimate whose value is also called its mean."""

    @property
    def mean(self) -> float:
        return self.value


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, unit: Unit = Unit.NUMBER, rounding: float = 0.0
) -> Interval:
    """Mean of the replicates with Student's interval.

    Args:
        values: one value per replicate; NaNs are left out.
        confidence: share of repeated studies whose interval holds the truth.
        unit: of the values.
        rounding: variance of a value that comes of its rounding alone; replicates that agree more closely are no
            surer than that.

    Returns:
        Estimate; no interval where there are fewer than two values.

    >>> estimate = mean_interval([0.61, 0.63, 0.62])
    >>> round(estimate.value, 3), round(estimate.low, 3), round(estimate.high, 3)
    (0.62, 0.595, 0.645)
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Interval(np.nan, n=0, unit=unit)
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, n=1, unit=unit)
    reach = float(student_reach(np.maximum(values.var(ddof=1), rounding), len(values), confidence))
    return Interval(mean, mean - reach, mean + reach, len(values), unit)


def student_reach(variance: np.ndarray, n: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """How far the interval of a mean of n values reaches to either side; NaN for one value."""
    n = np.asarray(n)
    return stats.t.ppf(0.5 + confidence / 2, np.where(n > 1, n - 1.0, np.nan)) * np.sqrt(variance / np.maximum(n, 1))


def summarise(
    table: pd.DataFrame, by: Sequence[str], value: str = "test_accuracy", confidence: float = 0.95
) -> pd.DataFrame:
    """Mean and interval of ``value`` for every group of ``by``, over replicates.

    Rows of one group and replicate (several patterns, caps or spans) are
    averaged first: the replicate is what is drawn anew.

    Returns:
        DataFrame[*by, mean, low, high, n_replicates], in the order of ``by``.
    """
    by = list(by)
    table = table[table[value].notna()]
    per_replicate = table.groupby([*by, "replicate"], dropna=False, sort=True)[value].mean().reset_index()
    groups = per_replicate.groupby(by, dropna=False, sort=True)[value]
    summary = groups.agg(["mean", "var", "size"]).reset_index().rename(columns={"size": "n_replicates"})
    reach = student_reach(summary["var"].to_numpy(), summary["n_replicates"].to_numpy(), confidence)
    summary["low"], summary["high"] = summary["mean"] - reach, summary["mean"] + reach
    return summary[[*by, "mean", "low", "high", "n_replicates"]]
