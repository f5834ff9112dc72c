"""Real fields: how much of what is read of them is resolution, how much zonal, how much knowledge."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satgpu.errors import UserError
from satgpu.experiments.make import Draw, check_sizes, readout_task
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import ReadoutTask

# What a run reads unless told otherwise: a field of fine detail, one on land alone, and a negative control.
DEFAULT_NAMES = ("land", "koppen", "magnetic")
AUTO = {
    "cpu": {"n_labels": 500, "draws": 3, "turns": 99, "turns_of_places": 39, "twins": 1},
    "cuda": {"n_labels": 6000, "draws": 8, "turns": 199, "turns_of_places": 199, "twins": 5},
}
# Of one core, over the default fields and encoders: controls take none, a field on land 12 s and more.
SECONDS_PER_FIELD = 2.5


@experiment(
    "fields",
    summary="what is read of real fields, yours among them: resolution, zonal part, knowledge",
    section=3,
    table="fields",
)
@dataclass(frozen=True)
class Fields:
    """Options of the experiment on real fields; ``--fields NAME …`` is short for ``--fields.names``.

    Args:
        names: fields of the world by name, or your own labels as FILE:COLUMN; auto is land, koppen and magnetic, as far
            as their packages are installed.
        n_labels: places learned from, as far as a field has them; auto is 500 on a CPU and 6000 on a GPU.
        reader: linear, mlp, neighbours or coordinates.
        split: random, blocks-500km, blocks-1000km, blocks-2000km-buffer-1000km and so on, continents, or column.
        turns: of each kind that a field is compared with; p is at least 1 / (turns + 1). Auto is 199 on a GPU; on a CPU
            99, and 39 for a field that is turned with its places, each of which turns costs an embedding.
        draws: of places; auto is 3 on a CPU and 8 on a GPU.
        twins: untrained encoders that the gain of training is taken from, 0 for none; auto is 1 on a CPU, the run's
            own untrained control, and 5 seeds on a GPU.
        task: regression, classification, or auto by the values of each field.
    """

    names: tuple[str, ...] = ("auto",)
    n_labels: int | Literal["auto"] = "auto"
    reader: str = "linear"
    split: str = "random"
    turns: int | Literal["auto"] = "auto"
    draws: int | Literal["auto"] = "auto"
    twins: int | Literal["auto"] = "auto"
    task: str = "auto"

    def __post_init__(self):
        sizes = {name: getattr(self, name) for name in ("n_labels", "draws", "turns")}
        check_sizes("fields", **{name: n for name, n in sizes.items() if n != "auto"})
        if self.twins != "auto" and self.twins < 0:
            raise UserError(f"fields.twins is {self.twins}; give 0 or more")
        if not self.names:
            raise UserError("fields.names is empty; name a field, or FILE:COLUMN")

    def resolved(self, name: str, device_type: str) -> object:
        """An option, with what ``auto`` means on this kind of device."""
        value = getattr(self, name)
        return AUTO["cpu" if device_type == "cpu" else "cuda"][name] if value == "auto" else value

    def turns_of(self, everywhere: bool, device_type: str) -> int:
        """Turns of a field that is given everywhere, or turned with its places."""
        known = AUTO["cpu" if device_type == "cpu" else "cuda"]["turns" if everywhere else "turns_of_places"]
        return known if self.turns == "auto" else self.turns

    def wanted(self) -> tuple[str, ...]:
        """The fields by name or file, each once."""
        return tuple(dict.fromkeys(one for name in self.names for one in (DEFAULT_NAMES if name == "auto" else [name])))

    def readouts(self, draw: Draw) -> Iterator[ReadoutTask]:
        """One reading a field and encoder: draws of places and turns are its own."""
        if draw.protocol.beyond_notebook and draw.replicate == 0:
            for name in self.wanted():
                yield readout_task(draw, "fields", name, cost_s=SECONDS_PER_FIELD, seed=draw.seed)
