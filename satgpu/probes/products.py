"""The matrix products of a probe, each on the fastest kernel there is for its shape.

On a CPU in float32 oneDNN's product runs at twice the rate of ``torch.mm`` where MKL has no AVX-512
path (measured on an AMD EPYC: 180 against 94 GFLOP/s on one core, docs/performance.md) and fuses bias
and ReLU. It knows no float64 and no stacks, and takes 13 µs to call.
Which kernel is taken depends on shapes alone, so the same probe always meets the same one.

Everything here is written so that TorchScript can read it (see ``minibatches``).
"""

import torch
from torch import Tensor

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")


def affine(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """x·Wᵀ + b, then ReLU if asked for.

    Args:
        x: (B, n_in), or (P, B, n_in).
        weight: (n_out, n_in), or (P, n_out, n_in).
        bias: (n_out,), or (P, n_out).

    Returns:
        (B, n_out), or (P, B, n_out).
    """
    if _is_for_onednn(x, x.size(0) * weight.numel()):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu" if relu else "none", [], "")
    # Not addmm: TorchScript takes it apart in some places, which would round differently from Python.
    out = torch.matmul(x, weight.transpose(-2, -1)).add_(bias.unsqueeze(-2))
    return out.clamp_min_(0) if relu else out


def input_gradient(delta: Tensor, weight: Tensor) -> Tensor:
    """Δ·W: (..., B, n_out) and (..., n_out, n_in) to (..., B, n_in)."""
    if _is_for_onednn(delta, delta.size(0) * weight.numel()):
        return torch.ops.mkldnn._linear_pointwise(delta, weight.t(), None, "none", [], "")
    return torch.matmul(delta, weight)


def weight_gradient(x: Tensor, delta: Tensor) -> Tensor:
    """Δᵀ·x: (..., B, n_in) and (..., B, n_out) to (..., n_out, n_in)."""
    if _is_for_onednn(x, x.numel() * delta.size(-1)):
        return torch.ops.mkldnn._linear_pointwise(delta.t(), x.t(), None, "none", [], "")
    return torch.matmul(delta.transpose(-2, -1), x)


def _is_for_onednn(x: Tensor, n_multiplications: int) -> bool:
    """Whether oneDNN takes a product: one probe's, float32, on a CPU, and worth more than its call."""
    # Two conditions, because TorchScript leaves out what stands under the first one alone.
    if not torch.jit.is_scripting():  # noqa: SIM102
        if not HAS_ONEDNN:
            return False
    return x.dim() == 2 and x.dtype == torch.float32 and x.device.type == "cpu" and n_multiplications > 850000
