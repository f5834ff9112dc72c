"""Forward and backward pass by hand: no autograd, no graph, nothing kept that is not needed.

The same lines serve one probe, (B, n), and a stack of probes, (P, B, n), in Python and in TorchScript.

    forward    A₀ = x,  Zᵢ = Aᵢ₋₁·Wᵢᵀ + bᵢ,  Aᵢ = f(Zᵢ),  the last Z without f
    loss       binary cross-entropy, cross-entropy or half the squared error, mean over the minibatch
    backward   Δ = (out - y)/B at the last layer, for all three losses (their canonical links);
               ∇Wᵢ = Δᵢᵀ·Aᵢ₋₁,  ∇bᵢ = Σ Δᵢ,  Δᵢ₋₁ = (Δᵢ·Wᵢ) ∘ f'(Aᵢ₋₁)
"""

import torch
from torch import Tensor

from satgpu.probes.products import affine, input_gradient, weight_gradient


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
