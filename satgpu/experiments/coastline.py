"""A real field: land or ocean (the task of Rußwurm et al., ICLR 2024), which needs no invented pattern."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.experiments.make import Draw, check_sizes, field, task_set
from satgpu.experiments.tasks import Points, TaskSet


@dataclass(frozen=True)
class Coastline:
    """Options of the coastline experiment; it needs the extra ``satgpu[land]``.

    Args:
        n_points: points over the whole sphere, uniform by area, split 70:30.
    """

    n_points: int = 10000

    def __post_init__(self):
        check_sizes("coastline", n_points=self.n_points)

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """One field; the test predictions are kept, because accuracy is read against distance to the coast."""
        if draw.is_notebook:
            return
        points = Points("sphere", self.n_points, draw.seed_for("points", "sphere", self.n_points))
        land = field(draw, "coastline", keep_predictions=True)
        yield task_set(draw, "coastline", points, [land])
