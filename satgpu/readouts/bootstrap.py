"""The bootstrap over units drawn anew (circles, places): draws of a mean, widened for few units."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

N_DRAWS = 2000


def deviations(values_GR: np.ndarray, confidence: float = 0.95, seed: int = 0) -> np.ndarray:
    """Bootstrap deviations from the mean, widened: (G, R) replicates give (G, draws).

    Columns share their draws across the G rows, so that what is correlated
    between rows stays so.
    """
    values_GR = np.asarray(values_GR, dtype=float)
    centred = values_GR - values_GR.mean(axis=1, keepdims=True)
    return centred @ deviation_weights(values_GR.shape[1], confidence, seed).T


@lru_cache(maxsize=64)
def deviation_weights(n_replicates: int, confidence: float = 0.95, seed: int = 0, n_draws: int = N_DRAWS) -> np.ndarray:
    """(draws, R) weights W: ``mean + W @ (x - mean)`` is a widened bootstrap draw of the mean of x."""
    counts = np.random.default_rng(seed).multinomial(
        n_replicates, np.full(n_replicates, 1 / n_replicates), size=n_draws
    )
    weights = (counts / n_replicates - 1 / n_replicates) * widening(n_replicates, confidence)
    weights.setflags(write=False)  # shared by the cache
    return weights


def widening(n_replicates: int, confidence: float = 0.95) -> float:
    """t(R-1) / z * sqrt(R / (R-1)): 2.7 for three replicates, 1.06 for 32."""
    tail = 0.5 + confidence / 2
    student, normal = stats.t.ppf(tail, n_replicates - 1), stats.norm.ppf(tail)
    return float(student / normal * np.sqrt(n_replicates / (n_replicates - 1)))


def percentiles(draws: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The central ``confidence`` of the draws; infinities (censored draws) are allowed and kept."""
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2], method="inverted_cdf")
    return float(low), float(high)
