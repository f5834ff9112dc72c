"""Arrays and tensors of the shapes that people give to ``MLPProbes``, brought to one: (g, p, n)."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from satgpu.arrays import as_tensor


def as_groups(labels: Tensor, X_GND: Tensor) -> Tensor:
    """(g, p, n) from Y of any allowed shape."""
    n_groups, n_points = X_GND.shape[:2]
    if labels.ndim not in (1, 2, 3) or labels.shape[-1] != n_points:
        turned = labels.ndim == 2 and labels.shape[0] == n_points
        hint = "; one row is one label set: give Y.T" if turned else ""
        raise ValueError(f"Y must be (n,), (p, n) or (g, p, n) with n={n_points}; got {tuple(labels.shape)}{hint}")
    if not labels.numel():
        raise ValueError(f"Y must hold one label set or more; got {tuple(labels.shape)}")
    grouped = labels.reshape((1,) * (3 - labels.ndim) + tuple(labels.shape))
    if n_groups not in (1, grouped.shape[0]):
        raise ValueError(f"Y must be ({n_groups}, p, n), as X has {n_groups} groups; got {tuple(labels.shape)}")
    return grouped


def are_equal(a: Any, b: Any) -> bool:
    """Whether two arguments are equal; arrays never equal a number."""
    return np.ndim(a) == np.ndim(b) and bool(np.all(a == b))


def one_per_probe(name: str, values: Any, shape: torch.Size) -> Tensor:
    """(g, p) from values of the probes' shape."""
    values = as_tensor(values, name).cpu()
    if values.numel() != math.prod(shape):
        raise ValueError(f"{name} must have one value for each of {math.prod(shape)} probes; got {tuple(values.shape)}")
    return values.reshape(shape)


def padded_curves(curves: list[np.ndarray]) -> np.ndarray:
    """(p, longest) with NaN after the end of each curve."""
    longest = max((len(c) for c in curves), default=0)
    table = np.full((len(curves), longest), np.nan, dtype=np.float32)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    return table
