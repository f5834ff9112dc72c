"""Step 1: from the options to units of work, listed lazily and in an order that any process can repeat."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.experiments import EXPERIMENTS, Draw, TaskSet
from satgpu.experiments.tasks import Points
from satgpu.study.config import Config

# Epochs of a typical probe: a weight for dealing and forecasts, not a result.
TYPICAL_EPOCHS = 36


@dataclass(frozen=True)
class Unit:
    """Task sets over the same points with the same split: encoded once, trained on shared inputs."""

    task_sets: tuple[TaskSet, ...]

    @property
    def points(self) -> Points:
        return self.task_sets[0].points

    @property
    def split_seed(self) -> int:
        return self.task_sets[0].split_seed

    @property
    def protocol(self) -> str:
        return self.task_sets[0].protocol

    @property
    def n_probes(self) -> int:
        """Probes of one encoder."""
        return sum(len(tasks.fields) for tasks in self.task_sets)

    def task_ids(self) -> list[str]:
        """One id for each probe, without the encoder."""
        return [task_id for tasks in self.task_sets for task_id in tasks.task_ids()]

    @property
    def cost(self) -> float:
        """Training cost in point-probes: probes of a group share the encoding, but not the arithmetic."""
        return self.points.n * (self.n_probes + 1)


def plan_units(config: Config, replicates: int) -> Iterator[Unit]:
    """Every unit of the study, replicate by replicate."""
    for protocol in config.protocols:
        # A second replicate of the notebook would repeat the first: all its seeds are 42.
        for replicate in range(replicates if protocol == "geodesic" else 1):
            yield from _merged(_task_sets(config, Draw(protocol, replicate, config.seed)))


def _task_sets(config: Config, draw: Draw) -> Iterator[TaskSet]:
    for name in EXPERIMENTS:
        options = getattr(config, name)
        if name not in config.experiments or name == "similarity":
            continue
        yield from options.task_sets(draw)
        if config.controls and hasattr(options, "control_sets"):
            yield from options.control_sets(draw)


def _merged(task_sets: Iterator[TaskSet]) -> Iterator[Unit]:
    """Put together the task sets of one replicate that share points and split."""
    units: dict[tuple, list[TaskSet]] = {}
    for tasks in task_sets:
        units.setdefault((tasks.points, tasks.split_seed), []).append(tasks)
    for together in units.values():
        yield Unit(tuple(together))


def deal(units: Iterator[Unit], rank: int, world_size: int) -> Iterator[Unit]:
    """This process's share: each unit goes to the process with the least work so far.

    Every process walks the same list and comes to the same answer, so nothing
    has to be sent around. A unit is never cut: its inputs stay together.
    """
    work = [0.0] * world_size
    for unit in units:
        owner = work.index(min(work))
        work[owner] += unit.cost
        if owner == rank:
            yield unit
