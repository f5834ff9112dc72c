"""A bank of slots: P probes in training side by side, every tensor with a leading axis of slots.

The probes of a bank have one network; everything else is a value of each slot: its group, its numbers of
rows, classification with two classes or regression, its minibatch, its epoch, its stopping rule. What
happens in training is three actions on tensors that stay where they are, without a look at any value:

    begin   draw the minibatch order of the slots that begin an epoch
    step    one minibatch of every slot that has one left
    end     loss, validation score and stopping rule of the slots that have come to the end of an epoch

On a GPU each is captured once as a CUDA graph and replayed. A slot without anything to do stands still.

Products always have the shape of the whole bank and of a whole minibatch, shorter ones being filled up
with rows of weight zero, so a probe's numbers do not depend on what the other slots hold.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.adam import StackedAdam
from satgpu.probes.backprop import forward, gradients, output_delta, row_losses
from satgpu.probes.draws import hashed_orders, initial_parameters
from satgpu.probes.gpu.fused import FusedStep
from satgpu.probes.gpu.inputs import InputPool, ResidentGroup, to_device
from satgpu.probes.gpu.rule import SlotRule
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions

_WIDEST = 512  # a larger batch_size is filled up only as far as the rows go


@dataclass(frozen=True)
class BankShape:
    """What the probes of a bank have in common.

    Attributes:
        layout: network.
        batch: rows of a minibatch, filled up.
    """

    layout: Layout
    batch: int

    @classmethod
    def of(cls, resident: ResidentGroup) -> "BankShape":
        """The shape that a group's probes train in."""
        options, n_fit = resident.subgroup.options, resident.n_fit
        fitting = 1 << max(n_fit - 1, 0).bit_length()
        return cls(resident.subgroup.layout, min(options.batch_size, max(_WIDEST, fitting)))

    def bytes_per_slot(self, options: ProbeOptions, dtype: torch.dtype, n_rows: int, products: str = "") -> int:
        """Memory of one slot whose probe has ``n_rows`` rows, the inputs not counted: the group has them once.

        Args:
            products: of the Triton kernels, which hold no gradients and no gathered inputs; empty for torch.
        """
        units, parameters = self.layout.units, 4 if products else 7
        activations = self.batch * (2 * sum(units[1:-1]) if products else units[0] + 2 * sum(units[1:]))
        tables = (8 + 16 + 3 * dtype.itemsize) * n_rows
        return dtype.itemsize * (parameters * self.layout.size + activations) + tables + 8 * options.max_iter


