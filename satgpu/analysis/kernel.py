"""Effective resolution from the embedding alone: the similarity kernel, its half-width and its spectrum.

k(γ) is the mean cosine similarity of two places an angle γ apart. Expanded in
Legendre polynomials, k(γ) = Σ_l p_l P_l(cos γ) with power
p_l = (2l+1)/2 ∫ k(γ) P_l(cos γ) sin γ dγ = (2l+1) C_l / 4π, and Σ p_l = k(0) = 1.

The rows of ``grid=quadrature`` give k at γ = jπ/n, j = 0 ... n, the nodes of
the Clenshaw-Curtis rule in cos γ: the integral is exact for kernels that hold
no degree above n - l, and the same great circles are the units of the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression
from scipy.special import eval_legendre

from satgpu.analysis.intervals import deviation_weights, percentiles
from satgpu.errors import UserError

HALF_CIRCUMFERENCE_KM = np.pi * 6371.0088  # 180 degrees along a great circle
POWER_SHARE = 0.9
N_DRAWS = 1000
GROUP_COLUMNS = ("protocol", "encoder", "role", "trained")


@dataclass(frozen=True)
class KernelResolution:
    """How fine an encoder is, from its embeddings alone; every number with its 95 % interval (low, high).

    Attributes:
        encoder: its name.
        half_similarity_km: distance at which the mean cosine similarity falls to one half; inf where it never does.
        l90: the harmonic degree below which 90 % of the kernel's power lies.
        spectral_km: 180 degrees / l90.
        centred_...: the same after the area-mean embedding is taken away.
        finest_km: the nearest distance sampled; a half-similarity there means "finer than".
        l_max: the highest degree looked at; an l90 there means "at least".
        n_places: great circles behind the intervals.
    """

    encoder: str
    half_similarity_km: float
    half_similarity_km_interval: tuple[float, float]
    l90: float
    l90_interval: tuple[float, float]
    spectral_km: float
    spectral_km_interval: tuple[float, float]
    centred_half_similarity_km: float
    centred_half_similarity_km_interval: tuple[float, float]
    centred_l90: float
    centred_l90_interval: tuple[float, float]
    centred_spectral_km: float
    centred_spectral_km_interval: tuple[float, float]
    finest_km: float
    l_max: int
    n_places: int

    def __repr__(self) -> str:
        lines = [f"KernelResolution of {self.encoder}, from {self.n_places} great circles", _line(self, "", "as it is")]
        return "\n".join([*lines, _line(self, "centred_", "centred")])


def resolution_from_kernel(similarity: pd.DataFrame) -> KernelResolution:
    """The resolution of the one encoder whose rows these are (``grid=quadrature`` is used, the rest left out).

    Raises:
        UserError: no quadrature rows, or more than one encoder's.
    """
    rows = _quadrature(similarity)
    if rows["encoder"].nunique() != 1:
        raise UserError(f"rows of one encoder are wanted; got {sorted(rows['encoder'].unique())}: use kernel_resolutions for several")
    kernels = {prefix: _Kernel.of(rows, column) for prefix, column in COLUMN_OF.items()}
    plain = kernels[""]
    fields = {k: v for prefix, kernel in kernels.items() for k, v in _measures(kernel, prefix).items()}
    return KernelResolution(
        encoder=rows["encoder"].iloc[0], finest_km=plain.finest_km, l_max=plain.l_max, n_places=len(plain.k_CK), **fields
    )


def kernel_resolutions(similarity: pd.DataFrame) -> pd.DataFrame:
    """One row per protocol and encoder.

    Returns:
        DataFrame[protocol, encoder, role, trained, half_similarity_km,
        half_similarity_low, half_similarity_high, l90, l90_low, l90_high,
        spectral_km, spectral_low, spectral_high, and the same with centred_,
        finest_km, l_max, n_places].
    """
    found = []
    if (similarity["grid"] == "quadrature").any():
        for key, rows in _quadrature(similarity).groupby(list(GROUP_COLUMNS), sort=False):
            found.append(dict(zip(GROUP_COLUMNS, key, strict=True)) | _flat(resolution_from_kernel(rows)))
    return pd.DataFrame(found, columns=[*GROUP_COLUMNS, *_flat_names(), "finest_km", "l_max", "n_places"])


def kernel_spectrum(similarity: pd.DataFrame) -> pd.DataFrame:
    """Power by degree of every encoder, with its interval; the powers of an encoder add up to 1.

    Returns:
        DataFrame[protocol, encoder, role, trained, l, wavelength_half_km, power,
        low, high, cumulative, centred_power, centred_low, centred_high,
        centred_cumulative].
    """
    tables = []
    for key, rows in _quadrature(similarity).groupby(list(GROUP_COLUMNS), sort=False):
        table = pd.DataFrame(dict(zip(GROUP_COLUMNS, key, strict=True)), index=range(_Kernel.of(rows, COLUMN_OF[""]).l_max + 1))
        table["l"] = table.index
        table["wavelength_half_km"] = HALF_CIRCUMFERENCE_KM / (table["l"] + 0.5)
        for prefix, column in COLUMN_OF.items():
            _add_spectrum(table, _Kernel.of(rows, column), prefix)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def similarity_curve(similarity: pd.DataFrame, grid: str = "distances", value: str = "similarity_mean") -> pd.DataFrame:
    """Similarity against distance for every encoder: mean with its interval, and quantiles over places.

    Returns:
        DataFrame[protocol, encoder, role, trained, distance_km, mean, low, high,
        q10, q50, q90, std, n_places]; low and high are NaN for one place. ``std``
        is the mean over places of the deviation over bearings.
    """
    rows = similarity[similarity["grid"] == grid]
    tables = []
    for key, group in rows.groupby(list(GROUP_COLUMNS), sort=False):
        k = _pivot(group, value)
        deviations_BK = _bootstrap(k.to_numpy())
        mean = k.mean()
        table = pd.DataFrame(dict(zip(GROUP_COLUMNS, key, strict=True)), index=range(len(mean)))
        table["distance_km"], table["mean"] = mean.index.to_numpy(), mean.to_numpy()
        low, high = np.quantile(deviations_BK, [0.025, 0.975], axis=0) if len(k) > 1 else (np.nan, np.nan)
        table["low"], table["high"] = low, high
        table["q10"], table["q50"], table["q90"] = np.quantile(k.to_numpy(), [0.1, 0.5, 0.9], axis=0)
        table["std"] = group.groupby("distance_km")["similarity_std"].mean().to_numpy()
        table["n_places"] = len(k)
        tables.append(table)
    columns = [*GROUP_COLUMNS, "distance_km", "mean", "low", "high", "q10", "q50", "q90", "std", "n_places"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def half_crossing_km(distance_km: np.ndarray, k_BK: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Where each row of k first falls to ``level``, interpolated in log distance by a monotone cubic.

    Returns:
        (B,) km; 0 where it is below at the nearest distance, inf where it never falls so far.

    >>> half_crossing_km(np.array([100.0, 200.0, 400.0]), np.array([[0.9, 0.5, 0.2]])).round()
    array([200.])
    """
    log_km = np.log(np.asarray(distance_km, dtype=float))
    grid = np.linspace(log_km[0], log_km[-1], 4 * len(log_km) + 400)
    curve = PchipInterpolator(log_km, np.atleast_2d(k_BK), axis=1)(grid)
    below = curve <= level
    first = below.argmax(axis=1)
    row = np.arange(len(curve))
    before, after = curve[row, np.maximum(first - 1, 0)], curve[row, first]
    share = (before - level) / np.where(before == after, 1.0, before - after)
    km = np.exp(grid[np.maximum(first - 1, 0)] + share * (grid[1] - grid[0]))
    return np.where(~below.any(axis=1), np.inf, np.where(first == 0, 0.0, km))


