"""Forward and backward pass by hand: no autograd, no graph, nothing kept that is not needed.

The same lines serve one probe, (B, n), and a stack of probes, (P, B, n).

    forward    A₀ = x,  Zᵢ = Aᵢ₋₁·Wᵢ + bᵢ,  Aᵢ = f(Zᵢ),  the last Z without f
    loss       binary cross-entropy, cross-entropy or half the squared error, mean over the minibatch
    backward   Δ = (out - y)/B at the last layer, for all three losses (their canonical links);
               ∇Wᵢ = Aᵢ₋₁ᵀ·Δᵢ,  ∇bᵢ = Σ Δᵢ,  Δᵢ₋₁ = (Δᵢ·Wᵢᵀ) ∘ f'(Aᵢ₋₁)
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from satgpu.probes.products import affine, input_gradient, weight_gradient

# f'(Z), written with A = f(Z), times a gradient.
_DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda delta, a: delta,
    "relu": lambda delta, a: torch.ops.aten.threshold_backward.grad_input(delta, a, 0, grad_input=delta),
    "tanh": lambda delta, a: torch.ops.aten.tanh_backward.grad_input(delta, a, grad_input=delta),
    "logistic": lambda delta, a: torch.ops.aten.sigmoid_backward.grad_input(delta, a, grad_input=delta),
}
_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "relu": lambda z: z,  # already done by the product
    "tanh": torch.tanh_,
    "logistic": torch.sigmoid_,
}


def forward(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], activation: str) -> list[Tensor]:
    """Activations of the hidden layers, then the raw output (logits, or the predicted number).

    Args:
        x: (..., B, D).
        weights: (..., n_in, n_out) for each layer.
        biases: (..., n_out) for each layer.

    Returns:
        One (..., B, n_out) for each layer.
    """
    last = len(weights) - 1
    apply = _IN_PLACE[activation]
    activations = []
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if layer == last:
            x = affine(x, weight, bias)
        else:
            x = apply(affine(x, weight, bias, activation == "relu"))
        activations.append(x)
    return activations


def gradients(
    x_transposed: Tensor, activations: Sequence[Tensor], delta: Tensor, weights: Sequence[Tensor], activation: str
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients of the loss to weights and biases.

    Args:
        x_transposed: (..., D, B) the minibatch.
        activations: what ``forward`` gave.
        delta: (..., B, C) gradient of the loss to the raw output.
        weights: (..., n_in, n_out) for each layer.

    Returns:
        (weight gradients, bias gradients), shaped like weights and biases.
    """
    derivative = _DERIVATIVES[activation]
    last = len(weights) - 1
    weight_grads: list[Tensor] = [delta] * (last + 1)
    bias_grads: list[Tensor] = [delta] * (last + 1)
    for layer in range(last, -1, -1):
        below = activations[layer - 1].mT if layer else x_transposed
        weight_grads[layer] = weight_gradient(below, delta)
        bias_grads[layer] = delta.sum(-2)
        if layer:
            delta = derivative(input_gradient(delta, weights[layer]), activations[layer - 1])
    return weight_grads, bias_grads


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
