"""At which cell size does one encoder beat the other? Checkerboards over most of the globe."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.experiments.make import Draw, check_sizes, field, global_points, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import TaskSet


@experiment(
    "sweet_spot",
    summary="checkerboards of 25 sizes",
    section=10,
    factors=("scale_km",),
)
@dataclass(frozen=True)
class SweetSpot:
    """Options of the sweet spot.

    Args:
        scales_km: cell sizes of the checkerboards.
        n_points: points between 60°S and 60°N, split 70:30.
        map_scales_km: scales whose test predictions are kept, in the first replicate, for the world map.
    """

    scales_km: tuple[float, ...] = tuple(float(km) for km in range(300, 925, 25))
    n_points: int = 6000
    map_scales_km: tuple[float, ...] = (400.0, 600.0, 800.0)

    def __post_init__(self):
        check_sizes("sweet_spot", scales_km=self.scales_km, n_points=self.n_points)

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """One set of points; one checkerboard for each scale."""
        fields = [
            field(draw, "checkerboard", km, keep_predictions=draw.replicate == 0 and km in self.map_scales_km)
            for km in self.scales_km
        ]
        yield task_set(draw, "sweet_spot", global_points(draw, self.n_points), fields)

    def control_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """Shuffled labels at the middle scale: a probe that reads them reads its own noise."""
        middle_km = sorted(self.scales_km)[len(self.scales_km) // 2]
        shuffled = field(draw, "checkerboard", middle_km, shuffled=True)
        yield task_set(draw, "sweet_spot", global_points(draw, self.n_points), [shuffled])
