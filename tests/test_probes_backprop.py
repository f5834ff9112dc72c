"""Forward and backward pass against autograd, and the two forms of Adam against the formula."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from satgpu.probes import backprop
from satgpu.probes.adam import AdamSettings, StackedAdam, adam_tensors, fused_adam, step_sizes
from satgpu.probes.backprop import affine, forward, gradients, input_gradient, output_delta, row_losses, weight_gradient
from satgpu.probes.cpu import torch_path
from satgpu.probes.cpu.torch_path import compiled_minibatches, train_minibatches
from satgpu.probes.draws import initial_parameters
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid, "identity": lambda z: z}
HIDDEN = [(), (6,), (7, 5), (4, 5, 6)]
OUTPUTS = [("classification", 1), ("classification", 4), ("regression", 1)]


def _targets(task: str, n_outputs: int, *shape: int) -> torch.Tensor:
    if task == "regression":
        return torch.randn(*shape, 1, dtype=torch.float64)
    if n_outputs == 1:
        return torch.randint(2, (*shape, 1)).double()
    return F.one_hot(torch.randint(n_outputs, shape), n_outputs).double()


def _loss(out: torch.Tensor, targets: torch.Tensor, task: str) -> torch.Tensor:
    """The mean loss of a minibatch, as torch writes it."""
    if task == "regression":
        return 0.5 * F.mse_loss(out, targets)
    if out.shape[-1] == 1:
        return F.binary_cross_entropy_with_logits(out, targets)
    return F.cross_entropy(out, targets)


@pytest.mark.parametrize(("activation", "hidden", "output"), list(itertools.product(ACTIVATIONS, HIDDEN, OUTPUTS)))
def test_hand_written_gradients_equal_autograd(activation, hidden, output):
    torch.manual_seed(0)
    task, n_outputs = output
    layout = Layout((5, *hidden, n_outputs))
    flat = initial_parameters(torch.tensor(1), layout, activation).requires_grad_()
    x, targets = torch.randn(9, 5, dtype=torch.float64), _targets(task, n_outputs, 9)
    a = x
    for layer, (weight, bias) in enumerate(zip(layout.weights(flat), layout.biases(flat), strict=True)):
        a = a @ weight.T + bias
        a = a if layer == layout.n_layers - 1 else ACTIVATIONS[activation](a)
    loss = _loss(a, targets, task)
    loss.backward()

    weights, biases = layout.weights(flat.detach()), layout.biases(flat.detach())
    activations = forward(x, weights, biases, activation)
    delta = output_delta(activations[-1], targets, task, 9)
    found = gradients(x, activations, delta, weights, activation)
    for grads, views in zip(found, (layout.weights(flat.grad), layout.biases(flat.grad)), strict=True):
        for grad, expected in zip(grads, views, strict=True):
            torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(row_losses(activations[-1], targets, task).mean(), loss.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_stack_gives_what_its_probes_give_one_by_one(output):
    torch.manual_seed(0)
    task, n_outputs = output
    layout = Layout((5, 7, 6, n_outputs))
    flat = initial_parameters(torch.arange(3), layout, "relu")
    x, targets = torch.randn(3, 9, 5, dtype=torch.float64), _targets(task, n_outputs, 3, 9)

    def run(flat, x, targets):
        weights = layout.weights(flat)
        activations = forward(x, weights, layout.biases(flat), "relu")
        delta = output_delta(activations[-1], targets, task, 9)
        grads = gradients(x, activations, delta, weights, "relu")
        return [*grads[0], *grads[1], row_losses(activations[-1], targets, task)]

    together = run(flat, x, targets)
    for p in range(3):
        alone = run(flat[p], x[p], targets[p])
        for stacked, single in zip(together, alone, strict=True):
            torch.testing.assert_close(stacked[p], single, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", [4, 200])  # below and above the size at which oneDNN takes over
def test_products_of_float32_equal_those_of_float64(size):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(size, 128), torch.randn(96, 128), torch.randn(96)
    delta = torch.randn(size, 96)
    exact = [t.double() for t in (x, weight, bias, delta)]
    cases = [
        (affine(x, weight, bias), exact[0] @ exact[1].T + exact[2]),
        (affine(x, weight, bias, relu=True), (exact[0] @ exact[1].T + exact[2]).clamp_min(0)),
        (input_gradient(delta, weight), exact[3] @ exact[1]),
        (weight_gradient(x, delta), exact[3].T @ exact[0]),
    ]
    for found, expected in cases:
        assert found.shape == expected.shape
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def _adam_by_formula(layout, flat, gradient_of, steps, batch, alpha, lr, o):
    """scikit-learn's ``AdamOptimizer`` and L2 term, line by line."""
    m, v = torch.zeros_like(flat), torch.zeros_like(flat)
    for t in range(1, steps + 1):
        g = gradient_of(t).clone()
        g[: layout.n_weights] += alpha * flat[: layout.n_weights] / batch
        m = o.beta_1 * m + (1 - o.beta_1) * g
        v = o.beta_2 * v + (1 - o.beta_2) * g**2
        lr_t = lr * math.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
        flat = flat - lr_t * m / (torch.sqrt(v) + o.epsilon)
    return flat


