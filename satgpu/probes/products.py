"""The matrix products of a probe, each on the fastest kernel there is for its shape.

On a CPU in float32 oneDNN's product runs at twice the rate of ``torch.mm`` where MKL has no AVX-512
path (measured on an AMD EPYC: 180 against 94 GFLOP/s on one core, docs/performance.md) and fuses bias
and ReLU. It knows no float64 and no stacks, takes 13 µs to call, and copies a transposed first operand.
Which kernel is taken depends on shapes alone, so the same probe always meets the same one.
"""

import torch
from torch import Tensor

try:
    _onednn = torch.ops.mkldnn._linear_pointwise.default
except AttributeError:  # a build without oneDNN
    _onednn = None

_ONEDNN_FLOPS = 1.7e6  # where its speed begins to outweigh its call


def affine(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """x·W + b, then ReLU if asked for.

    Args:
        x: (B, n_in), or (P, B, n_in).
        weight: (n_in, n_out), or (P, n_in, n_out).
        bias: (n_out,), or (P, n_out).

    Returns:
        (B, n_out), or (P, B, n_out).
    """
    if _is_onednn(x, weight):
        return _onednn(x, weight.t(), bias, "relu" if relu else "none", [], "")
    if weight.ndim == 2:
        out = torch.addmm(bias, x, weight)
    else:
        out = torch.baddbmm(bias.unsqueeze(-2), x, weight)
    return out.clamp_min_(0) if relu else out


def input_gradient(delta: Tensor, weight: Tensor) -> Tensor:
    """Δ·Wᵀ: (..., B, n_out) and (..., n_in, n_out) to (..., B, n_in)."""
    if _is_onednn(delta, weight.mT):
        return _onednn(delta, weight, None, "none", [], "")
    return torch.matmul(delta, weight.mT)


def weight_gradient(x_transposed: Tensor, delta: Tensor) -> Tensor:
    """xᵀ·Δ: (..., n_in, B), best contiguous, and (..., B, n_out) to (..., n_in, n_out)."""
    if x_transposed.is_contiguous() and _is_onednn(x_transposed, delta):
        return _onednn(x_transposed, delta.t(), None, "none", [], "")
    return torch.matmul(x_transposed, delta)


def _is_onednn(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN takes the product a·b."""
    return (
        b.ndim == 2
        and b.dtype == torch.float32
        and b.device.type == "cpu"
        and 2 * a.shape[0] * b.shape[0] * b.shape[1] > _ONEDNN_FLOPS
        and _onednn is not None
    )
