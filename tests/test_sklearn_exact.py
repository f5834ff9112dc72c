"""scikit-learn's own weights: given its draws, every epoch ends where scikit-learn's does."""

import importlib
import itertools
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="compares with scikit-learn")

from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402

import satgpu.sklearn  # noqa: E402
from satgpu.errors import UserError  # noqa: E402
from satgpu.sklearn import MLPProbeClassifier, MLPProbeRegressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).randn(530, 12)  # 477 rows to fit: two minibatches of 200 and one of 77
TARGETS = {
    "binary": (X[:, 0] * X[:, 1] > 0).astype(int),
    "multiclass": np.digitize(X[:, 0] + X[:, 1] ** 2, [0, 1, 2]),
    "regression": np.sin(X[:, 0]) + X[:, 1],
}


def _pair(target: str, dtype: str, **options):
    """(scikit-learn's, ours), fitted with the same arguments."""
    theirs, ours = (MLPRegressor, MLPProbeRegressor) if target == "regression" else (MLPClassifier, MLPProbeClassifier)
    y = TARGETS[target]
    return theirs(**options).fit(X.astype(dtype), y), ours(**options, dtype=dtype).fit(X, y)


def _largest_difference(theirs, ours) -> float:
    """Over all weights and biases."""
    pairs = zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True)
    return max(np.abs(a - b).max() for a, b in pairs)


CASES = list(itertools.product(TARGETS, [(20,), (24, 10)], [True, False]))


@pytest.mark.parametrize(("target", "hidden", "early_stopping"), CASES)
def test_weights_agree_to_1e_9_after_five_epochs_in_float64(target, hidden, early_stopping):
    options = {"hidden_layer_sizes": hidden, "early_stopping": early_stopping, "max_iter": 5, "random_state": 3}
    theirs, ours = _pair(target, "float64", alpha=0.01, **options)
    assert _largest_difference(theirs, ours) < 1e-9
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    if early_stopping:
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-6)


@pytest.mark.parametrize(("target", "hidden", "early_stopping"), CASES)
def test_weights_agree_to_1e_4_after_one_epoch_in_float32(target, hidden, early_stopping):
    options = {"hidden_layer_sizes": hidden, "early_stopping": early_stopping, "max_iter": 1, "random_state": 3}
    assert _largest_difference(*_pair(target, "float32", **options)) < 1e-4


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_activation_agrees(target, activation):
    options = {"hidden_layer_sizes": (9, 8, 7), "activation": activation, "max_iter": 5, "random_state": 1}
    assert _largest_difference(*_pair(target, "float64", **options)) < 1e-9


@pytest.mark.parametrize("target", TARGETS)
def test_a_whole_training_stops_at_the_same_epoch_with_the_same_score(target):
    options = {"hidden_layer_sizes": (24, 10), "early_stopping": True, "max_iter": 300, "random_state": 1, "tol": 1e-3}
    theirs, ours = _pair(target, "float64", **options)
    assert ours.n_iter_ == theirs.n_iter_ < 300
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_, rel=1e-9)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


def test_without_early_stopping_the_training_loss_stops_it_at_the_same_epoch():
    options = {"hidden_layer_sizes": (8,), "max_iter": 400, "random_state": 1, "tol": 3e-3, "n_iter_no_change": 3}
    theirs, ours = _pair("binary", "float64", **options)
    assert ours.n_iter_ == theirs.n_iter_ < 400


@pytest.mark.parametrize("target", ["binary", "multiclass"])
def test_probabilities_agree(target):
    options = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 1}
    theirs, ours = _pair(target, "float64", **options)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-9)
    assert (ours.out_activation_, ours.n_layers_, ours.n_outputs_) == (
        theirs.out_activation_,
        theirs.n_layers_,
        theirs.n_outputs_,
    )


def test_defaults_are_scikit_learns():
    ours, theirs = MLPProbeClassifier().get_params(), MLPClassifier().get_params()
    assert {name: ours[name] for name in ours if name in theirs} == {n: theirs[n] for n in theirs if n in ours}


def test_max_iter_warns_as_scikit_learn_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="max_iter=2 epochs reached and the optimization hasn't converged"):
            MLPProbeClassifier(max_iter=2).fit(X, TARGETS["binary"])


def test_standardized_inputs_are_standardized_in_prediction_too():
    options = {"standardize": True, "learning_rate_init": 0.01, "random_state": 0, "max_iter": 60}
    assert (
        MLPProbeClassifier(**options).fit(X * 1e3 + 5e3, TARGETS["binary"]).score(X * 1e3 + 5e3, TARGETS["binary"])
        > 0.9
    )


@pytest.mark.parametrize(
    ("make", "y", "error", "message"),
    [
        (
            lambda: MLPProbeClassifier(dtype="half"),
            TARGETS["binary"],
            UserError,
            "dtype must be float32 or float64; got",
        ),
        (lambda: MLPProbeClassifier(), np.ones(530), ValueError, "MLPProbeClassifier cannot be fitted: one class only"),
        (
            lambda: MLPProbeRegressor(learning_rate_init=1e300, dtype="float64"),
            TARGETS["regression"],
            ValueError,
            "training became non-finite .* lower learning_rate_init",
        ),
    ],
)
def test_what_cannot_be_fitted_is_told(make, y, error, message):
    with pytest.raises(error, match=message):
        make().fit(X, y)


def test_without_scikit_learn_the_import_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for name in ("satgpu.sklearn", "satgpu.probes.sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=r"satgpu.sklearn needs scikit-learn: pip install 'satgpu\[sklearn\]'"):
        importlib.import_module("satgpu.sklearn")
    monkeypatch.undo()
    assert satgpu.sklearn.MLPProbeClassifier is MLPProbeClassifier


@pytest.mark.parametrize(("ours", "theirs"), [(MLPProbeClassifier, MLPClassifier), (MLPProbeRegressor, MLPRegressor)])
def test_every_argument_of_scikit_learns_is_taken_at_its_default(ours, theirs):
    arguments = theirs().get_params()
    model = ours(**arguments | {"max_iter": 3, "verbose": False})
    assert set(arguments) <= set(model.get_params())
    y = TARGETS["regression" if ours is MLPProbeRegressor else "binary"]
    other = theirs(max_iter=3).fit(X, y)
    assert model.fit(X, y).t_ == other.t_


@pytest.mark.parametrize("argument", [{"solver": "sgd"}, {"shuffle": False}, {"warm_start": True}])
def test_what_means_something_else_here_is_refused_by_name(argument):
    ((name, value),) = argument.items()
    with pytest.raises(UserError, match=f"{name}={value!r} is not supported here; only {name}="):
        MLPProbeClassifier(**argument).fit(X, TARGETS["binary"])


def test_weights_of_samples_and_partial_fits_are_refused_by_name():
    with pytest.raises(UserError, match="sample_weight is not supported here"):
        MLPProbeClassifier().fit(X, TARGETS["binary"], sample_weight=np.ones(len(X)))
    assert not hasattr(MLPProbeRegressor(), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit is not supported here; call fit with all rows"):
        MLPProbeRegressor().partial_fit(X, TARGETS["regression"])


def test_verbose_prints_a_line_an_epoch_as_scikit_learn_does(capsys):
    MLPProbeClassifier(max_iter=2, verbose=True).fit(X, TARGETS["binary"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Iteration 1", "Iteration 2"]
