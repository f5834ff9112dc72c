"""Does the shape of the field matter? Checkerboards, stripes and rings at the same scales."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from satgpu.errors import UserError, refuse_repeats, unknown_choice
from satgpu.experiments.make import Draw, check_sizes, field, global_points, task_set
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import TaskSet
from satgpu.geometry import PATTERNS

CLASS_PATTERNS = ("checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings")


@experiment(
    "patterns",
    summary="five shapes at five sizes",
    section=30,
    factors=("pattern", "scale_km"),
    series=("patterns_wavelength",),
)
@dataclass(frozen=True)
class Patterns:
    """Options of the pattern experiment.

    Args:
        patterns: names of the fields; ``gradient`` is a smooth field for regression.
        scales_km: cell sizes, stripe and ring widths.
        n_points: points between 60°S and 60°N, split 70:30.
        equal_wavelength: also lay checkerboards whose wavelength equals the stripes' (geodesic protocol).
    """

    patterns: tuple[str, ...] = CLASS_PATTERNS
    scales_km: tuple[float, ...] = (400.0, 600.0, 800.0, 1000.0, 1500.0)
    n_points: int = 6000
    equal_wavelength: bool = True

    def __post_init__(self):
        check_sizes("patterns", scales_km=self.scales_km, n_points=self.n_points)
        if not self.patterns:
            raise UserError("patterns.patterns is empty; give at least one value")
        refuse_repeats("patterns.patterns", self.patterns)
        for name in self.patterns:
            if name not in PATTERNS or PATTERNS[name].size != "scale_km":
                raise unknown_choice("pattern", name, [p.name for p in PATTERNS.values() if p.size == "scale_km"])

    def task_sets(self, draw: Draw) -> Iterator[TaskSet]:
        """The same points under every pattern and scale."""
        points = global_points(draw, self.n_points)
        fields = [field(draw, name, km) for name in self.patterns for km in self.scales_km]
        yield task_set(draw, "patterns", points, fields)
        if self.equal_wavelength and draw.protocol.beyond_notebook and "checkerboard" in self.patterns:
            # a stripe repeats after 2 s, a checkerboard after sqrt(2) s
            fields = [field(draw, "checkerboard", math.sqrt(2) * km) for km in self.scales_km]
            yield task_set(draw, "patterns_wavelength", points, fields)
