"""Probes that never learned: a different event from a skill, counted apart from it.

A mean over probes of which some never learned mixes two things: how often a
probe learns at all, P, and how well it reads once it does. Each has its own
interval here, and the mean has the interval of chance + P (skill - chance).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.moderated import Moderated, moderated

STUCK_ERRORS = 3.0  # binomial standard errors above chance that count as nothing learned
MOSTLY = 0.5
KERNEL_WIDTH = 0.1  # of ln scale, at 3 replicates; twice that covers too little where P changes with scale
REACH = 3.0  # kernel widths beyond which a stuck probe says nothing of a cell
HALF_A_PROBE = 0.5  # kernel weight below which none is counted
DRAWS = 4000
TINY = 1e-12


def is_stuck(test_accuracy, chance, n_test):
    """True where a probe's test accuracy is within 3 binomial standard errors of chance, or below it.

    By the test and not by the training rows: probes memorise, so a training accuracy of 0.63 stands beside a
    test accuracy of 0.50. Numbers, arrays or columns; False where the accuracy is missing.

    >>> bool(is_stuck(0.52, 0.5, 900)), bool(is_stuck(0.58, 0.5, 900))
    (True, False)
    """
    return test_accuracy <= chance + STUCK_ERRORS * np.sqrt(chance * (1 - chance) / n_test)


def stuck_rate(stuck_KR: np.ndarray) -> np.ndarray:
    """(..., 1) how often a probe gets stuck by bad luck, where learning is possible.

    Cells where every replicate is stuck may be beyond the encoder, so the rate is taken over cells where some
    replicate learned, and their having been selected for that is undone: q = share (1 - q^R) + q^R, which for
    cells of unequal R is the EM step of a binomial that never shows its last value.

    Args:
        stuck_KR: (..., K, R) of 0 and 1, NaN where there is no probe.
    """
    n, count = _counts(stuck_KR)
    some = (n > 0) & (count < n)
    n, count = np.where(some, n, 0), np.where(some, count, 0)
    probes, stuck = np.maximum(n.sum(-1, keepdims=True), 1), count.sum(-1, keepdims=True)
    q = stuck / probes
    for _ in range(60):
        unseen = np.where(some, n * q**n / np.maximum(1 - q**n, 1e-9), 0).sum(-1, keepdims=True)
        q = np.minimum((stuck + unseen) / (probes + unseen), 1 - 1e-9)
    return q


def luck_p(stuck_KR: np.ndarray, neighbours_KK: np.ndarray | None = None) -> np.ndarray:
    """The least p-value that a cell can have: 2 q^R where all R probes of an encoder are stuck, else 0.

    A difference between a probe that learned and one that never did is real and says nothing of the encoders
    when the second was unlucky. Where the neighbouring scales are mostly stuck too it is no luck but the limit
    of the encoder's resolution.

    Args:
        stuck_KR: (..., K, R) of one encoder, NaN where there is no probe.
        neighbours_KK: True between neighbouring cells.
    """
    n, count = _counts(stuck_KR)
    lucky = (n > 0) & (count == n)
    if neighbours_KK is not None:
        weights = neighbours_KK.astype(float)
        lucky &= (count @ weights) / np.maximum(n @ weights, 1) < MOSTLY
    return np.where(lucky, np.minimum(2 * stuck_rate(stuck_KR) ** np.maximum(n, 1), 1.0), 0.0)


def _counts(stuck_KR: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probes, and stuck ones, of each cell."""
    return (~np.isnan(stuck_KR)).sum(-1), np.nansum(stuck_KR, axis=-1)


