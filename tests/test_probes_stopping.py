"""The stopping rule, one probe at a time and for many slots at once."""

import math

import pytest
import torch

from satgpu.probes.gpu.rule import SlotRule
from satgpu.probes.options import ProbeOptions
from satgpu.probes.stopping import StoppingRule


def _run(gains, **options):
    rule = StoppingRule(ProbeOptions(**options))
    best_epochs = []
    for gain in gains:
        if rule.update(gain):
            best_epochs.append(rule.epochs)
        if rule.reason:
            break
    return rule, best_epochs


def test_it_stops_when_the_counter_exceeds_its_limit():
    rule, best_epochs = _run([0.5] * 100, n_iter_no_change=10)
    assert (rule.epochs, rule.reason, best_epochs) == (12, "early_stopping", [1])


def test_a_gain_below_tol_counts_as_stale_but_is_kept_as_the_best():
    rule, best_epochs = _run([0.5, 0.50005, 0.5001, 0.7], tol=1e-3, n_iter_no_change=10)
    assert best_epochs == [1, 2, 3, 4] and rule.stale_epochs == 0


def test_a_gain_of_exactly_tol_is_no_stale_epoch():
    rule, _ = _run([0.5, 0.75], tol=0.25)
    assert rule.stale_epochs == 0


def test_max_iter_ends_it_and_early_stopping_is_named_first():
    assert _run([1, 2, 3, 4], max_iter=3)[0].reason == "max_iter"
    assert _run([1, 1, 1], max_iter=3, n_iter_no_change=1)[0].reason == "early_stopping"


@pytest.mark.parametrize("seed", range(5))
def test_the_rule_of_slots_equals_the_rule_of_one(seed):
    options = ProbeOptions(n_iter_no_change=3, max_iter=12, tol=0.05)
    generator = torch.Generator().manual_seed(seed)
    gains = torch.randint(0, 30, (20, 12), generator=generator).double() / 20
    slots = SlotRule(20, options, torch.device("cpu"))
    slots.reset(torch.arange(20))
    ones = [StoppingRule(options) for _ in range(20)]
    for epoch in range(12):
        is_best = slots.update(slots.is_live.clone(), -gains[:, epoch], gains[:, epoch], gains[:, epoch])
        for slot, rule in enumerate(ones):
            if not rule.reason:
                assert rule.update(float(gains[slot, epoch])) == bool(is_best[slot])
            else:
                assert not is_best[slot]
    for slot, rule in enumerate(ones):
        assert not slots.is_live[slot] and rule.reason
        assert (int(slots.epochs[slot]), int(slots.stale_epochs[slot])) == (rule.epochs, rule.stale_epochs)
        assert float(slots.best[slot]) == rule.best
        assert torch.equal(slots.losses[slot, : rule.epochs], -gains[slot, : rule.epochs].float())


def test_a_slot_with_a_non_finite_loss_is_frozen_and_its_neighbour_goes_on():
    slots = SlotRule(2, ProbeOptions(max_iter=5), torch.device("cpu"))
    slots.reset(torch.arange(2))
    loss = torch.tensor([math.nan, 0.5]).double()
    gain = torch.tensor([0.9, 0.6]).double()
    is_best = slots.update(torch.tensor([True, True]), loss, gain, gain)
    assert slots.is_live.tolist() == [False, True] and slots.is_finite.tolist() == [False, True]
    assert is_best.tolist() == [False, True]


def test_a_slot_within_an_epoch_stays_as_it_is():
    slots = SlotRule(2, ProbeOptions(max_iter=5, n_iter_no_change=1), torch.device("cpu"))
    slots.reset(torch.arange(2))
    for gain in (0.5, 0.5, 0.5):
        value = torch.full((2,), gain).double()
        slots.update(torch.tensor([True, False]) & slots.is_live, -value, value, value)
    assert slots.is_live.tolist() == [False, True] and slots.epochs.tolist() == [3, 0]
    assert slots.best[1] == -math.inf and not slots.losses[1].any()
