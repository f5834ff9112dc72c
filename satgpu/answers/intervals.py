"""The mean of replicates and its interval: Student's, everywhere.

Three values have ten bootstrap resamples, and their percentiles cover the truth
7 times in 10 where they claim 95 in 100; Student's quantiles know how few the
values are. What is no mean (a crossing, a ratio) is bounded by resampling whole
curves, widened to Student's width (``satgpu.readouts.bootstrap``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.moderated import Moderated, moderated
from satgpu.answers.types import Estimate, Unit


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, unit: Unit = Unit.NUMBER, rounding: float = 0.0
) -> Estimate:
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
        return Estimate(np.nan, n=0, unit=unit)
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, n=1, unit=unit)
    se = np.sqrt(max(values.var(ddof=1), rounding) / len(values))
    reach = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * se)
    return Estimate(mean, mean - reach, mean + reach, len(values), unit)


@dataclass(frozen=True)
class ValueCells:
    """A column as an array: K cells in the order of ``keys``, R replicates, NaN where a replicate lacks a cell.

    Attributes:
        keys: one row per cell, the columns of ``by``.
        values_KR: means over the rows of a cell and replicate.
        rounding_K: variance that comes of the steps of 1/n_test in an accuracy; 0 for what is no accuracy.
        others_KR: further columns, averaged alike.
    """

    keys: pd.DataFrame
    values_KR: np.ndarray
    rounding_K: np.ndarray
    others_KR: dict[str, np.ndarray]

    def moderated(self) -> Moderated:
        """Mean and error of each cell."""
        n = np.maximum((~np.isnan(self.values_KR)).sum(1), 1)
        return moderated(self.values_KR, np.nansum(self.values_KR, axis=1) / n, self.rounding_K)


def value_cells(table: pd.DataFrame, by: Sequence[str], value: str, others: Sequence[str] = ()) -> ValueCells:
    """The scored rows of a table by cell and replicate."""
    by = list(by)
    rows = table[table[value].notna()]
    accuracy = value.endswith("accuracy") and "n_test" in rows
    rows = rows.assign(_all="all", _rounding=1 / (12 * rows["n_test"].clip(lower=1) ** 2) if accuracy else 0.0)
    groups = rows.groupby([*(by or ["_all"]), "replicate"], dropna=False, sort=True)
    cells = groups[[value, *others]].mean()
    cells["_rounding"] = groups["_rounding"].sum() / groups.size() ** 2
    wide = cells.unstack("replicate")
    arrays = {name: wide[name].to_numpy(dtype=float) for name in cells}
    n = np.maximum((~np.isnan(arrays[value])).sum(1), 1)
    rounding_K = np.nansum(arrays.pop("_rounding"), axis=1) / n
    return ValueCells(wide.index.to_frame(index=False)[by], arrays.pop(value), rounding_K, arrays)
