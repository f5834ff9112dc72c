"""Cell size against region size on three continents."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.errors import UserError, refuse_repeats
from satgpu.experiments.make import Draw, center_of, check_sizes, field, regional_points, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import Region, TaskSet


@experiment(
    "scale_region",
    summary="sizes and regions on three continents",
    section=40,
    factors=("region", "span_deg", "scale_km"),
)
@dataclass(frozen=True)
class ScaleRegion:
    """Options of the scale and region experiment.

    Args:
        centers: names and their longitude and latitude.
        spans_deg: widths of the regions, in degrees of arc.
        scales_km: cell sizes of the checkerboards.
        n_points: points in every region, split 70:30.
    """

    centers: tuple[tuple[str, float, float], ...] = (
        ("Europe", 15.0, 50.0),
        ("North America", -100.0, 40.0),
        ("Asia", 100.0, 35.0),
    )
    spans_deg: tuple[float, ...] = (15.0, 25.0, 35.0, 45.0, 60.0, 90.0)
    scales_km: tuple[float, ...] = (400.0, 500.0, 600.0, 700.0, 800.0)
    n_points: int = 3000

    def __post_init__(self):
        check_sizes("scale_region", spans_deg=self.spans_deg, scales_km=self.scales_km, n_points=self.n_points)
        if not self.centers:
            raise UserError("scale_region.centers is empty; give at least one, as in [[Europe, 15, 50]]")
        for name, *_ in self.centers:
            if not name.strip() or not name.isprintable():
                raise UserError(f"scale_region.centers holds a name that cannot be printed, {name!r}; give a word")
        refuse_repeats("scale_region.centers", [name for name, *_ in self.centers])
        centers = tuple((name, *center_of(f"scale_region.centers: {name!r}", *place)) for name, *place in self.centers)
        object.__setattr__(self, "centers", centers)

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """One set of points for each center and span; one checkerboard for each scale."""
        for name, lon_deg, lat_deg in self.centers:
            for span_deg in self.spans_deg:
                region = Region(name, (lon_deg, lat_deg), span_deg)
                fields = [field(draw, "checkerboard", km) for km in self.scales_km]
                yield task_set(draw, "scale_region", regional_points(draw, region, self.n_points), fields, region)
