"""Which probes can be trained at all, and the result of one that can't."""

import numpy as np
import torch
from torch import Tensor

from satgpu.probes.cohort import n_validation_rows
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult
from satgpu.probes.scores import chance_accuracy

_EMPTY = np.empty(0, dtype=np.float32)


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
    labels = group.Y[:, group.train_rows.to(group.Y.device)]
    return [_labels_reason(row, group.task) for row in labels]


def fewest_training_rows(options: ProbeOptions) -> int:
    """So many that two can be held back for validation and one is left to fit."""
    n = 1
    while options.early_stopping and (n_validation_rows(n, options) < 2 or n_validation_rows(n, options) >= n):
        n += 1
    return n


def untrained_result(group: ProbeGroup, member: int, reason: str) -> ProbeResult:
    """The result of a probe that was not trained."""
    return ProbeResult(
        key=group.keys[member],
        train_score=np.nan,
        validation_score=np.nan,
        test_score=np.nan,
        chance=chance(group, member),
        n_iter=0,
        stop_reason="not_trained",
        failure=reason,
        n_train=group.train_rows.shape[0],
        n_validation=0,
        n_test=group.test_rows.shape[0],
        loss_curve=_EMPTY,
        validation_curve=_EMPTY,
    )


def chance(group: ProbeGroup, member: int) -> float:
    """Test accuracy of the training rows' most frequent class; 0 for regression."""
    if group.task == "regression":
        return 0.0
    labels = group.Y[member].cpu()
    return float(chance_accuracy(labels[group.train_rows.cpu()], labels[group.test_rows.cpu()]))


def _labels_reason(labels: Tensor, task: str) -> str:
    """Why these training labels (k,) teach nothing, or ""."""
    if task == "classification":
        return "one class only in the training rows" if bool((labels == labels[0]).all()) else ""
    if not torch.isfinite(labels).all():
        return "non-finite targets in the training rows"
    return "constant target in the training rows" if bool((labels == labels[0]).all()) else ""
