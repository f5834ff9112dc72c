"""The matrix products of a probe, each on the fastest kernel there is for its shape.

On a CPU in float32 oneDNN's product runs at twice the rate of ``torch.mm`` where MKL has no AVX-512
path (measured on an AMD EPYC: 180 against 94 GFLOP/s on one core, docs/performance.md) and fuses bias
and ReLU. It knows no float64 and no stacks, takes 13 µs to call, and copies a transposed first operand.
Which kernel is taken depends on shapes alone, so the same probe always meets the same one.

Everything here is written so that TorchScript can read it (see ``minibatches``).
"""

import torch
from torch import Tensor

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")


def affine(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """x·W + b, then ReLU if asked for.

    Args:
        x: (B, n_in), or (P, B, n_in).
        weight: (n_in, n_out), or (P, n_in, n_out).
        bias: (n_out,), or (P, n_out).

    Returns:
        (B, n_out), or (P, B, n_out).
    """
    if _is_for_onednn(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight.t(), bias, "relu" if relu else "none", [], "")
    # Not addmm: TorchScript takes it apart in some places, which would round differently from Python.
    out = torch.matmul(x, weight).add_(bias.unsqueeze(-2))
    return out.clamp_min_(0) if relu else out


def input_gradient(delta: Tensor, weight: Tensor) -> Tensor:
    """Δ·Wᵀ: (..., B, n_out) and (..., n_in, n_out) to (..., B, n_in)."""
    transposed = weight.transpose(-2, -1)
    if _is_for_onednn(delta, transposed):
        return torch.ops.mkldnn._linear_pointwise(delta, weight, None, "none", [], "")
    return torch.matmul(delta, transposed)


def weight_gradient(x_transposed: Tensor, delta: Tensor) -> Tensor:
    """xᵀ·Δ: (..., n_in, B), best contiguous, and (..., B, n_out) to (..., n_in, n_out)."""
    if x_transposed.is_contiguous() and _is_for_onednn(x_transposed, delta):
        return torch.ops.mkldnn._linear_pointwise(x_transposed, delta.t(), None, "none", [], "")
    return torch.matmul(x_transposed, delta)


def _is_for_onednn(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN takes the product a·b: float32, one probe, large enough for its speed to outweigh its call."""
    # Two conditions, because TorchScript leaves out what stands under the first one alone.
    if not torch.jit.is_scripting():  # noqa: SIM102
        if not HAS_ONEDNN:
            return False
    if b.dim() != 2 or b.dtype != torch.float32 or b.device.type != "cpu":
        return False
    return 2.0 * a.size(0) * b.size(0) * b.size(1) > 1.7e6
