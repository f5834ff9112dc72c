"""``MLPProbes``: shapes, labels of any kind, scikit-learn's manners."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from probe_groups import small_inputs, small_labels

from satgpu.errors import UserError
from satgpu.probes import MLPProbes

QUICK = {"hidden_layer_sizes": (16,), "max_iter": 20}


def _problem(n_probes: int = 3, n: int = 300):
    X = small_inputs(n)
    return X, small_labels(X, n_probes)


@pytest.mark.parametrize(
    ("x_groups", "y_shape", "probes"),
    [(1, (300,), ()), (1, (3, 300), (3,)), (2, (2, 3, 300), (2, 3)), (1, (2, 3, 300), (2, 3))],
)
def test_results_have_the_leading_axes_of_y(x_groups, y_shape, probes):
    X, Y = _problem()
    X = torch.stack([X, -X]) if x_groups == 2 else X
    Y = Y[0] if len(y_shape) == 1 else Y.expand(y_shape)
    model = MLPProbes(**QUICK).fit(X, Y)
    assert model.predict(X).shape == y_shape
    assert model.predict_proba(X).shape == (*y_shape, 2)
    for values in (model.score(X, Y), model.n_iter_, model.best_validation_score_, model.probe_seeds_):
        assert values.shape == probes
    assert model.stop_reason_.shape == model.failure_.shape == probes
    assert model.loss_curve_.shape == model.validation_scores_.shape == (*probes, int(model.n_iter_.max()))
    torch.testing.assert_close((model.predict(X) == Y).double().mean(-1), model.score(X, Y), rtol=0, atol=0)


def test_arrays_in_arrays_out():
    X, Y = _problem()
    model = MLPProbes(**QUICK).fit(X.numpy(), Y.numpy())
    for values in (model.predict(X.numpy()), model.predict_proba(X.numpy()), model.score(X.numpy(), Y.numpy())):
        assert isinstance(values, np.ndarray)
    one = MLPProbes(**QUICK).fit(X.numpy(), Y[0].numpy())
    assert isinstance(one.score(X.numpy(), Y[0].numpy()), float) and isinstance(one.n_iter_, int)


def test_read_only_arrays_are_taken():
    X, Y = _problem()
    X, Y = X.numpy().copy(), Y[0].numpy().copy()
    X.flags.writeable = Y.flags.writeable = False
    assert MLPProbes(**QUICK).fit(X, Y).n_iter_ > 0


def test_labels_of_any_kind_come_back_as_they_were():
    X, Y = _problem()
    words = np.array(["land", "sea"])[Y.numpy()]
    model = MLPProbes(**QUICK).fit(X.numpy(), words)
    assert model.classes_.tolist() == ["land", "sea"] and set(np.unique(model.predict(X.numpy()))) <= {"land", "sea"}
    numbers = MLPProbes(**QUICK).fit(X, Y * 5 - 2)
    assert numbers.classes_.tolist() == [-2, 3]
    assert torch.equal(numbers.predict(X) == 3, torch.as_tensor(model.predict(X.numpy()) == "sea"))


def test_probabilities_sum_to_one_and_agree_with_the_prediction():
    X = small_inputs()
    Y = small_labels(X, 2, "multiclass")
    model = MLPProbes(**QUICK).fit(X, Y)
    p = model.predict_proba(X)
    torch.testing.assert_close(p.sum(-1), torch.ones(2, 400))
    assert torch.equal(p.argmax(-1), model.predict(X))


def test_probes_with_fewer_classes_than_others_keep_their_places():
    X = small_inputs()
    Y = torch.stack([small_labels(X, 1)[0], small_labels(X, 1, "multiclass")[0]])
    p = MLPProbes(**QUICK).fit(X, Y).predict_proba(X)
    assert p.shape == (2, 400, 3) and (p[0, :, 2] == 0).all() and (p[1, :, 2] > 0).all()


def test_regression_scores_r2():
    X = small_inputs(600)
    Y = torch.stack([X[:, 0], X[:, 1] * 2 + 1])
    model = MLPProbes("regression", hidden_layer_sizes=(16,), max_iter=200, learning_rate_init=0.01).fit(X, Y)
    assert (model.score(X, Y) > 0.9).all() and not hasattr(model, "classes_")
    with pytest.raises(ValueError, match="predict_proba needs task='classification'; this is a regression"):
        model.predict_proba(X)


def test_a_probe_can_be_trained_again_alone_from_its_seed():
    X, Y = _problem(5)
    model = MLPProbes(random_state=3, **QUICK).fit(X, Y)
    again = MLPProbes(random_state=model.probe_seeds_[4:], split_seed=3, **QUICK).fit(X, Y[4:])
    assert torch.equal(model.loss_curve_[4, : int(again.n_iter_[0])], again.loss_curve_[0])


def test_options_per_probe_are_taken():
    X, Y = _problem(2)
    model = MLPProbes(alpha=np.array([1e-4, 3.0]), learning_rate_init=torch.tensor([1e-3, 1e-3]), **QUICK).fit(X, Y)
    plain = MLPProbes(**QUICK).fit(X, Y)
    torch.testing.assert_close(model.loss_curve_[0, :5], plain.loss_curve_[0, :5], rtol=1e-4, atol=0)
    assert (model.loss_curve_[1, :5] - plain.loss_curve_[1, :5]).abs().min() > 1e-2


@pytest.mark.parametrize("shared_draws", [True, False])
def test_the_same_seed_gives_the_same_probes_and_another_one_others(shared_draws):
    X, Y = _problem()
    first, second, other = (
        MLPProbes(random_state=seed, shared_draws=shared_draws, **QUICK).fit(X, Y).loss_curve_ for seed in (1, 1, 2)
    )
    assert torch.equal(first.nan_to_num(), second.nan_to_num()) and not torch.equal(first[:, 0], other[:, 0])


def test_standardized_probes_predict_from_raw_inputs():
    X, Y = _problem()
    X = X * 1000 + 300
    model = MLPProbes(standardize=True, early_stopping=False, learning_rate_init=0.01, **QUICK).fit(X, Y)
    assert float(model.score(X, Y)[0]) > 0.9


def test_without_early_stopping_there_is_no_validation():
    X, Y = _problem()
    model = MLPProbes(early_stopping=False, **QUICK).fit(X, Y)
    assert model.validation_scores_.shape == (3, 0) and model.best_validation_score_.isnan().all()


def test_a_probe_that_cannot_be_trained_is_named_and_the_others_are_fitted():
    X, Y = _problem(2)
    Y = torch.stack([Y[0], torch.ones_like(Y[0])])
    model = MLPProbes(**QUICK).fit(X, Y)
    assert model.failure_.tolist() == ["", "one class only in the training rows"]
    assert model.stop_reason_[1] == "not_trained" and int(model.n_iter_[1]) == 0
    assert math.isnan(model.score(X, Y)[1]) and not math.isnan(model.score(X, Y)[0])
    assert (model.predict(X)[1] == 1).all() and model.predict_proba(X)[1].isnan().all()


def test_a_regression_that_failed_predicts_nan():
    X = small_inputs()
    model = MLPProbes("regression", learning_rate_init=1e300, dtype="float64", **QUICK).fit(X, X[:, 0])
    assert model.failure_.item().startswith("non-finite") and model.predict(X).isnan().all()


def test_float64_and_float32_agree_at_first():
    X, Y = _problem()
    exact, quick = (MLPProbes(dtype=dtype, **QUICK).fit(X, Y).loss_curve_[:, 0] for dtype in ("float64", "float32"))
    torch.testing.assert_close(exact, quick, rtol=1e-4, atol=0)


def test_parameters_can_be_read_and_changed():
    model = MLPProbes(alpha=0.5, random_state=7)
    assert model.get_params()["alpha"] == 0.5 and model.get_params()["hidden_layer_sizes"] == (128, 64)
    assert model.set_params(max_iter=3, task="regression") is model
    assert model.get_params()["max_iter"] == 3 and model.task == "regression"
    assert repr(model) == "MLPProbes('regression', random_state=7, alpha=0.5, max_iter=3)"
    assert eval(repr(model)).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"task": "clasification"},
            "unknown task 'clasification'; choose from classification, regression; did you mean",
        ),
        ({"alhpa": 1}, "unknown option 'alhpa'; choose from .*; did you mean 'alpha'"),
        ({"max_iter": 0}, "max_iter must be a positive whole number; got 0"),
        ({"dtype": "float16"}, "dtype must be float32 or float64; got 'float16'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_a_wrong_argument_is_told_at_construction(arguments, message):
    with pytest.raises(UserError, match=message):
        MLPProbes(**arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_told_at_construction():
    with pytest.raises(UserError, match="device 'cuda' needs an NVIDIA GPU, and torch finds none; use device='cpu'"):
        MLPProbes(device="cuda")


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (torch.zeros(300), torch.zeros(300), r"X must be \(n, d\) or \(g, n, d\); got \(300,\)"),
        (torch.zeros(300, 2), torch.zeros(299), r"Y must be \(n,\), \(p, n\) or \(g, p, n\) with n=300; got \(299,\)"),
        (
            torch.zeros(3, 300, 2),
            torch.zeros(2, 4, 300),
            r"Y must be \(3, p, n\), as X has 3 groups; got \(2, 4, 300\)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(X, Y, message):
    with pytest.raises(ValueError, match=message):
        MLPProbes(**QUICK).fit(X, Y)


def test_per_probe_options_of_another_shape_are_refused():
    X, Y = _problem(3)
    with pytest.raises(ValueError, match=r"alpha must have one value for each of 3 probes; got \(2,\)"):
        MLPProbes(alpha=np.ones(2), **QUICK).fit(X, Y)


def test_use_before_or_unlike_fit_is_refused():
    X, Y = _problem(3)
    with pytest.raises(ValueError, match="this MLPProbes is not fitted yet: call fit"):
        MLPProbes().predict(X)
    model = MLPProbes(hidden_layer_sizes=(4,), max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"X must have 8 features and 1 groups, as in fit; got \(300, 7\)"):
        model.predict(X[:, :7])
    with pytest.raises(ValueError, match=r"Y must have the leading axes of fit, \(3, 'n'\); got \(2, 300\)"):
        model.score(X, Y[:2])


def test_nan_is_an_error_for_one_fit_and_named_among_many():
    X, Y = _problem(2)
    holed = X.clone()
    holed[5, 2] = math.nan
    with pytest.raises(ValueError, match="X or Y holds NaN or infinity .*drop or fill those rows"):
        MLPProbes(**QUICK).fit(holed, Y[0])
    numbers = X[:, :2].T.clone()
    numbers[1, 7] = math.inf
    with pytest.raises(ValueError, match="X or Y holds NaN or infinity"):
        MLPProbes("regression", **QUICK).fit(X, numbers[1])
    many = MLPProbes("regression", **QUICK).fit(X, numbers)
    assert many.failure_.tolist() == ["", "non-finite targets in the training rows"]
    groups = MLPProbes(**QUICK).fit(torch.stack([X, holed]), Y.expand(2, 2, -1))
    assert groups.failure_.tolist() == [["", ""], ["non-finite inputs"] * 2]


@pytest.mark.parametrize("rows", [1, 300])
def test_a_row_of_nan_has_no_prediction_whatever_its_company(rows):
    X, Y = _problem(2)
    model = MLPProbes(**QUICK).fit(X, Y)
    asked = X[:rows].clone()
    asked[0, 0] = math.nan
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=f"X holds NaN or infinity in 1 of {rows} rows; drop or fill them"):
            method(asked)


def test_numbers_are_no_classes():
    X, _ = _problem()
    for Y in (X[:, 0], X[:, 0].numpy()):
        with pytest.raises(UserError, match="Y holds numbers such as .*, which are no classes; give task="):
            MLPProbes(**QUICK).fit(X, Y)
    whole = (X[:, 0] > 0).double()
    assert MLPProbes(**QUICK).fit(X, whole).classes_.tolist() == [0.0, 1.0]
    whole[3] = math.nan
    with pytest.raises(ValueError, match="Y holds 1 NaN among its classes"):
        MLPProbes(**QUICK).fit(X, whole)


def test_a_row_of_y_is_a_label_set_also_where_the_table_is_square():
    X = small_inputs(60)
    Y = small_labels(X, 60)
    model = MLPProbes(hidden_layer_sizes=(4,), max_iter=2).fit(X, Y)
    again = MLPProbes(hidden_layer_sizes=(4,), max_iter=2).fit(X, Y[:3])
    torch.testing.assert_close(model.loss_curve_[:3], again.loss_curve_)
    with pytest.raises(ValueError, match=r"got \(300, 3\); one row is one label set: give Y.T"):
        MLPProbes(**QUICK).fit(small_inputs(300), _problem(3)[1].T)


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_one_probes_own_seed_trains_that_probe(kind):
    X, Y = _problem(3)
    X, Y = (X, Y) if kind == "tensor" else (X.numpy(), Y.numpy())
    model = MLPProbes(**QUICK).fit(X, Y)
    again = MLPProbes(random_state=model.probe_seeds_[1], **QUICK).fit(X, Y[1])
    assert again.loss_curve_[0] == model.loss_curve_[1][0]
    assert int(again.probe_seeds_) == int(model.probe_seeds_[1])
    with pytest.raises(ValueError, match="is one probe's seed, and Y has 3 label sets; give one seed each"):
        MLPProbes(random_state=model.probe_seeds_[1], **QUICK).fit(X, Y)
    same = MLPProbes(random_state=np.int64(5), max_iter=np.int64(20), alpha=np.float64(1e-4), hidden_layer_sizes=(16,))
    plain = MLPProbes(random_state=5, **QUICK).fit(X, Y)
    np.testing.assert_array_equal(np.asarray(same.fit(X, Y).loss_curve_), np.asarray(plain.loss_curve_))


def test_no_random_state_is_another_draw_each_time_and_can_be_had_again():
    X, Y = _problem(1)
    first, second = (MLPProbes(random_state=None, **QUICK).fit(X, Y) for _ in range(2))
    assert first.random_state_ != second.random_state_
    again = MLPProbes(random_state=first.random_state_, **QUICK).fit(X, Y)
    assert torch.equal(again.loss_curve_, first.loss_curve_)


def test_arrays_of_any_make_are_taken():
    X, Y = _problem(1)
    wanted = MLPProbes(**QUICK).fit(X.numpy(), Y[0].numpy()).loss_curve_
    makes = {
        "negative strides": X.numpy()[:, ::-1][:, ::-1],
        "other byte order": X.numpy().astype(">f4"),
        "a DataFrame": pd.DataFrame(X.numpy()),
        "nested lists": X.tolist(),
        "a gradient": X.clone().requires_grad_(),
    }
    for make, given in makes.items():
        labels = pd.Series(Y[0].numpy()) if make == "a DataFrame" else Y[0].numpy()
        found = torch.as_tensor(MLPProbes(**QUICK).fit(given, labels).loss_curve_).flatten()
        torch.testing.assert_close(found, torch.as_tensor(wanted).flatten(), msg=make, rtol=1e-5, atol=0)
    with pytest.raises(UserError, match="X must hold numbers; got an array of <U"):
        MLPProbes(**QUICK).fit(X.numpy().astype(str), Y[0].numpy())
    with pytest.raises(UserError, match="X is ragged"):
        MLPProbes(**QUICK).fit([[1.0], [2.0, 3.0]], [0, 1])


def test_scikit_learns_cross_validation_takes_probes_of_one_label_set():
    from sklearn.model_selection import cross_val_score

    X, Y = _problem(1)
    model = MLPProbes(hidden_layer_sizes=(16,), max_iter=60, learning_rate_init=0.02)
    scores = cross_val_score(model, X.numpy(), Y[0].numpy(), cv=3)
    assert scores.shape == (3,) and (scores > 0.6).all()
