"""One probe in training on a CPU: its curves and its stopping rule; an epoch at a time, by either path."""

import math
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from satgpu.probes.groups import Subgroup
from satgpu.probes.results import ProbeResult, TrainedProbe, make_result
from satgpu.probes.stopping import StoppingRule


class PathState(Protocol):
    """Weights and moments of one probe, and the arithmetic on them (``torch_path``, ``fused_path``)."""

    def fit(self, data: Any, epoch: int) -> float:
        """One pass over the minibatches; the mean loss, each batch's taken before its update."""

    def validation_score(self) -> float:
        """Score on the validation rows with the weights as they are."""

    def keep(self) -> None:
        """The weights as they are become the best ones."""

    def parameters(self, best: bool) -> Tensor:
        """(layout.size,) the best weights, or the last ones."""

    def outputs(self, X: Tensor, best: bool) -> Tensor:
        """(n, C) raw outputs of (n, d) inputs, by the best weights or the last ones."""


class Path(Protocol):
    """A way to train probes on a CPU.

    Attributes:
        name: for reports.
    """

    name: str

    def gather(self, subgroup: Subgroup, epoch: int) -> Any:
        """The minibatches of one epoch, read by all probes of a subgroup."""

    def start(self, subgroup: Subgroup, member: int) -> PathState:
        """A probe with its first weights."""


class CpuProbe:
    """A probe that is being trained.

    Args:
        subgroup: what it shares with others.
        member: its place in the group.
        path: how its epochs are computed.
    """

    def __init__(self, subgroup: Subgroup, member: int, path: Path):
        self.subgroup = subgroup
        self.member = member
        self.state = path.start(subgroup, member)
        self.rule = StoppingRule(subgroup.options)
        self.losses: list[float] = []
        self.validation_scores: list[float] = []
        self.failure = ""

    @property
    def stop_reason(self) -> str:
        """Why it is done, or "" while it trains."""
        return "failed" if self.failure else self.rule.reason

    def train_epoch(self, data: Any) -> None:
        """All minibatches, the validation score and the stopping rule."""
        loss = self.state.fit(data, self.rule.epochs)
        self.losses.append(loss)
        if not math.isfinite(loss):
            self.rule.epochs += 1
            self.failure = f"non-finite loss at epoch {self.rule.epochs}"
            return
        gain = -loss
        if self.subgroup.options.early_stopping:
            gain = self.state.validation_score()
            self.validation_scores.append(gain)
        if self.rule.update(gain) and self.subgroup.options.early_stopping:
            self.state.keep()

    def result(self) -> ProbeResult:
        """Scores with the best weights (the last ones without early stopping)."""
        early_stopping = self.subgroup.options.early_stopping
        trained = TrainedProbe(
            flat=self.state.parameters(best=early_stopping),
            n_iter=self.rule.epochs,
            stop_reason=self.stop_reason,
            failure=self.failure,
            best_score=self.rule.best if early_stopping else math.nan,
            losses=torch.tensor(self.losses, dtype=torch.float32).numpy(),
            validation_scores=torch.tensor(self.validation_scores, dtype=torch.float32).numpy(),
        )
        outputs = partial(self.state.outputs, best=early_stopping)
        return make_result(self.subgroup, self.member, trained, outputs)
