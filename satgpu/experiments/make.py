"""The pieces that every experiment's plan is put together from."""

from collections.abc import Iterable
from dataclasses import dataclass

from satgpu.errors import UserError
from satgpu.experiments.tasks import Field, Points, Region, TaskSet
from satgpu.geometry import EARTH_RADIUS_KM
from satgpu.geometry.notebook import region_box
from satgpu.seeds import derive_seed

NOTEBOOK_SEED = 42
GLOBAL = Region()
KM_PER_DEGREE = EARTH_RADIUS_KM * 3.141592653589793 / 180
# The notebook's "global" leaves out the polar caps; the geodesic protocol keeps its extent,
# so that the two protocols differ in geometry and not in what is asked.
GLOBAL_LAT_RANGE_DEG = (-60.0, 60.0)


@dataclass(frozen=True)
class Draw:
    """Which draw of a study: its protocol, replicate and master seed."""

    protocol: str
    replicate: int
    seed: int

    @property
    def is_notebook(self) -> bool:
        return self.protocol == "notebook"

    def seed_for(self, *parts: object) -> int:
        """The seed of a named draw; always 42 in the notebook's protocol, whose author used no other."""
        if self.is_notebook:
            return NOTEBOOK_SEED
        return derive_seed(self.seed, self.replicate, *parts)


def global_points(draw: Draw, n: int) -> Points:
    """n points between 60°S and 60°N; experiments that ask for the same number share them."""
    kind = "notebook" if draw.is_notebook else "box"
    return Points(kind, n, draw.seed_for("points", "global", n), lat_range_deg=GLOBAL_LAT_RANGE_DEG)


def regional_points(draw: Draw, region: Region, n: int) -> Points:
    """n points in the notebook's box, or in the cap whose diameter is the region's span."""
    seed = draw.seed_for("points", region.center_deg, region.span_deg, n)
    if draw.is_notebook:
        lon_range_deg, lat_range_deg = region_box(region.center_deg, region.span_deg)
        return Points("notebook", n, seed, lon_range_deg=lon_range_deg, lat_range_deg=lat_range_deg)
    radius_km = region.span_deg / 2 * KM_PER_DEGREE
    return Points("cap", n, seed, center_deg=region.center_deg, radius_km=radius_km)


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
