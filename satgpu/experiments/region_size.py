"""Does a smaller region help? Asked with a fixed number of points and with a fixed density."""

from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.experiments.make import Draw, center_of, check_sizes, field, regional_points, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import Region, TaskSet


@experiment(
    "region_size",
    summary="one size in regions of 8 widths",
    section=20,
    factors=("sampling", "span_deg"),
)
@dataclass(frozen=True)
class RegionSize:
    """Options of the region size experiment.

    Args:
        spans_deg: widths of the regions around ``center_deg``, in degrees of arc.
        center_deg: longitude and latitude.
        scale_km: cell size of the checkerboard.
        n_points: points in every region, split 70:30. More of them share a cell in a small region.
        points_per_cell: density of the second series, whose regions differ in size alone; 0 leaves it out.
        max_points: most points of any region of the second series.
    """

    spans_deg: tuple[float, ...] = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 180.0)
    center_deg: tuple[float, float] = (15.0, 50.0)
    scale_km: float = 500.0
    n_points: int = 4000
    points_per_cell: float = 12.0
    max_points: int = 20000

    def __post_init__(self):
        check_sizes(
            "region_size",
            spans_deg=self.spans_deg,
            scale_km=self.scale_km,
            n_points=self.n_points,
            max_points=self.max_points,
        )
        check_sizes("region_size", zero=True, points_per_cell=self.points_per_cell)
        object.__setattr__(self, "center_deg", center_of("region_size.center_deg", *self.center_deg))

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """One set of points for each span and series; the notebook knew the first series only."""
        for span_deg in self.spans_deg:
            region = Region("15E50N" if self.center_deg == (15.0, 50.0) else "center", self.center_deg, span_deg)
            fields = [field(draw, "checkerboard", self.scale_km)]
            points = regional_points(draw, region, self.n_points)
            yield task_set(draw, "region_size", points, fields, region)
            if draw.protocol.beyond_notebook and self.points_per_cell > 0:
                n = round(points.area_km2 / self.scale_km**2 * self.points_per_cell)
                points = regional_points(draw, region, min(n, self.max_points))
                yield task_set(draw, "region_size", points, fields, region, "fixed_density")
