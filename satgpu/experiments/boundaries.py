"""One boundary across the globe, from a step to a wide transition whose labels are noisy."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.experiments.make import Draw, check_sizes, field, global_points, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import TaskSet


@experiment(
    "boundaries",
    summary="one boundary of six widths",
    section=60,
    factors=("width_km",),
)
@dataclass(frozen=True)
class Boundaries:
    """Options of the boundary experiment.

    Args:
        widths_km: widths of the logistic transition; 0 is a step.
        n_points: points between 60°S and 60°N, split 70:30.
    """

    widths_km: tuple[float, ...] = (0.0, 100.0, 250.0, 500.0, 1000.0, 2000.0)
    n_points: int = 5000

    def __post_init__(self):
        check_sizes("boundaries", n_points=self.n_points)
        check_sizes("boundaries", zero=True, widths_km=self.widths_km)

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """The same points under every width.

        The notebook's label noise follows its points in one random stream, so
        each width there draws the same points again and stays as it was.
        """
        fields = [field(draw, "boundary", width_km=km) for km in self.widths_km]
        yield task_set(draw, "boundaries", global_points(draw, self.n_points), fields)