class SlotBank:
    """Slots of one shape.

    Args:
        shape: of the probes.
        options: of all probes.
        n_slots: P.
        n_rows: of the largest probe.
        pool: their inputs.
        products: ieee, tf32x3 or tf32: minibatches by Triton kernels with these products; by torch where it is empty.

    Attributes:
        occupants: the (group, index in it) in each slot, or None.
    """

    def __init__(
        self, shape: BankShape, options: ProbeOptions, n_slots: int, n_rows: int, pool: InputPool, products: str = ""
    ):
        self.shape, self.options, self.pool = shape, options, pool
        self.device, self.dtype = pool.X.device, pool.X.dtype
        layout = shape.layout
        self.occupants: list[tuple[ResidentGroup, int] | None] = [None] * n_slots
        self.flat, self.best_flat = self.zeros(layout.size), self.zeros(layout.size)
        self.weights, self.biases = layout.weights(self.flat), layout.biases(self.flat)
        self.adam = StackedAdam(self.flat, layout, options, has_gradient=not products)
        self.rule = SlotRule(n_slots, options, self.device)
        self.n_fit, self.n_validation = self.zeros(kind=torch.int64), self.zeros(kind=torch.int64)
        self.position, self.order_seeds = self.zeros(kind=torch.int64), self.zeros(kind=torch.int64)  # in minibatches
        self.is_regression, self.has_own_order = self.zeros(kind=torch.bool), self.zeros(kind=torch.bool)
        self.validation_total, self.epoch_loss = self.zeros(kind=torch.float64), self.zeros(kind=torch.float64)
        # By row: its number in the pool and its label, as the group has them and in the order of the epoch.
        self.rows, self.labels = self.zeros(n_rows, kind=torch.int32), self.zeros(n_rows)
        self.epoch_rows, self.epoch_labels = self.zeros(n_rows, kind=torch.int32), self.zeros(n_rows)
        self.own_order: Tensor | None = None
        self._in_batch = torch.arange(shape.batch, device=self.device)
        self.fused = FusedStep(self, products) if products else None

    @property
    def n_slots(self) -> int:
        """P."""
        return len(self.occupants)

    @property
    def may_shrink(self) -> bool:
        """Whether the numbers of a probe do not depend on how many slots there are: products of torch may."""
        return self.fused is not None

    @property
    def n_rows(self) -> int:
        """Rows that a slot has room for."""
        return self.rows.shape[1]

    @property
    def free(self) -> list[int]:
        """Slots without a probe."""
        return [slot for slot, occupant in enumerate(self.occupants) if occupant is None]

    def load(self, arrivals: list[tuple[int, ResidentGroup, int]]) -> None:
        """Put (slot, group, index) in place, from their first weights; the groups have entered the pool."""
        for slot, resident, index in arrivals:
            self.occupants[slot] = (resident, index)
            self.rows[slot, : resident.n_rows].copy_(resident.rows)
            self.labels[slot, : resident.n_rows].copy_(resident.labels[index])
            self.validation_total[slot].copy_(resident.validation_total[index])
        slots = self._column([slot for slot, _, _ in arrivals])
        self._load_values(slots, [(resident, index) for _, resident, index in arrivals])
        self._load_parameters(arrivals)
        self.best_flat.index_copy_(0, slots, self.flat.index_select(0, slots))
        self.rule.reset(slots)
        for value in (self.position, self.epoch_loss):
            value.index_fill_(0, slots, 0)

    def _load_values(self, slots: Tensor, occupants: list[tuple[ResidentGroup, int]]) -> None:
        """Numbers of rows, kind of task, penalties and step sizes."""
        groups = [resident for resident, _ in occupants]
        members = [(resident.subgroup, resident.subgroup.members[index]) for resident, index in occupants]
        columns = {
            "n_fit": [resident.n_fit for resident in groups],
            "n_validation": [resident.n_validation for resident in groups],
            "is_regression": [resident.subgroup.group.task == "regression" for resident in groups],
            "has_own_order": [not resident.is_hashed for resident in groups],
        }
        for name, values in columns.items():
            value = getattr(self, name)
            value.index_copy_(0, slots, self._column(values).to(value.dtype))
        alphas = [subgroup.alpha(member) for subgroup, member in members]
        rates = [subgroup.learning_rate(member) for subgroup, member in members]
        self.adam.reset(slots, self._column(alphas, torch.float64), self._column(rates, torch.float64))

    def _load_parameters(self, arrivals: list[tuple[int, ResidentGroup, int]]) -> None:
        """First weights and order seeds; those that are hashes of seeds all at once."""
        hashed = [(slot, r.draws, r.subgroup.members[index]) for slot, r, index in arrivals if r.is_hashed]
        if hashed:
            slots = self._column([slot for slot, _, _ in hashed])
            seeds = self._column([int(draws.probe_seeds[member]) for _, draws, member in hashed])
            first = initial_parameters(seeds, self.shape.layout, self.options.activation)
            self.flat.index_copy_(0, slots, first.to(self.dtype))
            order_seeds = self._column([_as_int64(draws.order_seed(member)) for _, draws, member in hashed])
            self.order_seeds.index_copy_(0, slots, order_seeds)
        for slot, resident, index in arrivals:
            if not resident.is_hashed:
                member = resident.subgroup.members[index]
                parameters = resident.draws.parameters(member, self.shape.layout, self.options.activation)
                self.flat[slot].copy_(to_device(parameters, self.device))

    def set_own_order(self, slot: int, order: Tensor) -> None:
        """The order (n_fit,) of a slot whose draws are not hashes; before each ``begin`` of its epochs."""
        self.own_order[slot, : order.shape[0]].copy_(to_device(order, self.device))

    def begin(self, n_rows: int) -> None:
        """Draw the order of the slots that begin an epoch, none of which has more than ``n_rows`` fitted rows."""
        if self.fused is not None:
            order = self.fused.order(n_rows)
        else:
            order = hashed_orders(self.order_seeds, self.rule.epochs, n_rows, self.n_fit)
        if self.own_order is not None:
            order = torch.where(self.has_own_order.unsqueeze(-1), self.own_order[:, :n_rows], order)
        begins = (self.rule.is_live & (self.position == 0)).unsqueeze(-1)
        for table, now in ((self.rows, self.epoch_rows), (self.labels, self.epoch_labels)):
            now[:, :n_rows].copy_(torch.where(begins, table.gather(1, order), now[:, :n_rows]))

    def step(self) -> None:
        """One minibatch of every live slot that is not at the end of its epoch."""
        if self.fused is not None:
            return self.fused.step()
        start = self.position * self.shape.batch
        count = (self.n_fit - start).clamp(0, self.shape.batch) * self.rule.is_live
        mask = self._in_batch < count.unsqueeze(-1)
        x, labels = self._gather(self.epoch_rows, self.epoch_labels, start, self.n_fit)
        weights = self.flat[:, : self.shape.layout.n_weights]
        penalty = torch.linalg.vecdot(weights, weights).double()
        activations = forward(x, self.weights, self.biases, self.options.activation)
        delta, losses = self._against(activations[-1], labels)
        delta *= (mask.to(self.dtype) / count.clamp(min=1).to(self.dtype).unsqueeze(-1)).unsqueeze(-1)
        self.adam.update(*gradients(x, activations, delta, self.weights, self.options.activation), count)
        loss = torch.where(mask, losses, 0).sum(-1).double() + 0.5 * self.adam.alpha * penalty
        self.epoch_loss += torch.where(count > 0, loss, 0)
        self.position += count > 0

    def end(self, n_chunks: int) -> None:
        """Loss, validation, stopping rule and best weights of the slots at the end of an epoch.

        Args:
            n_chunks: minibatches that hold the validation rows of every one of them.
        """
        if self.fused is not None:
            return self.fused.end(n_chunks)
        at_end = self.rule.is_live & (self.position * self.shape.batch >= self.n_fit)
        loss = self.epoch_loss / self.n_fit.clamp(min=1)
        gain = validation = -loss
        if self.options.early_stopping:
            gain = validation = self._validate(n_chunks)
        is_best = self.rule.update(at_end, loss, gain, validation)
        torch.where(is_best.unsqueeze(-1), self.flat, self.best_flat, out=self.best_flat)
        for value in (self.position, self.epoch_loss):
            value *= ~at_end

    def _validate(self, n_chunks: int) -> Tensor:
        """(P,) float64 accuracy or R² on the validation rows, summed up minibatch by minibatch."""
        hits = torch.zeros_like(self.epoch_loss)
        residual = torch.zeros_like(self.epoch_loss)
        for chunk in range(n_chunks):
            start = self.n_fit + chunk * self.shape.batch
            last = self.n_fit + self.n_validation
            mask = self._in_batch < (last - start).unsqueeze(-1)
            x, labels = self._gather(self.rows, self.labels, start, last)
            out = forward(x, self.weights, self.biases, self.options.activation)[-1]
            hits += (mask & (_classes(out) == labels)).sum(-1)
            if self.shape.layout.n_outputs == 1:
                residual += torch.where(mask, (labels.double() - out.squeeze(-1).double()).square(), 0).sum(-1)
        accuracy = hits / self.n_validation.clamp(min=1)
        tiny = torch.finfo(torch.float64).tiny
        constant = torch.where(residual == 0, 1.0, 0.0)
        r2 = torch.where(self.validation_total == 0, constant, 1 - residual / self.validation_total.clamp_min(tiny))
        return torch.where(self.is_regression, r2, accuracy)

    def _gather(self, rows: Tensor, labels: Tensor, start: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (P, B, D) and labels (P, B) from each slot's place on; past its last row that row again."""
        at = torch.minimum(start.unsqueeze(-1) + self._in_batch, (stop - 1).clamp(min=0).unsqueeze(-1))
        x = self.pool.X.index_select(0, rows.gather(1, at).flatten())
        return x.unflatten(0, at.shape), labels.gather(1, at)

    def _against(self, out: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of each row's loss to the raw output (P, B, C), and the losses (P, B)."""
        if self.shape.layout.n_outputs > 1:
            classes = torch.arange(out.shape[-1], device=self.device)
            targets = (labels.unsqueeze(-1) == classes).to(self.dtype)
            return output_delta(out, targets, "classification", 1), row_losses(out, targets, "classification")
        targets, is_regression = labels.unsqueeze(-1), self.is_regression.view(-1, 1, 1)
        kinds = ("regression", "classification")
        deltas = [output_delta(out, targets, kind, 1) for kind in kinds]
        losses = [row_losses(out, targets, kind) for kind in kinds]
        return torch.where(is_regression, *deltas), torch.where(is_regression.squeeze(-1), *losses)

    def grow(self, n_rows: int) -> None:
        """Make room for probes of more rows."""
        for name in ("rows", "labels", "epoch_rows", "epoch_labels"):
            table = getattr(self, name)
            setattr(self, name, torch.nn.functional.pad(table, (0, n_rows - table.shape[1])))
        if self.own_order is not None:
            self.take_own_orders()

    def take_own_orders(self) -> None:
        """Make room for orders that are not hashes; they are set anew before each epoch."""
        self.own_order = self.zeros(self.n_rows, kind=torch.int64)

    def adopt(self, other: "SlotBank", moving: list[int], places: list[int]) -> None:
        """Move the probes in some slots of another bank of this shape into free slots of this one."""
        source, target = self._column(moving), self._column(places)
        for mine, theirs in zip(self.state(), other.state(), strict=True):
            mine.index_copy_(0, target, theirs.index_select(0, source))
        for slot, place in zip(moving, places, strict=True):
            self.occupants[place], other.occupants[slot] = other.occupants[slot], None

    def state(self) -> list[Tensor]:
        """Everything that is a slot's own."""
        parts = (vars(self), vars(self.rule), vars(self.adam))
        shared = (self.adam.gradient, self.adam.parameters, self.pool.X, self._in_batch)
        tensors = [value for part in parts for value in part.values() if isinstance(value, Tensor)]
        return [tensor for tensor in tensors if not any(tensor is other for other in shared)] + [self.flat]

    def zeros(self, *size: int, kind: torch.dtype | None = None) -> Tensor:
        """(P, *size), in the dtype of the arithmetic by default."""
        return torch.zeros(self.n_slots, *size, dtype=kind or self.dtype, device=self.device)

    def _column(self, values: list, kind: torch.dtype = torch.int64) -> Tensor:
        """(k,) on the device."""
        return to_device(torch.tensor(values, dtype=kind), self.device)


def _classes(out: Tensor) -> Tensor:
    """(..., B) from the raw output (..., B, C)."""
    return (out.squeeze(-1) > 0).long() if out.shape[-1] == 1 else out.argmax(-1)


def n_steps(resident: ResidentGroup, shape: BankShape) -> int:
    """Minibatches in an epoch."""
    return math.ceil(resident.n_fit / shape.batch)


def n_validation_chunks(resident: ResidentGroup, shape: BankShape) -> int:
    """Minibatches that hold the validation rows."""
    return math.ceil(resident.n_validation / shape.batch)


def _as_int64(seed: int) -> int:
    """The int64 with the lowest 64 bits of a seed of any size."""
    return (seed + (1 << 63)) % (1 << 64) - (1 << 63)