def legendre_power(k_BN: np.ndarray) -> np.ndarray:
    """(B, l_max + 1) power by degree of kernels sampled at γ = jπ/n, j = 0 ... n, up to l_max = n.

    >>> gamma = np.linspace(0, np.pi, 33)
    >>> legendre_power(np.cos(gamma)[None]).round(6)[0, :3] + 0.0
    array([0., 1., 0.])
    """
    return np.atleast_2d(k_BN) @ _transform(np.shape(k_BN)[-1] - 1).T


def degree_below_which(power_BL: np.ndarray, share: float = POWER_SHARE) -> np.ndarray:
    """(B,) degree below which ``share`` of the unit power lies, between whole degrees too; inf where it isn't reached.

    Degree l is spread evenly over [l, l+1): its wavenumber is l + 1/2 (Jeans'
    relation), and all harmonics below L end at L, the nominal 180 degrees / L.
    The cumulative power is made monotone first, which the truth is and noise is not.
    """
    found = np.empty(len(power_BL))
    for i, cumulative in enumerate(np.cumsum(power_BL, axis=1)):
        fit = np.concatenate([[0.0], isotonic_regression(cumulative).x])  # fit[l] lies below degree l
        above = np.flatnonzero(fit >= share)
        if len(above) == 0:
            found[i] = np.inf
            continue
        upper = max(above[0], 1)
        found[i] = upper - 1 + (share - fit[upper - 1]) / (fit[upper] - fit[upper - 1])
    return found


