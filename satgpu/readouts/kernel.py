"""Effective resolution from the embedding alone: the similarity kernel, its half-width and its spectrum.

k(γ) is the mean cosine similarity of two places an angle γ apart.
The rows of ``grid=quadrature`` give it from a kilometre or so to the antipode,
averaged along great circles, which are the units of the bootstrap. Its sum of
powers, k(0) = 1, is known, so power at degrees beyond the last one looked at is
counted as missing, not left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from satgpu.earth import HALF_TURN_KM
from satgpu.errors import UserError
from satgpu.readouts.bootstrap import deviation_weights, percentiles
from satgpu.readouts.spectrum import cumulative_power, degree_below_which, degrees_up_to
from satgpu.run.read_table import typed
from satgpu.run.rows import SimilarityRow

N_DRAWS = 1000
INTERPOLATION_ERROR = 0.005  # the largest between these samples, on a hundred kernels in closed form
GROUP_COLUMNS = ("protocol", "encoder", "role", "trained")
_NEEDED = (*GROUP_COLUMNS, "grid", "replicate", "place", "distance_km", "similarity_mean", "centred_similarity_mean")


@dataclass(frozen=True)
class KernelResolution:
    """How fine an encoder is, from its embeddings alone; every number with its 95 % interval (low, high).

    Attributes:
        encoder: its name.
        half_similarity_km: distance at which the mean cosine similarity falls to one half; inf where it never does.
        l90: the harmonic degree below which 90 % of the kernel's power lies, read between whole degrees too;
            its interval is in whole degrees.
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


