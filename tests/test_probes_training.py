"""Training as a whole: a probe's result is its own, and nothing that goes wrong reaches its neighbours."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from probe_groups import SMALL, assert_same_bits, part_of, small_group, small_inputs, small_labels, train

from satgpu.errors import UserError
from satgpu.probes import ProbeGroup, ProbeOptions, train_probes
from satgpu.probes.draws import HashedDraws

WIDE = ProbeOptions(hidden_layer_sizes=(64, 32), max_iter=6, batch_size=100)  # large enough for oneDNN


@pytest.mark.parametrize("options", [SMALL, WIDE], ids=["small", "wide"])
@pytest.mark.parametrize("task", ["classification", "multiclass", "regression"])
def test_a_probe_alone_equals_itself_among_others_to_the_last_bit(task, options):
    groups = [small_group(9, seed=seed, task=task, keep_parameters=True) for seed in range(4)]
    together = train(groups, options)
    for member in (0, 4, 8):
        alone = train([part_of(groups[2], [member])], options)
        assert_same_bits(alone[2, member], together[2, member])


def test_300_neighbours_in_another_order_change_nothing():
    options = ProbeOptions(hidden_layer_sizes=(8,), max_iter=8, batch_size=64)
    group = small_group(300, keep_parameters=True)
    forth = train([group], options)
    back = train([part_of(group, list(range(299, -1, -1)))], options)
    assert len(forth) == 300
    for key in forth:
        assert_same_bits(forth[key], back[key])


def test_the_caller_has_one_core_while_the_workers_train():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    try:
        train([small_group(2)], WIDE, should_stop=lambda: seen.append(torch.get_num_threads()))
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_the_number_of_threads_changes_nothing_and_is_given_back():
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(train([small_group(8, keep_parameters=True)], WIDE))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for key in results[0]:
        assert_same_bits(results[0][key], results[1][key])


_ONE_RUN = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from probe_groups import small_group, train
results = train([small_group(4, keep_parameters=True)])
print(hashlib.sha256(b"".join(results[k].parameters.numpy().tobytes() for k in sorted(results))).hexdigest())
"""