COLUMN_OF = {"": "similarity_mean", "centred_": "centred_similarity_mean"}


@dataclass(frozen=True)
class _Kernel:
    """k by circle and distance, and which distances are the nodes of the quadrature."""

    distance_km: np.ndarray  # (K,), ascending, the first is 0
    k_CK: np.ndarray
    is_node: np.ndarray  # (K,)

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str) -> _Kernel:
        table = _pivot(rows, column)
        distance_km = table.columns.to_numpy(dtype=float)
        step = distance_km[-1] - distance_km[-2]
        return cls(distance_km, table.to_numpy(), np.isclose(distance_km / step, np.round(distance_km / step), atol=1e-3))

    @property
    def l_max(self) -> int:
        return int(self.is_node.sum()) - 1

    @property
    def finest_km(self) -> float:
        return float(self.distance_km[1])

    def draws(self) -> np.ndarray:
        """(B, K): the mean kernel first, then its bootstrap draws over circles."""
        return np.concatenate([self.k_CK.mean(axis=0, keepdims=True), _bootstrap(self.k_CK)])


def _measures(kernel: _Kernel, prefix: str) -> dict:
    """The three numbers and their intervals."""
    k_BK = kernel.draws()
    half = half_crossing_km(kernel.distance_km[1:], k_BK[:, 1:])
    half = np.where(half == 0, kernel.finest_km, half)
    l90 = np.minimum(degree_below_which(legendre_power(k_BK[:, kernel.is_node])), kernel.l_max)
    named = {"half_similarity_km": half, "l90": l90, "spectral_km": HALF_CIRCUMFERENCE_KM / l90}
    fields = {}
    for name, draws in named.items():
        fields[prefix + name] = float(draws[0])
        fields[f"{prefix}{name}_interval"] = percentiles(draws[1:])
    return _opened(fields, prefix, kernel)


def _opened(fields: dict, prefix: str, kernel: _Kernel) -> dict:
    """Bounds that lie at the edge of what was sampled are open."""
    low, high = fields[f"{prefix}half_similarity_km_interval"]
    fields[f"{prefix}half_similarity_km_interval"] = (0.0 if low <= kernel.finest_km else low, high)
    low, high = fields[f"{prefix}l90_interval"]
    if high >= kernel.l_max:
        fields[f"{prefix}l90_interval"] = (low, np.inf)
        fields[f"{prefix}spectral_km_interval"] = (0.0, fields[f"{prefix}spectral_km_interval"][1])
    return fields


