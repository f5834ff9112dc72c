"""Adam as scikit-learn writes it: epsilon after the bias correction, the L2 penalty inside the gradient.

    g ← ∇ + (alpha/B)·w        weights only
    m ← β₁m + (1 - β₁)g,   v ← β₂v + (1 - β₂)g²
    w ← w - lrₜ·m / (√v + ε),   lrₜ = lr·√(1 - β₂ᵗ)/(1 - β₁ᵗ)

torch's fused kernel corrects √v before it adds ε, another formula. Told that t = ∞, its own
corrections are exactly 1 and, with lrₜ for its learning rate, it computes the lines above in one
pass over memory.
"""

import math

import torch
from torch import Tensor

from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions

_FOREVER = torch.tensor(math.inf)


def step_size(learning_rate: float, step: int, options: ProbeOptions) -> float:
    """lrₜ of the ``step``-th update, counted from 1."""
    return learning_rate * math.sqrt(1 - options.beta_2**step) / (1 - options.beta_1**step)


class StackedAdam:
    """Adam over the flat parameters (P, size) of many probes, each at its own step.

    Args:
        parameters: (P, layout.size) updated in place.
        layout: of the probes.
        options: β₁, β₂ and ε.

    Attributes:
        m, v: (P, size) moments.
        steps: (P,) float64 updates so far.
        alpha, learning_rate: (P,) float64; a probe with learning rate 0 stands still.
    """

    def __init__(self, parameters: Tensor, layout: Layout, options: ProbeOptions):
        self.options = options
        self.parameters = parameters
        self.n_weights = layout.n_weights
        self.layout = layout
        self.m, self.v = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self.gradient = torch.zeros_like(parameters)
        self._gradient_parts = (layout.weights(self.gradient), layout.biases(self.gradient))
        self.steps = torch.zeros(parameters.shape[0], dtype=torch.float64, device=parameters.device)
        self.alpha = torch.zeros_like(self.steps)
        self.learning_rate = torch.zeros_like(self.steps)

    def reset(self, slots: Tensor, alpha: Tensor, learning_rate: Tensor) -> None:
        """Begin anew in some places (k,), with (k,) penalties and step sizes."""
        for state in (self.m, self.v, self.steps):
            state[slots] = 0
        self.alpha[slots] = alpha
        self.learning_rate[slots] = learning_rate

    def update(self, weight_grads: list[Tensor], bias_grads: list[Tensor], n_rows: int) -> None:
        """One step; the gradients are shaped (P, ...) like the layers' weights and biases."""
        for part, grads in zip(self._gradient_parts, (weight_grads, bias_grads), strict=True):
            for view, grad in zip(part, grads, strict=True):
                view.copy_(grad)
        o, g, dtype = self.options, self.gradient, self.gradient.dtype
        weights = self.parameters[:, : self.n_weights]
        g[:, : self.n_weights].addcmul_(weights, (self.alpha / n_rows).to(dtype).unsqueeze(-1))
        self.m.lerp_(g, 1 - o.beta_1)
        self.v.mul_(o.beta_2).addcmul_(g, g, value=1 - o.beta_2)
        self.steps += 1
        corrections = torch.sqrt(1 - o.beta_2**self.steps) / (1 - o.beta_1**self.steps)
        lr = (self.learning_rate * corrections).to(dtype).unsqueeze(-1)
        torch.sqrt(self.v, out=g).add_(o.epsilon)
        torch.div(self.m, g, out=g)
        self.parameters.addcmul_(g, lr, value=-1)


class FusedAdam:
    """Adam over the flat parameters (size,) of one probe on a CPU.

    Args:
        parameters: (layout.size,) updated in place.
        layout: of the probe.
        options: β₁, β₂ and ε.
        alpha, learning_rate: of this probe.
    """

    def __init__(self, parameters: Tensor, layout: Layout, options: ProbeOptions, alpha: float, learning_rate: float):
        self.options = options
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.steps = 0
        m, v = torch.zeros_like(parameters), torch.zeros_like(parameters)
        self._weights = [layout.weights(flat) for flat in (parameters, m, v)]
        self._biases = [layout.biases(flat) for flat in (parameters, m, v)]
        self._forever = [_FOREVER] * layout.n_layers

    def update(self, weight_grads: list[Tensor], bias_grads: list[Tensor], n_rows: int) -> None:
        """One step; the gradients are shaped like the layers' weights and biases."""
        self.steps += 1
        lr = step_size(self.learning_rate, self.steps, self.options)
        self._fused(self._weights, weight_grads, lr, self.alpha / n_rows)
        self._fused(self._biases, bias_grads, lr, 0.0)

    def _fused(self, tensors: list[list[Tensor]], grads: list[Tensor], lr: float, decay: float) -> None:
        """torch's kernel with its corrections off."""
        parameters, m, v = tensors
        torch._fused_adam_(
            parameters,
            grads,
            m,
            v,
            [],
            self._forever,
            lr=lr,
            beta1=self.options.beta_1,
            beta2=self.options.beta_2,
            weight_decay=decay,
            eps=self.options.epsilon,
            amsgrad=False,
            maximize=False,
        )
