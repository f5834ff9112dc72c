"""The GPU's engine: slots, refill, turns, stopping on the device. Its logic runs here on the CPU, without a graph."""

import math

import numpy as np
import pytest
import torch
from probe_groups import SMALL, assert_alike, part_of, small_group, small_inputs, train, train_in_slots

from satgpu.probes import ProbeOptions
from satgpu.probes.draws import HashedDraws
from satgpu.probes.gpu import engine as slot_engine
from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.gpu.inputs import InputPool, ResidentGroup
from satgpu.probes.gpu.running_bank import length_of_turn
from satgpu.probes.training import SubgroupStream


def _mixed_groups(task: str):
    """Groups of two shapes, one probe of which can't be trained."""
    yield small_group(5, seed=0, task=task)
    yield small_group(3, seed=1, task=task)
    yield small_group(4, n=440, seed=2, task=task)
    if task != "regression":
        yield small_group(1, seed=3, Y=torch.zeros(1, 400).long())


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
        assert_alike(found[key], expected[key])
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
        assert_alike(found[key], expected[key])


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
        assert_alike(found[key], expected[key])


def test_a_non_finite_probe_is_frozen_in_its_slot():
    rates = torch.tensor([1e-3, 1e200, 1e-3], dtype=torch.float64)
    broken, _ = train_in_slots([small_group(3, task="regression", learning_rate_init=rates)])
    whole, _ = train_in_slots([small_group(3, task="regression")])
    expected = train([small_group(3, task="regression", learning_rate_init=rates)], dtype=torch.float64)
    assert (broken[0, 1].stop_reason, broken[0, 1].failure) == (expected[0, 1].stop_reason, expected[0, 1].failure)
    assert broken[0, 1].stop_reason == "failed" and math.isnan(broken[0, 1].test_score)
    for member in (0, 2):
        assert_alike(broken[0, member], whole[0, member])


def _first(group, options, dtype=torch.float64) -> ResidentGroup:
    return ResidentGroup(next(SubgroupStream([group], options, torch.device("cpu"), dtype)))


def test_the_budget_decides_the_number_of_slots():
    resident = _first(small_group(20), SMALL)
    per_slot = BankShape.of(resident).bytes_per_slot(SMALL, torch.float64, resident.n_rows)
    inputs = 400 * 8 * 8 * 5 // 4
    found, report = train_in_slots([small_group(20)], n_slots=64, memory_budget_bytes=inputs + 2 * 3 * per_slot)
    assert report.slots == 6 and len(found) == 20


def test_a_slot_takes_the_memory_that_its_estimate_says():
    options = ProbeOptions(max_iter=20)
    X = small_inputs(3000, 256)
    group = small_group(4, X=X, Y=(X[:, :4].T > 0).long(), train_rows=torch.arange(3000), test_rows=torch.arange(0))
    resident = _first(group, options, torch.float32)
    shape, pool = BankShape.of(resident), InputPool(256, 1, torch.device("cpu"), torch.float32)
    bank = SlotBank(shape, options, 3, resident.n_rows, pool)
    held = sum(tensor.numel() * tensor.element_size() for tensor in [*bank.state(), bank.adam.gradient]) / 3
    estimate = shape.bytes_per_slot(options, torch.float32, resident.n_rows)
    # Activations, the rows of a minibatch and the numbers that are sorted come on top of what is held between turns.
    assert held < estimate < 3 * held
    assert estimate < 2.5e6


def test_inputs_are_held_once_however_many_probes_read_them():
    pools = []

    class Watched(slot_engine.SlotEngine):
        def advance(self):
            results = super().advance()
            pools.extend(self._pools.values())
            return results

    found, _ = train_in_slots([small_group(12, seed=s) for s in range(3)], n_slots=4, engine_class=Watched)
    assert len(found) == 36
    assert max(pool.capacity for pool in pools) <= 3 * 400 * 5 // 4  # 8 slots of 400 rows would be 3200
    assert pools[-1].fits(_first(small_group(1), SMALL).subgroup) and not pools[-1]._blocks  # and given back


