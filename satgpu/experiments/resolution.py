"""The smallest scale that a probe reads, on the globe and in small caps, at a constant density of points."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from satgpu.errors import UserError
from satgpu.experiments.make import Draw, check_sizes, field, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import Region, TaskSet
from satgpu.geometry import EARTH_AREA_KM2, Points, cap_radius_km, uniform_on_sphere


@experiment(
    "resolution",
    summary="the smallest scale that a probe reads, at constant points per cell",
    section=70,
    factors=("sampling", "scale_km"),
    # In caps it measures when early stopping gives up, on the globe the number of points: the transfer function and
    # the map have taken its place.
    default=False,
)
@dataclass(frozen=True)
class Resolution:
    """Options of the resolution experiment; it has no counterpart in the notebook.

    Args:
        global_scales_km: cell sizes over the whole sphere. At a constant density a coarser scale has fewer
            points, and beyond 1000 km too few for a fine encoder to learn anything from.
        points_per_cell: points for each cell, split 70:30.
        max_points: most points over the sphere; finer scales are starved, and marked so.
        local_scales_km: cell sizes in caps that hold ``cells_per_cap`` cells.
        cells_per_cap: cells in a cap, so that a finer scale means a smaller cap.
        threshold: skill at which a scale counts as read.
        caps: caps at random places, for each scale and replicate.
    """

    global_scales_km: tuple[float, ...] = (250.0, 354.0, 500.0, 707.0, 1000.0)
    points_per_cell: float = 12.0
    max_points: int = 24000
    local_scales_km: tuple[float, ...] = (50.0, 100.0, 200.0, 400.0, 800.0)
    local_points_per_cell: float = 30.0
    cells_per_cap: float = 36.0
    caps: int = 2
    threshold: float = 0.5

    def __post_init__(self):
        check_sizes(
            "resolution",
            global_scales_km=self.global_scales_km,
            local_scales_km=self.local_scales_km,
            points_per_cell=self.points_per_cell,
            local_points_per_cell=self.local_points_per_cell,
            cells_per_cap=self.cells_per_cap,
            max_points=self.max_points,
            caps=self.caps,
        )
        for name in ("global_scales_km", "local_scales_km"):
            if len(getattr(self, name)) < 2:
                raise UserError(f"resolution.{name} is {list(getattr(self, name))}; a crossing lies between two scales")
        if self.cells_per_cap * max(self.local_scales_km) ** 2 > EARTH_AREA_KM2:
            raise UserError(
                f"resolution.cells_per_cap is {self.cells_per_cap:g}; so many cells of {max(self.local_scales_km):g} km"
                " are larger than the Earth; give fewer or smaller ones"
            )
        if not 0 < self.threshold < 1:
            raise UserError(
                f"resolution.threshold is {self.threshold}; give a skill between 0 (chance) and 1 (the ceiling)"
            )

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """Points of their own for every scale, because the density follows the scale."""
        if not draw.protocol.beyond_notebook:
            return
        for scale_km in self.global_scales_km:
            n = min(round(EARTH_AREA_KM2 / scale_km**2 * self.points_per_cell), self.max_points)
            points = Points("sphere", n, draw.seed_for("points", "sphere", n))
            yield task_set(
                draw, "resolution", points, [field(draw, "checkerboard", scale_km)], sampling="fixed_per_cell"
            )
        for scale_km in self.local_scales_km:
            for cap in range(self.caps):
                yield self._local(draw, scale_km, cap)

    def _local(self, draw: Draw, scale_km: float, cap: int) -> TaskSet:
        """A cap around a random place."""
        seed = draw.seed_for("cap", scale_km, cap)
        center = uniform_on_sphere(1, torch.Generator().manual_seed(seed))[0].tolist()
        center_deg = (round(center[0], 4), round(center[1], 4))
        n = round(self.cells_per_cap * self.local_points_per_cell)
        radius_km = float(cap_radius_km(self.cells_per_cap * scale_km**2))
        points = Points("cap", n, seed, center_deg=center_deg, radius_km=radius_km)
        region = Region(f"cap-{cap}", center_deg)
        return task_set(draw, "resolution", points, [field(draw, "checkerboard", scale_km)], region, "local_caps")
