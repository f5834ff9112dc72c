"""A cohort: probes of one group that share split, order and network shape, and so their minibatches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from satgpu.probes.draws import Draws, HashedDraws
from satgpu.probes.fitness import chances
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions, n_validation_rows


@dataclass(frozen=True)
class Cohort:
    """What the probes ``members`` of a group have in common.

    Attributes:
        group: where they come from.
        members: their places in the group.
        layout: their network.
        options: how they are trained.
        device, dtype: of the arithmetic.
    """

    group: ProbeGroup
    members: tuple[int, ...]
    layout: Layout
    options: ProbeOptions
    device: torch.device
    dtype: torch.dtype

    @cached_property
    def draws(self) -> Draws:
        """The group's own, or hashes of its seeds."""
        group = self.group
        return group.draws or HashedDraws(group.split_seed, group.probe_seeds.to(self.device))

    @cached_property
    def rows(self) -> tuple[Tensor, Tensor]:
        """(fitted, validation) rows of X."""
        rows = self.group.train_rows.to(self.device)
        if not self.options.early_stopping:
            return rows, rows[:0]
        labels = self.group.Y[self.members[0]].to(self.device)[rows]
        fit, validation = self.draws.split(self.members[0], labels, n_validation_rows(rows.shape[0], self.options))
        return rows[fit], rows[validation]

    @cached_property
    def scaling(self) -> tuple[Tensor, Tensor] | None:
        """(d,) shift and scale in float64 that standardise the fitted rows; a constant input is only shifted."""
        if not self.options.standardize:
            return None
        X = self.group.X.to(self.device)[self.rows[0]].double()
        spread = X.std(0, correction=0)
        return X.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread))

    @cached_property
    def X_fit(self) -> Tensor:
        """(n_fit, d)."""
        return self.inputs(self.rows[0])

    @cached_property
    def X_validation(self) -> Tensor:
        """(n_validation, d)."""
        return self.inputs(self.rows[1])

    @cached_property
    def X_test(self) -> Tensor:
        """(n_test, d)."""
        return self.inputs(self.group.test_rows.to(self.device))

    def inputs(self, rows: Tensor) -> Tensor:
        """(k, d) rows of X, standardised if asked for, in the dtype of the arithmetic."""
        X = self.group.X.to(self.device).index_select(0, rows)
        if self.scaling is not None:
            X = (X.double() - self.scaling[0]) / self.scaling[1]
        return X.to(self.dtype).contiguous()

    def labels(self, member: int, rows: Tensor) -> Tensor:
        """(k,) classes or numbers of one probe."""
        return self.group.Y[member].to(self.device)[rows]

    def targets(self, member: int, rows: Tensor) -> Tensor:
        """(k, C) what the raw output is held against: zeros and ones, or numbers."""
        return as_targets(self.labels(member, rows), self.layout.n_outputs, self.group.task, self.dtype)

    @cached_property
    def chance(self) -> dict[int, float]:
        """Accuracy of the most frequent class for each member."""
        return dict(zip(self.members, chances(self.group, self.members), strict=True))

    def alpha(self, member: int) -> float:
        """L2 penalty of one probe."""
        return float(self.options.alpha if self.group.alpha is None else self.group.alpha[member])

    def learning_rate(self, member: int) -> float:
        """Adam's step size of one probe."""
        own = self.group.learning_rate_init
        return float(self.options.learning_rate_init if own is None else own[member])

    def parameters(self, member: int) -> Tensor:
        """(layout.size,) first weights of one probe."""
        flat = self.draws.parameters(member, self.layout, self.options.activation)
        return flat.to(self.device, self.dtype)


def as_targets(labels: Tensor, n_outputs: int, task: str, dtype: torch.dtype) -> Tensor:
    """(..., n, C) from (..., n): one column for two classes and for numbers, else one-hot."""
    if task == "classification" and n_outputs > 1:
        return F.one_hot(labels.long(), n_outputs).to(dtype)
    return labels.unsqueeze(-1).to(dtype)


def n_outputs(Y: Tensor, task: str) -> list[int]:
    """Values of the last layer for each probe's labels (p, n): 1, or the number of classes above two."""
    if task == "regression" or Y.numel() == 0:
        return [1] * Y.shape[0]
    return [highest + 1 if highest > 1 else 1 for highest in Y.amax(-1).tolist()]


def cut_to_cohorts(
    group: ProbeGroup,
    members: list[int],
    options: ProbeOptions,
    *,
    device: torch.device,
    dtype: torch.dtype,
    size: int,
) -> Iterator[Cohort]:
    """Cut the trainable probes of a group to cohorts of at most ``size``, one for each probe if split alone."""
    shared = group.draws is None or group.draws.shared
    by_outputs: dict[int, list[int]] = {}
    for member, outputs in zip(members, n_outputs(group.Y[members], group.task), strict=True):
        by_outputs.setdefault(outputs, []).append(member)
    for outputs, alike in by_outputs.items():
        layout = Layout((group.X.shape[1], *options.hidden_layer_sizes, outputs))
        step = size if shared else 1
        for start in range(0, len(alike), step):
            chosen = tuple(alike[start : start + step])
            yield Cohort(group, chosen, layout, options, device, dtype)
