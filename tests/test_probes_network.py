"""The layout of a probe's parameters and its first weights."""

import math

import pytest
import torch

from satgpu.probes.draws import initial_parameters
from satgpu.probes.network import Layout

LAYOUT = Layout((10, 7, 3, 1))


def test_blocks_do_not_overlap_and_begin_on_64_bytes():
    flat = torch.zeros(LAYOUT.size)
    views = [*LAYOUT.weights(flat), *LAYOUT.biases(flat)]
    for number, view in enumerate(views, 1):
        assert view.storage_offset() % 16 == 0
        view += number
    assert [float(view.max()) for view in views] == [1, 2, 3, 4, 5, 6]
    assert int((flat != 0).sum()) == sum(view.numel() for view in views)
    assert all(view.storage_offset() >= LAYOUT.n_weights for view in LAYOUT.biases(flat))


def test_views_of_a_stack_are_the_stacked_views():
    flat = torch.randn(4, LAYOUT.size)
    for layer, weight in enumerate(LAYOUT.weights(flat)):
        assert torch.equal(weight[2], LAYOUT.weights(flat[2])[layer])


def test_operations_are_counted_without_the_gradient_of_the_inputs():
    # The figure of the notebook's probe: 36.1 MFLOP for a minibatch of 200 rows.
    assert Layout((256, 128, 64, 1)).flops_per_row * 200 == pytest.approx(36.1e6, rel=2e-3)


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("tanh", 6), ("identity", 6), ("logistic", 2)])
def test_first_weights_and_biases_fill_glorots_range(activation, factor):
    flat = initial_parameters(torch.tensor([5]), Layout((64, 64, 2)), activation)
    bound = math.sqrt(factor / 128)
    for values in (Layout((64, 64, 2)).weights(flat)[0], Layout((64, 64, 2)).biases(flat)[0]):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.9 * bound
    assert abs(Layout((64, 64, 2)).weights(flat)[0].mean()) < 4 * bound / math.sqrt(3) / 64


def test_first_weights_depend_on_the_own_seed_alone():
    together = initial_parameters(torch.tensor([3, 9, 4]), LAYOUT, "relu")
    assert torch.equal(together[1], initial_parameters(torch.tensor([9]), LAYOUT, "relu")[0])
    assert torch.equal(together[1], initial_parameters(torch.tensor(9), LAYOUT, "relu"))
    assert not torch.equal(together[0], together[2])
