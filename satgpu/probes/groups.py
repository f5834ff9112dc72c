"""What goes in: a group of probes that read the same inputs."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.probes.draws import Draws

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
    draws: Draws | None = None

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
