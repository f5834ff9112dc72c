"""Memory that runs out on a device: whatever fails, wherever, no probe is lost and no result changes."""

import pytest
import torch
from probe_groups import SMALL, assert_alike, small_group, train, train_in_slots
from shadow_cuda import allocates, place_in_package, shadow_cuda
from torch.utils._python_dispatch import TorchDispatchMode

from satgpu.errors import UserError
from satgpu.probes import ProbeOptions
from satgpu.probes.gpu import engine as slot_engine
from satgpu.probes.gpu.bank import SlotBank
from satgpu.probes.gpu.memory import is_out_of_memory

TINY = ProbeOptions(hidden_layer_sizes=(4,), max_iter=2, batch_size=16)

class _Failing(TorchDispatchMode):
    """Notes the lines that allocate; fails when it comes to the first of ``lines``, then to the next, and so on."""

    def __init__(self, lines: list[str] | None = None):
        super().__init__()
        self.seen, self.lines = [], list(lines or [])

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if allocates(func):
            self.seen.append(place_in_package())
            if self.lines and self.seen[-1] == self.lines[0]:
                self.lines.pop(0)
                raise torch.OutOfMemoryError("CUDA out of memory")
        return func(*args, **(kwargs or {}))

def _groups():
    yield lambda: small_group(3, n=40, seed=0)
    yield lambda: [
        small_group(2, n=60, seed=1, task="regression"),
        small_group(1, n=40, seed=2, Y=torch.zeros(1, 40).long()),
    ]

def test_memory_that_runs_out_at_any_allocation_loses_no_probe_and_changes_no_result():
    with _Failing() as once:
        expected, _ = train_in_slots(_groups(), TINY, n_slots=16)
    lines = list(dict.fromkeys(once.seen))
    assert len(lines) > 90
    while lines:
        with _Failing(lines[:4]) as failing:
            found, report = train_in_slots(_groups(), TINY, n_slots=16)
        n_failures = len(lines[:4]) - len(failing.lines)
        assert len(report.notices) == n_failures >= 1, lines[0]
        assert found.keys() == expected.keys(), f"lost after {lines[0]}: {expected.keys() - found.keys()}"
        for key in expected:
            assert_alike(found[key], expected[key])
        lines = lines[n_failures:]

_KINDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: operation failed due to a previous error during capture"),
]

@pytest.mark.parametrize("error", _KINDS, ids=["torch", "cublas", "driver", "captured"])
def test_every_kind_of_allocation_failure_halves_and_goes_on(monkeypatch, error):
    steps, real = [], SlotBank.step

    def scarce(bank):
        steps.append(bank.n_slots)
        if len(steps) == 9:
            raise error
        real(bank)

    expected, _ = train_in_slots([small_group(7)], n_slots=4)
    monkeypatch.setattr(SlotBank, "step", scarce)
    found, report = train_in_slots([small_group(7)], n_slots=4)
    assert steps[0] == 4 and steps[-1] == 2
    assert report.notices == ["device memory ran out: 4 slots a bank became 2"]
    assert found.keys() == expected.keys()
    for key in expected:
        assert_alike(found[key], expected[key])

def test_another_error_is_not_taken_for_one_of_memory(monkeypatch):
    def broken(bank):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(SlotBank, "step", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        train_in_slots([small_group(3)])
    during = RuntimeError("capture_end failed")
    during.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(during) and not is_out_of_memory(ValueError("out of memory"))

def test_no_room_for_one_probe_is_an_error_that_says_so(monkeypatch):
    def scarce(bank):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(SlotBank, "step", scarce)
    with pytest.raises(torch.OutOfMemoryError, match="one probe alone does not fit the device's memory"):
        train_in_slots([small_group(3)])

def test_memory_that_runs_out_while_encoding_halves_and_asks_for_the_group_again():
    asked = []

    def encoded(seed):
        asked.append(seed)
        if asked.count(2) == 1 and seed == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return small_group(3, seed=seed)

    def groups():
        for seed in range(4):
            yield lambda seed=seed: encoded(seed)

    found, report = train_in_slots(groups(), TINY)
    assert asked == [0, 1, 2, 2, 3] and len(found) == 12
    assert report.notices == ["device memory ran out: 4 slots a bank became 2"]

def test_an_iterator_of_groups_that_dies_of_memory_says_what_to_do():
    def groups():
        yield small_group(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="let it yield functions that make the groups"):
        train_in_slots(groups(), TINY)

def test_the_banks_that_failed_are_gone_before_smaller_ones_are_made():
    """On a device with too little memory for the second of two banks, and for both sizes at once."""
    held = []

    class Watched(slot_engine.SlotEngine):
        def _halve(self):
            super()._halve()
            held.append(shadow.held_bytes)

    with shadow_cuda() as shadow:
        expected = train([small_group(40)], TINY, device="cuda")
        roomy = shadow.peak_bytes
    with shadow_cuda(memory_bytes=roomy * 3 // 5) as shadow, pytest.MonkeyPatch.context() as patch:
        patch.setattr("satgpu.probes.training.SlotEngine", Watched)
        found = train([small_group(40)], TINY, device="cuda", memory_budget_bytes=1 << 40)
    assert found.keys() == expected.keys() and held and max(held) < roomy // 20
    for key in expected:
        assert_alike(found[key], expected[key])

def test_peak_memory_can_be_asked_for_before_anything_has_used_cuda():
    with shadow_cuda() as shadow:
        assert not torch.cuda.is_initialized()
        train([small_group(1)], SMALL, device="cuda")  # of arrays on the host, in a fresh process
        assert shadow.is_started