def _bootstrap(k_CK: np.ndarray) -> np.ndarray:
    """(B, K) widened bootstrap draws of the mean over circles."""
    mean = k_CK.mean(axis=0)
    if len(k_CK) < 2:
        return np.full((1, len(mean)), np.nan)
    return mean + deviation_weights(len(k_CK), n_draws=N_DRAWS) @ (k_CK - mean)


@lru_cache(maxsize=8)
def _transform(n: int) -> np.ndarray:
    """(n + 1, n + 1): power by degree from k at the nodes, T[l, j] = (2l+1)/2 w_j P_l(cos γ_j)."""
    degrees = np.arange(n + 1)[:, None]
    nodes = np.cos(np.pi * np.arange(n + 1) / n)
    return (2 * degrees + 1) / 2 * eval_legendre(degrees, nodes) * clenshaw_curtis_weights(n)


def clenshaw_curtis_weights(n: int) -> np.ndarray:
    """(n + 1,) weights w_j of ∫ f(x) dx over [-1, 1] at x_j = cos(jπ/n), n even (Clenshaw and Curtis 1960)."""
    j, m = np.arange(n + 1), np.arange(1, n // 2 + 1)[:, None]
    share = np.where(m == n // 2, 1.0, 2.0) / (4 * m**2 - 1)
    weights = (1 - (share * np.cos(2 * np.pi * m * j / n)).sum(axis=0)) * 2 / n
    weights[[0, -1]] /= 2
    return weights


def _quadrature(similarity: pd.DataFrame) -> pd.DataFrame:
    rows = similarity[similarity["grid"] == "quadrature"]
    if len(rows) == 0:
        raise UserError("the similarity table has no rows with grid=quadrature; run the similarity experiment again")
    return rows


def _pivot(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows.pivot_table(index=["replicate", "place"], columns="distance_km", values=column, aggfunc="mean")


def _add_spectrum(table: pd.DataFrame, kernel: _Kernel, prefix: str) -> None:
    power_BL = legendre_power(kernel.draws()[:, kernel.is_node])
    table[f"{prefix}power"] = power_BL[0]
    table[f"{prefix}low"], table[f"{prefix}high"] = np.quantile(power_BL[1:], [0.025, 0.975], axis=0)
    table[f"{prefix}cumulative"] = np.cumsum(power_BL[0])


def _flat_names() -> list[str]:
    measures = ("half_similarity", "l90", "spectral")
    return [name for prefix in COLUMN_OF for m in measures for name in _flat_triplet(prefix, m)]


def _flat_triplet(prefix: str, measure: str) -> tuple[str, str, str]:
    value = measure if measure == "l90" else f"{measure}_km"
    return f"{prefix}{value}", f"{prefix}{measure}_low", f"{prefix}{measure}_high"


def _flat(resolution: KernelResolution) -> dict:
    flat = {"finest_km": resolution.finest_km, "l_max": resolution.l_max, "n_places": resolution.n_places}
    for prefix in COLUMN_OF:
        for measure in ("half_similarity", "l90", "spectral"):
            value, low, high = _flat_triplet(prefix, measure)
            flat[value] = getattr(resolution, value)
            flat[low], flat[high] = getattr(resolution, f"{value}_interval")
    return flat


def _line(resolution: KernelResolution, prefix: str, label: str) -> str:
    words = [_words(resolution, prefix, name, unit) for name, unit in (("half_similarity_km", " km"), ("l90", ""), ("spectral_km", " km"))]
    return f"  {label:8}: half similarity {words[0]}; l90 {words[1]}; 180°/l90 {words[2]}"


def _words(resolution: KernelResolution, prefix: str, name: str, unit: str) -> str:
    value = getattr(resolution, prefix + name)
    low, high = getattr(resolution, f"{prefix}{name}_interval")
    digits = 1 if name == "l90" else 0
    if np.isinf(value):
        return "never"
    return f"{value:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"
