"""A bank of slots: P probes in training side by side, every tensor with a leading axis of slots.

The probes of a bank have one network shape and equal numbers of rows, but may come from different
groups and be at different epochs. Each slot has its own minibatches (gathered through its own row
numbers), its own step size and its own stopping rule. Everything an epoch does is written below as
operations on tensors that stay where they are, without a look at any value: on a GPU it is captured
once as a CUDA graph and replayed.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.adam import StackedAdam
from satgpu.probes.backprop import forward, gradients, output_delta, row_losses
from satgpu.probes.draws import HashedDraws, hashed_orders, initial_parameters
from satgpu.probes.groups import Subgroup
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions, n_validation_rows
from satgpu.probes.scores import predictions, score


@dataclass(frozen=True)
class BankShape:
    """What the probes of a bank have in common.

    Attributes:
        layout: network.
        n_fit, n_validation: rows.
        task: of all.
    """

    layout: Layout
    n_fit: int
    n_validation: int
    task: str

    @classmethod
    def of(cls, subgroup: Subgroup) -> "BankShape":
        """The shape of a subgroup's probes."""
        n_train = subgroup.group.train_rows.shape[0]
        n_validation = n_validation_rows(n_train, subgroup.options)
        return cls(subgroup.layout, n_train - n_validation, n_validation, subgroup.group.task)

    def bytes_per_slot(self, options: ProbeOptions, dtype: torch.dtype) -> int:
        """Memory of one slot: rows, parameters and moments, activations and their gradients."""
        units, batch = self.layout.units, min(options.batch_size, self.n_fit)
        rows = (self.n_fit + self.n_validation) * (units[0] + units[-1] + 4)
        activations = max(3 * batch, 2 * self.n_validation) * sum(units)
        return dtype.itemsize * (rows + 7 * self.layout.size + activations) + 8 * options.max_iter


class SlotBank:
    """Slots of one shape.

    Args:
        shape: of the probes.
        options: of all probes.
        n_slots: P.
        device, dtype: of the arithmetic.

    Attributes:
        occupants: the (subgroup, member) in each slot, or None.
    """

    def __init__(self, shape: BankShape, options: ProbeOptions, n_slots: int, device: torch.device, dtype: torch.dtype):
        self.shape, self.options = shape, options
        layout, n_outputs = shape.layout, shape.layout.n_outputs
        self.occupants: list[tuple[Subgroup, int] | None] = [None] * n_slots

        def zeros(*size: int, kind: torch.dtype = dtype) -> Tensor:
            return torch.zeros(n_slots, *size, dtype=kind, device=device)

        self.X = zeros(shape.n_fit + shape.n_validation, layout.units[0])
        self.fit_targets = zeros(shape.n_fit, n_outputs)
        validation_kind = dtype if shape.task == "regression" else torch.int64
        self.validation_labels = zeros(shape.n_validation, kind=validation_kind)
        self.flat, self.best_flat = zeros(layout.size), zeros(layout.size)
        self.weights, self.biases = layout.weights(self.flat), layout.biases(self.flat)
        self.adam = StackedAdam(self.flat, layout, options)
        self.order = zeros(shape.n_fit, kind=torch.int64)
        self.order_seeds = zeros(kind=torch.int64)
        self.outputs = zeros(shape.n_fit, n_outputs)
        self.rule = SlotRule(n_slots, options, device)
        self._slot = torch.arange(n_slots, device=device).unsqueeze(-1)

    @property
    def free(self) -> list[int]:
        """Slots without a probe."""
        return [slot for slot, occupant in enumerate(self.occupants) if occupant is None]

    def load(self, arrivals: list[tuple[int, Subgroup, int]]) -> None:
        """Put (slot, subgroup, member) in place, from its first weights."""
        slots = torch.tensor([slot for slot, _, _ in arrivals], device=self.flat.device)
        for slot, subgroup, member in arrivals:
            fit, validation = subgroup.rows
            self.X[slot].copy_(torch.cat([subgroup.X_fit, subgroup.X_validation]))
            self.fit_targets[slot].copy_(subgroup.targets(member, fit))
            self.validation_labels[slot].copy_(subgroup.labels(member, validation))
            self.occupants[slot] = (subgroup, member)
        self._load_draws(arrivals)
        self.best_flat[slots] = self.flat[slots]
        alphas = [subgroup.alpha(member) for _, subgroup, member in arrivals]
        rates = [subgroup.learning_rate(member) for _, subgroup, member in arrivals]
        self.adam.reset(slots, _column(alphas, slots), _column(rates, slots))
        self.rule.reset(slots)

    def _load_draws(self, arrivals: list[tuple[int, Subgroup, int]]) -> None:
        """First weights and order seeds; those that are hashes of seeds all at once."""
        hashed = [arrival for arrival in arrivals if _is_hashed(arrival[1])]
        if hashed:
            slots = torch.tensor([slot for slot, _, _ in hashed], device=self.flat.device)
            seeds = torch.stack([subgroup.draws.probe_seeds[member] for _, subgroup, member in hashed])
            first = initial_parameters(seeds.to(slots.device), self.shape.layout, self.options.activation)
            self.flat[slots] = first.to(self.flat.dtype)
            order_seeds = [_as_int64(subgroup.draws.order_seed(member)) for _, subgroup, member in hashed]
            self.order_seeds[slots] = torch.tensor(order_seeds, device=slots.device)
        for slot, subgroup, member in arrivals:
            if not _is_hashed(subgroup):
                self.flat[slot].copy_(subgroup.parameters(member))

    def draw_orders(self) -> None:
        """The minibatch order of every slot's next epoch."""
        self.order.copy_(hashed_orders(self.order_seeds, self.rule.epochs, self.shape.n_fit))
        for slot, occupant in enumerate(self.occupants):
            if occupant is not None and not _is_hashed(occupant[0]):
                subgroup, member = occupant
                order = subgroup.draws.order(member, int(self.rule.epochs[slot]), self.shape.n_fit)
                self.order[slot].copy_(order)

    def train_epoch(self) -> None:
        """One epoch of all slots: minibatches, validation, stopping rule. No value is looked at."""
        options, task = self.options, self.shape.task
        targets = self.fit_targets[self._slot, self.order]
        penalty = torch.zeros_like(self.flat[:, 0])
        n_weights = self.shape.layout.n_weights
        for start in range(0, self.shape.n_fit, options.batch_size):
            rows = slice(start, min(start + options.batch_size, self.shape.n_fit))
            n_rows = rows.stop - rows.start
            x = self.X[self._slot, self.order[:, rows]]
            penalty += torch.linalg.vecdot(self.flat[:, :n_weights], self.flat[:, :n_weights])
            activations = forward(x, self.weights, self.biases, options.activation)
            self.outputs[:, rows] = activations[-1]
            delta = output_delta(activations[-1], targets[:, rows], task, n_rows)
            self.adam.update(*gradients(x, activations, delta, self.weights, options.activation), n_rows)
        total = row_losses(self.outputs, targets, task).sum(-1) + 0.5 * self.adam.alpha * penalty
        self._judge(total / self.shape.n_fit)

    def _judge(self, loss: Tensor) -> None:
        """Validation, stopping rule, best weights."""
        gain = validation = -loss.double()
        if self.options.early_stopping:
            out = forward(self.X[:, self.shape.n_fit :], self.weights, self.biases, self.options.activation)[-1]
            gain = validation = score(predictions(out, self.shape.task), self.validation_labels, self.shape.task)
        is_best = self.rule.update(loss.double(), gain, validation)
        torch.where(is_best.unsqueeze(-1), self.flat, self.best_flat, out=self.best_flat)
        # What has stopped stands still from now on.
        self.adam.learning_rate *= self.rule.is_live


