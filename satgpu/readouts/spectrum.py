"""The angular power spectrum of a similarity kernel k(γ).

Expanded in Legendre polynomials, k(γ) = Σ_l p_l P_l(cos γ) with power
p_l = (2l+1)/2 ∫ k(γ) P_l(cos γ) sin γ dγ = (2l+1) C_l / 4π, and Σ p_l = k(0) = 1.
The power up to degree l is ∫ k(γ) D_l(cos γ) sin γ dγ with
D_l(x) = Σ_{j≤l} (2j+1)/2 P_j(x), the kernel of Christoffel and Darboux.

k is known at some distances. A cubic spline through them is linear in k, so one
matrix, computed once for a set of distances, takes kernels to cumulative powers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import isotonic_regression
from scipy.special import roots_legendre

from satgpu.earth import EARTH_RADIUS_KM

DENSE_DEGREES = 256  # beyond it the spectrum is read in bins
POWER_SHARE = 0.9


def cumulative_power(distance_km: np.ndarray, k_BK: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """(B, len(degrees)) power of the degrees up to and with each of ``degrees``, of kernels sampled at ``distance_km``.

    >>> km = np.pi * EARTH_RADIUS_KM * np.linspace(0, 1, 65)
    >>> k = np.cos(km / EARTH_RADIUS_KM)  # all of it at degree 1
    >>> (cumulative_power(km, k[None], np.arange(3)).round(4) + 0.0).tolist()
    [[0.0, 1.0, 1.0]]
    """
    return np.atleast_2d(k_BK) @ _transform(tuple(distance_km), tuple(degrees)).T


def degree_below_which(degrees: np.ndarray, cumulative_BL: np.ndarray, share: float = POWER_SHARE) -> np.ndarray:
    """(B,) degree below which ``share`` of the unit power lies, between whole degrees too; inf where it isn't reached.

    Degree l is spread evenly over [l, l+1): its wavenumber is l + 1/2 (Jeans'
    relation), and all harmonics below L end at L, the nominal 180 degrees / L.
    The cumulative power is made monotone first, which the truth is and noise is not.
    """
    edges = np.concatenate([[0.0], np.asarray(degrees) + 1.0])
    found = np.full(len(cumulative_BL), np.inf)
    for i, cumulative in enumerate(cumulative_BL):
        fit = np.concatenate([[0.0], np.maximum(isotonic_regression(cumulative).x, 0.0)])
        above = np.flatnonzero(fit >= share)
        if len(above):
            found[i] = np.interp(share, fit[above[0] - 1 : above[0] + 1], edges[above[0] - 1 : above[0] + 1])
    return found


def degrees_up_to(l_max: int) -> np.ndarray:
    """Every degree up to 256, then 6 % steps."""
    dense = min(l_max, DENSE_DEGREES)
    steps = np.geomspace(dense, l_max, 1 + int(np.ceil(np.log(l_max / dense) / 0.06)))
    return np.unique(np.concatenate([np.arange(dense + 1), steps.round()]).astype(int))


@lru_cache(maxsize=8)
def _transform(distance_km: tuple[float, ...], degrees: tuple[int, ...]) -> np.ndarray:
    """(L, K): cumulative power from k at the distances, ∫ spline(γ) D_l(cos γ) sin γ dγ."""
    knots = np.asarray(distance_km) / EARTH_RADIUS_KM
    gamma, weight = _nodes(knots, max(degrees))
    # k is even in γ: its slope is 0 at 0 and at the antipode.
    spline = CubicSpline(knots, np.eye(len(knots)), bc_type=((1, np.zeros(len(knots))),) * 2)(gamma)
    kernel = _legendre_sums(np.cos(gamma), np.asarray(degrees)) * (weight * np.sin(gamma))
    return kernel @ spline


def _nodes(knots: np.ndarray, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights between each two knots, enough for the oscillation of degree l_max."""
    gamma, weight = [], []
    for low, high in zip(knots[:-1], knots[1:], strict=True):
        x, w = roots_legendre(6 + int(np.ceil(0.6 * l_max * (high - low))))
        gamma.append(low + (x + 1) / 2 * (high - low))
        weight.append(w / 2 * (high - low))
    return np.concatenate(gamma), np.concatenate(weight)


def _legendre_sums(x: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """(len(degrees), len(x)) sums of (2j+1)/2 P_j(x) over j up to each degree, by the three-term recurrence."""
    before, now, total = np.zeros_like(x), np.ones_like(x), np.zeros_like(x)
    wanted, sums = set(degrees.tolist()), []
    for degree in range(int(degrees.max()) + 1):
        total = total + (degree + 0.5) * now
        if degree in wanted:
            sums.append(total)
        before, now = now, ((2 * degree + 1) * x * now - degree * before) / (degree + 1)
    return np.array(sums)
