"""The whole CUDA path on the shadow device: it gives the CPU's numbers, and waits for the device only where it may."""

import functools

import pandas as pd
import pytest
import torch
from probe_groups import assert_alike, small_group, small_inputs, small_labels, train
from shadow_cuda import Shadow, shadow_cuda
from study import run_study, write_config

import satgpu
from satgpu.encoders import load_encoder
from satgpu.fields import Field
from satgpu.fields.readers import Mlp
from satgpu.probes import ProbeOptions
from satgpu.probes.gpu.bank import SlotBank
from satgpu.probes.gpu.running_bank import RunningBank
from satgpu.probes.gpu.scoring import FinishedBatch
from satgpu.readouts import readers
from satgpu.readouts.circles import CircleDesign
from satgpu.readouts.similarity import kernel_resolution
from satgpu.validation.real_fields import Nulls

# Where the engine waits: once to capture, for the flags of a turn, and at the end.
ENGINE = {
    ("begin of a capture", "probes/gpu/graphs.py"),
    ("event.synchronize", "probes/gpu/scoring.py"),
    ("cuda.synchronize", "probes/gpu/engine.py"),
}
OPTIONS = ProbeOptions(hidden_layer_sizes=(8, 4), max_iter=12, batch_size=64, n_iter_no_change=3)


def _assert_syncs(shadow: Shadow, listed: set[tuple[str, str]], files: tuple[str, ...] = ()) -> None:
    """No other waits than the listed ones, and those of some files; names the lines."""
    lines = [(what, line) for what, line in shadow.syncs if (what, line.partition(":")[0]) not in listed]
    assert [(what, line) for what, line in lines if not line.startswith(files or "-")] == []


def _groups():
    for seed, task in enumerate(("classification", "multiclass", "regression")):
        yield small_group(3, seed=seed, task=task, keep_test_predictions=True)
        yield small_group(2, n=150, seed=10 + seed, task=task)
    yield small_group(1, seed=20, Y=torch.zeros(1, 400).long())


@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_engine_gives_the_cpus_results_and_waits_only_for_flags(early_stopping):
    options = ProbeOptions(**(vars(OPTIONS) | {"early_stopping": early_stopping, "standardize": not early_stopping}))
    expected = train(_groups(), options, dtype=torch.float64)
    with shadow_cuda() as shadow:
        found = train(_groups(), options, dtype=torch.float64, device="cuda")
        _assert_syncs(shadow, ENGINE)
    assert found.keys() == expected.keys()
    for key in expected:
        assert_alike(found[key], expected[key])


def test_a_finished_probe_is_read_when_the_bank_has_gone_on_and_nobody_waits_for_its_scores(monkeypatch):
    events = []

    def noted(cls, name, word):
        real = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda *args: (events.append(word), real(*args))[1])

    noted(RunningBank, "launch", "launch")
    noted(FinishedBatch, "__init__", "scored")
    noted(FinishedBatch, "results", "read")
    with shadow_cuda() as shadow:
        train([small_group(6)], OPTIONS, device="cuda")
        _assert_syncs(shadow, ENGINE)
    assert events.count("scored") == events.count("read") > 2
    # Between a batch's scoring and its reading the bank is launched, as long as it has probes.
    last = len(events) - events[::-1].index("launch")
    assert "scored read" not in " ".join(events[:last])


def test_orders_are_drawn_inside_the_graph_and_not_anew_for_each_epoch():
    sorts = []
    for max_iter in (2, 6):
        options = ProbeOptions(**(vars(OPTIONS) | {"max_iter": max_iter, "n_iter_no_change": 6}))
        with shadow_cuda() as shadow:
            found = train([small_group(2)], options, device="cuda")
            sorts.append(sum("sort" in launch.name for launch in shadow.launches))
        assert found[0, 0].n_iter == max_iter
    assert sorts[0] == sorts[1] > 0


def test_two_devices_are_used_in_one_process():
    expected = train([small_group(2, n=100)], OPTIONS, dtype=torch.float64)
    with shadow_cuda():
        for device in ("cuda:0", "cuda:1"):
            group = small_group(2, n=100, keep_parameters=True)
            found = train([group], OPTIONS, dtype=torch.float64, device=device)
            for key in expected:
                assert_alike(found[key], expected[key])
                assert str(found[key].parameters.device) == device


def test_the_estimator_fits_and_predicts_on_a_gpu():
    X = small_inputs().float()
    Y = small_labels(X, 3)
    options = {"hidden_layer_sizes": (16,), "max_iter": 8, "standardize": True}
    on_cpu = satgpu.MLPProbes(**options).fit(X, Y)
    with shadow_cuda() as shadow:
        on_gpu = satgpu.MLPProbes(device="cuda", **options).fit(X, Y)
        _assert_syncs(shadow, ENGINE)  # under Lightning, whose logs are kept off the device
        assert torch.equal(on_gpu.n_iter_, on_cpu.n_iter_)
        torch.testing.assert_close(on_gpu.predict_proba(X), on_cpu.predict_proba(X), rtol=1e-4, atol=1e-5)


