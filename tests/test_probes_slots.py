"""The GPU's engine: slots, refill, stopping on the device, halving. Its logic runs here on the CPU, without a graph."""

import math

import numpy as np
import pytest
import torch
from probe_groups import SMALL, part_of, small_group, small_inputs, train, train_in_slots

from satgpu.probes import ProbeOptions
from satgpu.probes.draws import HashedDraws
from satgpu.probes.gpu import engine as slot_engine
from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.training import _subgroups


def _mixed_groups(task: str):
    """Groups of two shapes, one probe of which can't be trained."""
    yield small_group(5, seed=0, task=task)
    yield small_group(3, seed=1, task=task)
    yield small_group(4, n=440, seed=2, task=task)
    if task != "regression":
        yield small_group(1, seed=3, Y=torch.zeros(1, 400).long())


def _assert_alike(first, second):
    """Two results agree but for rounding of the products, which stacks may sum in another order."""
    for name in ("key", "n_iter", "stop_reason", "failure", "n_train", "n_validation", "n_test"):
        assert getattr(first, name) == getattr(second, name), name
    for name in ("train_score", "validation_score", "test_score", "chance", "loss_curve", "validation_curve"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("task", ["classification", "multiclass", "regression"])
def test_slots_find_what_the_cpu_engine_finds(task, early_stopping):
    options = ProbeOptions(
        hidden_layer_sizes=(16, 8), max_iter=25, batch_size=64, n_iter_no_change=3, early_stopping=early_stopping
    )
    expected = train(_mixed_groups(task), options, dtype=torch.float64)
    found, report = train_in_slots(_mixed_groups(task), options)
    assert found.keys() == expected.keys()
    for key in expected:
        _assert_alike(found[key], expected[key])
    assert report.probes == len(expected)
    assert report.epochs == sum(result.n_iter for result in expected.values())


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_every_activation_works_in_slots(activation):
    options = ProbeOptions(hidden_layer_sizes=(8,), max_iter=5, activation=activation)
    expected, (found, _) = (
        train([small_group(3)], options, dtype=torch.float64),
        train_in_slots([small_group(3)], options),
    )
    for key in expected:
        _assert_alike(found[key], expected[key])


def test_a_probe_in_any_slot_before_or_after_a_refill_is_the_same_to_the_last_bit():
    group = small_group(11, keep_parameters=True)
    forth, _ = train_in_slots([group], n_slots=4)
    back, _ = train_in_slots([part_of(group, list(range(10, -1, -1)))], n_slots=4)
    alone, _ = train_in_slots([part_of(group, [7])], n_slots=4)
    for key in forth:
        assert torch.equal(forth[key].parameters, back[key].parameters)
    assert torch.equal(alone[0, 7].parameters, forth[0, 7].parameters)


def test_probes_with_draws_of_their_own_share_a_bank_with_others():
    class Backwards(HashedDraws):
        """ProbeDraws that can't be made for all slots at once."""

        def order(self, probe, epoch, n_fit):
            return super().order(probe, epoch, n_fit).flip(0)

    def groups():
        yield small_group(2, seed=0)
        yield small_group(2, seed=1, draws=Backwards(5, torch.arange(2), shared=False))
        yield small_group(2, seed=2, draws=HashedDraws(6, torch.arange(2), shared=False))

    expected, (found, _) = train(groups(), dtype=torch.float64), train_in_slots(groups(), n_slots=8)
    for key in expected:
        _assert_alike(found[key], expected[key])


def test_a_non_finite_probe_is_frozen_in_its_slot():
    rates = torch.tensor([1e-3, 1e200, 1e-3], dtype=torch.float64)
    broken, _ = train_in_slots([small_group(3, task="regression", learning_rate_init=rates)])
    whole, _ = train_in_slots([small_group(3, task="regression")])
    expected = train([small_group(3, task="regression", learning_rate_init=rates)], dtype=torch.float64)
    assert (broken[0, 1].stop_reason, broken[0, 1].failure) == (expected[0, 1].stop_reason, expected[0, 1].failure)
    assert broken[0, 1].stop_reason == "failed" and math.isnan(broken[0, 1].test_score)
    for member in (0, 2):
        _assert_alike(broken[0, member], whole[0, member])


def test_memory_that_runs_out_halves_the_slots_and_changes_no_result(monkeypatch):
    real, made = slot_engine.SlotBank, []

    class Scarce(real):
        def __init__(self, shape, options, n_slots, device, dtype):
            made.append(n_slots)
            if n_slots > 2:
                raise torch.OutOfMemoryError("no room")
            super().__init__(shape, options, n_slots, device, dtype)

    expected, _ = train_in_slots([small_group(7)], n_slots=8)
    monkeypatch.setattr(slot_engine, "SlotBank", Scarce)
    found, report = train_in_slots([small_group(7)], n_slots=8)
    assert made[:3] == [8, 4, 2]
    assert report.notices == [
        "device memory ran out: 8 slots a bank became 4",
        "device memory ran out: 4 slots a bank became 2",
    ]
    for key in expected:
        _assert_alike(found[key], expected[key])


def test_memory_that_runs_out_in_the_middle_starts_the_probes_in_flight_again(monkeypatch):
    epochs = []
    real = SlotBank.train_epoch

    def scarce(bank):
        epochs.append(len(bank.occupants))
        if len(epochs) == 9:
            raise torch.OutOfMemoryError("no room")
        real(bank)

    expected, _ = train_in_slots([small_group(7)], n_slots=4)
    monkeypatch.setattr(SlotBank, "train_epoch", scarce)
    found, report = train_in_slots([small_group(7)], n_slots=4)
    assert epochs[0] == 4 and epochs[-1] == 2
    assert report.notices == ["device memory ran out: 4 slots a bank became 2"]
    assert found.keys() == expected.keys()
    for key in expected:
        _assert_alike(found[key], expected[key])


def test_no_room_for_one_probe_is_an_error_that_says_so(monkeypatch):
    def scarce(bank):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(SlotBank, "train_epoch", scarce)
    with pytest.raises(torch.OutOfMemoryError, match="one probe alone does not fit the device's memory"):
        train_in_slots([small_group(3)])


def test_the_budget_decides_the_number_of_slots():
    subgroup = next(_subgroups([small_group(20)], SMALL, torch.device("cpu"), torch.float64))
    per_slot = BankShape.of(subgroup).bytes_per_slot(SMALL, torch.float64)
    found, report = train_in_slots([small_group(20)], n_slots=64, memory_budget_bytes=2 * 3 * per_slot)
    assert report.slots == 6 and len(found) == 20


def test_a_slot_takes_the_memory_that_its_estimate_says():
    options = ProbeOptions(max_iter=20)
    X = small_inputs(3000, 256)
    group = small_group(4, X=X, Y=(X[:, :4].T > 0).long(), train_rows=torch.arange(3000), test_rows=torch.arange(0))
    subgroup = next(_subgroups([group], options, torch.device("cpu"), torch.float32))
    shape = BankShape.of(subgroup)
    bank = SlotBank(shape, options, 3, torch.device("cpu"), torch.float32)
    tensors = [value for value in vars(bank).values() if isinstance(value, torch.Tensor)]
    tensors += [value for value in vars(bank.adam).values() if isinstance(value, torch.Tensor)]
    held = sum(t.numel() * t.element_size() for t in {t.data_ptr(): t for t in tensors}.values()) / 3
    # Activations come on top of what is held between epochs.
    assert held < shape.bytes_per_slot(options, torch.float32) < 3 * held


def test_queues_hold_no_more_probes_than_slots():
    pulled, waiting = [], []

    def groups():
        for seed in range(20):
            pulled.append(seed)
            yield small_group(4, seed=seed)

    class Watched(slot_engine.SlotEngine):
        def advance(self):
            results = super().advance()
            waiting.append(sum(len(queue) for queue in self._queues.values()))
            return results

    options = ProbeOptions(hidden_layer_sizes=(4,), max_iter=2)
    found, _ = train_in_slots(groups(), options, engine_class=Watched)
    assert len(found) == 80 and max(waiting) <= 2 * 4 and len(waiting) > 5


@pytest.mark.cuda
@pytest.mark.parametrize("task", ["classification", "multiclass", "regression"])
def test_a_gpu_finds_what_a_cpu_finds(task):
    options = ProbeOptions(hidden_layer_sizes=(16, 8), max_iter=25, batch_size=64, n_iter_no_change=3)
    expected = train(_mixed_groups(task), options, dtype=torch.float64)
    found = train(_mixed_groups(task), options, dtype=torch.float64, device="cuda", lightning=True)
    assert found.keys() == expected.keys()
    for key in expected:
        _assert_alike(found[key], expected[key])


@pytest.mark.cuda
def test_on_a_gpu_a_probe_alone_equals_itself_among_300():
    options = ProbeOptions(hidden_layer_sizes=(64, 32), max_iter=10)
    group = small_group(300, keep_parameters=True)
    together = train([group], options, device="cuda")
    for member in (0, 150, 299):
        alone = train([part_of(group, [member])], options, device="cuda")
        assert torch.equal(alone[0, member].parameters, together[0, member].parameters)


@pytest.mark.cuda
def test_on_a_gpu_tf32_scores_stay_near_those_of_float32():
    group = small_group(20)
    plain, fast = train([group], device="cuda"), train([group], device="cuda", allow_tf32=True)
    difference = np.mean([fast[key].test_score - plain[key].test_score for key in plain])
    assert abs(difference) < 0.02


@pytest.mark.cuda
def test_draws_are_the_same_on_a_gpu():
    from satgpu.probes.draws import hash_bits

    index = torch.arange(1000)
    assert torch.equal(hash_bits(42, 3, index), hash_bits(42, 3, index.cuda()).cpu())