def test_banks_take_probes_of_more_rows_and_of_any_order_as_they_come():
    class Backwards(HashedDraws):
        def order(self, probe, epoch, n_fit):
            return super().order(probe, epoch, n_fit).flip(0)

    def groups():
        for seed, n in enumerate((100, 150, 900, 60, 400)):
            yield small_group(6, n=n, seed=seed)
        yield small_group(2, n=500, seed=9, draws=Backwards(5, torch.arange(2), shared=False))

    options = ProbeOptions(hidden_layer_sizes=(8,), max_iter=8, batch_size=64)
    expected, (found, _) = train(groups(), options, dtype=torch.float64), train_in_slots(groups(), options)
    assert found.keys() == expected.keys()
    for key in expected:
        assert_alike(found[key], expected[key])


def test_classification_and_regression_share_a_bank_and_another_network_waits_for_a_full_one():
    made = []

    class Watched(slot_engine.SlotEngine):
        def _make_bank(self, shape, queue):
            is_made = super()._make_bank(shape, queue)
            made.extend([shape.layout.units] * is_made)
            return is_made

    def groups():
        for seed in range(4):
            yield small_group(4, seed=seed, task=("classification", "regression")[seed % 2])
            yield small_group(1, seed=10 + seed, X=small_inputs(400, 3, seed))

    options = ProbeOptions(hidden_layer_sizes=(8,), max_iter=8, batch_size=64)
    expected = train(groups(), options, dtype=torch.float64)
    found, _ = train_in_slots(groups(), options, engine_class=Watched)
    assert made == [(8, 8, 1), (8, 8, 1), (3, 8, 1)]
    for key in expected:
        assert_alike(found[key], expected[key])


def test_a_turn_is_as_long_as_keeps_most_slots_busy():
    assert length_of_turn([7]) == 7
    assert length_of_turn([10] * 62 + [76, 76]) == 10  # none rests: the long ones do 10 of their 76
    assert length_of_turn([19] * 60 + [1] * 4) == 19  # four rest, or everybody would stop for them


def test_a_bank_that_gets_no_more_probes_has_fewer_slots_where_that_changes_no_number(monkeypatch):
    sizes = []

    class Watched(slot_engine.SlotEngine):
        def advance(self):
            results = super().advance()
            sizes.extend(running.bank.n_slots for running in self._banks if running.n_busy)
            return results

    groups = [small_group(20), small_group(4, n=300, seed=1)]
    expected, _ = train_in_slots(groups, n_slots=32, engine_class=Watched)
    assert set(sizes) == {32}  # products of torch may depend on the number of slots
    monkeypatch.setattr(SlotBank, "may_shrink", True)
    sizes.clear()
    found, report = train_in_slots(groups, n_slots=32, engine_class=Watched)
    assert sizes == sorted(sizes, reverse=True) and set(sizes) >= {32, 8}
    assert report.probes == 24
    for key in expected:
        assert_alike(found[key], expected[key])


def test_queues_hold_no_more_probes_than_slots():
    pulled, waiting = [], []

    def groups():
        for seed in range(20):
            pulled.append(seed)
            yield small_group(4, seed=seed)

    class Watched(slot_engine.SlotEngine):
        def advance(self):
            results = super().advance()
            waiting.append(self._n_waiting)
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
        assert_alike(found[key], expected[key])


@pytest.mark.cuda
def test_on_a_gpu_a_probe_alone_equals_itself_among_300():
    options = ProbeOptions(hidden_layer_sizes=(64, 32), max_iter=10)
    group = small_group(300, keep_parameters=True)
    together = train([group], options, device="cuda")
    for member in (0, 150, 299):
        alone = train([part_of(group, [member])], options, device="cuda")
        assert torch.equal(alone[0, member].parameters, together[0, member].parameters)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["tf32x3", "tf32"])
def test_on_a_gpu_tf32_scores_stay_near_those_of_float32(precision):
    group = small_group(20)
    plain, fast = train([group], device="cuda"), train([group], device="cuda", precision=precision)
    difference = np.mean([fast[key].test_score - plain[key].test_score for key in plain])
    assert abs(difference) < 0.02


@pytest.mark.cuda
def test_draws_are_the_same_on_a_gpu():
    from satgpu.probes.draws import hash_bits

    index = torch.arange(1000)
    assert torch.equal(hash_bits(42, 3, index), hash_bits(42, 3, index.cuda()).cpu())
