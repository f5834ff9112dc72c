"""Plane waves in a cap, read from an embedding: the local half of the transfer function.

A cap around a place holds ``cells`` cells of side s, so it shrinks with the scale. The fields are plane waves in
azimuthal equidistant coordinates of the place, half a wavelength to a cell: 8 directions, a cosine and a sine each.
From noisy values at ``n_labels`` places of the cap a ridge read-out predicts places never seen; the share read is R²
against the noise-free wave, by direction. The penalty is one for all 16 waves, by exact leave-one-out.

Every dimension is divided by its standard deviation over the Earth, and noise of ``tolerance`` is added to it. In a
small cap an embedding is a smooth function with a Taylor series, and without that noise a linear reader would undo any
smoothness down to the rounding of the arithmetic: the edge would measure float32.

Shapes: B caps, N places of a cap (labels first, then test), D embedding, W waves, 8 directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry import EARTH_RADIUS_KM, cap_radius_km, check_lonlat, destination_deg
from satgpu.readouts.edges import DIRECTIONS
from satgpu.readouts.embedding import CheckedEmbedding
from satgpu.readouts.ridge import Ridge, float64_device, standardise

# Azimuthal equidistant coordinates stretch the rim of a cap by 3 % at 36 cells of 800 km, by 12 % at 1600.
COARSEST_KM = 800.0
_LATTICE_POINTS = 2048
_BYTES_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class CapDesign:
    """How a cap is read.

    Args:
        n_labels: places with a label in every cap.
        n_test: places the reader never sees.
        noise: variance of the label noise, as a share of the field's.
    """

    n_labels: int = 700
    n_test: int = 300
    noise: float = 0.1

    def __post_init__(self):
        if self.n_labels < 50:
            raise UserError(f"n_labels is {self.n_labels}; a cap needs 50 labels or more")
        if self.n_test < 20:
            raise UserError(f"n_test is {self.n_test}; a share needs 20 test places or more")
        if not self.noise >= 0:
            raise UserError(f"noise is {self.noise}; give it as a share of the field's variance, 0 or more")


@dataclass(frozen=True)
class Cap:
    """One cap to read: where, at which cell size, how many cells, with what noise in the embedding, and its seed."""

    place_deg: tuple[float, float]
    scale_km: float
    cells: float
    tolerance: float
    seed: int


class Embedding:
    """An encoder whose dimensions are centred and scaled over the whole Earth, checked wherever it is asked.

    Args:
        encoder: callable from (n, 2) degrees, longitude first, to (n, D).
        device: of the arithmetic; it must know float64.

    Raises:
        UserError: the encoder gives a constant, NaN, another number of rows or other numbers for the same places.
    """

    def __init__(self, encoder: Callable[[Tensor], Tensor], device: str | torch.device = "cpu"):
        self.device, self._checked = float64_device(device), CheckedEmbedding(encoder, device)
        self.name = self._checked.name
        everywhere = self._checked(fibonacci_lattice(_LATTICE_POINTS)).to(self.device, torch.float64)
        standardised = standardise(everywhere)
        self._mean, self._inverse_spread = standardised.mean, standardised.inverse_scale
        self.dim = everywhere.shape[1]

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        """(..., D) float64 on the device, each dimension of variance one over the Earth.

        Raises:
            UserError: another number of rows or dimensions, or values that are not finite.
        """
        with torch.no_grad():
            raw = self._checked.embed(lonlat_deg.reshape(-1, 2)).to(self.device, torch.float64)
        if not torch.isfinite(raw).all():
            lon, lat = lonlat_deg.reshape(-1, 2)[(~torch.isfinite(raw)).any(1).cpu()][0].tolist()
            raise UserError(f"encoder {self.name!r}: NaN or infinity in the embedding of ({lon:g}, {lat:g})")
        return ((raw - self._mean) * self._inverse_spread).reshape(*lonlat_deg.shape[:-1], -1)


def fibonacci_lattice(n: int) -> Tensor:
    """(n, 2) degrees of a spiral of places that is even by area, the same every time."""
    i = torch.arange(n, dtype=torch.float64)
    lat = torch.rad2deg(torch.asin(1 - (2 * i + 1) / n))
    return torch.stack([torch.remainder(i * 180 * (3 - math.sqrt(5)), 360) - 180, lat], dim=-1)


def cap_shares(embedding: Embedding, caps: Sequence[Cap], design: CapDesign) -> Tensor:
    """(B, 8) share of the plane waves of each direction that is read in each cap, on the CPU.

    A cap's shares depend on its own seed and on no other cap. Caps of one seed have the same places relative to their
    centre and size, the same label noise and the same noise in the embedding, so that curves over scales are smooth
    and two encoders are compared on the same draw.
    """
    per_cap = (design.n_labels + design.n_test) * (5 * embedding.dim + 64) * 8
    size = max(1, _BYTES_AT_ONCE // per_cap)
    parts = [_read_caps(embedding, caps[i : i + size], design) for i in range(0, len(caps), size)]
    return torch.cat(parts) if parts else torch.empty(0, DIRECTIONS, dtype=torch.float64)


def _read_caps(embedding: Embedding, caps: Sequence[Cap], design: CapDesign) -> Tensor:
    draws = [_draw(cap, embedding.dim, design) for cap in caps]
    places, waves, label_noise, embedding_noise = (torch.stack(part) for part in zip(*draws, strict=True))
    n = design.n_labels
    tolerance = torch.tensor([cap.tolerance for cap in caps], dtype=torch.float64, device=embedding.device)
    X = embedding(places) + tolerance[:, None, None] * embedding_noise.to(embedding.device)
    waves = waves.to(embedding.device)
    Y = waves[:, :n] + math.sqrt(design.noise) * label_noise.to(embedding.device)
    ridge = Ridge.factor(X[:, :n])
    labels = ridge.project(Y)
    one_group = torch.zeros(Y.shape[-1], dtype=torch.int64, device=embedding.device)
    penalty = ridge.choose(Y, one_group, every=4)
    predicted = ridge.predict(ridge.basis(X[:, n:]), labels, penalty.per_target())
    return _share_by_direction(predicted, waves[:, n:]).cpu()


def _draw(cap: Cap, dim: int, design: CapDesign) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places (N, 2), waves (N, 16), label noise (n, 16) and noise of the embedding (N, D), from the cap's seed."""
    n = design.n_labels + design.n_test
    generator = torch.Generator().manual_seed(cap.seed)
    u = torch.rand(2, n, generator=generator, dtype=torch.float64)
    # The area inside distance r grows as sin²(r/2R).
    rim = math.sin(cap_radius_km(cap.cells * cap.scale_km**2) / (2 * EARTH_RADIUS_KM))
    distance_km = 2 * EARTH_RADIUS_KM * torch.asin(rim * u[0].sqrt())
    bearing_rad = 2 * math.pi * u[1]
    places = destination_deg(torch.tensor(cap.place_deg, dtype=torch.float64), bearing_rad, distance_km)
    label_noise = torch.randn(design.n_labels, 2 * DIRECTIONS, generator=generator, dtype=torch.float64)
    embedding_noise = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return places, plane_waves(bearing_rad, distance_km, cap.scale_km), label_noise, embedding_noise


