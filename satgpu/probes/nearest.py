"""What the samples themselves allow: the nearest neighbours' answer, from coordinates alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from satgpu.geometry.sphere import unit_vectors
from satgpu.probes.scores import score

_CHUNK_ELEMENTS = 1 << 22  # distances held at once


def nearest_neighbour_scores(
    train_lonlat_deg: Tensor,
    train_Y: Tensor,
    test_lonlat_deg: Tensor,
    test_Y: Tensor,
    task: str = "classification",
    k: int = 1,
) -> Tensor:
    """Score of answering each test point with its ``k`` nearest training points.

    A probe on any encoder has only these samples to go by, so this is close to a ceiling for it,
    known without an encoder. With noisy labels take more neighbours: one repeats the noise.

    Args:
        train_lonlat_deg: (n, 2) longitude and latitude in degrees.
        train_Y: (p, n) classes 0, 1, ... or numbers.
        test_lonlat_deg: (m, 2).
        test_Y: (p, m).
        task: "classification" (majority vote, the smaller class at a tie) or "regression" (mean).
        k: neighbours.

    Returns:
        (p,) float64 accuracy or R²; NaN without test points.

    Raises:
        ValueError: fewer than ``k`` training points.
    """
    if train_lonlat_deg.shape[0] < k:
        raise ValueError(f"k nearest neighbours need at least k={k} training points; got {train_lonlat_deg.shape[0]}")
    if test_lonlat_deg.shape[0] == 0:
        return torch.full(test_Y.shape[:1], torch.nan, dtype=torch.float64)
    neighbours = nearest_rows(train_lonlat_deg, test_lonlat_deg, k)
    answers = train_Y[:, neighbours]  # (p, m, k)
    if task == "regression":
        predicted = answers.mean(-1)
    elif k == 1:
        predicted = answers.squeeze(-1)
    else:
        predicted = torch.stack([F.one_hot(row).sum(-2).argmax(-1) for row in answers])
    return score(predicted, test_Y, task)


def nearest_rows(train_lonlat_deg: Tensor, test_lonlat_deg: Tensor, k: int = 1) -> Tensor:
    """(m, k) int64 rows of the ``k`` nearest of (n, 2) training points for each of (m, 2) test points."""
    train = unit_vectors(train_lonlat_deg.double())
    chunk = max(1, _CHUNK_ELEMENTS // train.shape[0])
    parts = []
    for test in unit_vectors(test_lonlat_deg.double()).split(chunk):
        # Chords order like arcs; by differences, since products lose separations below 100 m.
        chords = torch.cdist(test, train, compute_mode="donot_use_mm_for_euclid_dist")
        parts.append(chords.topk(k, dim=-1, largest=False).indices)
    return torch.cat(parts)
