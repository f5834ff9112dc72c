"""A study with everything decided, and the work that follows from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from satgpu.encoders import Encoder
from satgpu.experiments import ReadoutTask
from satgpu.readouts.harmonic_fields import SharedHarmonics
from satgpu.run.rows import ReadoutRow
from satgpu.study.config import Config
from satgpu.study.looks import LookPlan
from satgpu.study.plan import NOMINAL_READING_S, Round, Unit, deal, plan_readouts, plan_units
from satgpu.study.ranks import Ranks

PLAIN = str.maketrans({",": "_", '"': "_", "\n": "_", "\r": "_"})


def row_id(task_id: str, reader: str) -> str:
    """The row's key: task and reader, without the signs that a CSV cell would need quotes for."""
    return f"{task_id}/{reader}".translate(PLAIN)


@dataclass(frozen=True)
class StudyEncoder:
    """An encoder in its part: compared, or beside the comparison as a control."""

    encoder: Encoder
    role: str
    twin: str = ""  # the name of its untrained twin in this run

    @property
    def name(self) -> str:
        return self.encoder.name


@dataclass(frozen=True)
class Reading:
    """One read-out of one encoder."""

    task: ReadoutTask
    encoder: StudyEncoder

    @property
    def row_id(self) -> str:
        return row_id(self.task.task_id, self.encoder.name)

    def head(self) -> dict[str, object]:
        """The columns of ``ReadoutRow``."""
        provenance = self.encoder.encoder.provenance
        head = ReadoutRow(
            task_id=self.row_id,
            protocol=self.task.protocol.name,
            encoder=provenance.name,
            role=self.encoder.role,
            trained=provenance.trained,
            twin=self.encoder.twin,
            encoder_sha256=provenance.sha256,
            replicate=self.task.replicate,
        )
        return vars(head)


@dataclass(frozen=True)
class Speed:
    """What this device did in a short calibration."""

    flops_per_s: float
    points_per_s: dict[str, float]  # encoding, by encoder
    reading_s: float = NOMINAL_READING_S  # of ``speed``'s small read-out, on one core


@dataclass(frozen=True)
class PreparedStudy:
    """A run with device, encoders and looks decided."""

    config: Config
    device: torch.device
    encoders: tuple[StudyEncoder, ...]
    notice: str | None
    plan: LookPlan = LookPlan.single(1)
    speed: Speed | None = None  # where the plan follows from it
    harmonics: SharedHarmonics = field(default_factory=SharedHarmonics, compare=False, repr=False)

    @property
    def replicates(self) -> int:
        """The most that any task has."""
        return self.plan.replicates

    @property
    def first_round(self) -> Round:
        """What is done before anything is decided."""
        return Round(self.plan.replicates_of(0))

    def units(self, round_: Round | None = None) -> Iterator[Unit]:
        """All units of probes of a round; of the first by default."""
        return plan_units(self.config, round_ or self.first_round)

    def readings(self) -> Iterator[Reading]:
        """All read-outs without probes, of every encoder; they have the replicates of the first round."""
        for task in plan_readouts(self.config, self.plan.looks[0].replicates):
            for encoder in self.encoders:
                yield Reading(task, encoder)

    def share(self, ranks: Ranks, round_: Round | None = None) -> Iterator[Unit | Reading]:
        """This process's part of a round, listed anew each time: a long study's plan is not kept in memory.

        Read-outs belong to the first round, which ``None`` stands for.
        """

        def everything() -> Iterator[Unit | Reading]:
            if (round_ or self.first_round).undecided is None:
                yield from self.readings()
            yield from self.units(round_)

        return deal(everything(), ranks.rank, ranks.world_size, self._cost_s)

    def _cost_s(self, item: Unit | Reading) -> float:
        if isinstance(item, Reading):
            return item.task.cost_s
        return item.cost_s(self.config.probes.hidden_layer_sizes) * len(self.encoders)
