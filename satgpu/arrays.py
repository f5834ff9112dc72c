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
            a hole), a DataFrame or Series, a scalar, or nested lists of numbers or tensors.
        name: what to call it in a message.

    Returns:
        a tensor of the same shape and dtype; it shares memory with ``values`` where torch can.

    Raises:
        UserError: it doesn't hold real numbers, is ragged, or is masked somewhere.
    """
    if isinstance(values, list | tuple) and values and all(isinstance(one, Tensor) for one in values):
        values = _stacked(values, name)
    if isinstance(values, Tensor):
        if values.is_complex() or values.is_meta or values.layout is not torch.strided:
            kind = values.dtype if values.is_complex() else "no values" if values.is_meta else values.layout
            raise UserError(f"{name} must hold real numbers, densely; got a tensor of {kind}")
        return values.detach()
    if hasattr(values, "to_numpy"):  # pandas: a missing value of a nullable column is NaN
        values = _from_pandas(values)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise UserError(f"{name} has {int(np.ma.count_masked(values))} masked values; fill or drop them")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{name} is ragged or no array ({_first_words(error)}); give rows of equal length") from None
    if array.dtype.kind not in "fiub":
        raise UserError(f"{name} must hold numbers; got an array of {array.dtype}; convert it")
    return torch.from_numpy(_plain(array))


def _stacked(tensors: list[Tensor] | tuple[Tensor, ...], name: str) -> Tensor:
    if len({(one.shape, one.device, one.dtype) for one in tensors}) > 1:
        raise UserError(
            f"{name} is ragged: {len(tensors)} tensors of several shapes, dtypes or devices; make them alike"
        )
    return torch.stack(list(tensors))


def _from_pandas(values: Any) -> np.ndarray:
    array = values.to_numpy()
    dtypes = getattr(values, "dtypes", ())
    dtypes = dtypes if np.ndim(dtypes) else [dtypes]  # of a Series
    if array.dtype.kind == "O" and all(getattr(dtype, "kind", "O") in "fiub" for dtype in dtypes):
        return values.astype("float64").to_numpy()  # nullable numbers, or numbers beside booleans
    return array


def _plain(array: np.ndarray) -> np.ndarray:
    """Native byte order, no negative stride, writeable, of a width torch knows: copied only where needed."""
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:  # torch counts little in these
        array = array.astype(np.float64 if array.size and array.max() >= 2**63 else np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return array


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
