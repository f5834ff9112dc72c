"""Which of two encoders reads a pattern better, and where: differences paired by replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.intervals import summarise
from satgpu.answers.pairs import paired_rows

__all__ = ["Peak", "paired_differences", "paired_rows", "peak"]

FALSE_DISCOVERY_RATE = 0.05


def paired_differences(
    table: pd.DataFrame,
    first: str,
    second: str,
    by: Sequence[str],
    value: str = "test_accuracy",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """``second`` minus ``first``, paired by replicate, with the false discovery rate held over the table.

    Only probes of the same task (experiment, pattern, scale, region, sampling,
    labels), kind and replicate are paired; pairs of one replicate are averaged
    before the replicates are compared. p-values are of the paired t test, which
    knows how few replicates there are; q-values are Benjamini and Hochberg's
    over the rows of this table. Shuffled labels are left out unless ``by``
    names ``labels``.

    Args:
        table: rows of results.csv.
        first, second: names in the column ``encoder``.
        by: columns that make a row of the answer.
        value: column that is compared.

    Returns:
        DataFrame[*by, first_mean, second_mean, difference, low, high,
        n_replicates, p_value, q_value, verdict]; verdict is "second" or "first"
        where q < 0.05 and the interval leaves out 0, else "undecided". One
        replicate has no interval and decides nothing.

    Raises:
        UserError: an encoder that the table doesn't hold.
    """
    by = list(by)
    pairs = paired_rows(table, first, second, by, value)
    keys = by or ["_all"]
    pairs = pairs.assign(_all="all") if not by else pairs
    summary = summarise(pairs, keys, "difference", confidence)
    means = pairs.groupby(keys, dropna=False, sort=True)[["first", "second"]].mean().reset_index(drop=True)
    summary = summary.rename(columns={"mean": "difference"})
    summary.insert(len(keys), "first_mean", means["first"])
    summary.insert(len(keys) + 1, "second_mean", means["second"])
    finest = _finest_spread(pairs, keys)
    summary["p_value"] = _p_values(pairs, keys, finest)
    summary[["low", "high"]] = _no_narrower(summary, finest, confidence)
    summary["q_value"] = _q_values(summary["p_value"])
    summary["verdict"] = _verdicts(summary)
    return summary[[*by, *(name for name in summary.columns if name not in keys)]]


@dataclass(frozen=True)
class Peak:
    """Where the second encoder is most ahead of the first.

    Attributes:
        scale_km: the scale of the largest mean difference.
        difference, low, high: there, with its interval.
        indistinguishable_km: the scales, ``scale_km`` included, whose difference can't be told from the largest.
        n_replicates: replicates behind it.
    """

    scale_km: float
    difference: float
    low: float
    high: float
    indistinguishable_km: tuple[float, ...]
    n_replicates: int


def peak(table: pd.DataFrame, first: str, second: str, value: str = "test_accuracy", by: str = "scale_km") -> Peak:
    """The scale of the largest mean difference, with the scales that it can't be told from.

    Each other scale is compared with the largest by a paired t test over
    replicates, corrected over the scales: a scale is told apart where q < 0.05.
    With one replicate nothing can be told apart.
    """
    pairs = paired_rows(table, first, second, [by], value)
    curves = pairs.groupby(["replicate", by])["difference"].mean().unstack()  # replicates x scales
    summary = summarise(pairs, [by], "difference").set_index(by)
    best = curves.mean().idxmax()
    others = [scale for scale in curves.columns if scale != best]
    p_values = pd.Series(
        [_paired_p((curves[best] - curves[scale]).dropna()) for scale in others], index=others, dtype=float
    )
    told_apart = _q_values(p_values) < FALSE_DISCOVERY_RATE
    together = sorted([float(best), *(float(scale) for scale in others if not told_apart[scale])])
    row = summary.loc[best]
    return Peak(
        float(best),
        float(row["mean"]),
        float(row["low"]),
        float(row["high"]),
        tuple(together),
        int(row["n_replicates"]),
    )


def _p_values(pairs: pd.DataFrame, keys: list[str], finest: np.ndarray) -> np.ndarray:
    per_replicate = pairs.groupby([*keys, "replicate"], dropna=False, sort=True)["difference"].mean()
    groups = per_replicate.groupby(level=keys, dropna=False, sort=True)
    return np.array([_paired_p(group, floor) for (_, group), floor in zip(groups, finest, strict=True)], dtype=float)


def _finest_spread(pairs: pd.DataFrame, keys: list[str]) -> np.ndarray:
    """The spread over replicates below which a difference of two accuracies is its own rounding, for each group.

    An accuracy over m test points is a whole number of steps of 1/m, and a
    difference of two carries the rounding of both: a variance of 2/(12 m²).
    Two replicates that agree to the step are no surer than that.
    """
    if "n_test" not in pairs:
        return np.zeros(pairs.groupby(keys, dropna=False).ngroups)
    steps = pairs.assign(_variance=1 / (6 * pairs["n_test"].clip(lower=1) ** 2))
    replicates = steps.groupby([*keys, "replicate"], dropna=False, sort=True)["_variance"].agg(["sum", "size"])
    of_the_mean = replicates["sum"] / replicates["size"] ** 2
    return np.sqrt(of_the_mean.groupby(level=keys, dropna=False, sort=True).mean().to_numpy())


def _no_narrower(summary: pd.DataFrame, finest: np.ndarray, confidence: float) -> np.ndarray:
    """The intervals, widened where replicates agree more closely than their test sets can tell."""
    n = summary["n_replicates"].to_numpy()
    reach = stats.t.ppf(0.5 + confidence / 2, np.maximum(n - 1, 1)) * finest / np.sqrt(n)
    low, high = summary["difference"] - reach, summary["difference"] + reach
    return np.stack([np.minimum(summary["low"], low), np.maximum(summary["high"], high)], axis=1)


def _paired_p(differences: pd.Series, finest: float = 0.0) -> float:
    """Two-sided p-value of the paired t test; NaN for one replicate."""
    n = len(differences)
    if n < 2:
        return np.nan
    error = max(differences.std(ddof=1), finest) / np.sqrt(n)
    if error <= 1e-12:  # all replicates equal: as sure as n values can make it, and no division by zero
        return 1.0 if abs(differences.mean()) <= 1e-12 else 0.0
    return float(2 * stats.t.sf(abs(differences.mean()) / error, n - 1))


def _q_values(p_values: pd.Series) -> pd.Series:
    """Benjamini-Hochberg over the p-values that exist."""
    q_values = p_values.copy()
    exist = p_values.notna()
    if exist.any():
        q_values[exist] = stats.false_discovery_control(p_values[exist])
    return q_values


def _verdicts(summary: pd.DataFrame) -> np.ndarray:
    decided = (summary["q_value"] < FALSE_DISCOVERY_RATE) & ((summary["low"] > 0) | (summary["high"] < 0))
    return np.where(decided, np.where(summary["difference"] > 0, "second", "first"), "undecided")