def resolution_from_kernel(similarity: pd.DataFrame, l_max: int | None = None) -> KernelResolution:
    """The resolution of the one encoder whose rows these are (``grid=quadrature`` is used, the rest left out).

    Args:
        similarity: rows of similarity.csv.
        l_max: count only the power of degrees up to this one, and take 90 % of
            that. By default all power counts, because k(0) = 1 is its sum; an
            encoder with a fine-grained part (GeoCLIP) then has an l90 that a
            shorter look would miss.

    Raises:
        UserError: no quadrature rows, or more than one encoder's.
    """
    rows = _quadrature(similarity)
    if rows["encoder"].nunique() != 1:
        raise UserError(
            f"rows of one encoder are wanted; got {sorted(rows['encoder'].unique())}: "
            "use kernel_resolutions for several"
        )
    kernels = {prefix: _Kernel.of(rows, column) for prefix, column in COLUMN_OF.items()}
    plain = kernels[""]
    if l_max is not None and not 0 < l_max <= plain.l_max:
        raise UserError(
            f"l_max must lie between 1 and {plain.l_max}, the highest degree that these samples show; got {l_max}"
        )
    fields = {k: v for prefix, kernel in kernels.items() for k, v in _measures(kernel, prefix, l_max).items()}
    top, n_places = l_max or plain.l_max, len(plain.k_CK)
    return KernelResolution(
        encoder=rows["encoder"].iloc[0], finest_km=plain.finest_km, l_max=top, n_places=n_places, **fields
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
    similarity = typed(similarity, SimilarityRow, _NEEDED)
    if (similarity["grid"] == "quadrature").any():
        for key, rows in _quadrature(similarity).groupby(list(GROUP_COLUMNS), sort=False):
            found.append(dict(zip(GROUP_COLUMNS, key, strict=True)) | _flat(resolution_from_kernel(rows)))
    return pd.DataFrame(found, columns=[*GROUP_COLUMNS, *_flat_names(), "finest_km", "l_max", "n_places"])


def kernel_spectrum(similarity: pd.DataFrame) -> pd.DataFrame:
    """Power by degree of every encoder, with its interval; over all degrees it adds up to 1.

    Degrees above 256 come in bins: ``l`` is the highest degree of a bin,
    ``n_degrees`` how many it holds, ``power`` the mean power per degree.

    Returns:
        DataFrame[protocol, encoder, role, trained, l, n_degrees, half_wavelength_km,
        power, low, high, cumulative, centred_power, centred_low, centred_high,
        centred_cumulative].
    """
    tables = []
    for key, rows in _quadrature(similarity).groupby(list(GROUP_COLUMNS), sort=False):
        degrees = degrees_up_to(_Kernel.of(rows, COLUMN_OF[""]).l_max)
        table = pd.DataFrame(dict(zip(GROUP_COLUMNS, key, strict=True)), index=range(len(degrees)))
        table["l"], table["n_degrees"] = degrees, np.diff(degrees, prepend=-1)
        table["half_wavelength_km"] = HALF_TURN_KM / (degrees + 0.5)
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
    rows = typed(similarity, SimilarityRow, _NEEDED)
    rows = rows[rows["grid"] == grid]
    tables = []
    for key, group in rows.groupby(list(GROUP_COLUMNS), sort=False):
        k = _pivot(group, value)
        mean = k.mean()
        table = pd.DataFrame(dict(zip(GROUP_COLUMNS, key, strict=True)), index=range(len(mean)))
        table["distance_km"], table["mean"] = mean.index.to_numpy(), mean.to_numpy()
        table["low"], table["high"] = _quantiles(_bootstrap(k.to_numpy()))
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

    >>> half_crossing_km(np.array([100.0, 200.0, 400.0]), np.array([[0.9, 0.5, 0.2], [0.4, 0.3, 0.2]])).round()
    array([200.,   0.])
    """
    log_km = np.log(np.asarray(distance_km, dtype=float))
    # Twenty steps between each two samples: a straight line is good enough between those.
    fine = np.interp(np.arange(20 * (len(log_km) - 1) + 1) / 20, np.arange(len(log_km)), log_km)
    curve = PchipInterpolator(log_km, np.atleast_2d(k_BK), axis=1)(fine)
    return np.exp(first_crossing(fine, curve, level))


def first_crossing(x: np.ndarray, y_BK: np.ndarray, level: float) -> np.ndarray:
    """(B,) x where each row of straight lines first falls to ``level``; -inf if below from the start, inf if never."""
    below = y_BK <= level
    after = np.maximum(below.argmax(axis=1), 1)
    row = np.arange(len(y_BK))
    near, far = y_BK[row, after - 1], y_BK[row, after]
    share = (near - level) / np.where(near == far, 1.0, near - far)
    found = x[after - 1] + share * (x[after] - x[after - 1])
    return np.where(~below.any(axis=1), np.inf, np.where(below[:, 0], -np.inf, found))


COLUMN_OF = {"": "similarity_mean", "centred_": "centred_similarity_mean"}


@dataclass(frozen=True)
class _Kernel:
    """k by circle and distance."""

    distance_km: np.ndarray  # (K,), ascending, the first is 0
    k_CK: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str) -> _Kernel:
        table = _pivot(rows, column)
        return cls(table.columns.to_numpy(dtype=float), table.to_numpy())

    @property
    def finest_km(self) -> float:
        return float(self.distance_km[1])

    @property
    def l_max(self) -> int:
        """The highest degree looked at: eight samples to its wavelength, near the place."""
        return int(round(HALF_TURN_KM / (4 * self.finest_km)))

    def draws(self) -> np.ndarray:
        """(B, K): the mean kernel first, then its bootstrap draws over circles."""
        return np.concatenate([self.k_CK.mean(axis=0, keepdims=True), _bootstrap(self.k_CK)])

    def cumulative(self, k_BK: np.ndarray, l_max: int | None = None) -> np.ndarray:
        """(B, L) power up to each degree looked at; up to ``l_max`` alone, as a share of what lies there."""
        cumulative_BL = cumulative_power(self.distance_km, k_BK, degrees_up_to(l_max or self.l_max))
        return cumulative_BL if l_max is None else cumulative_BL / cumulative_BL[:, -1:]


def _measures(kernel: _Kernel, prefix: str, l_max: int | None) -> dict:
    """The three numbers and their intervals."""
    k_BK = kernel.draws()
    half = half_crossing_km(kernel.distance_km[1:], k_BK[:, 1:])
    half = np.where(half == 0, kernel.finest_km, half)
    cumulative_BL = kernel.cumulative(k_BK, l_max)
    l90 = np.minimum(degree_below_which(degrees_up_to(l_max or kernel.l_max), cumulative_BL), kernel.l_max)
    half_bounds, l90_bounds = _half_bounds(half[1:], kernel), _l90_bounds(l90[1:], kernel)
    return {
        f"{prefix}half_similarity_km": float(half[0]),
        f"{prefix}half_similarity_km_interval": half_bounds,
        f"{prefix}l90": float(l90[0]),
        f"{prefix}l90_interval": l90_bounds,
        f"{prefix}spectral_km": HALF_TURN_KM / float(l90[0]),
        f"{prefix}spectral_km_interval": (HALF_TURN_KM / l90_bounds[1], HALF_TURN_KM / l90_bounds[0]),
    }


def _half_bounds(draws: np.ndarray, kernel: _Kernel) -> tuple[float, float]:
    """Percentiles moved out by the interpolation's error; open where they lie at the nearest sample."""
    if len(draws) == 0:
        return np.nan, np.nan
    low, high = percentiles(draws)
    low, high = low * (1 - INTERPOLATION_ERROR), high * (1 + INTERPOLATION_ERROR)
    return (0.0 if low <= kernel.finest_km else low), high


def _l90_bounds(draws: np.ndarray, kernel: _Kernel) -> tuple[float, float]:
    """Percentiles in whole degrees, because a degree is one; open where they lie at the last degree looked at."""
    if len(draws) == 0:
        return np.nan, np.nan
    low, high = percentiles(draws)
    return float(max(1.0, np.floor(low))), np.inf if high >= kernel.l_max else float(np.ceil(high))


def _bootstrap(k_CK: np.ndarray) -> np.ndarray:
    """(B, K) widened bootstrap draws of the mean over circles; none of one circle."""
    mean = k_CK.mean(axis=0)
    if len(k_CK) < 2:
        return np.empty((0, len(mean)))
    return mean + deviation_weights(len(k_CK), n_draws=N_DRAWS) @ (k_CK - mean)


def _quantiles(draws_BK: np.ndarray) -> np.ndarray:
    """(2, K) the central 95 % of the draws, NaN where there are none."""
    if len(draws_BK) == 0:
        return np.full((2, draws_BK.shape[1]), np.nan)
    return np.quantile(draws_BK, [0.025, 0.975], axis=0)


def _quadrature(similarity: pd.DataFrame) -> pd.DataFrame:
    rows = typed(similarity, SimilarityRow, _NEEDED)
    rows = rows[rows["grid"] == "quadrature"]
    if len(rows) == 0:
        raise UserError("the similarity table has no rows with grid=quadrature; run the similarity experiment again")
    return rows


def _pivot(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows.pivot_table(index=["replicate", "place"], columns="distance_km", values=column, aggfunc="mean")


def _add_spectrum(table: pd.DataFrame, kernel: _Kernel, prefix: str) -> None:
    cumulative_BL = kernel.cumulative(kernel.draws())
    power_BL = np.diff(cumulative_BL, prepend=0.0, axis=1) / table["n_degrees"].to_numpy()
    table[f"{prefix}power"] = power_BL[0]
    table[f"{prefix}low"], table[f"{prefix}high"] = _quantiles(power_BL[1:])
    table[f"{prefix}cumulative"] = cumulative_BL[0]


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
    words = [
        _words(resolution, prefix, name, unit)
        for name, unit in (("half_similarity_km", " km"), ("l90", ""), ("spectral_km", " km"))
    ]
    return f"  {label:8}: half similarity {words[0]}; l90 {words[1]}; 180°/l90 {words[2]}"


def _words(resolution: KernelResolution, prefix: str, name: str, unit: str) -> str:
    value = getattr(resolution, prefix + name)
    low, high = getattr(resolution, f"{prefix}{name}_interval")
    return "never" if np.isinf(value) else f"{_number(value)}{unit} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    """Three digits, or all whole ones."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
