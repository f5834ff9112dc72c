"""How cosine similarity falls with distance: no probe, only the embedding."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.errors import UserError
from satgpu.experiments.make import Draw, check_sizes, readout_task
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import ReadoutTask

SECONDS_PER_POINT = 5e-5  # of an embedding, and of its share of the cosines


@experiment(
    "similarity",
    summary="cosine similarity against distance",
    section=50,
    table="similarity",
)
@dataclass(frozen=True)
class Similarity:
    """Options of the similarity experiment.

    Args:
        distances_km: the notebook's distances.
        n_places: reference places, uniform by area (geodesic protocol; the notebook has one).
        n_bearings: points on each ring around a place (geodesic; the notebook has 200).
        circles: great circles for the kernel's spectrum, the units of its bootstrap.
        circle_points: points on each of them; the spectrum is read up to half as many degrees.
    """

    distances_km: tuple[float, ...] = (
        10.0, 25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1500.0, 2000.0, 3000.0,
    )  # fmt: skip
    n_places: int = 200
    n_bearings: int = 8
    circles: int = 48
    circle_points: int = 512

    def __post_init__(self):
        sizes = {name: getattr(self, name) for name in ("distances_km", "n_places", "n_bearings")}
        check_sizes("similarity", **sizes)
        if self.circles < 2 or self.circle_points < 64 or self.circle_points % 2:
            raise UserError(
                f"similarity needs 2 or more circles of an even number of points, 64 or more; "
                f"got circles {self.circles}, circle_points {self.circle_points}"
            )

    def readouts(self, draw: Draw) -> Iterator[ReadoutTask]:
        """Rings around places, and great circles for the spectrum; one draw of places serves all replicates."""
        if draw.replicate:
            return
        rings = len(self.distances_km) * self.n_places * self.n_bearings
        yield readout_task(draw, "similarity", "distances", SECONDS_PER_POINT * rings, draw.seed)
        if draw.protocol.beyond_notebook:
            points = 1.5 * self.circles * self.circle_points
            yield readout_task(draw, "similarity", "quadrature", SECONDS_PER_POINT * points, draw.seed)
