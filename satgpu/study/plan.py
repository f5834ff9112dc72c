"""Step 1: from the options to units of work, listed lazily and in an order that any process can repeat."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from satgpu.experiments import EXPERIMENTS, Draw, Field, ReadoutTask, TaskSet
from satgpu.geometry import Points, Protocol
from satgpu.study.config import Config
from satgpu.study.looks import cell_key

# Weights for dealing and forecasts, not results: epochs of a typical probe, the share of the points that it is
# fitted on (70 % less a tenth for validation), the features of a typical encoder, and one ordinary core.
TYPICAL_EPOCHS, FIT_SHARE, TYPICAL_FEATURES = 36, 0.63, 256
NOMINAL_FLOPS_PER_S, NOMINAL_POINTS_PER_S = 2e10, 2e4
NOMINAL_READING_S = 0.08  # of the small read-out that ``speed`` times, where a task's ``cost_s`` is what it says


def flops_per_row(n_features: int, hidden_layer_sizes: tuple[int, ...]) -> int:
    """Arithmetic of one row in one epoch: forward, weight gradients, input gradients of all layers but the first."""
    sizes = (n_features, *hidden_layer_sizes, 1)
    products = [2 * a * b for a, b in zip(sizes, sizes[1:], strict=False)]
    return 3 * sum(products) - products[0]


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
    def protocol(self) -> Protocol:
        return self.task_sets[0].protocol

    @property
    def n_probes(self) -> int:
        """Probes of one encoder."""
        return sum(len(tasks.fields) for tasks in self.task_sets)

    def task_ids(self) -> list[str]:
        """One id for each probe, without the encoder."""
        return [task_id for tasks in self.task_sets for task_id in tasks.task_ids()]

    def train_s(self, hidden_layer_sizes: tuple[int, ...] = (128, 64)) -> float:
        """Seconds of training on one encoder and one ordinary core; probes of a group share no arithmetic."""
        flops = flops_per_row(TYPICAL_FEATURES, hidden_layer_sizes) * FIT_SHARE * TYPICAL_EPOCHS
        return self.points.n * self.n_probes * flops / NOMINAL_FLOPS_PER_S

    def cost_s(self, hidden_layer_sizes: tuple[int, ...] = (128, 64)) -> float:
        """The same with the encoding of the points, which the probes share."""
        return self.train_s(hidden_layer_sizes) + self.points.n / NOMINAL_POINTS_PER_S


@dataclass(frozen=True)
class Round:
    """Replicates to do, of every task or of those in undecided cells.

    Args:
        replicates: their numbers.
        undecided: by experiment, the cells that more replicates are for; None for everything.
    """

    replicates: range
    undecided: Mapping[str, frozenset[tuple]] | None = None

    def wants(self, tasks: TaskSet, field: Field) -> bool:
        """Whether a field is of an undecided cell; controls of an experiment follow while it has one."""
        if self.undecided is None:
            return True
        cells = self.undecided.get(tasks.experiment, frozenset())
        return bool(cells) if field.shuffled else cell_of(tasks, field) in cells


def cell_of(tasks: TaskSet, field: Field) -> tuple:
    """The cell of its experiment's table that a field is in."""
    entry = next(e for e in EXPERIMENTS.values() if tasks.experiment in (e.name, *e.series))
    columns = tasks.columns(field)
    return cell_key(columns[name] for name in entry.factors)


def draws(config: Config, replicates: range) -> Iterator[Draw]:
    """Those of every protocol's replicates that differ from one another."""
    for protocol in config.protocols:
        for replicate in range(replicates.start, protocol.replicates(replicates.stop)):
            yield Draw(protocol, replicate, config.seed)


def plan_units(config: Config, round_: Round | int) -> Iterator[Unit]:
    """The units of probes of a round, or of so many replicates, replicate by replicate."""
    round_ = Round(range(round_)) if isinstance(round_, int) else round_
    for draw in draws(config, round_.replicates):
        kept = (tasks.keeping(round_.wants) for tasks in _task_sets(config, draw))
        yield from _merged(tasks for tasks in kept if tasks.fields)


def plan_readouts(config: Config, replicates: int) -> Iterator[ReadoutTask]:
    """Every read-out without probes, replicate by replicate."""
    for draw in draws(config, range(replicates)):
        for name, entry in EXPERIMENTS.items():
            if name in config.experiments and not entry.trains_probes:
                yield from config.parts[name].readouts(draw)


def _task_sets(config: Config, draw: Draw) -> Iterator[TaskSet]:
    for name, entry in EXPERIMENTS.items():
        if name not in config.experiments or not entry.trains_probes:
            continue
        options = config.parts[name]
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


Item = TypeVar("Item")


def deal(
    items: Iterable[Item], rank: int, world_size: int, cost: Callable[[Item], float] = Unit.cost_s
) -> Iterator[Item]:
    """This process's share: each item goes to the process with the least work so far.

    Every process walks the same list and comes to the same answer, so nothing
    has to be sent around. A unit is never cut: its inputs stay together.
    """
    work = [0.0] * world_size
    for item in items:
        owner = work.index(min(work))
        work[owner] += cost(item)
        if owner == rank:
            yield item
