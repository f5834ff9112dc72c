"""Encoders whose resolution is known by construction, to check the methods that measure it.

Each is a callable from (N, 2) degrees to (N, D), with a ``kernel`` in closed
form where it has one: the mean cosine similarity at a distance, over all draws
of its random parts.
"""

import math

import numpy as np
import torch
from scipy.special import eval_legendre, ive
from torch import Tensor

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.geometry import EARTH_RADIUS_KM, random_rotation, rotate_deg, unit_vectors

_CHUNK_POINTS = 4096


class HarmonicMix:
    """Random combinations of all spherical harmonics below a degree, with a given power for each degree.

    Over draws, k(γ) = Σ p_l P_l(cos γ): the spectrum is the one that was asked for.

    Args:
        power: p_l for l = 0, 1, ...; scaled to add up to 1.
        dim: D, number of combinations.
        seed: of the combinations.
    """

    def __init__(self, power: np.ndarray, dim: int = 256, seed: int = 0):
        self.power = np.asarray(power, dtype=float) / np.sum(power)
        self.name = f"harmonics-below-{len(self.power)}"
        degrees = torch.arange(len(self.power))
        weight = torch.from_numpy(self.power) * 4 * math.pi / (2 * degrees + 1)  # of each order of a degree
        generator = torch.Generator().manual_seed(seed)
        mix = torch.randn(len(self.power) ** 2, dim, generator=generator, dtype=torch.float64) / math.sqrt(dim)
        self._mix = mix * weight.sqrt().repeat_interleave(2 * degrees + 1)[:, None]

    @classmethod
    def flat(cls, legendre_polys: int, dim: int = 256, seed: int = 0) -> "HarmonicMix":
        """All harmonics below L with equal weight: p_l proportional to 2l + 1."""
        return cls(2 * np.arange(legendre_polys) + 1, dim, seed)

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        chunks = lonlat_deg.split(_CHUNK_POINTS)
        return torch.cat([spherical_harmonics(c, len(self.power), "closed-form") @ self._mix for c in chunks])

    def kernel(self, distance_km: np.ndarray) -> np.ndarray:
        """k at the distances."""
        x = np.cos(np.asarray(distance_km) / EARTH_RADIUS_KM)
        return sum(p * eval_legendre(degree, x) for degree, p in enumerate(self.power))


class CellCodes:
    """Embeddings constant within cells of a known size, each cell with a random code; nothing finer can be read.

    The cells lie in bands of equal height, turned at random. k(d) is the chance
    that two places d apart share a cell: for squares of side c, over all
    bearings and d ≤ c, 1 - 4d/πc + d²/πc² (Crofton); 0 above the diagonal.

    Args:
        cell_km: side of a cell.
        dim: D, length of the codes.
        seed: of the codes and the turn.
    """

    def __init__(self, cell_km: float, dim: int = 256, seed: int = 0):
        self.cell_km, self.name = cell_km, f"cells-of-{cell_km:.0f}km"
        generator = torch.Generator().manual_seed(seed)
        self._rotation = random_rotation(generator)
        self._bands = max(1, round(math.pi * EARTH_RADIUS_KM / cell_km))
        middle = (torch.arange(self._bands, dtype=torch.float64) + 0.5) * math.pi / self._bands
        self._cells = (2 * math.pi * EARTH_RADIUS_KM * middle.sin() / cell_km).round().clamp_min(1)
        self._first = torch.cat([torch.zeros(1, dtype=torch.float64), self._cells.cumsum(0)])
        n_cells = int(self._first[-1])
        self._codes = torch.randn(n_cells, dim, generator=generator, dtype=torch.float64)

    def cell_of(self, lonlat_deg: Tensor) -> Tensor:
        """(N,) which cell a point lies in."""
        lon, lat = rotate_deg(lonlat_deg.double(), self._rotation).unbind(-1)
        band = ((lat + 90) / 180 * self._bands).floor().clamp(0, self._bands - 1).long()
        along = ((lon + 180) / 360 * self._cells[band]).floor()
        return (self._first[band] + torch.minimum(along, self._cells[band] - 1)).long()

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        return self._codes[self.cell_of(lonlat_deg)]

    def kernel(self, distance_km: np.ndarray) -> np.ndarray:
        """k at the distances, for square cells on a plane: the mean over bearings of (1 - x cos θ)(1 - x sin θ)."""
        x = np.asarray(distance_km, dtype=float) / self.cell_km
        first = np.arccos(np.minimum(1, 1 / np.maximum(x, 1)))  # bearings nearer the axes leave the cell
        last = np.maximum(first, np.pi / 2 - first)
        ends = [theta - x * np.sin(theta) + x * np.cos(theta) + (x * np.sin(theta)) ** 2 / 2 for theta in (first, last)]
        return np.where(x < np.sqrt(2), (ends[1] - ends[0]) * 2 / np.pi, 0.0)


