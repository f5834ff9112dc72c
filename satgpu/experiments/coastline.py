"""A real field: land or ocean (the task of Rußwurm et al., ICLR 2024), which needs no invented pattern."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from satgpu.experiments.make import Draw, check_sizes, field, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import TaskSet
from satgpu.geometry import Points


def land_mask() -> None:
    """UserError where there is none to be had."""
    from satgpu.geometry.land import is_land  # reads a land mask: only where it is asked for

    is_land(torch.zeros(1, 2, dtype=torch.float64))


@experiment(
    "coastline",
    summary="land or ocean, a real field",
    section=80,
    factors=("pattern",),
    default=False,
    needs=land_mask,
)
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
        if not draw.protocol.beyond_notebook:
            return
        points = Points("sphere", self.n_points, draw.seed_for("points", "sphere", self.n_points))
        land = field(draw, "coastline", keep_predictions=True)
        yield task_set(draw, "coastline", points, [land])
