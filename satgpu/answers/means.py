"""Mean accuracy of an encoder in each cell, with what share of its probes learned and how well those read."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from satgpu.answers.intervals import value_cells
from satgpu.answers.learning import TwoParts, is_stuck, scale_kernel, two_parts
from satgpu.answers.moderated import Moderated, moderated
from satgpu.answers.pairs import PairedCells, paired_cells


def means(table: pd.DataFrame, by: Sequence[str], value: str = "test_accuracy") -> pd.DataFrame:
    """Mean, interval, share of probes that learned and the mean of those, for every cell of ``by``.

    Where a probe near a cell in scale never learned, the interval of its mean accuracy is that of chance +
    P (skill - chance); elsewhere, and for other values, Student's t with variances pooled over the cells.

    Args:
        table: rows of results.csv of one encoder, or of several where ``by`` names ``encoder``.
        by: columns that make a cell.
        value: column that is averaged.

    Returns:
        DataFrame[*by, mean, low, high, n_replicates, learned, learned_low, learned_high, skill_mean, skill_low,
        skill_high]: learned is the probability that a probe learns, skill_* the mean of the probes that did. Both
        are NaN for rows that are no accuracies; intervals are NaN for one replicate.
    """
    accuracies = {"chance", "n_test"} <= set(table) and value == "test_accuracy"
    if accuracies:
        table = table.assign(stuck=is_stuck(table[value], table["chance"], table["n_test"]).astype(float))
    cells = value_cells(table, by, value, ("chance", "stuck") if accuracies else ())
    found = cells.moderated()
    low, high = found.interval()
    result = cells.keys.assign(mean=found.mean, low=low, high=high, n_replicates=found.n)
    columns = ["learned", "learned_low", "learned_high", "skill_mean", "skill_low", "skill_high"]
    if not accuracies:
        return result.assign(**dict.fromkeys(columns, np.nan))
    stuck_KR = np.where(np.isnan(cells.others_KR["stuck"]), np.nan, cells.others_KR["stuck"] == 1)
    chance_K = np.nanmean(cells.others_KR["chance"], axis=1)
    kernel_KK = scale_kernel(cells.keys, int(found.n.max(initial=1)))
    parts = two_parts(cells.values_KR, stuck_KR, chance_K, kernel_KK, cells.rounding_K)
    result["low"], result["high"] = bounds(found, parts)
    return result.assign(
        **dict(
            zip(
                columns,
                (parts.p_learned, *parts.p_learned_interval(), parts.skill.mean, *parts.skill.interval()),
                strict=True,
            )
        )
    )


def bounds(found: Moderated, parts: TwoParts) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of mean accuracies (..., K): of two parts where probes near a cell never learned, else Student's."""
    low, high = found.interval()
    mixed = parts.near & (found.n > 1)
    if not mixed.any():
        return low, high
    of_low, of_high = np.where(mixed, parts.mean_interval(), np.nan)
    # The mean stands as it was measured: pooled counts of its neighbours may say less of it than its own rows.
    low = np.where(np.isnan(of_low), low, np.fmin(of_low, found.mean))
    return low, np.where(np.isnan(of_high), high, np.fmax(of_high, found.mean))


def learned_differences(
    table: pd.DataFrame, first: str, second: str, by: Sequence[str] = ("scale_km",), value: str = "test_accuracy"
) -> pd.DataFrame:
    """The rows of ``compare`` again, of the pairs in which both probes learned: skill apart from learning.

    Returns:
        DataFrame[*by, first_learned, second_learned, mixed, skill_difference, skill_low, skill_high, n_learned]:
        shares of the probes that learned; mixed where some did and some did not; the difference is NaN where no
        pair learned, its interval where fewer than two did.
    """
    cells = paired_cells(table, first, second, list(by), value)
    both = (cells.stuck_KR[0] == 0) & (cells.stuck_KR[1] == 0)
    found = _moderated_where(cells, both)
    n = np.maximum((~np.isnan(cells.difference_KR)).sum(1), 1)
    shares = [np.nansum(1 - stuck, axis=1) / n for stuck in cells.stuck_KR]
    low, high = found.interval()
    return cells.keys.assign(
        first_learned=shares[0],
        second_learned=shares[1],
        mixed=np.logical_or.reduce([(share > 0) & (share < 1) for share in shares]),
        skill_difference=found.mean,
        skill_low=low,
        skill_high=high,
        n_learned=found.n,
    )


def _moderated_where(cells: PairedCells, use_KR: np.ndarray):
    """The moderated t over some of the pairs."""
    accuracy_KR = np.where(use_KR, (cells.first_KR + cells.second_KR) / 2, 0.0)
    covariate = accuracy_KR.sum(1) / np.maximum(use_KR.sum(1), 1)
    return moderated(np.where(use_KR, cells.difference_KR, np.nan), covariate, cells.rounding_K)
