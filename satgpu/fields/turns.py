"""Nulls: the field turned on the sphere, so that it keeps its shape and loses its place.

Turns about the polar axis ("polar") keep what depends on latitude; turns in all directions ("all") keep nothing
but the shape. A field given everywhere is turned itself: f(R p) at the places as they are. Any other is turned
with its places, which are embedded again where they come to lie, values and split unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.geometry import lonlat_deg_from_unit, random_rotation, unit_vectors
from satgpu.seeds import derive_seed

BANK_FIELDS = 40
BANK_SHARE = 0.25
_BANK_L_MAX = 40
_CHUNK_PLACES = 2048


@dataclass(frozen=True)
class Turns:
    """Rotations (T, 3, 3) of one reading; turn 0 is none at all.

    Args:
        rotations: (T, 3, 3) the identity, then the polar turns, then those in all directions.
        n_polar, n_all: how many of each.
    """

    rotations: Tensor
    n_polar: int
    n_all: int

    def parts(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values (T, ...) of the field as it lies (...), of the polar turns and of those in all directions."""
        return values[0], values[1 : 1 + self.n_polar], values[1 + self.n_polar :]

    def rows_of_first(self, n: int) -> Tensor:
        """Rows of no turn at all and of the first n turns of each kind."""
        polar, every = torch.arange(min(n, self.n_polar)), torch.arange(min(n, self.n_all))
        return torch.cat([torch.zeros(1, dtype=torch.int64), 1 + polar, 1 + self.n_polar + every])

    def first(self, n: int) -> Turns:
        """The first n turns of each kind."""
        return Turns(self.rotations[self.rows_of_first(n)], min(n, self.n_polar), min(n, self.n_all))


def draw_turns(n_polar: int, n_all: int, seed: int) -> Turns:
    """Polar turns by angles uniform on the circle, the others by rotations uniform over all rotations."""
    polar = torch.Generator().manual_seed(derive_seed(seed, "polar turns"))
    every = torch.Generator().manual_seed(derive_seed(seed, "turns"))
    angle = 2 * math.pi * torch.rand(n_polar, generator=polar, dtype=torch.float64)
    rotations = [torch.eye(3, dtype=torch.float64)[None], about_the_axis(angle)]
    return Turns(torch.cat([*rotations, random_rotation(every, n_all)]), n_polar, n_all)


def about_the_axis(angle_rad: Tensor) -> Tensor:
    """(T, 3, 3) rotations that add ``angle_rad`` (T,) to the longitude."""
    cos, sin, zero = angle_rad.cos(), angle_rad.sin(), torch.zeros_like(angle_rad)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1).reshape(-1, 3, 3)


def turned_deg(lonlat_deg: Tensor, rotations: Tensor) -> Tensor:
    """(T, N, 2) degrees of (N, 2) places under (T, 3, 3) rotations; those not turned stay as they are."""
    turned = lonlat_deg_from_unit(unit_vectors(lonlat_deg.double()) @ rotations.mT)
    same = (rotations == torch.eye(3, dtype=torch.float64)).all((-2, -1))
    return torch.where(same[:, None, None], lonlat_deg.double(), turned)


def bank(lonlat_deg: Tensor, seed: int, n_fields: int = BANK_FIELDS) -> Tensor:
    """(N, n_fields) labels of random fields at places, 1 on the highest quarter of them.

    Isotropic Gaussian fields of power C_l ∝ (l+1)⁻³. No encoder can know them, so that what is read of them
    better here than where the places come to lie under a turn is finer resolution here, not knowledge.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "bank"))
    degree = torch.arange((_BANK_L_MAX + 1) ** 2).double().sqrt().floor()
    a = torch.randn(len(degree), n_fields, generator=generator, dtype=torch.float64) * (degree[:, None] + 1) ** -1.5
    values = torch.cat(
        [spherical_harmonics(c, _BANK_L_MAX + 1, "closed-form") @ a for c in lonlat_deg.double().split(_CHUNK_PLACES)]
    )
    return (values > values.quantile(1 - BANK_SHARE, dim=0)).double()