class CoordinatesAndNoise:
    """Unit vectors beside a random field of a known length: k = (1 - w) cos γ + w exp(κ (cos γ - 1)), κ = (R/length)².

    The field is made of plane waves Ω ~ N(0, κ) with a cosine and a sine each,
    so every embedding has length 1. Its power is closed form too:
    e^{-κ} (2l+1) i_l(κ), with i_l the modified spherical Bessel function.

    Args:
        length_km: distance over which the field decays to exp(-1/2).
        share: w, the field's part in the kernel.
        waves: M; D = 3 + 2M.
        seed: of the waves.
    """

    def __init__(self, length_km: float, share: float = 0.7, waves: int = 128, seed: int = 0):
        self.share, self.kappa = share, (EARTH_RADIUS_KM / length_km) ** 2
        self.name = f"coordinates-and-noise-of-{length_km:.0f}km"
        generator = torch.Generator().manual_seed(seed)
        self._waves = torch.randn(waves, 3, generator=generator, dtype=torch.float64) * math.sqrt(self.kappa)

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        xyz = unit_vectors(lonlat_deg.double())
        phase = xyz @ self._waves.T
        field = torch.cat([phase.cos(), phase.sin()], dim=1) * math.sqrt(self.share / len(self._waves))
        return torch.cat([math.sqrt(1 - self.share) * xyz, field], dim=1)

    def kernel(self, distance_km: np.ndarray) -> np.ndarray:
        """k at the distances, over all draws of the waves."""
        x = np.cos(np.asarray(distance_km) / EARTH_RADIUS_KM)
        return (1 - self.share) * x + self.share * np.exp(self.kappa * (x - 1))

    def kernel_as_drawn(self, distance_km: np.ndarray) -> np.ndarray:
        """k of these waves: the mean of a plane wave over all places and bearings is sin(z)/z, z = |Ω| · chord."""
        gamma = np.asarray(distance_km, dtype=float)[..., None] / EARTH_RADIUS_KM
        chord = 2 * np.sin(gamma / 2) * self.wavenumbers
        return (1 - self.share) * np.cos(gamma[..., 0]) + self.share * np.sinc(chord / np.pi).mean(axis=-1)

    @property
    def wavenumbers(self) -> np.ndarray:
        """(M,) radians per Earth radius of the waves that were drawn."""
        return self._waves.norm(dim=1).numpy()

    @property
    def power(self) -> np.ndarray:
        """p_l up to a degree beyond which nothing is left."""
        degrees = np.arange(int(12 * math.sqrt(self.kappa)) + 20)
        field = (2 * degrees + 1) * ive(degrees + 0.5, self.kappa) * math.sqrt(math.pi / (2 * self.kappa))
        return self.share * field + (1 - self.share) * (degrees == 1)


class JitteredCoordinates:
    """Unit vectors of a place known only to ``jitter_km``: each coordinate axis on the ground is off by N(0, jitter).

    The displacement is a fixed function of the place without any smoothness, so
    that no probe can undo it: what is read from here is read through a blur of
    known width.

    Args:
        jitter_km: standard deviation of the displacement along each of two axes.
        wavelengths_km: plane waves that the displaced place is embedded in, for probes to work on.
        waves: number of them; D = 2 · waves.
        seed: of the waves and the displacements.
    """

    def __init__(self, jitter_km: float, wavelength_km: float, waves: int = 128, seed: int = 0):
        self.jitter_km, self.name = jitter_km, f"coordinates-off-by-{jitter_km:.0f}km"
        self._seed = seed
        generator = torch.Generator().manual_seed(seed)
        directions = torch.nn.functional.normalize(
            torch.randn(waves, 3, generator=generator, dtype=torch.float64), dim=1
        )
        self._waves = directions * (2 * math.pi * EARTH_RADIUS_KM / wavelength_km)

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        phase = displaced(lonlat_deg, self.jitter_km, self._seed) @ self._waves.T
        return torch.cat([phase.cos(), phase.sin()], dim=1)


def displaced(lonlat_deg: Tensor, jitter_km: float, seed: int = 0) -> Tensor:
    """(N, 3) unit vectors of the places, each axis on the ground off by N(0, jitter): a fixed function of the place."""
    xyz = unit_vectors(lonlat_deg.double())
    step = _white_noise(xyz, seed) * (jitter_km / EARTH_RADIUS_KM)
    tangent = step - (step * xyz).sum(dim=1, keepdim=True) * xyz
    return torch.nn.functional.normalize(xyz + tangent, dim=1)


def white_noise(lonlat_deg: Tensor, dim: int, seed: int = 0) -> Tensor:
    """(N, dim) standard normals, a fixed function of the place without any smoothness."""
    xyz = unit_vectors(lonlat_deg.double())
    parts = [_white_noise(xyz, seed * 1000 + i) for i in range(-(-dim // 3))]
    return torch.cat(parts, dim=1)[:, :dim]


def _white_noise(xyz: Tensor, seed: int) -> Tensor:
    """(N, 3) standard normals, a function of the place that differs from one metre to the next."""
    bits = (xyz * 6.4e6).round().long()
    mixed = bits[:, 0] * 73856093 ^ bits[:, 1] * 19349663 ^ bits[:, 2] * 83492791 ^ (seed + 1) * 2654435761
    uniform = torch.stack([_scrambled(mixed + i * 0x9E3779B97F4A7C1 & 0x7FFFFFFFFFFFFFFF) for i in range(3)], dim=1)
    return torch.special.ndtri(uniform)


def _scrambled(bits: Tensor) -> Tensor:
    """(N,) uniforms within (0, 1) from 64-bit integers, by a multiply-and-shift hash."""
    for factor in (0x2545F4914F6CDD1D, 0x1B873593CC9E2D51):
        bits = (bits ^ (bits >> 29 & 0x7FFFFFFFF)) * factor
    return ((bits >> 12 & 0xFFFFFFFFFF).double() + 0.5) / 2**40