def plane_waves(bearing_rad: Tensor, distance_km: Tensor, scale_km: float) -> Tensor:
    """(N, 16) waves of variance one at places given from the centre: cosines of 8 directions, then sines.

    Direction 0 crosses its crests from south to north, the next ones clockwise. A crest and the next trough are
    ``scale_km`` apart.
    """
    theta = torch.arange(DIRECTIONS, dtype=torch.float64) * math.pi / DIRECTIONS
    along = distance_km[:, None] * torch.cos(bearing_rad[:, None] - theta)
    phase = math.pi / scale_km * along
    return math.sqrt(2) * torch.cat([phase.cos(), phase.sin()], dim=1)


def _share_by_direction(predicted: Tensor, waves: Tensor) -> Tensor:
    """(B, 8) R² over test places and both phases."""
    missed = (waves - predicted).square().sum(-2).unflatten(-1, (2, DIRECTIONS)).sum(-2)
    total = (waves - waves.mean(-2, keepdim=True)).square().sum(-2).unflatten(-1, (2, DIRECTIONS)).sum(-2)
    return 1 - missed / total


def check_places(places: object) -> Tensor:
    """(P, 2) float64 degrees of a list, array or tensor; one place may come alone.

    Raises:
        UserError: not longitude and latitude in degrees, or no place at all.
    """
    places = check_lonlat(places, "places").double().cpu()
    if places.ndim == 1:
        places = places[None]
    if places.ndim != 2 or not len(places):
        raise UserError(f"places must be (p, 2) degrees, longitude first, one or more; got {tuple(places.shape)}")
    return places
