"""Arrays and tensors of the shapes that people give to ``MLPProbes``, brought to one: (g, p, n)."""

import math
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from satgpu.arrays import as_tensor
from satgpu.errors import UserError

_FEW_CLASSES = 50  # that few rows may have, each its own


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


def as_labels(Y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels of any sortable kind as an array, and which label sets hold NaN: those read as of one class.

    Raises:
        ValueError: the only label set holds NaN, labels are masked, of several kinds, or numbers that are no classes.
    """
    if isinstance(Y, np.ma.MaskedArray) and np.ma.is_masked(Y):
        raise UserError(f"Y has {int(np.ma.count_masked(Y))} masked values; drop those rows or name a class")
    labels = np.asarray(Y.detach().cpu() if isinstance(Y, Tensor) else Y)
    if labels.dtype.kind in "cV":
        raise UserError(f"Y must hold labels that can be sorted; got an array of {labels.dtype}")
    missing = np.asarray(labels != labels, dtype=bool) if labels.dtype.kind in "fM" else _missing(labels)
    nameless = missing.any(-1) if labels.ndim else missing
    if missing.any() and (labels.ndim < 2 or nameless.all()):
        raise ValueError(f"Y holds {int(missing.sum())} NaN among its classes; drop those rows or name a class")
    if missing.any():
        labels = np.where(nameless[..., None], labels[~nameless].flat[0], labels)
    _check_classes(labels)
    return labels, nameless


def _missing(labels: np.ndarray) -> np.ndarray:
    """Where objects are None, NaN or pandas' NA, which equal nothing."""
    if labels.dtype.kind != "O":
        return np.zeros(labels.shape, dtype=bool)
    is_missing = [one is None or not _equals_itself(one) for one in labels.flat]
    return np.array(is_missing, dtype=bool).reshape(labels.shape)


def _equals_itself(one: object) -> bool:
    try:
        return bool(one == one)  # noqa: PLR0124 - NaN and NA do not
    except TypeError:
        return False


def _check_classes(labels: np.ndarray) -> None:
    """Refuse what can't be classes: words beside numbers, numbers with a fraction, or most of which stand once."""
    if labels.dtype.kind == "O" and len({isinstance(one, str) for one in labels.flat}) > 1:
        raise UserError("Y mixes words with other labels; give labels of one kind")
    fractions = np.mod(labels, 1) > 0 if labels.dtype.kind == "f" else np.zeros(1, dtype=bool)
    if fractions.any():
        raise UserError(
            f"Y holds numbers such as {labels[fractions].flat[0]:g}, which are no classes; give task='regression'"
        )
    n = labels.shape[-1] if labels.ndim else 0
    if labels.dtype.kind in "iuf" and n > 2 * _FEW_CLASSES:
        n_classes = len(np.unique(labels.reshape(-1, n)[0]))
        if n_classes > n / 2:
            raise UserError(
                f"Y holds {n_classes} different numbers in {n} rows, too many for classes; give task='regression',"
                " or words for classes"
            )


def as_seed(name: str, value: Any) -> int:
    """A whole number from 0 to 2⁶³ - 1, whatever held it."""
    value = value.item() if getattr(value, "shape", None) == () else value
    if not isinstance(value, Integral) or not 0 <= value < 2**63:
        raise UserError(f"{name} must be a whole number, 0 or more; got {value!r:.60}")
    return int(value)