class SlotRule:
    """scikit-learn's stopping rule for every slot, on the device (``stopping.StoppingRule`` for many).

    Attributes:
        best: (P,) float64 highest gain.
        stale_epochs, epochs: (P,) int64.
        is_live: (P,) whether the slot trains on.
        is_finite: (P,) whether every loss was.
        losses, validation_scores: (P, max_iter) float32.
    """

    def __init__(self, n_slots: int, options: ProbeOptions, device: torch.device):
        self.options = options
        self.best = torch.full((n_slots,), -math.inf, dtype=torch.float64, device=device)
        self.stale_epochs = torch.zeros(n_slots, dtype=torch.int64, device=device)
        self.epochs = torch.zeros_like(self.stale_epochs)
        self.is_live = torch.zeros(n_slots, dtype=torch.bool, device=device)
        self.is_finite = torch.ones_like(self.is_live)
        self.losses = torch.zeros(n_slots, options.max_iter, device=device)
        self.validation_scores = torch.zeros_like(self.losses)

    def reset(self, slots: Tensor) -> None:
        """Begin anew in some slots (k,)."""
        self.best[slots] = -math.inf
        self.stale_epochs[slots] = 0
        self.epochs[slots] = 0
        self.is_live[slots] = True
        self.is_finite[slots] = True

    def update(self, loss: Tensor, gain: Tensor, validation: Tensor) -> Tensor:
        """Take one epoch in; (P,) where this epoch is the best so far. All arguments are (P,) float64."""
        live = self.is_live
        self._record(loss, validation)
        self.is_finite &= torch.isfinite(loss) | ~live
        stale = gain < self.best + self.options.tol
        self.stale_epochs.copy_(torch.where(live, (self.stale_epochs + 1) * stale, self.stale_epochs))
        is_best = live & (gain > self.best) & self.is_finite
        self.best.copy_(torch.where(is_best, gain, self.best))
        self.epochs += live
        go_on = (self.stale_epochs <= self.options.n_iter_no_change) & (self.epochs < self.options.max_iter)
        self.is_live &= go_on & self.is_finite
        return is_best

    def _record(self, loss: Tensor, validation: Tensor) -> None:
        """Write this epoch's values into the curves."""
        here = self.epochs.clamp(max=self.options.max_iter - 1).unsqueeze(-1)
        for curve, value in ((self.losses, loss), (self.validation_scores, validation)):
            before = curve.gather(1, here)
            now = torch.where(self.is_live.unsqueeze(-1), value.to(curve.dtype).unsqueeze(-1), before)
            curve.scatter_(1, here, now)


def _is_hashed(subgroup: Subgroup) -> bool:
    """Whether a subgroup's draws can be made for all slots at once."""
    return type(subgroup.draws) is HashedDraws


def _column(values: list[float], like: Tensor) -> Tensor:
    """(k,) float64 on the device of ``like``."""
    return torch.tensor(values, dtype=torch.float64, device=like.device)


def _as_int64(seed: int) -> int:
    """The int64 with the lowest 64 bits of a seed of any size."""
    return (seed + (1 << 63)) % (1 << 64) - (1 << 63)
