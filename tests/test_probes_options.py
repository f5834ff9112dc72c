"""Options check themselves and follow scikit-learn's defaults."""

import inspect

import pytest

from satgpu.errors import UserError
from satgpu.probes import ProbeOptions


def test_defaults_that_the_notebook_left_alone_are_scikit_learns():
    neural_network = pytest.importorskip("sklearn.neural_network", reason="compares with scikit-learn")
    theirs = inspect.signature(neural_network.MLPClassifier).parameters
    for name in ("activation", "alpha", "learning_rate_init", "validation_fraction", "n_iter_no_change", "tol"):
        assert getattr(ProbeOptions(), name) == theirs[name].default
    for name in ("beta_1", "beta_2", "epsilon"):
        assert getattr(ProbeOptions(), name) == theirs[name].default


def test_a_single_hidden_layer_may_be_a_number():
    assert ProbeOptions(hidden_layer_sizes=32).hidden_layer_sizes == (32,)
    assert ProbeOptions(hidden_layer_sizes=[128, 64]).hidden_layer_sizes == (128, 64)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("activation", "rellu", "unknown activation 'rellu'; choose from identity, logistic, relu, tanh; did you mean"),
        ("hidden_layer_sizes", (128, 0), r"hidden_layer_sizes must be positive whole numbers; got \(128, 0\)"),
        ("batch_size", 0, "batch_size must be a positive whole number; got 0"),
        ("max_iter", 1.5, "max_iter must be a positive whole number; got 1.5"),
        ("n_iter_no_change", True, "n_iter_no_change must be a positive whole number; got True"),
        ("learning_rate_init", 0.0, "learning_rate_init must be above 0; got 0.0"),
        ("epsilon", float("nan"), "epsilon must be above 0; got nan"),
        ("alpha", -1e-4, "alpha must be 0 or more; got -0.0001"),
        ("tol", "small", "tol must be 0 or more; got 'small'"),
        ("beta_1", 1.0, r"beta_1 must be in \[0, 1\); got 1.0"),
        ("beta_2", -0.1, r"beta_2 must be in \[0, 1\); got -0.1"),
        ("validation_fraction", 1.0, "validation_fraction must be between 0 and 1; got 1.0"),
    ],
)
def test_a_value_out_of_range_is_named(name, value, message):
    with pytest.raises(UserError, match=message):
        ProbeOptions(**{name: value})
