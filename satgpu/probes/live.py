"""One probe in training on a CPU: its weights, its optimiser, its curves; an epoch at a time."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.adam import FusedAdam
from satgpu.probes.backprop import forward, gradients, output_delta, row_losses
from satgpu.probes.cohort import Cohort
from satgpu.probes.finish import Training, make_result
from satgpu.probes.results import ProbeResult
from satgpu.probes.scores import predictions, score
from satgpu.probes.stopping import StoppingRule

@dataclass(frozen=True)
class EpochData:
    """The fitted rows in the order of one epoch, read by all probes of a cohort.

    Attributes:
        order: (n_fit,).
        batches: (B, D) minibatches, the last one shorter.
        transposed: (D, B) the same, contiguous, as the weight gradients want them.
    """

    order: Tensor
    batches: list[Tensor]
    transposed: list[Tensor]


def epoch_data(cohort: Cohort, epoch: int) -> EpochData:
    """Gather the minibatches of one epoch."""
    order = cohort.draws.order(cohort.members[0], epoch, cohort.X_fit.shape[0])
    batches = list(cohort.X_fit[order].split(cohort.options.batch_size))
    return EpochData(order, batches, [batch.t().contiguous() for batch in batches])


class LiveProbe:
    """A probe that is being trained.

    Args:
        cohort: what it shares with others.
        member: its place in the group.
    """

    def __init__(self, cohort: Cohort, member: int):
        self.cohort = cohort
        self.member = member
        self.flat = cohort.parameters(member)
        self.weights = cohort.layout.weights(self.flat)
        self.biases = cohort.layout.biases(self.flat)
        self.adam = FusedAdam(
            self.flat, cohort.layout, cohort.options, cohort.alpha(member), cohort.learning_rate(member)
        )
        self.best = self.flat.clone()
        self.rule = StoppingRule(cohort.options)
        self.targets = cohort.targets(member, cohort.rows[0])
        self.validation_labels = cohort.labels(member, cohort.rows[1])
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
        gain = self._validate() if self.cohort.options.early_stopping else -loss
        if self.rule.update(gain) and self.cohort.options.early_stopping:
            self.best.copy_(self.flat)

    def _fit(self, data: EpochData) -> float:
        """One pass over the minibatches; the mean loss, each batch's taken before its update."""
        cohort, task, activation = self.cohort, self.cohort.group.task, self.cohort.options.activation
        targets = self.targets[data.order]
        outputs = []
        penalty = torch.zeros(len(data.batches), dtype=self.flat.dtype)
        weights_only = self.flat[: cohort.layout.n_weights]
        start = 0
        for step, (x, x_transposed) in enumerate(zip(data.batches, data.transposed, strict=True)):
            n_rows = x.shape[0]
            penalty[step] = torch.dot(weights_only, weights_only)
            activations = forward(x, self.weights, self.biases, activation)
            outputs.append(activations[-1])
            delta = output_delta(activations[-1], targets[start : start + n_rows], task, n_rows)
            self.adam.update(*gradients(x_transposed, activations, delta, self.weights, activation), n_rows)
            start += n_rows
        # Each batch's penalty is divided by its length, and its loss weighed with it: they cancel.
        total = row_losses(torch.cat(outputs), targets, task).sum() + 0.5 * self.adam.alpha * penalty.sum()
        return float(total) / start

    def _validate(self) -> float:
        """Score on the validation rows with the weights as they are."""
        out = forward(self.cohort.X_validation, self.weights, self.biases, self.cohort.options.activation)[-1]
        value = float(score(predictions(out, self.cohort.group.task), self.validation_labels, self.cohort.group.task))
        self.validation_scores.append(value)
        return value

    def result(self) -> ProbeResult:
        """Scores with the best weights (the last ones without early stopping)."""
        early_stopping = self.cohort.options.early_stopping
        training = Training(
            flat=self.best if early_stopping else self.flat,
            n_iter=self.rule.epochs,
            stop_reason=self.stop_reason,
            failure=self.failure,
            best_score=self.rule.best if early_stopping else math.nan,
            losses=torch.tensor(self.losses, dtype=torch.float32).numpy(),
            validation_scores=torch.tensor(self.validation_scores, dtype=torch.float32).numpy(),
        )
        return make_result(self.cohort, self.member, training)
