"""What the samples themselves allow: the nearest neighbours' answer, from coordinates alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from satgpu.probes.scores import score

_CHUNK_ELEMENTS = 1 << 22  # distances held at once: 32 MB


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
