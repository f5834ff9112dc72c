"""The transfer function: how much of random fields of each harmonic degree every encoder holds, and labels read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from satgpu.errors import UserError
from satgpu.experiments.make import Draw, check_sizes, readout_task
from satgpu.experiments.registry import experiment
from satgpu.experiments.tasks import ReadoutTask

# What a machine can do in a study's time: draws of places, labels an MLP and a Gaussian process read, seeds of a twin.
AUTO = {
    "cpu": {"mlp_degrees": (5, 10, 20, 36), "mlp_labels": 2000, "coordinates_labels": (500, 2000), "twin_seeds": 3},
    "cuda": {
        "mlp_degrees": (1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 36, 45, 64),
        "mlp_labels": 6000,
        "coordinates_labels": (500, 2000, 6000),
        "twin_seeds": 8,
    },
}


@experiment(
    "transfer",
    summary="share of each harmonic degree that an encoder holds, and that labels read from it",
    section=1,
    table="transfer",
)
@dataclass(frozen=True)
class Transfer:
    """Options of the transfer experiment.

    Args:
        n_labels: labels of a linear reader, ascending; the last is the headline's.
        n_test: places at which shares are measured.
        noise: variance of the label noise, as a share of the field's.
        l_max: highest degree; 64 is half a wavelength of 310 km.
        draws: most draws of places, one a replicate.
        mlp_degrees: degrees that MLPs read; auto is 4 on a CPU and 13 on a GPU, 0 leaves MLPs out.
        mlp_labels: labels of an MLP; auto is 2000 on a CPU and 6000 on a GPU.
        coordinates_labels: labels of the readers of places alone; auto is 500 and 2000, and on a GPU 6000.
        twin_seeds: seeds of every untrained encoder's weights; auto is 3 on a CPU and 8 on a GPU.
    """

    n_labels: tuple[int, ...] = (500, 2000, 6000)
    n_test: int = 4000
    noise: float = 0.1
    l_max: int = 64
    draws: int = 8
    mlp_degrees: tuple[int, ...] | Literal["auto"] = "auto"
    mlp_labels: int | Literal["auto"] = "auto"
    coordinates_labels: tuple[int, ...] | Literal["auto"] = "auto"
    twin_seeds: int | Literal["auto"] = "auto"

    def __post_init__(self):
        check_sizes("transfer", n_labels=self.n_labels, n_test=self.n_test, l_max=self.l_max, draws=self.draws)
        if list(self.n_labels) != sorted(set(self.n_labels)) or self.n_labels[0] < 50:
            raise UserError(f"transfer.n_labels is {list(self.n_labels)}; give 50 or more each, ascending")
        check_sizes("transfer", zero=True, noise=self.noise)
        for name, least in (("mlp_labels", 50), ("coordinates_labels", 50), ("mlp_degrees", 0), ("twin_seeds", 0)):
            values = getattr(self, name)
            if values == "auto" or values == ():
                continue
            check_sizes("transfer", zero=True, **{name: values})
            if min(values if isinstance(values, tuple) else (values,)) < least:
                raise UserError(f"transfer.{name} is {values}; give {least} or more")
        if self.n_test < 50:
            raise UserError(f"transfer.n_test is {self.n_test}; give 50 or more")
        if not self.coordinates_labels:
            raise UserError("transfer.coordinates_labels is empty; give a number of labels, or auto")
        if self.l_max > self.n_labels[0]:
            raise UserError(f"transfer.l_max is {self.l_max}; give at most n_labels, here {self.n_labels[0]}")

    def resolved(self, name: str, device_type: str) -> object:
        """An option, with what ``auto`` means on this kind of device."""
        value = getattr(self, name)
        return AUTO["cpu" if device_type == "cpu" else "cuda"][name] if value == "auto" else value

    def readouts(self, draw: Draw) -> Iterator[ReadoutTask]:
        """Every draw of places is read linearly; the dearer readers and the seeds of a twin have the first alone."""
        if not draw.protocol.beyond_notebook or draw.replicate >= self.draws:
            return
        linear_s = 1.4e-7 * self.l_max**2 * sum(self.n_labels)
        yield readout_task(draw, "transfer", "linear", cost_s=linear_s, seed=draw.seed)
        if draw.replicate == 0:
            for part, cost_s in (("mlp", 3.0), ("coordinates", 1.0), ("seeds", 2.5)):
                yield readout_task(draw, "transfer", part, cost_s=cost_s, seed=draw.seed)
