"""The pieces that every experiment's plan is put together from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from satgpu.errors import UserError, refuse_repeats
from satgpu.experiments.tasks import Field, ReadoutTask, Region, TaskSet
from satgpu.geometry import Points, Protocol, check_lonlat, refuse_metres, wrap_longitude_deg

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


def check_sizes(name: str, zero: bool = False, **sizes: object) -> None:
    """Refuse sizes that no experiment can have, and those that a table could not tell apart, naming the option.

    Args:
        name: of the experiment.
        zero: a size may be 0.
        sizes: options and their values, units at the end of their names.
    """
    for option, value in sizes.items():
        values = value if isinstance(value, (tuple, list)) else (value,)
        if not values:
            raise UserError(f"{name}.{option} is empty; give at least one value")
        for one in values:
            if not (one >= 0 if zero else one > 0) or one == math.inf:
                wanted = "0 or more" if zero else "positive"
                raise UserError(f"{name}.{option} holds {one}; every value must be {wanted}")
            if option.endswith("_km"):
                refuse_metres(f"{name}.{option}", one)
            if option.endswith("_deg") and one > 360:
                raise UserError(f"{name}.{option} holds {one}; give degrees, 360 at most (are these kilometres?)")
        # as in the names of probes (``tasks``): to 10 m, or to six digits
        digits = ".2f" if option.endswith("_km") else "g"
        refuse_repeats(f"{name}.{option}", [float(format(one, digits)) for one in values])


def center_of(option: str, lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """A region's centre with its longitude in [-180, 180]; UserError where it is not on the Earth."""
    check_lonlat(torch.tensor([lon_deg, lat_deg], dtype=torch.float64), option)
    if abs(lon_deg) <= 180:
        return lon_deg, lat_deg  # 180 stays: the notebook cuts its regions there
    return float(wrap_longitude_deg(torch.tensor(lon_deg, dtype=torch.float64))), lat_deg
