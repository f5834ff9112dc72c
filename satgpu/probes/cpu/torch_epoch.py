"""All minibatches of one epoch of one probe by torch's operators, without Python between them.

TorchScript compiles the function below, and those that it calls, as they stand; Python's interpreter
lock is free while it runs. In Python the threads of the pool wait for each other at every operation:
one epoch took 8.0 ms there and 7.0 ms compiled on one thread, and the waiting came on top of it on two
(docs/performance.md). Where TorchScript is not to be had the same function runs as Python, and finds
the same bits.
"""

import warnings
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from satgpu.probes.adam import AdamSettings, AdamTensors, fused_adam
from satgpu.probes.backprop import HAS_ONEDNN, forward, gradients, output_delta


def train_minibatches(
    batches: list[Tensor],
    targets: Tensor,
    state: AdamTensors,
    settings: AdamSettings,
    step_sizes: list[float],
    all_weights: Tensor,
    activation: str,
    task: str,
) -> tuple[Tensor, Tensor]:
    """One update for each minibatch.

    Args:
        batches: (B, D) inputs, the last one shorter.
        targets: (n_fit, C) in the order of the minibatches.
        state: parameters and moments, updated in place.
        settings: of Adam.
        step_sizes: Adam's for each minibatch.
        all_weights: (k,) the weights of all layers in one vector.
        activation, task: of the probe.

    Returns:
        (n_fit, C) raw outputs and (len(batches),) sums of the squared weights, both before each update.
    """
    outputs: list[Tensor] = []
    squares: list[Tensor] = []
    start = 0
    for i in range(len(batches)):
        n_rows = batches[i].size(0)
        squares.append(torch.dot(all_weights, all_weights))
        activations = forward(batches[i], state.weights, state.biases, activation)
        outputs.append(activations[-1])
        delta = output_delta(activations[-1], targets[start : start + n_rows], task, n_rows)
        weight_grads, bias_grads = gradients(batches[i], activations, delta, state.weights, activation)
        fused_adam(state, weight_grads, bias_grads, settings, step_sizes[i], n_rows)
        start += n_rows
    return torch.cat(outputs), torch.stack(squares)


@cache
def compiled_minibatches() -> Callable[..., tuple[Tensor, Tensor]]:
    """``train_minibatches``, compiled where possible; the first call takes a few hundredths of a second."""
    if not HAS_ONEDNN:
        return train_minibatches
    with warnings.catch_warnings():
        # torch recommends torch.compile instead, which takes 14 s for its first function on a CPU.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.jit.script(train_minibatches)
        except (AttributeError, NotImplementedError, RuntimeError):  # removed, or not for this Python
            return train_minibatches