def test_a_study_on_a_gpu_writes_the_cpus_tables(tmp_path):
    parts = {"experiments": ["sweet_spot", "similarity", "boundaries"], "encoders": ["sh-l4"], "replicates": 1}
    config = write_config(tmp_path, **parts)
    on_cpu = run_study(config, tmp_path / "cpu")
    with shadow_cuda() as shadow:
        on_gpu = run_study(config, tmp_path / "gpu", "--device", "cuda:1")
        # What draws, encodes and reads without probes may look at its values; and each group once, when it comes in.
        files = ("experiments/", "geometry/", "encoders/", "readouts/", "study/probe_rows.py", "probes/groups.py")
        _assert_syncs(shadow, ENGINE, (*files, "probes/scores.py"))
    for name in ("results.csv", "similarity.csv"):
        expected, found = (_sorted(path / name) for path in (on_cpu, on_gpu))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-4)


def _sorted(path) -> pd.DataFrame:
    table = pd.read_csv(path)
    return table.sort_values(list(table.columns[:8]), ignore_index=True)


def test_read_outs_without_probes_give_the_cpus_numbers():
    design = CircleDesign(4, 64)
    sizes = {"n_labels": 100, "l_max": 4, "replicates": 2, "n_test": 200}
    on_cpu = kernel_resolution(load_encoder("untrained-l10"), design=design)
    curve = satgpu.transfer_function(load_encoder("untrained-l10"), **sizes)
    with shadow_cuda():
        encoder = load_encoder("untrained-l10", device="cuda:1")
        on_gpu = kernel_resolution(encoder, device="cuda:1", design=design)
        found = satgpu.transfer_function(encoder, device="cuda:1", **sizes)
    assert on_gpu.l90 == pytest.approx(on_cpu.l90, rel=1e-4)
    assert found.share == pytest.approx(curve.share, rel=1e-5)


@pytest.mark.parametrize("reader", ["mlp", "neighbours", "coordinates"])
def test_every_reader_of_the_transfer_function_gives_the_cpus_shares(monkeypatch, reader):
    monkeypatch.setattr(readers, "read_by_mlps", functools.partial(readers.read_by_mlps, max_iter=5))
    sizes = {"n_labels": 60, "l_max": 2, "replicates": 1, "n_test": 60, "reader": reader}
    on_cpu = satgpu.transfer_function(load_encoder("untrained-l4-w16-d8"), **sizes)
    with shadow_cuda():
        encoder = load_encoder("untrained-l4-w16-d8", device="cuda:1")
        on_gpu = satgpu.transfer_function(encoder, device="cuda:1", **sizes)
    assert on_gpu.share == pytest.approx(on_cpu.share, abs=1e-4)  # MLPs train in float32


def test_real_fields_are_read_on_a_gpu_as_on_the_cpu():
    everywhere = Nulls("isotropic", 1, 0).fields()[0]
    north = Field("north", "regression", (), lambda p: everywhere.call(p).where(p[:, 1] > 0, torch.nan))
    options = {"readers": ["linear", "neighbours", "coordinates"], "n_labels": 40, "turns": 2, "draws": 1}
    on_cpu = satgpu.read_fields(["sh-l3"], [everywhere, north], **options)
    X, Y = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(80.0).view(40, 2, 1)
    small = {"hidden_layer_sizes": (4,), "max_iter": 4}
    mlp = Mlp(X, X, **small)(Y)
    with shadow_cuda():
        on_gpu = satgpu.read_fields(["sh-l3"], [everywhere, north], device="cuda:1", **options)
        assert torch.allclose(Mlp(X.to("cuda:1"), X.to("cuda:1"), **small)(Y).cpu(), mlp, rtol=1e-4)
    for found, expected in zip(on_gpu, on_cpu, strict=True):
        assert found.skill == pytest.approx(expected.skill, rel=1e-5)


def _looks(bank):
    bank.position.sum().item()


def _masks(bank):
    bank.flat[bank.rule.is_live]


def _brings_a_constant(bank):
    bank.flat * torch.tensor([1.0], device=bank.device)


def _mixes(bank):
    bank.flat + torch.zeros(bank.flat.shape[1])


@pytest.mark.parametrize("fault", [_looks, _masks, _brings_a_constant, _mixes])
def test_a_fault_planted_in_a_minibatch_is_found_with_its_line(monkeypatch, fault):
    real = SlotBank.step
    monkeypatch.setattr(SlotBank, "step", lambda bank: (fault(bank), real(bank)))
    with shadow_cuda(), pytest.raises(RuntimeError, match="at probes/gpu/graphs.py:"):
        train([small_group(1)], OPTIONS, device="cuda")


def test_a_tensor_replaced_in_a_minibatch_shows_in_the_results(monkeypatch):
    real = SlotBank.step

    def replaces(bank):
        real(bank)
        bank.epoch_loss = bank.epoch_loss * 1.0

    expected = train([small_group(1)], OPTIONS)
    monkeypatch.setattr(SlotBank, "step", replaces)
    with shadow_cuda():
        found = train([small_group(1)], OPTIONS, device="cuda")
    with pytest.raises(AssertionError):
        assert_alike(found[0, 0], expected[0, 0])
