"""Which probes can be trained at all, and the result of one that can't."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from satgpu.probes.groups import ProbeGroup
from satgpu.probes.options import ProbeOptions, n_validation_rows
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
    return _labels_reasons(group.Y[:, group.train_rows.to(group.Y.device)], group.task)


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
        chance=chances(group, [member])[0],
        n_iter=0,
        stop_reason="not_trained",
        failure=reason,
        n_train=group.train_rows.shape[0],
        n_validation=0,
        n_test=group.test_rows.shape[0],
        loss_curve=_EMPTY,
        validation_curve=_EMPTY,
    )


def chances(group: ProbeGroup, members: Sequence[int]) -> list[float]:
    """For each of some probes the test accuracy of the training rows' most frequent class; 0 for regression."""
    if group.task == "regression":
        return [0.0] * len(members)
    labels = group.Y[list(members)]
    train, test = (labels[:, rows.to(labels.device)] for rows in (group.train_rows, group.test_rows))
    return chance_accuracy(train, test).tolist()


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
