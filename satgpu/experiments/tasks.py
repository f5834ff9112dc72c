"""What to probe: recipes of points and label fields, small enough to list millions of them.

A recipe holds no tensors. Drawing it twice gives the same bytes, which is what
lets a run be resumed, dealt to many processes, or repeated for one probe alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry import Pattern, Points, Protocol, cells_in, pattern_named


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
    def kind(self) -> Pattern:
        """What the pattern is: how it is drawn, its noise and its task."""
        return pattern_named(self.pattern)

    @property
    def size_km(self) -> float | None:
        """Its scale, or the width of a boundary."""
        return getattr(self, self.kind.size) if self.kind.size else None

    @property
    def wavelength_km(self) -> float | None:
        """Wavelength of the pattern's spectral peak; None where it has none."""
        return None if self.scale_km is None else self.scale_km * self.kind.wavelength_per_scale

    def labels(
        self, lonlat_deg: Tensor, protocol: Protocol, center_deg: tuple[float, float] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Labels (n,) at the points, and the chance (n,) that the best reader names each; None where that is sure."""
        labels = protocol.labels(self.kind, lonlat_deg, self.size_km, self.label_seed, center_deg)
        if self.shuffled:
            generator = torch.Generator().manual_seed(self.label_seed)
            labels = labels[torch.randperm(len(labels), generator=generator).to(labels.device)]
        return labels, protocol.best(self.kind, lonlat_deg, self.size_km, self.label_seed)


@dataclass(frozen=True)
class TaskSet:
    """Label fields over one draw of points: each field is one probe for every encoder."""

    experiment: str
    protocol: Protocol
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
            f"{self.protocol.name}/{self.experiment}/{where}/{self.sampling}/{_field_word(field)}/r{self.replicate:04d}"
            for field in self.fields
        ]

    def columns(self, field: Field) -> dict[str, Any]:
        """What the table says of a probe of this field before anything is drawn."""
        center = self.region.center_deg or (None, None)
        return {
            "experiment": self.experiment,
            "protocol": self.protocol.name,
            "replicate": self.replicate,
            "labels": "shuffled" if field.shuffled else "field",
            "pattern": field.pattern,
            "task": field.kind.task,
            "scale_km": field.scale_km,
            "width_km": field.width_km,
            "wavelength_km": field.wavelength_km,
            "region": self.region.name,
            "center_lon_deg": center[0],
            "center_lat_deg": center[1],
            "span_deg": self.region.span_deg,
            "extent_km2": round(self.points.area_km2, 3),
            "sampling": self.sampling,
            "points_seed": self.points.seed,
            "label_seed": field.label_seed,
            "split_seed": self.split_seed,
        }

    def keeping(self, wanted: Callable[["TaskSet", Field], bool]) -> "TaskSet":
        """The same points with the wanted fields."""
        kept = [pair for pair in zip(self.fields, self.probe_seeds, strict=True) if wanted(self, pair[0])]
        return replace(self, fields=tuple(f for f, _ in kept), probe_seeds=tuple(seed for _, seed in kept))

    def train_points_per_cell(self, field: Field, n_train: int) -> float | None:
        """Training points for every cell that the pattern lays over the points' area."""
        if field.scale_km is None:
            return None
        return n_train / float(cells_in(field.pattern, field.scale_km, self.points.area_km2))


@dataclass(frozen=True)
class ReadoutTask:
    """Something to read from an embedding without a probe: done once for every encoder.

    Args:
        experiment: its name, which tells who does it (``satgpu.study.readouts``).
        protocol: of the draw.
        replicate: of the draw.
        part: which of the experiment's read-outs; unique within a draw.
        seed: of everything random in it.
        cost_s: seconds that one encoder takes on one ordinary core, roughly: a weight for dealing
            and for forecasts, not a result.
    """

    experiment: str
    protocol: Protocol
    replicate: int
    part: str
    seed: int
    cost_s: float

    @property
    def task_id(self) -> str:
        """Readable and unique within a run; the encoder's name is appended when it is done."""
        return f"{self.protocol.name}/{self.experiment}/{self.part}/r{self.replicate:04d}"


def _field_word(field: Field) -> str:
    size = field.scale_km if field.scale_km is not None else field.width_km
    word = field.pattern if size is None else f"{field.pattern}-{size:08.2f}km"
    return word + ("-shuffled" if field.shuffled else "")