@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_both_forms_of_adam_follow_scikit_learns_formula(epsilon):
    layout, options = Layout((5, 4, 2)), ProbeOptions(epsilon=epsilon, beta_2=0.99)
    first = initial_parameters(torch.arange(2), layout, "relu")
    pattern = initial_parameters(torch.arange(2) + 7, layout, "relu")  # padding zero, as gradients have it
    alphas, rates = torch.tensor([0.1, 0.0]).double(), torch.tensor([0.01, 0.3]).double()

    stacked_flat = first.clone()
    stacked = StackedAdam(stacked_flat, layout, options)
    stacked.reset(torch.arange(2), alphas, rates)
    for t in range(1, 6):
        g = pattern * t * 1e-3
        stacked.update(layout.weights(g), layout.biases(g), torch.tensor([20, 20]))
    for p in range(2):
        flat = first[p].clone()
        state = adam_tensors(flat, layout)
        settings = AdamSettings(float(alphas[p]), options.beta_1, options.beta_2, options.epsilon)
        for t, step_size in enumerate(step_sizes(float(rates[p]), options, 0, 5), 1):
            g = pattern[p] * t * 1e-3
            fused_adam(state, layout.weights(g), layout.biases(g), settings, step_size, 20)
        expected = _adam_by_formula(
            layout, first[p], lambda t, p=p: pattern[p] * t * 1e-3, 5, 20, float(alphas[p]), float(rates[p]), options
        )
        torch.testing.assert_close(flat, expected, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(stacked_flat[p], expected, rtol=1e-12, atol=1e-14)


def test_a_slot_without_rows_stands_still():
    layout = Layout((3, 2))
    flat = initial_parameters(torch.arange(2), layout, "relu")
    before = flat.clone()
    adam = StackedAdam(flat, layout, ProbeOptions())
    adam.reset(torch.arange(2), torch.zeros(2).double(), torch.full((2,), 1e-3).double())
    ones = torch.ones_like(flat)
    adam.update(layout.weights(ones), layout.biases(ones), torch.tensor([0, 4]))
    assert torch.equal(flat[0], before[0]) and not torch.equal(flat[1], before[1])
    assert adam.steps.tolist() == [0.0, 1.0] and not adam.m[0].any() and not adam.v[0].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output", OUTPUTS)
def test_compiled_minibatches_find_the_bits_of_the_same_lines_in_python(output, activation, dtype):
    torch.manual_seed(0)
    task, n_outputs = output
    layout = Layout((128, 96, 40, n_outputs))  # the first product is one for oneDNN, the second is not
    batches = list(torch.randn(450, 128, dtype=dtype).split(200))
    arguments = [
        batches,
        _targets(task, n_outputs, 450).to(dtype),
    ]
    found = []
    assert isinstance(compiled_minibatches(), torch.jit.ScriptFunction)
    for train in (train_minibatches, compiled_minibatches(), compiled_minibatches(), compiled_minibatches()):
        flat = initial_parameters(torch.tensor(1), layout, activation).to(dtype)
        settings = AdamSettings(1e-4, 0.9, 0.999, 1e-8)
        weights = flat[: layout.n_weights]
        outputs = train(*arguments, adam_tensors(flat, layout), settings, [1e-3, 2e-3, 1e-3], weights, activation, task)
        found.append([flat, *outputs])
    for compiled in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], compiled, strict=True))


def test_without_torchscript_the_same_lines_run_as_python(monkeypatch):
    def gone(function):
        raise RuntimeError("TorchScript is not supported any more")

    monkeypatch.setattr(torch.jit, "script", gone)
    assert compiled_minibatches.__wrapped__() is train_minibatches
    monkeypatch.setattr(torch_path, "HAS_ONEDNN", False)
    assert compiled_minibatches.__wrapped__() is train_minibatches


def test_without_onednn_products_are_torchs(monkeypatch):
    x, weight, bias = torch.randn(200, 128), torch.randn(96, 128), torch.randn(96)
    monkeypatch.setattr(backprop, "HAS_ONEDNN", False)
    assert torch.equal(affine(x, weight, bias), x @ weight.T + bias)
