"""Forward and backward pass by hand: no autograd, no graph, nothing kept that is not needed.

The same lines serve one probe, (B, n), and a stack of probes, (P, B, n), in Python and in TorchScript.

    forward    A₀ = x,  Zᵢ = Aᵢ₋₁·Wᵢᵀ + bᵢ,  Aᵢ = f(Zᵢ),  the last Z without f
    loss       binary cross-entropy, cross-entropy or half the squared error, mean over the minibatch
    backward   Δ = (out - y)/B at the last layer, for all three losses (their canonical links);
               ∇Wᵢ = Δᵢᵀ·Aᵢ₋₁,  ∇bᵢ = Σ Δᵢ,  Δᵢ₋₁ = (Δᵢ·Wᵢ) ∘ f'(Aᵢ₋₁)

On a CPU in float32 oneDNN's product runs at twice the rate of ``torch.mm`` where MKL has no AVX-512
path (docs/performance.md) and fuses bias and ReLU. It knows no float64 and no stacks, and takes 13 µs
to call. Which kernel is taken depends on shapes alone, so the same probe always meets the same one.
"""

import torch
from torch import Tensor

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")


def forward(x: Tensor, weights: list[Tensor], biases: list[Tensor], activation: str) -> list[Tensor]:
    """Activations of the hidden layers, then the raw output (logits, or the predicted number).

    Args:
        x: (..., B, D).
        weights: (..., n_out, n_in) for each layer.
        biases: (..., n_out) for each layer.

    Returns:
        One (..., B, n_out) for each layer.
    """
    last = len(weights) - 1
    activations: list[Tensor] = []
    for layer in range(last):
        x = affine(x, weights[layer], biases[layer], activation == "relu")
        if activation == "tanh":
            x = x.tanh_()
        elif activation == "logistic":
            x = x.sigmoid_()
        activations.append(x)
    activations.append(affine(x, weights[last], biases[last]))
    return activations


def gradients(
    x: Tensor, activations: list[Tensor], delta: Tensor, weights: list[Tensor], activation: str
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients of the loss to weights and biases.

    Args:
        x: (..., B, D) the minibatch.
        activations: what ``forward`` gave.
        delta: (..., B, C) gradient of the loss to the raw output.
        weights: (..., n_out, n_in) for each layer.

    Returns:
        (weight gradients, bias gradients), shaped like weights and biases.
    """
    weight_grads: list[Tensor] = []
    bias_grads: list[Tensor] = []
    for layer in range(len(weights) - 1, -1, -1):
        below = activations[layer - 1] if layer > 0 else x
        weight_grads.append(weight_gradient(below, delta))
        bias_grads.append(delta.sum(-2))
        if layer > 0:
            delta = through_activation(input_gradient(delta, weights[layer]), activations[layer - 1], activation)
    weight_grads.reverse()
    bias_grads.reverse()
    return weight_grads, bias_grads


def through_activation(delta: Tensor, a: Tensor, activation: str) -> Tensor:
    """Δ ∘ f'(Z), written with A = f(Z)."""
    if activation == "relu":
        return torch.ops.aten.threshold_backward(delta, a, 0, grad_input=delta)
    if activation == "tanh":
        return torch.ops.aten.tanh_backward(delta, a)
    if activation == "logistic":
        return torch.ops.aten.sigmoid_backward(delta, a)
    return delta


def output_delta(out: Tensor, targets: Tensor, task: str, n_rows: int) -> Tensor:
    """(f(out) - y)/B: the gradient of the mean loss to the raw output.

    Args:
        out: (..., B, C) raw output; C = 1 for two classes and for regression.
        targets: (..., B, C) zeros and ones, or numbers.
        n_rows: B, the minibatch's own length.
    """
    if task == "regression":
        delta = out - targets
    elif out.shape[-1] == 1:
        delta = torch.sigmoid(out).sub_(targets)
    else:
        delta = torch.softmax(out, dim=-1).sub_(targets)
    return delta.mul_(1.0 / n_rows)


def row_losses(out: Tensor, targets: Tensor, task: str) -> Tensor:
    """(..., B) loss of each row, probabilities clipped to [eps, 1 - eps] as scikit-learn does.

    Args:
        out: (..., B, C) raw output.
        targets: (..., B, C).
    """
    if task == "regression":
        return (out - targets).square_().mul_(0.5).squeeze(-1)
    eps = torch.finfo(out.dtype).eps
    if out.shape[-1] == 1:
        p = torch.sigmoid(out).clamp_(eps, 1 - eps)
        return torch.where(targets > 0.5, p, 1 - p).log_().neg_().squeeze(-1)
    p = torch.softmax(out, dim=-1).clamp_(eps, 1 - eps)
    return p.log_().mul_(targets).sum(-1).neg_()


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
