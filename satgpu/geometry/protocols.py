"""The two ways of asking the same question: as the notebook did, and as a geographer would.

A protocol says where points are drawn, how often a draw can be repeated, and
which seed each draw has. It is looked up by name once, where options are read;
after that code asks the object.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.geometry import notebook
from satgpu.geometry.points import Points
from satgpu.geometry.sampling import on_ring, uniform_on_sphere
from satgpu.geometry.sphere import EARTH_RADIUS_KM
from satgpu.seeds import derive_seed

KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180
# The notebook's "global" leaves out the polar caps; the geodesic protocol keeps its extent,
# so that the two protocols differ in geometry and not in what is asked.
GLOBAL_LAT_RANGE_DEG = (-60.0, 60.0)


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
    def region(self, center_deg: tuple[float, float], span_deg: float, n: int, seed: int) -> Points:
        """n points in the region of width ``span_deg`` around a centre."""

    @abstractmethod
    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        """(C, 2) reference places, and (C, K, B, 2) points at each distance around each."""


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

    def region(self, center_deg: tuple[float, float], span_deg: float, n: int, seed: int) -> Points:
        """A cap whose diameter is the span."""
        return Points("cap", n, seed, center_deg=center_deg, radius_km=span_deg / 2 * KM_PER_DEGREE)

    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        places = uniform_on_sphere(n_places, generator)
        distances = torch.as_tensor(distances_km, dtype=torch.float64)
        return places, on_ring(places[:, None], distances, n_bearings, generator)


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

    def region(self, center_deg: tuple[float, float], span_deg: float, n: int, seed: int) -> Points:
        """A square in degrees, cut where the notebook cut it."""
        lon_range_deg, lat_range_deg = notebook.region_box(center_deg, span_deg)
        return Points("notebook", n, seed, lon_range_deg=lon_range_deg, lat_range_deg=lat_range_deg)

    def rings(self, distances_km: list[float], n_places: int, n_bearings: int, seed: int) -> tuple[Tensor, Tensor]:
        """Its one place and 200 circles' points, from its own stream, whatever is asked."""
        places = torch.tensor([notebook.REFERENCE_DEG], dtype=torch.float64)
        return places, notebook.notebook_rings(distances_km, notebook.BEARINGS, notebook.REFERENCE_DEG)[None]


GEODESIC, NOTEBOOK = Geodesic(), Notebook()
PROTOCOLS = {protocol.name: protocol for protocol in (GEODESIC, NOTEBOOK)}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name, or a UserError that lists the names."""
    if name not in PROTOCOLS:
        raise unknown_choice("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
