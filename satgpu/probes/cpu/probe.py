"""One probe in training on a CPU: its weights, its optimiser, its curves; an epoch at a time."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.adam import AdamSettings, adam_tensors, step_sizes
from satgpu.probes.backprop import forward, row_losses
from satgpu.probes.cpu.torch_epoch import compiled_minibatches
from satgpu.probes.groups import Subgroup
from satgpu.probes.results import ProbeResult, TrainedProbe, make_result
from satgpu.probes.scores import predictions, score
from satgpu.probes.stopping import StoppingRule


@dataclass(frozen=True)
class EpochData:
    """The fitted rows in the order of one epoch, read by all probes of a subgroup.

    Attributes:
        order: (n_fit,).
        batches: (B, D) minibatches, the last one shorter.
    """

    order: Tensor
    batches: list[Tensor]


def epoch_data(subgroup: Subgroup, epoch: int) -> EpochData:
    """Gather the minibatches of one epoch."""
    order = subgroup.draws.order(subgroup.members[0], epoch, subgroup.X_fit.shape[0])
    batches = list(subgroup.X_fit.index_select(0, order).split(subgroup.options.batch_size))
    return EpochData(order, batches)


class CpuProbe:
    """A probe that is being trained.

    Args:
        subgroup: what it shares with others.
        member: its place in the group.
    """

    def __init__(self, subgroup: Subgroup, member: int):
        self.subgroup = subgroup
        self.member = member
        self.flat = subgroup.parameters(member)
        self.adam = adam_tensors(self.flat, subgroup.layout)
        o = subgroup.options
        self.settings = AdamSettings(subgroup.alpha(member), o.beta_1, o.beta_2, o.epsilon)
        self.learning_rate = subgroup.learning_rate(member)
        self.best = self.flat.clone()
        self.rule = StoppingRule(subgroup.options)
        self.targets = subgroup.targets(member, subgroup.rows[0])
        self.validation_labels = subgroup.labels(member, subgroup.rows[1])
        self.losses: list[float] = []
        self.validation_scores: list[float] = []
        self.failure = ""

    @property
    def stop_reason(self) -> str:
        """Why it is done, or "" while it trains."""
        return "failed" if self.failure else self.rule.reason

    def train_epoch(self, data: EpochData) -> None:
        """All minibatches, the validation score and the stopping rule."""
        loss = self._fit(data)
        self.losses.append(loss)
        if not math.isfinite(loss):
            self.rule.epochs += 1
            self.failure = f"non-finite loss at epoch {self.rule.epochs}"
            return
        gain = self._validate() if self.subgroup.options.early_stopping else -loss
        if self.rule.update(gain) and self.subgroup.options.early_stopping:
            self.best.copy_(self.flat)

    def _fit(self, data: EpochData) -> float:
        """One pass over the minibatches; the mean loss, each batch's taken before its update."""
        subgroup, task = self.subgroup, self.subgroup.group.task
        targets, n_steps = self.targets.index_select(0, data.order), len(data.batches)
        outputs, squares = compiled_minibatches()(
            data.batches,
            targets,
            self.adam,
            self.settings,
            step_sizes(self.learning_rate, subgroup.options, self.rule.epochs * n_steps, n_steps),
            self.flat[: subgroup.layout.n_weights],
            subgroup.options.activation,
            task,
        )
        # Each batch's penalty is divided by its length, and its loss weighed with it: they cancel.
        total = row_losses(outputs, targets, task).sum() + 0.5 * self.settings.alpha * squares.sum()
        return float(total) / targets.shape[0]

    def _validate(self) -> float:
        """Score on the validation rows with the weights as they are."""
        task, activation = self.subgroup.group.task, self.subgroup.options.activation
        out = forward(self.subgroup.X_validation, self.adam.weights, self.adam.biases, activation)[-1]
        value = float(score(predictions(out, task), self.validation_labels, task))
        self.validation_scores.append(value)
        return value

    def result(self) -> ProbeResult:
        """Scores with the best weights (the last ones without early stopping)."""
        early_stopping = self.subgroup.options.early_stopping
        trained = TrainedProbe(
            flat=self.best if early_stopping else self.flat,
            n_iter=self.rule.epochs,
            stop_reason=self.stop_reason,
            failure=self.failure,
            best_score=self.rule.best if early_stopping else math.nan,
            losses=torch.tensor(self.losses, dtype=torch.float32).numpy(),
            validation_scores=torch.tensor(self.validation_scores, dtype=torch.float32).numpy(),
        )
        return make_result(self.subgroup, self.member, trained)
