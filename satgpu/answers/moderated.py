"""Student's t of many cells with few replicates each: variances and skewness pooled over the cells.

Three replicates know their own variance badly, and 25 or 90 cells of one study
know together how variances usually are. The variance of a cell is moved towards
a line in the cell's accuracy, fitted over all cells (Smyth 2004, "Linear models
and empirical Bayes methods"; the line is limma's trend), and the skewness that
the cells share is taken out of the t statistic (Hall 1992, "On the removal of
skewness by transformation"). ``docs/statistics.md`` has what it was measured to do.

Arrays are (..., K, R): any leading axes are tables that have nothing to do with
each other, K cells, R replicates; NaN marks a missing replicate.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import digamma, polygamma

PRIOR_DF_CAP = 4.0  # the other cells count for no more: what 25 to 90 cells estimate is often too large
CELLS_FOR_A_LINE = 12  # with fewer the trend in the covariate costs more than it tells
TINY = 1e-12


@dataclass(frozen=True)
class Moderated:
    """What is known of the mean of each cell, (..., K).

    Attributes:
        mean: NaN for a cell without replicates.
        se: standard error, from the pooled variance.
        df: degrees of freedom of ``se``.
        n: replicates.
        b, shift: coefficients of Hall's transformation, 0 where there is no skewness to take out.
    """

    mean: np.ndarray
    se: np.ndarray
    df: np.ndarray
    n: np.ndarray
    b: np.ndarray
    shift: np.ndarray

    @property
    def t(self) -> np.ndarray:
        """mean / se; NaN below two replicates, which decide nothing."""
        return np.where(self.n > 1, self.mean / np.maximum(self.se, TINY), np.nan)

    @property
    def p(self) -> np.ndarray:
        """Two-sided, of a mean of 0."""
        return 2 * stats.t.sf(np.abs(_hall(self.t, self.b, self.shift)), self.df)

    def interval(self, tail: float = 0.025) -> tuple[np.ndarray, np.ndarray]:
        """Low and high, each missed with probability ``tail``; agrees with ``p``."""
        reach = stats.t.ppf(1 - tail, self.df)
        se = np.where(self.n > 1, self.se, np.nan)
        return self.mean - se * _unhall(reach, self.b, self.shift), self.mean - se * _unhall(-reach, self.b, self.shift)


def moderated(
    values_KR: np.ndarray,
    covariate_K: np.ndarray | None = None,
    rounding_K: np.ndarray | float = 0.0,
    skewed: bool = True,
    cap: float = PRIOR_DF_CAP,
) -> Moderated:
    """Mean and standard error of every cell, each with a little of what the other cells know.

    Args:
        values_KR: (..., K, R), NaN where a replicate is missing.
        covariate_K: (..., K) what the variance may depend on, such as the mean accuracy.
        rounding_K: (..., K) the variance that comes of rounding alone; no cell is surer than that, and cells
            at it (saturated ones) have no say in how others vary.
        skewed: take out the skewness that the cells share.
        cap: largest number of degrees of freedom that the other cells count for.
    """
    here = ~np.isnan(values_KR)
    n = here.sum(-1)
    mean = np.where(here, values_KR, 0).sum(-1) / np.maximum(n, 1)
    residual_KR = np.where(here, values_KR - mean[..., None], 0)
    df = np.maximum(n - 1.0, 0)
    variance = (residual_KR**2).sum(-1) / np.maximum(df, 1)
    prior_df, prior_variance = prior(variance, df, covariate_K, rounding_K, cap)
    pooled = (prior_df * prior_variance + df * variance) / np.maximum(prior_df + df, 1)
    pooled = np.maximum(pooled, rounding_K)
    total_df = np.minimum(prior_df + df, df.sum(-1, keepdims=True))
    root = np.sqrt(np.maximum(n, 1))
    gamma = _shared_skewness(residual_KR / np.sqrt(pooled + TINY)[..., None], n) if skewed else 0.0
    weight = df / np.maximum(prior_df + df, 1)  # the share of its own variance in a cell's pooled one
    b, shift = gamma * (3 * weight - 1) / (6 * root), gamma / (6 * root)
    return Moderated(np.where(n > 0, mean, np.nan), np.sqrt(pooled) / root, total_df, n, b, shift + np.zeros_like(b))


def prior(
    variance_K: np.ndarray,
    df_K: np.ndarray,
    covariate_K: np.ndarray | None = None,
    rounding_K: np.ndarray | float = 0.0,
    cap: float = PRIOR_DF_CAP,
) -> tuple[np.ndarray, np.ndarray]:
    """What the cells together say of a cell's variance.

    Few cells know little of how variances vary, and must not count for much: K cells that have a say count for at
    most K/2 - 1 degrees of freedom. With a cap of 4 whatever K, five cells of two replicates give 8 % of false
    tables, and with the line through five points 15 %.

    Returns:
        degrees of freedom (..., 1), 0 where too few cells have a say, and the variance (..., K).
    """
    use = (df_K >= 1) & (variance_K > np.maximum(rounding_K, TINY))
    n_use = use.sum(-1, keepdims=True)
    half = np.where(use, df_K, 1) / 2
    z = np.log(np.maximum(variance_K, TINY)) - digamma(half) + np.log(half)
    level = _average(z, use) + np.zeros_like(z)
    sloped = np.zeros_like(n_use, dtype=bool) if covariate_K is None else n_use >= CELLS_FOR_A_LINE
    fit = np.where(sloped, _line(z, covariate_K, use), level) if sloped.any() else level
    spread = (np.where(use, z - fit, 0) ** 2).sum(-1, keepdims=True) / np.maximum(n_use - 1 - sloped, 1)
    extra = spread - _average(polygamma(1, half), use)
    prior_df = np.where(extra > 0, 2 * inverse_trigamma(extra), np.inf)  # infinite: variances all alike
    half_prior = np.minimum(prior_df, 1e6) / 2
    prior_variance = np.exp(fit + digamma(half_prior) - np.log(half_prior))
    prior_df = np.clip(prior_df, 0, np.minimum(cap, np.maximum(n_use / 2 - 1, 0)))
    return prior_df, np.where(prior_df > 0, prior_variance, 0.0)


def inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """y with trigamma(y) = value, by Newton's steps on 1/trigamma (Smyth 2004, appendix).

    >>> float(inverse_trigamma(polygamma(1, 3.0)).round(9))
    3.0
    """
    value = np.maximum(value, 1e-7)
    y = 0.5 + 1 / value
    for _ in range(30):
        trigamma = polygamma(1, y)
        y = np.maximum(y + trigamma * (1 - trigamma / value) / polygamma(2, y), 1e-3)
    return y


def _average(values_K: np.ndarray, use_K: np.ndarray) -> np.ndarray:
    """(..., 1) over the cells in use."""
    return np.where(use_K, values_K, 0).sum(-1, keepdims=True) / np.maximum(use_K.sum(-1, keepdims=True), 1)


def _line(z_K: np.ndarray, covariate_K: np.ndarray, use_K: np.ndarray) -> np.ndarray:
    """Least squares of z on 1 and the covariate over the cells in use, at every cell."""
    covariate_K = np.where(np.isnan(covariate_K), _average(covariate_K, use_K), covariate_K)  # of a cell without rows
    u = covariate_K - _average(covariate_K, use_K)
    return _average(z_K, use_K) + u * _average(u * z_K, use_K) / (_average(u * u, use_K) + TINY)


def _shared_skewness(standard_KR: np.ndarray, n_K: np.ndarray) -> np.ndarray:
    """(..., 1) skewness that the cells share, shrunk by its own error; 0 below three cells of three replicates."""
    use = n_K >= 3
    weight = np.where(use, n_K / np.maximum((n_K - 1.0) * (n_K - 2.0), 1), 0)
    cells = np.maximum(use.sum(-1, keepdims=True), 1)
    gamma = (weight * (standard_KR**3).sum(-1)).sum(-1, keepdims=True) / cells
    gamma = np.where(cells < 3, 0.0, gamma)
    error = (6 * weight).sum(-1, keepdims=True) / cells**2
    return gamma * gamma**2 / (gamma**2 + error + TINY)


def _hall(t: np.ndarray, b: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Hall's monotone transformation, which takes the skewness out of a t statistic."""
    return shift + t + b * t**2 + b**2 * t**3 / 3


def _unhall(u: np.ndarray, b: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Its inverse: the t whose transform is u."""
    straight = np.abs(b) < 1e-6
    safe = np.where(straight, 1, b)
    return np.where(straight, u - shift, (np.cbrt(1 + 3 * safe * (u - shift)) - 1) / safe)
