"""Adam as scikit-learn writes it: epsilon after the bias correction, the L2 penalty inside the gradient.

    g ← ∇ + (alpha/B)·w        weights only
    m ← β₁m + (1 - β₁)g,   v ← β₂v + (1 - β₂)g²
    w ← w - lrₜ·m / (√v + ε),   lrₜ = lr·√(1 - β₂ᵗ)/(1 - β₁ᵗ)

torch's fused kernel corrects √v before it adds ε, another formula. Told that t = ∞, its own
corrections are exactly 1 and, with lrₜ for its learning rate, it computes the lines above in one
pass over memory.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions


class AdamTensors(NamedTuple):
    """Parameters of one probe and their moments, a view for each layer."""

    weights: list[Tensor]
    biases: list[Tensor]
    weight_m: list[Tensor]
    weight_v: list[Tensor]
    bias_m: list[Tensor]
    bias_v: list[Tensor]
    no_correction: list[Tensor]  # t = ∞, as often as there are layers


class AdamSettings(NamedTuple):
    """Adam's numbers for one probe."""

    alpha: float
    beta_1: float
    beta_2: float
    epsilon: float


def fused_adam(
    state: AdamTensors,
    weight_grads: list[Tensor],
    bias_grads: list[Tensor],
    settings: AdamSettings,
    step_size: float,
    n_rows: int,
) -> None:
    """One update of one probe on a CPU, in place; TorchScript can read it.

    Args:
        state: what is updated.
        weight_grads, bias_grads: shaped like the layers' weights and biases.
        settings: of this probe.
        step_size: lrₜ.
        n_rows: of the minibatch.
    """
    no_tensors: list[Tensor] = []
    decayed = (state.weights, weight_grads, state.weight_m, state.weight_v, settings.alpha / n_rows)
    plain = (state.biases, bias_grads, state.bias_m, state.bias_v, 0.0)
    for parameters, grads, m, v, weight_decay in (decayed, plain):
        torch._fused_adam_(
            parameters,
            grads,
            m,
            v,
            no_tensors,
            state.no_correction,
            lr=step_size,
            beta1=settings.beta_1,
            beta2=settings.beta_2,
            weight_decay=weight_decay,
            eps=settings.epsilon,
            amsgrad=False,
            maximize=False,
        )


def step_sizes(learning_rate: float, options: ProbeOptions, steps_before: int, n_steps: int) -> list[float]:
    """lrₜ of the next ``n_steps`` updates; made in Python, since TorchScript's powers differ in the last bit."""
    steps = range(steps_before + 1, steps_before + n_steps + 1)
    return [learning_rate * math.sqrt(1 - options.beta_2**t) / (1 - options.beta_1**t) for t in steps]


def adam_tensors(parameters: Tensor, layout: Layout) -> AdamTensors:
    """Views into flat parameters (layout.size,), with moments of zero."""
    m, v = torch.zeros_like(parameters), torch.zeros_like(parameters)
    no_correction = [torch.tensor(math.inf)] * layout.n_layers
    views = [part(flat) for flat in (parameters, m, v) for part in (layout.weights, layout.biases)]
    weights, biases, weight_m, bias_m, weight_v, bias_v = views
    return AdamTensors(weights, biases, weight_m, weight_v, bias_m, bias_v, no_correction)


class StackedAdam:
    """Adam over the flat parameters (P, size) of many probes, each at its own step.

    Args:
        parameters: (P, layout.size) updated in place.
        layout: of the probes.
        options: β₁, β₂ and ε.
        has_gradient: whether ``update`` will be called; kernels of their own need no gradient in memory.

    Attributes:
        m, v: (P, size) moments.
        steps: (P,) float64 updates so far.
        alpha, learning_rate: (P,) float64.
    """

    def __init__(self, parameters: Tensor, layout: Layout, options: ProbeOptions, has_gradient: bool = True):
        self.options = options
        self.parameters = parameters
        self.n_weights = layout.n_weights
        self.layout = layout
        self.m, self.v = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self.gradient = torch.zeros_like(parameters if has_gradient else parameters[:0])
        self._gradient_parts = (layout.weights(self.gradient), layout.biases(self.gradient))
        self.steps = torch.zeros(parameters.shape[0], dtype=torch.float64, device=parameters.device)
        self.alpha = torch.zeros_like(self.steps)
        self.learning_rate = torch.zeros_like(self.steps)

    def reset(self, slots: Tensor, alpha: Tensor, learning_rate: Tensor) -> None:
        """Begin anew in some places (k,), with (k,) penalties and step sizes."""
        for state in (self.m, self.v, self.steps):
            state.index_fill_(0, slots, 0)
        self.alpha.index_copy_(0, slots, alpha)
        self.learning_rate.index_copy_(0, slots, learning_rate)

    def update(self, weight_grads: list[Tensor], bias_grads: list[Tensor], n_rows: Tensor) -> None:
        """One step; the gradients are shaped (P, ...) like the layers' weights and biases.

        Args:
            weight_grads, bias_grads: of each layer.
            n_rows: (P,) rows in each probe's minibatch; one with none of them stands still.
        """
        for part, grads in zip(self._gradient_parts, (weight_grads, bias_grads), strict=True):
            for view, grad in zip(part, grads, strict=True):
                view.copy_(grad)
        o, g, dtype = self.options, self.gradient, self.gradient.dtype
        weights = self.parameters[:, : self.n_weights]
        moves = (n_rows > 0).double()
        g[:, : self.n_weights].addcmul_(weights, (self.alpha / n_rows.clamp(min=1)).to(dtype).unsqueeze(-1))
        self.m.lerp_(g, (moves * (1 - o.beta_1)).to(dtype).unsqueeze(-1))
        self.v.lerp_(g.square_(), (moves * (1 - o.beta_2)).to(dtype).unsqueeze(-1))
        self.steps += moves
        t = self.steps.clamp(min=1)
        corrections = torch.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
        lr = (moves * self.learning_rate * corrections).to(dtype).unsqueeze(-1)
        torch.sqrt(self.v, out=g).add_(o.epsilon)
        torch.div(self.m, g, out=g)
        self.parameters.addcmul_(g, lr, value=-1)
