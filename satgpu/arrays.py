"""Foreign arrays, checked once where they enter: NumPy, pandas, torch or plain lists become one kind of tensor."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError


def as_tensor(values: Any, name: str = "values") -> Tensor:
    """A tensor of numbers or booleans, whatever held them, without a gradient.

    Args:
        values: a tensor, an array (any strides, byte order, also read-only or masked without
            a hole), a DataFrame or Series, a scalar, or nested lists.
        name: what to call it in a message.

    Returns:
        a tensor of the same shape and dtype; it shares memory with ``values`` where torch can.

    Raises:
        UserError: it doesn't hold numbers, is ragged, or is masked somewhere.
    """
    if isinstance(values, Tensor):
        return values.detach()
    if hasattr(values, "to_numpy"):  # pandas: a missing value of a nullable column is NaN
        values = _from_pandas(values)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise UserError(f"{name} has {int(np.ma.count_masked(values))} masked values; fill or drop them")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise UserError(f"{name} is ragged ({_first_words(error)}); give rows of equal length") from None
    if array.dtype.kind not in "fiub":
        raise UserError(f"{name} must hold numbers; got an array of {array.dtype}")
    return torch.from_numpy(_plain(array))


def _from_pandas(values: Any) -> np.ndarray:
    array = values.to_numpy()
    if array.dtype.kind == "O":  # nullable numbers, or columns of several kinds
        try:
            return values.astype("float64").to_numpy()
        except (ValueError, TypeError):
            return array
    return array


def _plain(array: np.ndarray) -> np.ndarray:
    """Native byte order, no negative stride, writeable, of a width torch knows: copied only where needed."""
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return array


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
