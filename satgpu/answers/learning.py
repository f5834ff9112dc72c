"""Probes that never learned: a different event from a skill."""

import numpy as np

STUCK_ERRORS = 3.0  # binomial standard errors above chance that count as nothing learned
MOSTLY = 0.5


def is_stuck(test_accuracy, chance, n_test):
    """True where a probe's test accuracy is within 3 binomial standard errors of chance, or below it.

    By the test and not by the training rows: probes memorise, so a training accuracy of 0.63 stands beside a
    test accuracy of 0.50. Numbers, arrays or columns; False where the accuracy is missing.

    >>> bool(is_stuck(0.52, 0.5, 900)), bool(is_stuck(0.58, 0.5, 900))
    (True, False)
    """
    return test_accuracy <= chance + STUCK_ERRORS * np.sqrt(chance * (1 - chance) / n_test)


def stuck_rate(stuck_CR: np.ndarray) -> np.ndarray:
    """(..., 1) how often a probe gets stuck by bad luck, where learning is possible.

    Cells where every replicate is stuck may be beyond the encoder, so the rate is taken over cells where some
    replicate learned, and their having been selected for that is undone: q = share (1 - q^R) + q^R, which for
    cells of unequal R is the EM step of a binomial that never shows its last value.

    Args:
        stuck_CR: (..., C, R) of 0 and 1, NaN where there is no probe.
    """
    n = (~np.isnan(stuck_CR)).sum(-1)
    count = np.nansum(stuck_CR, axis=-1)
    some = (n > 0) & (count < n)
    n, count = np.where(some, n, 0), np.where(some, count, 0)
    probes, stuck = np.maximum(n.sum(-1, keepdims=True), 1), count.sum(-1, keepdims=True)
    q = stuck / probes
    for _ in range(60):
        unseen = np.where(some, n * q**n / np.maximum(1 - q**n, 1e-9), 0).sum(-1, keepdims=True)
        q = np.minimum((stuck + unseen) / (probes + unseen), 1 - 1e-9)
    return q


def luck_p(stuck_CR: np.ndarray, neighbours_CC: np.ndarray | None = None) -> np.ndarray:
    """The least p-value that a cell can have: 2 q^R where all R probes of an encoder are stuck, else 0.

    A difference between a probe that learned and one that never did is real and says nothing of the encoders
    when the second was unlucky. Where the neighbouring scales are mostly stuck too it is no luck but the limit
    of the encoder's resolution.

    Args:
        stuck_CR: (..., C, R) of one encoder, NaN where there is no probe.
        neighbours_CC: True between neighbouring cells.
    """
    n = (~np.isnan(stuck_CR)).sum(-1)
    count = np.nansum(stuck_CR, axis=-1)
    lucky = (n > 0) & (count == n)
    if neighbours_CC is not None:
        weights = neighbours_CC.astype(float)
        beside = (count @ weights) / np.maximum(n @ weights, 1)
        lucky &= beside < MOSTLY
    return np.where(lucky, np.minimum(2 * stuck_rate(stuck_CR) ** np.maximum(n, 1), 1.0), 0.0)
