"""The two ways of asking the same question: as the notebook did, and as a geographer would.

A protocol says where points are drawn, what their labels are, how often a draw can
be repeated, and which seed each draw has. It is looked up by name once, where options are read;
after that code asks the object.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry import notebook
from satgpu.geometry.patterns import Pattern
from satgpu.geometry.points import Points
from satgpu.geometry.sampling import on_ring, uniform_on_sphere
from satgpu.geometry.sphere import EARTH_RADIUS_KM, random_rotation
from satgpu.seeds import derive_seed

KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180
# The notebook's "global" leaves out the polar caps; the geodesic protocol keeps its extent,
# so that the two protocols differ in geometry and not in what is asked.
GLOBAL_LAT_RANGE_DEG = (-60.0, 60.0)

Place = tuple[float, float]  # longitude and latitude in degrees
Size = float | Tensor | None  # a scale or width in kilometres; None for a real field


class Protocol(ABC):
    """How places, labels and repetitions are made.

    Attributes:
        name: as in options and tables.
        beyond_notebook: also asks what the notebook never asked.
    """

    name: str
    beyond_notebook: bool

    @abstractmethod
    def replicates(self, asked: int) -> int:
        """How many of the replicates asked for differ from one another."""

    @abstractmethod
    def seed(self, master: int, replicate: int, *parts: object) -> int:
        """The seed of a named draw."""

    @abstractmethod
    def globe(self, n: int, seed: int) -> Points:
        """n points between 60°S and 60°N."""

    @abstractmethod
    def region(self, center_deg: Place, span_deg: float, n: int, seed: int) -> Points:
        """n points in the region of width ``span_deg`` around a centre."""

    @abstractmethod
    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        """(R, 2) reference places, and (R, K, n_bearings, 2) points at each distance around each."""

    @abstractmethod
    def labels(
        self, pattern: Pattern, lonlat_deg: Tensor, size_km: Size, seed: int, center_deg: Place | None = None
    ) -> Tensor:
        """Labels (n,) of a draw: ``seed`` turns the pattern and makes its noise.

        Args:
            pattern: what to draw.
            lonlat_deg: (n, 2).
            size_km: its scale or width.
            seed: of the draw.
            center_deg: of the region that the points lie in; None for the globe.
        """

    @abstractmethod
    def best(self, pattern: Pattern, lonlat_deg: Tensor, size_km: float | None, seed: int) -> Tensor | None:
        """The chance (n,) that the best reader names each of those labels; None where that is sure."""


class Geodesic(Protocol):
    """Great circles, areas, and independent draws in every replicate."""

    name = "geodesic"
    beyond_notebook = True

    def replicates(self, asked: int) -> int:
        return asked

    def seed(self, master: int, replicate: int, *parts: object) -> int:
        return derive_seed(master, replicate, *parts)

    def globe(self, n: int, seed: int) -> Points:
        return Points("box", n, seed, lat_range_deg=GLOBAL_LAT_RANGE_DEG)

    def region(self, center_deg: Place, span_deg: float, n: int, seed: int) -> Points:
        """A cap whose diameter is the span."""
        return Points("cap", n, seed, center_deg=center_deg, radius_km=span_deg / 2 * KM_PER_DEGREE)

    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        places = uniform_on_sphere(n_places, generator)
        distances = torch.as_tensor(distances_km, dtype=torch.float64)
        return places, on_ring(places[:, None], distances, n_bearings, generator)

    def labels(
        self, pattern: Pattern, lonlat_deg: Tensor, size_km: Size, seed: int, center_deg: Place | None = None
    ) -> Tensor:
        """(n,) labels of (n, 2) places, or (S, n) of S sizes: planar about a region's centre, else turned at random."""
        if center_deg is not None and pattern.in_region:
            return pattern.in_region(lonlat_deg, size_km, center_deg, _turning(seed))
        rotation = self._rotation(pattern, seed)
        if not pattern.is_noisy:
            rotation = None if rotation is None else rotation.to(lonlat_deg.device)
            return pattern.on_sphere(lonlat_deg, size_km, rotation)
        # Noise comes from the CPU's generator, to be the same on every device.
        noise = torch.Generator().manual_seed(seed)
        return pattern.on_sphere(lonlat_deg.cpu(), size_km, rotation, generator=noise).to(lonlat_deg.device)

    def best(self, pattern: Pattern, lonlat_deg: Tensor, size_km: float | None, seed: int) -> Tensor | None:
        if not pattern.is_noisy:
            return None
        return _surer(pattern.probability(lonlat_deg.cpu(), size_km, self._rotation(pattern, seed)))

    def _rotation(self, pattern: Pattern, seed: int) -> Tensor | None:
        """A random turn of the sphere for patterns without a preferred direction."""
        return None if pattern.has_direction else random_rotation(_turning(seed))


class Notebook(Protocol):
    """The notebook to the letter: degrees, one draw, and 42 for every seed, because its author used no other."""

    name = "notebook"
    beyond_notebook = False

    def replicates(self, asked: int) -> int:
        return 1

    def seed(self, master: int, replicate: int, *parts: object) -> int:
        return notebook.SEED

    def globe(self, n: int, seed: int) -> Points:
        return Points("notebook", n, seed, lat_range_deg=GLOBAL_LAT_RANGE_DEG)

    def region(self, center_deg: Place, span_deg: float, n: int, seed: int) -> Points:
        """A square in degrees, cut where the notebook cut it."""
        lon_range_deg, lat_range_deg = notebook.region_box(center_deg, span_deg)
        return Points("notebook", n, seed, lon_range_deg=lon_range_deg, lat_range_deg=lat_range_deg)

    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        """Its one place and 200 circles' points, from its own stream, whatever is asked."""
        places = torch.tensor([notebook.REFERENCE_DEG], dtype=torch.float64)
        return places, notebook.notebook_rings(distances_km, notebook.BEARINGS, notebook.REFERENCE_DEG)[None]

    def labels(
        self, pattern: Pattern, lonlat_deg: Tensor, size_km: Size, seed: int, center_deg: Place | None = None
    ) -> Tensor:
        """The same at every seed; a boundary's noise follows the points in their own stream."""
        if pattern.in_degrees is None:
            raise UserError(f"the notebook protocol has no {pattern.name!r}; use protocol='geodesic'")
        return pattern.in_degrees(lonlat_deg, size_km)

    def best(self, pattern: Pattern, lonlat_deg: Tensor, size_km: float | None, seed: int) -> Tensor | None:
        return _surer(pattern.probability_in_degrees(lonlat_deg, size_km)) if pattern.is_noisy else None


def _turning(seed: int) -> torch.Generator:
    """Turns a pattern: one step away from its noise, which starts at the seed itself."""
    return torch.Generator().manual_seed(seed ^ 1)


def _surer(probability: Tensor) -> Tensor:
    return torch.maximum(probability, 1 - probability)


GEODESIC, NOTEBOOK = Geodesic(), Notebook()
PROTOCOLS = {protocol.name: protocol for protocol in (GEODESIC, NOTEBOOK)}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name, or a UserError that lists the names."""
    if name not in PROTOCOLS:
        raise unknown_choice("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
