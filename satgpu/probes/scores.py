"""How right a probe is: accuracy and R², for one probe or a stack of them."""

import torch
from torch import Tensor


def predictions(out: Tensor, task: str) -> Tensor:
    """(..., N) classes or numbers from the raw output (..., N, C).

    With two classes, class 1 where its probability is above one half, strictly (its logit above 0).
    """
    if task == "regression":
        return out.squeeze(-1)
    if out.shape[-1] == 1:
        return (out.squeeze(-1) > 0).long()
    return out.argmax(-1)


def accuracy(predicted: Tensor, labels: Tensor) -> Tensor:
    """(...,) float64 share of equal entries along the last axis; NaN over no rows."""
    return (predicted == labels).sum(-1, dtype=torch.float64) / labels.shape[-1]


def r2(predicted: Tensor, targets: Tensor) -> Tensor:
    """(...,) float64 coefficient of determination along the last axis.

    Constant targets have no variance to explain: 1 where met exactly and 0 otherwise, as in
    scikit-learn. Fewer than two rows give NaN.
    """
    if targets.shape[-1] < 2:
        return torch.full(targets.shape[:-1], torch.nan, dtype=torch.float64, device=targets.device)
    targets, predicted = targets.double(), predicted.double()
    residual = (targets - predicted).square().sum(-1)
    total = (targets - targets.mean(-1, keepdim=True)).square().sum(-1)
    constant = torch.where(residual == 0, 1.0, 0.0)
    return torch.where(total == 0, constant, 1 - residual / total.clamp_min(torch.finfo(torch.float64).tiny))


def score(predicted: Tensor, truth: Tensor, task: str) -> Tensor:
    """(...,) accuracy or R²."""
    return r2(predicted, truth) if task == "regression" else accuracy(predicted, truth)


def chance_accuracy(train_labels: Tensor, test_labels: Tensor) -> Tensor:
    """(P,) accuracy on (P, M) test labels of always answering the most frequent of (P, K) training labels."""
    if train_labels.shape[-1] == 0:
        return torch.full(train_labels.shape[:-1], torch.nan, dtype=torch.float64)
    majority = torch.mode(train_labels, dim=-1).values
    return accuracy(majority.unsqueeze(-1).expand_as(test_labels), test_labels)
