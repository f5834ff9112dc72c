"""The compiled extension against torch's operators, on every instruction set of this processor."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from probe_groups import SMALL, small_group, small_inputs, train

from satgpu.errors import UserError
from satgpu.probes import ProbeOptions
from satgpu.probes.cpu import fused_path
from satgpu.probes.cpu.fused_path import FusedPath, choose_path, fma_peak_gflops, instruction_sets
from satgpu.probes.cpu.torch_path import TorchPath
from satgpu.probes.options import ACTIVATIONS
from satgpu.probes.training import SubgroupStream

SETS = list(instruction_sets()) or ["none"]
needs_extension = pytest.mark.skipif(SETS == ["none"], reason="the compiled extension was not built")
TASKS = ("classification", "multiclass", "regression")
CPU = torch.device("cpu")


def _subgroup(task: str, options: ProbeOptions, n: int = 400, d: int = 8, **fields):
    """The first probes of a group with d inputs that train together."""
    group = small_group(3, n=n, task=task, X=small_inputs(n, d).float(), **fields)
    return next(SubgroupStream([group], options, CPU, torch.float32))


def _after_epochs(path, subgroup, n_epochs: int = 1):
    """(flat weights, losses, validation scores, outputs) of the subgroup's last probe."""
    state = path.start(subgroup, subgroup.members[-1])
    losses, scores = [], []
    for epoch in range(n_epochs):
        losses.append(state.fit(path.gather(subgroup, epoch), epoch))
        scores.append(state.validation_score())
    return state.parameters(best=False), losses, scores, state.outputs(subgroup.X_test, best=False)


@needs_extension
@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", TASKS)
def test_an_epoch_equals_torchs_to_1e_5(instruction_set, activation, task):
    # Widths and lengths around and between the vectors' 4, 8 and 16, panels of twice that, and blocks of rows.
    shapes = [
        ((), 8, 64),
        ((5,), 9, 100),
        ((33, 16), 37, 61),
        ((128, 64), 70, 200),
        ((17, 32, 3), 64, 1),
        ((8,), 31, 999),
    ]
    for hidden, d, batch in shapes:
        options = ProbeOptions(hidden_layer_sizes=hidden, activation=activation, batch_size=batch, alpha=0.1)
        subgroup = _subgroup(task, options, n=130 if batch == 1 else 400, d=d)
        ours, theirs = (_after_epochs(path, subgroup) for path in (FusedPath(instruction_set), TorchPath()))
        torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(ours[3], theirs[3], rtol=1e-4, atol=1e-4)
        assert ours[1] == pytest.approx(theirs[1], rel=1e-5)
        assert ours[2] == pytest.approx(theirs[2], abs=0.03 if task != "regression" else 1e-4)


@needs_extension
@pytest.mark.parametrize("instruction_set", SETS)
def test_forty_classes_fill_several_panels(instruction_set):
    Y = torch.randint(40, (3, 400), generator=torch.Generator().manual_seed(0))
    subgroup = _subgroup("multiclass", ProbeOptions(hidden_layer_sizes=(20,)), Y=Y)
    ours, theirs = (_after_epochs(path, subgroup, 2) for path in (FusedPath(instruction_set), TorchPath()))
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-5)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-5) and ours[2] == pytest.approx(theirs[2], abs=0.03)


@needs_extension
@pytest.mark.parametrize("task", TASKS)
def test_a_fit_ends_where_torchs_ends_within_the_spread_of_rounding(task):
    groups = [small_group(10, seed=seed, task=task) for seed in range(2)]
    fused, plain = train(groups), train(groups, path="torch")
    exact = train(groups, dtype=torch.float64)
    epochs = np.array([[r[key].n_iter for r in (fused, plain, exact)] for key in exact])
    scores = np.array([[r[key].test_score for r in (fused, plain, exact)] for key in exact])
    of_rounding = np.mean(epochs[:, 1] != epochs[:, 2])
    assert np.mean(epochs[:, 0] != epochs[:, 2]) <= of_rounding + 0.1
    np.testing.assert_allclose(scores[:, 0].mean(), scores[:, 2].mean(), atol=0.01)


@needs_extension
@pytest.mark.parametrize("instruction_set", SETS)
def test_what_comes_out_does_not_depend_on_the_rows_beside(instruction_set):
    path, subgroup = FusedPath(instruction_set), _subgroup("multiclass", SMALL, n=700)
    state = path.start(subgroup, 0)
    X = subgroup.X_fit
    together = state.outputs(X, best=True)
    for rows in (slice(0, 1), slice(3, 20), slice(100, 391)):
        assert torch.equal(state.outputs(X[rows].contiguous(), best=True), together[rows])


@needs_extension
@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("task", TASKS)
def test_a_probe_that_overflows_says_so(instruction_set, task):
    group_fields = {"learning_rate_init": torch.full((3,), 1e30, dtype=torch.float64)}
    subgroup = _subgroup(task, SMALL, **group_fields)
    path = FusedPath(instruction_set)
    assert not all(math.isfinite(loss) for loss in _after_epochs(path, subgroup, 3)[1])


@needs_extension
@pytest.mark.parametrize("instruction_set", SETS)
def test_numbers_below_the_normal_ones_count_as_zero_in_the_call_and_not_after_it(instruction_set):
    subgroup = _subgroup("classification", SMALL)
    state = FusedPath(instruction_set).start(subgroup, 0)
    tiny = torch.full((5, 8), 1e-39)
    assert torch.equal(state.outputs(tiny, best=True), state.outputs(torch.zeros(5, 8), best=True))
    assert float(tiny.sum()) > 0


def test_the_path_follows_from_what_is_asked_and_what_is_there(monkeypatch):
    deep = ProbeOptions(hidden_layer_sizes=(2,) * 32)
    assert choose_path(torch.float64, SMALL).name == "torch"
    assert choose_path(torch.float32, SMALL, "torch").name == "torch"
    assert choose_path(torch.float32, ProbeOptions(epsilon=1e-40)).name == "torch"
    assert choose_path(torch.float32, deep).name == "torch"
    if instruction_sets():
        assert choose_path(torch.float32, SMALL).name == f"fused {SETS[0]}"
        assert choose_path(torch.float32, SMALL, SETS[-1]).name == f"fused {SETS[-1]}"
        assert 0.1 < fma_peak_gflops(0.001) < 10_000
    with pytest.raises(UserError, match="unknown path 'avx1024'; choose from auto, "):
        choose_path(torch.float32, SMALL, "avx1024")
    monkeypatch.setattr(fused_path, "library", lambda: None)
    monkeypatch.setattr(fused_path, "instruction_sets", fused_path.instruction_sets.__wrapped__)
    assert choose_path(torch.float32, SMALL).name == "torch" and fma_peak_gflops() is None


def test_a_library_that_does_not_load_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "fused.native.so").write_bytes(b"of another platform")
    monkeypatch.setattr(fused_path, "__file__", str(tmp_path / "fused_path.py"))
    assert fused_path.library.__wrapped__() is None


def test_without_a_compiler_the_build_succeeds_without_the_extension(tmp_path):
    root = fused_path.Path(fused_path.__file__).parents[3]
    if not (root / "setup.py").exists():
        pytest.skip("needs a checkout")
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build_ext",
        "--build-lib",
        str(tmp_path),
        "--build-temp",
        str(tmp_path),
    ]
    no_compiler = {"PATH": "", "CC": "/bin/false", "CXX": "/bin/false"}
    done = subprocess.run(command, cwd=root, env=no_compiler, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "installed without its compiled extension" in done.stderr
    assert not list(tmp_path.rglob("*.so"))
