"""Recipes of places: small enough to list millions, and drawn twice they give the same bytes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.geometry.notebook import notebook_box
from satgpu.geometry.sampling import uniform_in_box, uniform_in_cap, uniform_on_sphere
from satgpu.geometry.sphere import EARTH_RADIUS_KM, box_area_km2, cap_area_km2

EARTH_AREA_KM2 = cap_area_km2(math.pi * EARTH_RADIUS_KM)  # a cap that reaches the antipode


@dataclass(frozen=True)
class Points:
    """One draw of places: ``kind`` is 'sphere', 'box' (by area), 'cap' (by area) or 'notebook' (uniform in degrees)."""

    kind: str
    n: int
    seed: int
    lon_range_deg: tuple[float, float] = (-180.0, 180.0)
    lat_range_deg: tuple[float, float] = (-90.0, 90.0)
    center_deg: tuple[float, float] | None = None
    radius_km: float | None = None

    def draw(self) -> Tensor:
        """(n, 2) float64 longitude and latitude in degrees, on the CPU."""
        generator = torch.Generator().manual_seed(self.seed)
        if self.kind == "sphere":
            return uniform_on_sphere(self.n, generator)
        if self.kind == "box":
            return uniform_in_box(self.n, self.lon_range_deg, self.lat_range_deg, generator)
        if self.kind == "cap":
            return uniform_in_cap(self.n, self.center_deg, self.radius_km, generator)
        return notebook_box(self.n, self.lon_range_deg, self.lat_range_deg, seed=self.seed)

    @property
    def area_km2(self) -> float:
        """Area that the points are spread over."""
        if self.kind == "sphere":
            return float(EARTH_AREA_KM2)
        if self.kind == "cap":
            return float(cap_area_km2(self.radius_km))
        return float(box_area_km2(self.lon_range_deg, self.lat_range_deg))
