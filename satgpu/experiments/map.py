"""The local transfer function on a map: which scales an encoder reads where, and along which bearing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satgpu.errors import UserError
from satgpu.experiments.make import Draw, check_sizes, readout_task
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import ReadoutTask

PLACES = {"cpu": 9, "cuda": 200}
SECONDS_PER_PLACE = 1.2


@experiment(
    "map",
    summary="finest scale read around places all over the Earth, by direction",
    section=2,
    table="map",
)
@dataclass(frozen=True)
class Map:
    """Options of the map experiment.

    Args:
        places: on a lattice even by area, 8 or more; auto is 9 on a CPU, enough for the ratio of two encoders, and
            200 on a GPU, enough for a map.
        scales_km: cell sizes looked at first, at most 800 km; edges are searched between them.
        n_labels: in a cap.
        cells: in a cap.
        noise: variance of the label noise, as a share of the field's.
        tolerance: noise of the embedding, as a share of its spread over the Earth.
    """

    places: int | Literal["auto"] = "auto"
    scales_km: tuple[float, ...] = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
    n_labels: int = 700
    cells: float = 36.0
    noise: float = 0.1
    tolerance: float = 0.01

    def __post_init__(self):
        check_sizes("map", scales_km=self.scales_km, n_labels=self.n_labels, cells=self.cells)
        if len(self.scales_km) < 2 or max(self.scales_km) > 800:
            raise UserError(f"map.scales_km is {list(self.scales_km)}; give two or more, 800 km at most")
        check_sizes("map", zero=True, noise=self.noise, tolerance=self.tolerance)
        if self.n_labels < 50 or not 4 <= self.cells <= 400:
            raise UserError(
                f"map has {self.n_labels} labels in {self.cells:g} cells; a cap needs 50 or more in 4 to 400"
            )
        if self.places != "auto" and self.places < 8:
            raise UserError(f"map.places is {self.places}; a map needs 8 places or more")

    def places_on(self, device_type: str) -> int:
        """How many places, with what ``auto`` means on this kind of device."""
        return PLACES["cpu" if device_type == "cpu" else "cuda"] if self.places == "auto" else self.places

    def readouts(self, draw: Draw) -> Iterator[ReadoutTask]:
        """One map an encoder: places that are drawn twice show the spread over draws."""
        if draw.protocol.beyond_notebook and draw.replicate == 0:
            cost_s = SECONDS_PER_PLACE * self.places_on("cuda" if self.places == "auto" else "cpu")
            yield readout_task(draw, "map", "all", cost_s=cost_s, seed=draw.seed)
