"""How right a probe is (accuracy, R²), and beside what: chance, and the nearest neighbours' answer."""

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 22  # distances held at once: 32 MB


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
    majority = majority_class(train_labels)
    return accuracy(majority.unsqueeze(-1).expand_as(test_labels), test_labels)


def majority_class(labels: Tensor) -> Tensor:
    """(...,) most frequent of the classes 0, 1, ... along the last axis; the smallest at a tie.

    Counted class by class: ``torch.mode`` sorts slice by slice on a GPU.
    """
    counts = torch.stack([(labels == c).sum(-1) for c in range(int(labels.max()) + 1)])
    return counts.argmax(0)


def nearest_neighbour_scores(
    xyz: Tensor, Y: Tensor, train_rows: Tensor, test_rows: Tensor, *, task: str = "classification", k: int = 1
) -> Tensor:
    """Score of answering each test point with its ``k`` nearest training points.

    A probe on any encoder has only these samples to go by, so this is close to a ceiling for it, known
    without an encoder. With noisy labels take more neighbours: one alone repeats the noise.

    Args:
        xyz: (n, 3) unit vectors of the points (any (n, d) whose distances order as the places' do).
        Y: (p, n) classes 0, 1, ... or numbers.
        train_rows, test_rows: (k,) and (m,) int64.
        task: "classification" (majority vote, the smaller class at a tie) or "regression" (mean).
        k: neighbours.

    Returns:
        (p,) float64 accuracy or R², on the CPU; NaN without test points or with fewer than ``k``
        training points.
    """
    if len(train_rows) < k or len(test_rows) == 0:
        return torch.full(Y.shape[:1], torch.nan, dtype=torch.float64)
    neighbours = nearest_rows(xyz[train_rows.to(xyz.device)], xyz[test_rows.to(xyz.device)], k).to(Y.device)
    answers = Y[:, train_rows.to(Y.device)][:, neighbours]  # (p, m, k)
    if task == "regression":
        predicted = answers.mean(-1)
    elif k == 1:
        predicted = answers.squeeze(-1)
    else:
        predicted = torch.stack([F.one_hot(row).sum(-2).argmax(-1) for row in answers])
    return score(predicted, Y[:, test_rows.to(Y.device)], task).cpu()


def nearest_rows(train: Tensor, test: Tensor, k: int = 1) -> Tensor:
    """(m, k) int64 rows of the ``k`` nearest of (n, d) training points for each of (m, d) test points."""
    train, test = train.double(), test.double()
    chunk = max(1, _CHUNK_ELEMENTS // train.shape[0])
    parts = []
    for some in test.split(chunk):
        # Chords order like arcs; from differences, since products lose separations below 100 m.
        chords = torch.cdist(some, train, compute_mode="donot_use_mm_for_euclid_dist")
        parts.append(chords.topk(k, dim=-1, largest=False).indices)
    return torch.cat(parts)