@dataclass(frozen=True)
class TwoParts:
    """How often probes learn, and how well they read once they do, (..., K).

    Attributes:
        alpha, beta: the Beta distribution of P, the probability that a probe learns.
        skill: mean accuracy of the probes that learned.
        expected: the same, where none did that of the probes near by that did, which is what one would have had.
        chance: what a probe that didn't learn has.
        near: some probe at this scale or close by was stuck; elsewhere the mean has one part.
    """

    alpha: np.ndarray
    beta: np.ndarray
    skill: Moderated
    expected: np.ndarray
    chance: np.ndarray
    near: np.ndarray

    @property
    def p_learned(self) -> np.ndarray:
        return self.alpha / (self.alpha + self.beta)

    def p_learned_interval(self, tail: float = 0.025) -> tuple[np.ndarray, np.ndarray]:
        """Low and high of P; 0 where no probe near learned, 1 where all did (Brown, Cai & DasGupta 2001)."""
        low, high = stats.beta.ppf(tail, self.alpha, self.beta), stats.beta.ppf(1 - tail, self.alpha, self.beta)
        return np.where(self.alpha - 0.5 < HALF_A_PROBE, 0.0, low), np.where(self.beta - 0.5 < HALF_A_PROBE, 1.0, high)

    def mean_interval(self, tail: float = 0.025, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Low and high of chance + P (skill - chance), by draws of both; NaN where no probe near by learned."""
        generator = np.random.default_rng(seed)
        size = (DRAWS, *self.alpha.shape)
        known = np.isfinite(self.expected) & (self.skill.df > 0)
        df = np.broadcast_to(np.where(known, self.skill.df, 1.0), self.alpha.shape)
        skill = np.clip(self.expected + self.skill.se * generator.standard_t(df, size=size), 0, 1)  # an accuracy
        mean = self.chance + generator.beta(self.alpha, self.beta, size=size) * (skill - self.chance)
        low, high = np.quantile(mean, [tail, 1 - tail], axis=0)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)


def two_parts(
    values_KR: np.ndarray,
    stuck_KR: np.ndarray,
    chance_K: np.ndarray,
    kernel_KK: np.ndarray,
    rounding_K: np.ndarray | float = 0.0,
) -> TwoParts:
    """The two parts of the mean accuracy of one encoder in each cell.

    Counts of learned and stuck probes are pooled over neighbouring scales, and divided by a design effect where
    stuck probes come together within replicates. The skill has the moderated t of the probes that learned.

    Args:
        values_KR: (..., K, R) test accuracies, NaN where there is no probe.
        stuck_KR: 1 where the probe never learned, NaN where there is none.
        chance_K: (..., K) accuracy of a probe that learned nothing.
        kernel_KK: (K, K) weight that a cell's counts have in another's (``scale_kernel``).
        rounding_K: variance of an accuracy that comes of its rounding.
    """
    n, count = _counts(stuck_KR)
    effect = design_effect(stuck_KR, kernel_KK)
    learned_KR = np.where(stuck_KR == 0, values_KR, np.nan)
    some = (stuck_KR == 0).any(-1)
    covariate = np.where(stuck_KR == 0, values_KR, 0).sum(-1) / np.maximum((stuck_KR == 0).sum(-1), 1)
    skill = moderated(learned_KR, np.where(some, covariate, chance_K), rounding_K, skewed=False)
    reach_KK = kernel_KK > np.exp(-0.5 * REACH**2)
    weight_KK = np.where(reach_KK, kernel_KK, 0.0)
    learned, total = (n - count) @ weight_KK, np.where(some, (n - count) * skill.mean, 0.0) @ weight_KK
    near_by = np.where(learned > 0, total / np.maximum(learned, TINY), np.nan)
    return TwoParts(
        alpha=0.5 + (n - count) @ kernel_KK / effect,
        beta=0.5 + count @ kernel_KK / effect,
        skill=skill,
        expected=np.where(some, skill.mean, near_by),
        chance=chance_K,
        near=(count @ reach_KK.astype(float)) > 0,
    )


def scale_kernel(
    keys: pd.DataFrame, replicates: int = 3, scale: str = "scale_km", width: float = KERNEL_WIDTH
) -> np.ndarray:
    """(K, K) Gaussian weights in ln scale between cells alike in every other column; 1 on the diagonal.

    The width falls as the root of the replicates: with 32 of them a cell's own count is enough, and pooling at the
    width that three need covers 71 to 89 % where P changes with scale, in place of 96 %.
    """
    if scale not in keys:
        return np.eye(len(keys))
    x = np.log(keys[scale].to_numpy(dtype=float))
    x = np.where(np.isnan(x), 0.0, x)  # cells without a scale are apart by their other columns or not at all
    others = [name for name in keys if name != scale]
    line = keys.groupby(others, dropna=False, sort=False).ngroup().to_numpy() if others else np.zeros(len(keys), int)
    narrow = width * np.sqrt(3 / max(replicates, 1))
    return np.exp(-0.5 * ((x[:, None] - x) / narrow) ** 2) * (line[:, None] == line)


def design_effect(stuck_KR: np.ndarray, kernel_KK: np.ndarray) -> np.ndarray:
    """(..., 1) how much more the pooled counts vary between replicates than independent probes would; at least 1.

    Where one draw of points leaves several neighbouring scales unlearned, pooled counts know less than their number
    says. Cells where all probes learned, or none did, have nothing to tell of it.
    """
    n, count = _counts(stuck_KR)
    rate = (count @ kernel_KK) / np.maximum(n @ kernel_KK, TINY)
    deviation_KR = np.where(np.isnan(stuck_KR), 0.0, stuck_KR - rate[..., None])
    pooled_KR = np.swapaxes(np.swapaxes(deviation_KR, -1, -2) @ kernel_KK, -1, -2)
    seen = (pooled_KR**2).sum((-1, -2))
    expected = ((n * rate * (1 - rate)) @ kernel_KK**2).sum(-1)
    return np.maximum(np.where(expected > 0, seen / np.maximum(expected, TINY), 1.0), 1.0)[..., None]
