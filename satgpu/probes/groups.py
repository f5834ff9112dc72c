"""What goes in: groups of probes that read the same inputs, and the parts of them that train together."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.probes.draws import HashedDraws, ProbeDraws
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions, n_validation_rows
from satgpu.probes.scores import chance_accuracy

TASKS = ("classification", "regression")


@dataclass(frozen=True, eq=False)
class ProbeGroup:
    """P label sets over the same N points, one probe for each.

    Args:
        X: (n, d) floating inputs, on any device.
        Y: (p, n) integer classes 0, 1, ... for classification, numbers for regression.
        train_rows: (k,) int64 rows to learn from; the validation rows are taken out of them.
        test_rows: (m,) int64 rows to score at the end; may be empty.
        split_seed: draws the validation rows and the minibatch order, which the probes of a group share.
        probe_seeds: (p,) int64, one for each probe's initial weights.
        task: "classification" or "regression".
        keys: p names, given back with the results.
        keep_test_predictions: results carry the predictions on ``test_rows``.
        keep_parameters: results carry the weights.
        alpha, learning_rate_init: (p,) per probe, in place of the options'.
        draws: initial weights, split and order from elsewhere than the seeds, as in an exact
            comparison with another implementation; by default hashes of the seeds.

    Raises:
        ValueError: shapes, types or rows that do not fit each other.
    """

    X: Tensor
    Y: Tensor
    train_rows: Tensor
    test_rows: Tensor
    split_seed: int
    probe_seeds: Tensor
    task: str
    keys: Sequence[Hashable]
    keep_test_predictions: bool = False
    keep_parameters: bool = False
    alpha: Tensor | None = None
    learning_rate_init: Tensor | None = None
    draws: ProbeDraws | None = None

    def __post_init__(self):
        if self.task not in TASKS:
            raise unknown_choice("task", self.task, TASKS)
        _check_inputs(self.X, self.Y)
        if self.task == "classification":
            _check_classes(self.Y)
        n_probes, n_points = self.Y.shape
        for name in ("probe_seeds", "alpha", "learning_rate_init"):
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != (n_probes,):
                raise ValueError(f"{name} must be ({n_probes},), one for each probe; got {tuple(value.shape)}")
        if len(self.keys) != n_probes:
            raise ValueError(f"keys must name each of the {n_probes} probes; got {len(self.keys)}")
        for name in ("train_rows", "test_rows"):
            _check_rows(name, getattr(self, name), n_points)

    @property
    def n_probes(self) -> int:
        """P."""
        return self.Y.shape[0]


@dataclass(frozen=True)
class Subgroup:
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
    def draws(self) -> ProbeDraws:
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


def cut_to_subgroups(
    group: ProbeGroup,
    members: list[int],
    options: ProbeOptions,
    *,
    device: torch.device,
    dtype: torch.dtype,
    size: int,
) -> Iterator[Subgroup]:
    """Cut the trainable probes of a group to subgroups of at most ``size``, one for each probe if split alone."""
    shared = group.draws is None or group.draws.shared
    by_outputs: dict[int, list[int]] = {}
    for member, outputs in zip(members, n_outputs(group.Y[members], group.task), strict=True):
        by_outputs.setdefault(outputs, []).append(member)
    for outputs, alike in by_outputs.items():
        layout = Layout((group.X.shape[1], *options.hidden_layer_sizes, outputs))
        step = size if shared else 1
        for start in range(0, len(alike), step):
            chosen = tuple(alike[start : start + step])
            yield Subgroup(group, chosen, layout, options, device, dtype)


def chances(group: ProbeGroup, members: Sequence[int]) -> list[float]:
    """For each of some probes the test accuracy of the training rows' most frequent class; 0 for regression."""
    if group.task == "regression":
        return [0.0] * len(members)
    labels = group.Y[list(members)]
    train, test = (labels[:, rows.to(labels.device)] for rows in (group.train_rows, group.test_rows))
    return chance_accuracy(train, test).tolist()


def reasons_not_to_train(group: ProbeGroup, options: ProbeOptions) -> list[str]:
    """For each probe of the group why it has nothing to learn from, or ""."""
    n_train = group.train_rows.shape[0]
    needed = fewest_training_rows(options)
    if n_train < needed:
        reason = f"fewer than {needed} training rows: {n_train}" if n_train else "no training rows"
        return [reason] * group.n_probes
    rows = torch.cat([group.train_rows, group.test_rows]).to(group.X.device)
    if not torch.isfinite(group.X[rows]).all():
        return ["non-finite inputs"] * group.n_probes
    return _labels_reasons(group.Y[:, group.train_rows.to(group.Y.device)], group.task)


def fewest_training_rows(options: ProbeOptions) -> int:
    """So many that two can be held back for validation and one is left to fit."""
    n = 1
    while options.early_stopping and (n_validation_rows(n, options) < 2 or n_validation_rows(n, options) >= n):
        n += 1
    return n


def _labels_reasons(labels: Tensor, task: str) -> list[str]:
    """For each row of training labels (p, k) why it teaches nothing, or ""."""
    # Values are fetched once for all probes: on a GPU each look makes the host wait.
    constant = (labels == labels[:, :1]).all(-1).tolist()
    if task == "classification":
        return ["one class only in the training rows" if same else "" for same in constant]
    finite = torch.isfinite(labels).all(-1).tolist()
    return [
        "non-finite targets in the training rows" if not f else "constant target in the training rows" if same else ""
        for same, f in zip(constant, finite, strict=True)
    ]


def _check_inputs(X: Tensor, Y: Tensor) -> None:
    """X is (n, d) floating, Y is (p, n)."""
    if X.ndim != 2 or not X.is_floating_point():
        raise ValueError(f"X must be (n, d) floating point; got {tuple(X.shape)} {X.dtype}")
    if Y.ndim != 2 or Y.shape[1] != X.shape[0]:
        raise ValueError(f"Y must be (p, {X.shape[0]}), a row of labels for each probe; got {tuple(Y.shape)}")


def _check_classes(Y: Tensor) -> None:
    """Classes are the integers from 0."""
    if Y.is_floating_point() or Y.is_complex():
        raise ValueError(f"Y of a classification must hold integer classes 0, 1, ...; got {Y.dtype}")
    if Y.numel() and Y.amin() < 0:
        raise ValueError(f"Y of a classification must hold classes 0, 1, ...; got {int(Y.amin())}")


def _check_rows(name: str, rows: Tensor, n_points: int) -> None:
    """Rows are int64 and point into X."""
    if rows.ndim != 1 or rows.dtype != torch.int64:
        raise ValueError(f"{name} must be (k,) int64; got {tuple(rows.shape)} {rows.dtype}")
    if rows.numel() and not (int(rows.amin()) >= 0 and int(rows.amax()) < n_points):
        raise ValueError(f"{name} must lie in 0..{n_points - 1}; got {int(rows.amin())}..{int(rows.amax())}")