def test_two_processes_find_the_same_weights():
    runs = [
        subprocess.run([sys.executable, "-c", _ONE_RUN, str(Path(__file__).parent)], capture_output=True, text=True)
        for _ in range(2)
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout != ""


def test_under_lightning_and_in_the_bare_loop_results_are_equal():
    bare, lightning = train([small_group()]), train([small_group()], lightning=True)
    for key in bare:
        assert_same_bits(bare[key], lightning[key])


def test_probes_learn_what_can_be_learned_and_nothing_from_noise():
    X = small_inputs(1500)
    noise = torch.randint(2, (1, 1500), generator=torch.Generator().manual_seed(1))
    Y = torch.cat([small_labels(X, 1), noise])
    rows = torch.arange(1500)
    group = small_group(2, X=X, Y=Y, train_rows=rows[:1000], test_rows=rows[1000:])
    results = train([group], ProbeOptions(hidden_layer_sizes=(16,), max_iter=100, learning_rate_init=0.01))
    assert results[0, 0].test_score > 0.93
    # Three standard errors of 500 coin tosses.
    assert abs(results[0, 1].test_score - 0.5) < 3 * 0.5 / 500**0.5
    assert abs(results[0, 1].chance - 0.5) < 3 * 0.5 / 500**0.5


def test_options_may_differ_per_probe():
    settings = {"alpha": torch.tensor([0.0, 0.5]), "learning_rate_init": torch.tensor([1e-3, 1e-2])}
    together = train([small_group(2, **settings)])
    for member in range(2):
        options = ProbeOptions(
            **{name: float(values[member]) for name, values in settings.items()},
            hidden_layer_sizes=SMALL.hidden_layer_sizes,
            max_iter=SMALL.max_iter,
            batch_size=SMALL.batch_size,
            n_iter_no_change=SMALL.n_iter_no_change,
        )
        assert_same_bits(train([part_of(small_group(2), [member])], options)[0, member], together[0, member])


def test_standardized_inputs_undo_any_scale_and_shift():
    X = small_inputs()
    scaled = X * torch.logspace(-3, 3, 8) + 50
    options = ProbeOptions(hidden_layer_sizes=(8,), max_iter=10, standardize=True)
    plain = train([small_group(3, X=X)], options, dtype=torch.float64)
    moved = train([small_group(3, X=scaled)], options, dtype=torch.float64)
    for key in plain:
        np.testing.assert_allclose(plain[key].loss_curve, moved[key].loss_curve, rtol=1e-6)


def test_a_constant_input_does_not_spoil_standardizing():
    X = small_inputs()
    X[:, 3] = 7.0
    results = train([small_group(1, X=X)], ProbeOptions(hidden_layer_sizes=(8,), max_iter=3, standardize=True))
    assert results[0, 0].failure == "" and np.isfinite(results[0, 0].loss_curve).all()


def test_without_hidden_layers_a_probe_is_logistic_regression():
    options = ProbeOptions(hidden_layer_sizes=(), max_iter=80, learning_rate_init=0.02)
    assert train([small_group(1)], options)[0, 0].test_score > 0.9


def test_best_weights_are_those_of_the_best_validation_score():
    results = train([small_group(6, keep_parameters=True)])
    for result in results.values():
        assert result.validation_score == pytest.approx(result.validation_curve.max())
        assert len(result.loss_curve) == len(result.validation_curve) == result.n_iter


def test_rows_are_counted():
    result = train([small_group(1)])[0, 0]
    assert (result.n_train, result.n_validation, result.n_test) == (320, 32, 80)


def test_test_predictions_are_kept_when_asked_for():
    group = small_group(2, keep_test_predictions=True)
    for (_, member), result in train([group]).items():
        truth = group.Y[member, group.test_rows].numpy()
        assert (result.test_predictions == truth).mean() == pytest.approx(result.test_score)
    assert train([small_group(1)])[0, 0].test_predictions is None


def test_own_draws_give_each_probe_its_own_split():
    seeds = torch.arange(3)
    group = small_group(3, draws=HashedDraws(0, seeds, shared=False))
    together = train([group])
    alone = train([part_of(small_group(3, draws=None), [1])])
    assert not np.array_equal(together[0, 1].loss_curve, alone[0, 1].loss_curve)
    assert len(together) == 3


# What can't be trained, and what goes wrong on the way.


def test_a_probe_that_goes_non_finite_is_frozen_and_its_neighbours_do_not_change():
    rates = torch.tensor([1e-3, 1e200, 1e-3], dtype=torch.float64)
    broken = train([small_group(3, task="regression", learning_rate_init=rates)])
    whole = train([small_group(3, task="regression")])
    assert broken[0, 1].stop_reason == "failed"
    assert broken[0, 1].failure.startswith("non-finite loss at epoch")
    assert math.isnan(broken[0, 1].test_score) and math.isnan(broken[0, 1].validation_score)
    for member in (0, 2):
        assert_same_bits(broken[0, member], whole[0, member])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_inputs_are_told_and_other_groups_go_on(value):
    X = small_inputs()
    X[17, 2] = value
    results = train([small_group(2, X=X), small_group(2, seed=1)])
    for member in range(2):
        assert (results[0, member].stop_reason, results[0, member].failure) == ("not_trained", "non-finite inputs")
        assert results[0, member].n_iter == 0 and math.isnan(results[0, member].test_score)
    assert_same_bits(results[1, 0], train([small_group(2, seed=1)])[1, 0])


def test_non_finite_rows_that_are_not_used_do_no_harm():
    X = small_inputs()
    X[399] = math.nan
    assert train([small_group(1, X=X, test_rows=torch.arange(320, 399))])[0, 0].failure == ""


@pytest.mark.parametrize(
    ("Y", "task", "failure"),
    [
        (torch.ones(1, 400, dtype=torch.int64), "classification", "one class only in the training rows"),
        (torch.full((1, 400), 0.5), "regression", "constant target in the training rows"),
        (torch.full((1, 400), math.nan), "regression", "non-finite targets in the training rows"),
    ],
)
def test_labels_that_teach_nothing_are_told(Y, task, failure):
    result = train([small_group(1, Y=Y, task=task)])[0, 0]
    assert (result.stop_reason, result.failure) == ("not_trained", failure)


@pytest.mark.parametrize(
    ("n_rows", "failure"), [(0, "no training rows"), (1, "fewer than 11 training rows: 1"), (10, "fewer than 11")]
)
def test_too_few_rows_are_told(n_rows, failure):
    result = train([small_group(1, train_rows=torch.arange(n_rows))])[0, 0]
    assert result.stop_reason == "not_trained" and result.failure.startswith(failure)


def test_fewer_rows_than_a_minibatch_are_one_minibatch():
    result = train([small_group(1, train_rows=torch.arange(30))])[0, 0]
    assert result.failure == "" and result.n_iter > 0


def test_a_group_without_points_or_test_rows_says_so():
    nothing = torch.arange(0)
    empty = small_group(2, X=torch.zeros(0, 8), Y=torch.zeros(2, 0).long(), train_rows=nothing, test_rows=nothing)
    assert {result.failure for result in train([empty]).values()} == {"no training rows"}
    result = train([small_group(1, test_rows=torch.arange(0))])[0, 0]
    assert result.failure == "no test rows" and math.isnan(result.test_score) and result.train_score > 0


# The stream.


def test_groups_are_pulled_only_as_room_comes_free():
    pulled, seen_at_result = [], []

    def groups():
        for seed in range(40):
            pulled.append(seed)
            yield small_group(5, seed=seed)

    options = ProbeOptions(hidden_layer_sizes=(4,), max_iter=2)
    report = train_probes(groups(), options, lightning=False, on_result=lambda r: seen_at_result.append(len(pulled)))
    assert report.probes == 200 and len(seen_at_result) == 200
    assert seen_at_result[0] <= 2 + 4 * torch.get_num_threads() // 5 + 1
    assert all(ahead * 5 - done <= 8 * torch.get_num_threads() + 10 for done, ahead in enumerate(seen_at_result))


def test_should_stop_ends_the_call_with_what_is_finished():
    results = []

    def endless():
        seed = 0
        while True:
            yield small_group(5, seed=seed)
            seed += 1

    report = train_probes(
        endless(), SMALL, on_result=results.append, should_stop=lambda: len(results) >= 7, lightning=False
    )
    assert report.stopped and report.probes == len(results) >= 7
    whole = train([small_group(5)])
    for result in results:
        if result.key in whole:
            assert_same_bits(result, whole[result.key])


def test_an_error_in_a_worker_reaches_the_caller():
    class Broken(HashedDraws):
        def order(self, probe, epoch, n_fit):
            raise RuntimeError("no order today")

    with pytest.raises(RuntimeError, match="no order today"):
        train([small_group(2, draws=Broken(0, torch.arange(2)))])


def test_a_memory_budget_cuts_cohorts_and_changes_no_result():
    free, tight = train([small_group(6)]), train([small_group(6)], memory_budget_bytes=1)
    for key in free:
        assert_same_bits(free[key], tight[key])


def test_the_report_counts_epochs_and_operations_of_live_probes_only():
    results = []
    report = train_probes([small_group(5)], SMALL, on_result=results.append, lightning=False)
    epochs = sum(result.n_iter for result in results)
    assert report.epochs == epochs
    per_row = 2 * (2 * 8 * 16) + 3 * (2 * 16 * 8) + 3 * (2 * 8 * 1)
    assert report.useful_flops == epochs * 288 * per_row
    assert report.seconds > 0 and report.peak_memory_bytes > 1e7 and not report.stopped


# Groups check themselves.


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"task": "regresion"}, UserError, "unknown task 'regresion'; choose from classification, regression; did you"),
        ({"X": torch.zeros(400)}, ValueError, r"X must be \(n, d\) floating point; got \(400,\) torch.float32"),
        (
            {"X": torch.zeros(400, 3).long()},
            ValueError,
            r"X must be \(n, d\) floating point; got \(400, 3\) torch.int64",
        ),
        ({"Y": torch.zeros(5, 399).long()}, ValueError, r"Y must be \(p, 400\), a row of labels for each probe; got"),
        ({"Y": torch.zeros(5, 400)}, ValueError, "must hold integer classes 0, 1, ...; got torch.float32"),
        ({"Y": torch.full((5, 400), -1)}, ValueError, "must hold classes 0, 1, ...; got -1"),
        ({"probe_seeds": torch.arange(4)}, ValueError, r"probe_seeds must be \(5,\), one for each probe; got \(4,\)"),
        ({"alpha": torch.zeros(5, 1)}, ValueError, r"alpha must be \(5,\), one for each probe; got \(5, 1\)"),
        ({"keys": [1]}, ValueError, "keys must name each of the 5 probes; got 1"),
        ({"train_rows": torch.zeros(3)}, ValueError, r"train_rows must be \(k,\) int64; got \(3,\) torch.float32"),
        ({"test_rows": torch.tensor([400])}, ValueError, r"test_rows must lie in 0..399; got 400..400"),
    ],
)
def test_a_group_whose_parts_do_not_fit_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        small_group(5, **fields)


def test_a_group_is_a_value_that_keeps_what_it_was_given():
    group = small_group(3)
    assert isinstance(group, ProbeGroup) and group.n_probes == 3
