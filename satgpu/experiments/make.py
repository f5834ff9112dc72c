"""The pieces that every experiment's plan is put together from."""

from collections.abc import Iterable
from dataclasses import dataclass

from satgpu.errors import UserError
from satgpu.experiments.tasks import Field, ReadoutTask, Region, TaskSet
from satgpu.geometry import Points, Protocol

GLOBAL = Region()


@dataclass(frozen=True)
class Draw:
    """Which repetition of a study: its protocol, replicate and master seed."""

    protocol: Protocol
    replicate: int
    seed: int

    def seed_for(self, *parts: object) -> int:
        """The seed of a named draw."""
        return self.protocol.seed(self.seed, self.replicate, *parts)


def global_points(draw: Draw, n: int) -> Points:
    """n points between 60°S and 60°N; experiments that ask for the same number share them."""
    return draw.protocol.globe(n, draw.seed_for("points", "global", n))


def regional_points(draw: Draw, region: Region, n: int) -> Points:
    """n points in the region."""
    seed = draw.seed_for("points", region.center_deg, region.span_deg, n)
    return draw.protocol.region(region.center_deg, region.span_deg, n, seed)


def readout_task(draw: Draw, experiment: str, part: str, cost_s: float, seed: int | None = None) -> ReadoutTask:
    """A read-out of this draw; its seed follows from its name unless one is given."""
    seed = draw.seed_for(experiment, part) if seed is None else seed
    return ReadoutTask(experiment, draw.protocol, draw.replicate, part, seed, cost_s)


def task_set(
    draw: Draw,
    experiment: str,
    points: Points,
    fields: Iterable[Field],
    region: Region = GLOBAL,
    sampling: str = "fixed_points",
) -> TaskSet:
    """Fields over points, with the split's and each probe's seed filled in."""
    fields = tuple(fields)
    seeds = tuple(
        draw.seed_for(
            "probe", experiment, region.name, region.span_deg, sampling, f.pattern, f.scale_km, f.width_km, f.shuffled
        )
        for f in fields
    )
    # The split belongs to the points, so that fields over the same points can share it.
    split_seed = draw.seed_for("split", points.seed, points.n)
    return TaskSet(experiment, draw.protocol, draw.replicate, region, points, split_seed, fields, seeds, sampling)


def field(draw: Draw, pattern: str, scale_km: float | None = None, width_km: float | None = None, **more) -> Field:
    """A field of this draw. One rotation for all scales of a pattern, so that its curve is one planet's."""
    return Field(pattern, scale_km, width_km, label_seed=draw.seed_for("labels", pattern), **more)


def check_sizes(name: str, **sizes: object) -> None:
    """Refuse sizes that no experiment can have, naming the option."""
    for option, value in sizes.items():
        values = value if isinstance(value, (tuple, list)) else (value,)
        if not values:
            raise UserError(f"{name}.{option} is empty; give at least one value")
        for one in values:
            if not one > 0:
                raise UserError(f"{name}.{option} holds {one}; every value must be positive")
