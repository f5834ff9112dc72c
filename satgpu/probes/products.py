"""The matrix products of a probe, each on the fastest kernel there is for its shape.

On a CPU in float32 oneDNN's product runs at twice the rate of ``torch.mm`` where MKL has no AVX-512
path (measured on an AMD EPYC: 180 against 94 GFLOP/s on one core, see docs/performance.md) and fuses
bias and ReLU; it also reads transposed operands without a copy. It knows no float64 and no stacks.
"""

import torch
from torch import Tensor

try:
    _onednn = torch.ops.mkldnn._linear_pointwise.default
except AttributeError:  # a build without oneDNN
    _onednn = None


def affine(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """x·W + b, then ReLU if asked for.

    Args:
        x: (B, n_in), or (P, B, n_in).
        weight: (n_in, n_out), or (P, n_in, n_out).
        bias: (n_out,), or (P, n_out).
    """
    if _is_onednn(weight):
        return _onednn(x, weight.t(), bias, "relu" if relu else "none", [], "")
    if weight.ndim == 2:
        out = torch.addmm(bias, x, weight)
    else:
        out = torch.baddbmm(bias.unsqueeze(-2), x, weight)
    return out.clamp_min_(0) if relu else out


def input_gradient(delta: Tensor, weight: Tensor) -> Tensor:
    """Δ·Wᵀ: (..., B, n_out) and (..., n_in, n_out) to (..., B, n_in)."""
    if _is_onednn(weight):
        return _onednn(delta, weight, None, "none", [], "")
    return torch.matmul(delta, weight.mT)


def weight_gradient(x_transposed: Tensor, delta: Tensor) -> Tensor:
    """xᵀ·Δ: (..., n_in, B), best contiguous, and (..., B, n_out) to (..., n_in, n_out)."""
    if _is_onednn(delta):
        return _onednn(x_transposed, delta.t(), None, "none", [], "")
    return torch.matmul(x_transposed, delta)


def _is_onednn(weight: Tensor) -> bool:
    """Whether oneDNN takes this operand; a single column is better off with a plain product."""
    return (
        weight.ndim == 2
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and weight.shape[1] > 1
        and _onednn is not None
    )
