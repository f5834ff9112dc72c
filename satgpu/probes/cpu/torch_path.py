"""Training by torch's operators: the oracle of the fused path, and the way for all that it does not do.

All minibatches of an epoch run without Python between them: TorchScript compiles the function below, and those
that it calls, as they stand, and Python's interpreter lock is free while it runs (docs/performance.md). Where
TorchScript is not to be had the same function runs as Python, and finds the same bits.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from satgpu.probes.adam import AdamSettings, AdamTensors, adam_tensors, fused_adam, step_sizes
from satgpu.probes.backprop import HAS_ONEDNN, forward, gradients, output_delta, row_losses
from satgpu.probes.groups import Subgroup
from satgpu.probes.results import raw_outputs
from satgpu.probes.scores import predictions, score


@dataclass(frozen=True)
class TorchEpoch:
    """The fitted rows in the order of one epoch, read by all probes of a subgroup.

    Attributes:
        order: (n_fit,).
        batches: (B, D) minibatches, the last one shorter.
    """

    order: Tensor
    batches: list[Tensor]


class TorchPath:
    """Any dtype, any network."""

    name = "torch"

    def __init__(self):
        compiled_minibatches()  # here, in the caller's thread, and not in all workers at once

    def gather(self, subgroup: Subgroup, epoch: int) -> TorchEpoch:
        """The minibatches of one epoch."""
        order = subgroup.draws.order(subgroup.members[0], epoch, subgroup.X_fit.shape[0])
        batches = list(subgroup.X_fit.index_select(0, order).split(subgroup.options.batch_size))
        return TorchEpoch(order, batches)

    def start(self, subgroup: Subgroup, member: int) -> "TorchState":
        """A probe with its first weights."""
        return TorchState(subgroup, member)


class TorchState:
    """Weights and moments of one probe.

    Args:
        subgroup: what the probe shares with others.
        member: its place in the group.
    """

    def __init__(self, subgroup: Subgroup, member: int):
        self.subgroup = subgroup
        self.flat = subgroup.parameters(member)
        self.adam = adam_tensors(self.flat, subgroup.layout)
        o = subgroup.options
        self.settings = AdamSettings(subgroup.alpha(member), o.beta_1, o.beta_2, o.epsilon)
        self.learning_rate = subgroup.learning_rate(member)
        self.best = self.flat.clone()
        self.targets = subgroup.targets(member, subgroup.rows[0])
        self.validation_labels = subgroup.labels(member, subgroup.rows[1])

    def fit(self, data: TorchEpoch, epoch: int) -> float:
        """One pass over the minibatches; the mean loss, each batch's taken before its update."""
        subgroup, task = self.subgroup, self.subgroup.group.task
        targets, n_steps = self.targets.index_select(0, data.order), len(data.batches)
        outputs, squares = compiled_minibatches()(
            data.batches,
            targets,
            self.adam,
            self.settings,
            step_sizes(self.learning_rate, subgroup.options, epoch * n_steps, n_steps),
            self.flat[: subgroup.layout.n_weights],
            subgroup.options.activation,
            task,
        )
        # Each batch's penalty is divided by its length, and its loss weighed with it: they cancel.
        total = row_losses(outputs, targets, task).sum() + 0.5 * self.settings.alpha * squares.sum()
        return float(total) / targets.shape[0]

    def validation_score(self) -> float:
        """Score on the validation rows with the weights as they are."""
        task, activation = self.subgroup.group.task, self.subgroup.options.activation
        out = forward(self.subgroup.X_validation, self.adam.weights, self.adam.biases, activation)[-1]
        return float(score(predictions(out, task), self.validation_labels, task))

    def keep(self) -> None:
        """The weights as they are become the best ones."""
        self.best.copy_(self.flat)

    def parameters(self, best: bool) -> Tensor:
        """(layout.size,) the best weights, or the last ones."""
        return self.best if best else self.flat

    def outputs(self, X: Tensor, best: bool) -> Tensor:
        """(n, C) raw outputs of (n, d) inputs, by the best weights or the last ones."""
        return raw_outputs(self.subgroup, self.parameters(best), X)


def train_minibatches(
    batches: list[Tensor],
    targets: Tensor,
    state: AdamTensors,
    settings: AdamSettings,
    step_sizes: list[float],
    all_weights: Tensor,
    activation: str,
    task: str,
) -> tuple[Tensor, Tensor]:
    """One update for each minibatch.

    Args:
        batches: (B, D) inputs, the last one shorter.
        targets: (n_fit, C) in the order of the minibatches.
        state: parameters and moments, updated in place.
        settings: of Adam.
        step_sizes: Adam's for each minibatch.
        all_weights: (k,) the weights of all layers in one vector.
        activation, task: of the probe.

    Returns:
        (n_fit, C) raw outputs and (len(batches),) sums of the squared weights, both before each update.
    """
    outputs: list[Tensor] = []
    squares: list[Tensor] = []
    start = 0
    for i in range(len(batches)):
        n_rows = batches[i].size(0)
        squares.append(torch.dot(all_weights, all_weights))
        activations = forward(batches[i], state.weights, state.biases, activation)
        outputs.append(activations[-1])
        delta = output_delta(activations[-1], targets[start : start + n_rows], task, n_rows)
        weight_grads, bias_grads = gradients(batches[i], activations, delta, state.weights, activation)
        fused_adam(state, weight_grads, bias_grads, settings, step_sizes[i], n_rows)
        start += n_rows
    return torch.cat(outputs), torch.stack(squares)


@cache
def compiled_minibatches() -> Callable[..., tuple[Tensor, Tensor]]:
    """``train_minibatches``, compiled where possible; the first call takes a few hundredths of a second."""
    if not HAS_ONEDNN:
        return train_minibatches
    with warnings.catch_warnings():
        # torch recommends torch.compile instead, which takes 14 s for its first function on a CPU.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.jit.script(train_minibatches)
        except (AttributeError, NotImplementedError, RuntimeError):  # removed, or not for this Python
            return train_minibatches
