"""From a curve of shares by degree: plateau, cut-off, runs of degrees that are read, and intervals over draws.

Nothing is interpolated below degree 5, where a degree is a handful of numbers.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import t as student

from satgpu.readouts.degrees import half_wavelength_km

READ = 0.5
# A plateau this near ½ is at the threshold: the next draw of an encoder may read everything or nothing.
AT_THRESHOLD = 0.05
_FIRM = 0.95
_INTERPOLATED_FROM = 5
# Below this share a curve has no plateau: it is noise.
_NOTHING = 0.02
_OF_THE_HIGHEST = 0.2


def degrees_at_least(share: np.ndarray, level: float) -> list[tuple[int, int]]:
    """(first, last) degree of every connected run with ``share`` (L,) at or above ``level``, degrees from 1.

    >>> degrees_at_least(np.array([0.9, 0.8, 0.1, 0.6]), 0.5)
    [(1, 2), (4, 4)]
    """
    above = np.concatenate([[False], np.asarray(share) >= level, [False]])
    edges = np.flatnonzero(np.diff(above.astype(int)))
    return [(int(a) + 1, int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def plateau(share: np.ndarray) -> float:
    """Median share over the connected run of degrees that holds the maximum, at least half as high; NaN where none.

    The maximum is that of the degrees from 5 on, unless they stay below a fifth of the highest: the few numbers
    below are often higher than a plateau that reaches to degree 40 or 80, and say nothing about where it ends.
    """
    run = _run_of_maximum(share)
    return math.nan if run is None else float(np.median(share[run[0] - 1 : run[1]]))


def cutoff_degree(share: np.ndarray) -> float:
    """Where the share falls to half the plateau, going finer; inf where it doesn't, NaN where nothing is read."""
    run = _run_of_maximum(share)
    if run is None:
        return math.nan
    half = plateau(share) / 2
    below = np.flatnonzero(share[run[0] :] < half)
    return _crossing(share, run[0] + int(below[0]) + 1, half) if len(below) else math.inf


def cutoff_km(share: np.ndarray) -> float:
    """Half wavelength at :func:`cutoff_degree`; 0 where it lies beyond the last degree, NaN where nothing is read."""
    degree = cutoff_degree(share)
    return 0.0 if math.isinf(degree) else degree if math.isnan(degree) else float(half_wavelength_km(degree))


def runs_km(share: np.ndarray, share_RL: np.ndarray | None = None) -> list[tuple[float, float, bool]]:
    """Every run of degrees with a share of ½ or more: (coarse_km, fine_km, firm).

    Args:
        share: (L,) shares; runs are never joined across a gap, their edges lie where the share crosses ½.
        share_RL: (R, L) the same by draw. A run is firm where at least 95 % of the draws pass at every
            degree of it but the first and last, beside which the crossing lies.
    """
    found = []
    for first, last in degrees_at_least(share, READ):
        coarse = first if first == 1 else _crossing(share, first, READ)
        fine = last if last == len(share) else _crossing(share, last + 1, READ)
        firm = share_RL is not None and _is_firm(share_RL, first, last)
        found.append((float(half_wavelength_km(coarse)), float(half_wavelength_km(fine)), firm))
    return found


def interval_over_draws(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis and its 95 % interval by Student's t; NaN limits with fewer than two draws."""
    values = np.asarray(values, dtype=float)
    mean = values.mean(0)
    if len(values) < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = student.ppf(0.975, len(values) - 1) * values.std(0, ddof=1) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def cutoff_interval_km(cuts_km: np.ndarray) -> tuple[float, float]:
    """95 % of the cut-off over draws, by Student's t of its logarithm: a length is never below 0.

    From 0 where some draw doesn't fall within the last degree; NaN for one draw, or where a draw reads nothing.
    """
    cuts_km = np.asarray(cuts_km, dtype=float)
    if (cuts_km == 0).any():
        return 0.0, float(cuts_km.max())
    _, low, high = interval_over_draws(np.log(cuts_km)) if len(cuts_km) else (np.nan,) * 3
    return float(np.exp(low)), float(np.exp(high))


def _run_of_maximum(share: np.ndarray) -> tuple[int, int] | None:
    share = np.asarray(share)
    top = float(share.max())
    if not top > _NOTHING:
        return None
    beyond = share[_INTERPOLATED_FROM - 1 :]
    if len(beyond) and beyond.max() >= max(_NOTHING, top * _OF_THE_HIGHEST):
        top = float(beyond.max())
        peak = int(np.argmax(beyond)) + _INTERPOLATED_FROM
    else:
        peak = int(np.argmax(share)) + 1
    return next(run for run in degrees_at_least(share, top / 2) if run[0] <= peak <= run[1])


def _crossing(share: np.ndarray, degree: int, level: float) -> float:
    """Where the share crosses the level between ``degree`` - 1 and ``degree``; below degree 5 the one that reads."""
    before, after = share[degree - 2], share[degree - 1]
    if degree - 1 < _INTERPOLATED_FROM:
        return float(degree if after >= level else degree - 1)
    return degree - 1 + float((level - before) / (after - before))


def _is_firm(share_RL: np.ndarray, first: int, last: int) -> bool:
    inner = slice(first, last - 1) if last - first >= 2 else slice(first - 1, last)
    return bool((share_RL[:, inner] >= READ).all(1).mean() >= _FIRM)
