"""What to probe: recipes of points and label fields, small enough to list millions of them.

A recipe holds no tensors. Drawing it twice gives the same bytes, which is what
lets a run be resumed, dealt to many processes, or repeated for one probe alone.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry import (
    PATTERNS,
    boundary_probability,
    box_area_km2,
    cap_area_km2,
    cells_in,
    make_labels,
    notebook,
    random_rotation,
    uniform_in_box,
    uniform_in_cap,
    uniform_on_sphere,
)

PROTOCOLS = ("geodesic", "notebook")
EARTH_AREA_KM2 = cap_area_km2(20015.1145)  # a cap that reaches the antipode


@dataclass(frozen=True)
class Points:
    """One draw of places: ``kind`` is 'sphere', 'box' (by area), 'cap' (by area) or 'notebook' (uniform in degrees)."""

    kind: str
    n: int
    seed: int
    lon_range_deg: tuple[float, float] = (-180.0, 180.0)
    lat_range_deg: tuple[float, float] = (-90.0, 90.0)
    center_deg: tuple[float, float] | None = None
    radius_km: float | None = None

    def draw(self) -> Tensor:
        """(n, 2) float64 longitude and latitude in degrees, on the CPU."""
        generator = torch.Generator().manual_seed(self.seed)
        if self.kind == "sphere":
            return uniform_on_sphere(self.n, generator)
        if self.kind == "box":
            return uniform_in_box(self.n, self.lon_range_deg, self.lat_range_deg, generator)
        if self.kind == "cap":
            return uniform_in_cap(self.n, self.center_deg, self.radius_km, generator)
        return notebook.notebook_box(self.n, self.lon_range_deg, self.lat_range_deg, seed=self.seed)

    @property
    def area_km2(self) -> float:
        """Area that the points are spread over."""
        if self.kind == "sphere":
            return float(EARTH_AREA_KM2)
        if self.kind == "cap":
            return float(cap_area_km2(self.radius_km))
        return float(box_area_km2(self.lon_range_deg, self.lat_range_deg))


@dataclass(frozen=True)
class Region:
    """Where the points lie, in the words of the table."""

    name: str = "global"
    center_deg: tuple[float, float] | None = None
    span_deg: float | None = None


@dataclass(frozen=True)
class Field:
    """One label field: a pattern at a scale, its rotation and its noise."""

    pattern: str
    scale_km: float | None = None
    width_km: float | None = None
    label_seed: int = 0
    shuffled: bool = False
    keep_predictions: bool = False

    def __post_init__(self):
        for name in ("scale_km", "width_km"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UserError(f"{name} of {self.pattern!r} is {value}; it must be a positive number of kilometres")

    @property
    def task(self) -> str:
        """'classification' or 'regression'."""
        return "regression" if self.pattern == "gradient" else "classification"

    @property
    def wavelength_km(self) -> float | None:
        """Distance after which the pattern repeats; None where it doesn't."""
        if self.scale_km is None or self.pattern not in PATTERNS:
            return None
        return self.scale_km * PATTERNS[self.pattern].wavelength_per_scale

    def labels(self, lonlat_deg: Tensor, protocol: str) -> tuple[Tensor, Tensor | None]:
        """Labels (n,) at the points, and the chance (n,) that the best reader names each; None where that is sure."""
        if self.pattern == "coastline":
            from satgpu.geometry.land import is_land  # reads a land mask: only where it is asked for

            return is_land(lonlat_deg).long(), None
        size = self.width_km if self.pattern == "boundary" else self.scale_km
        rotation = self._rotation(protocol, lonlat_deg.device)
        generator = torch.Generator().manual_seed(self.label_seed)
        if self.pattern == "boundary":  # its noise comes from the CPU's generator, to be the same on every device
            rotation = None if rotation is None else rotation.cpu()
            labels = make_labels(self.pattern, lonlat_deg.cpu(), size, protocol, rotation, generator)
            return labels.to(lonlat_deg.device), self._best(lonlat_deg.cpu(), protocol, rotation)
        labels = make_labels(self.pattern, lonlat_deg, size, protocol, rotation)
        if self.shuffled:
            labels = labels[torch.randperm(len(labels), generator=generator).to(labels.device)]
        return labels, None

    def _rotation(self, protocol: str, device: torch.device) -> Tensor | None:
        """A random turn of the sphere for patterns without a preferred direction."""
        if protocol == "notebook" or PATTERNS[self.pattern].has_direction:
            return None
        # one step away from the label noise, which starts at the label seed itself
        return random_rotation(torch.Generator().manual_seed(self.label_seed ^ 1)).to(device)

    def _best(self, lonlat_deg: Tensor, protocol: str, rotation: Tensor | None) -> Tensor:
        """What a boundary's label noise leaves to the best reader, point by point."""
        if protocol == "notebook":
            probability = notebook.boundary_probability(lonlat_deg, self.width_km)
        else:
            probability = boundary_probability(lonlat_deg, self.width_km, rotation)
        return torch.maximum(probability, 1 - probability)


@dataclass(frozen=True)
class TaskSet:
    """Label fields over one draw of points: each field is one probe for every encoder."""

    experiment: str
    protocol: str
    replicate: int
    region: Region
    points: Points
    split_seed: int
    fields: tuple[Field, ...]
    probe_seeds: tuple[int, ...]
    sampling: str = "fixed_points"

    def task_ids(self) -> list[str]:
        """Readable and unique within a run; the encoder's name is appended by the pipeline."""
        where = self.region.name if self.region.span_deg is None else f"{self.region.name}-{self.region.span_deg:g}deg"
        return [
            f"{self.protocol}/{self.experiment}/{where}/{self.sampling}/{_field_word(field)}/r{self.replicate:04d}"
            for field in self.fields
        ]

    def train_points_per_cell(self, field: Field, n_train: int) -> float | None:
        """Training points for every cell that the pattern lays over the points' area."""
        if field.scale_km is None:
            return None
        return n_train / float(cells_in(field.pattern, field.scale_km, self.points.area_km2))

    def only(self, keep: list[bool]) -> "TaskSet":
        """The same points with some of the fields."""
        return replace(
            self,
            fields=tuple(f for f, k in zip(self.fields, keep, strict=True) if k),
            probe_seeds=tuple(s for s, k in zip(self.probe_seeds, keep, strict=True) if k),
        )


def _field_word(field: Field) -> str:
    size = field.scale_km if field.scale_km is not None else field.width_km
    word = field.pattern if size is None else f"{field.pattern}-{size:08.2f}km"
    return word + ("-shuffled" if field.shuffled else "")
