"""The fused Triton kernels: interpreted on the CPU beside the torch step, and compiled for GPUs without one."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from probe_groups import assert_alike, small_group, small_inputs, train_in_slots
from shadow_cuda import shadow_cuda

from satgpu.devices import probe_path
from satgpu.errors import UserError
from satgpu.probes import ProbeOptions
from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.gpu.fused import choose_step
from satgpu.probes.gpu.inputs import InputPool, ResidentGroup
from satgpu.probes.network import Layout
from satgpu.probes.training import SubgroupStream

NEEDS_TRITON = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
INTERPRETED = [NEEDS_TRITON]
if find_spec("triton"):
    from triton import knobs

    INTERPRETED.append(pytest.mark.skipif(not knobs.runtime.interpret, reason="needs TRITON_INTERPRET=1"))
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
NETWORKS = [
    ("classification", {}),
    ("multiclass", {"hidden_layer_sizes": (20, 24, 18, 5), "activation": "identity"}),
    ("regression", {"activation": "tanh", "beta_1": 0.0}),
    ("classification", {"hidden_layer_sizes": (20,), "activation": "logistic"}),
    ("multiclass", {"hidden_layer_sizes": (140, 33, 40), "batch_size": 33}),
]


def _interpreted(test):
    for mark in INTERPRETED:
        test = mark(test)
    return test


def _bank(groups, options: ProbeOptions, products: str) -> SlotBank:
    """Every probe of the groups in a slot, and one slot more at rest."""
    residents = [ResidentGroup(item) for item in SubgroupStream(groups, options, CPU, torch.float32)]
    pool = InputPool(8, 2000, CPU, torch.float32)
    members = [(resident, i) for resident in residents for i in range(len(resident.subgroup.members))]
    n_rows = max(resident.n_rows for resident in residents)
    bank = SlotBank(BankShape.of(residents[0]), options, len(members) + 1, n_rows, pool, products)
    for resident in residents:
        resident.enter(pool)
    bank.load([(slot, resident, i) for slot, (resident, i) in enumerate(members)])
    return bank


@_interpreted
@pytest.mark.parametrize(("task", "words"), NETWORKS)
def test_an_epoch_by_the_kernels_is_that_of_torch(task, words):
    options = ProbeOptions(**({"hidden_layer_sizes": (16, 8), "batch_size": 50, "max_iter": 2, "alpha": 0.01} | words))
    other = "multiclass" if task == "multiclass" else "regression"  # both kinds with one output share a bank
    epochs = []
    for products in ("", "ieee"):
        bank = _bank([small_group(2, n=150, task=task), small_group(1, n=100, seed=2, task=other)], options, products)
        bank.begin(bank.n_rows)
        for _ in range(4):  # the shorter probe rests in the last ones
            bank.step()
        bank.end(1)
        rule = bank.rule
        values = (bank.flat, bank.adam.m, bank.adam.v, bank.adam.steps, bank.position, rule.losses, rule.epochs)
        epochs.append([*values, rule.best, rule.validation_scores, bank.best_flat])
    for found, expected in zip(*epochs, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@_interpreted
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_probe_that_breaks_does_so_in_the_same_epoch():
    rates = torch.tensor([1e-3, 1e30, 1e-3], dtype=torch.float64)
    options = ProbeOptions(hidden_layer_sizes=(8,), batch_size=50, max_iter=4)
    groups = [small_group(3, n=100, task="regression", learning_rate_init=rates)]
    expected, _ = train_in_slots(groups, options, dtype=torch.float32)
    found, report = train_in_slots(groups, options, dtype=torch.float32, path="triton")
    assert report.path == "fused triton ieee" and found[0, 1].stop_reason == "failed"
    assert found[0, 1].failure == expected[0, 1].failure
    for member in (0, 2):
        assert_alike(found[0, member], expected[0, member], rtol=1e-4)


@_interpreted
def test_the_engine_captures_and_replays_the_kernels_on_the_shadow_device():
    def groups():
        yield small_group(3, n=120)
        yield small_group(1, n=90, seed=1, task="regression")
        yield small_group(1, n=100, seed=2, X=small_inputs(100, 5))  # another network

    options = ProbeOptions(hidden_layer_sizes=(8, 4), batch_size=64, max_iter=3)
    expected, _ = train_in_slots(groups(), options, n_slots=2, dtype=torch.float32)
    with shadow_cuda(triton=True) as shadow:
        found, report = train_in_slots(groups(), options, n_slots=2, dtype=torch.float32, device="cuda:1")
        names = {launch.name for launch in shadow.launches}
    assert report.path == "fused triton ieee" and names >= {"hidden", "top", "update", "judge", "graph"}
    for key in expected:
        assert_alike(found[key], expected[key], rtol=1e-4)


@NEEDS_TRITON
@pytest.mark.parametrize(
    ("units", "capability", "precision"),
    [("256,128,64,1", sm, precision) for sm in ("80", "90") for precision in ("ieee", "tf32x3", "tf32")]
    + [("40,100,30,20,3", "90", "ieee")],
)
def test_the_kernels_compile_for_two_generations_of_gpus_without_spills(units, capability, precision):
    script = Path(__file__).with_name("compiled_kernels.py")
    words = [units, "relu", capability, precision]
    compiling = os.environ | {"TRITON_INTERPRET": "0"}
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=True, env=compiling)
    kernels = [json.loads(line) for line in done.stdout.splitlines()]
    expected = {"hidden", "top", "update", "judge", "order_bits", "close"} | set(["back"] * (units.count(",") > 3))
    assert {kernel["kernel"] for kernel in kernels} == expected
    for kernel in kernels:
        assert kernel["spills"] == kernel["stack"] == 0, kernel
        assert kernel["shared"] <= 160 * 1024, kernel  # what a program may take on an A100, less 3 kB


def test_the_rule_that_chooses_the_kernels():
    def chosen(units=(256, 128, 64, 1), dtype=torch.float32, device=CUDA, wanted="auto", **options):
        return choose_step(Layout(units), ProbeOptions(**options), dtype, device, wanted)

    with shadow_cuda(triton=True):
        assert chosen() == chosen((9, 1000, 256, 64)) == "triton" and probe_path(CUDA) == "fused triton"
        without = [chosen((256, 1)), chosen((256, 257, 1)), chosen((256, 64, 65)), chosen(dtype=torch.float64)]
        without += [chosen(epsilon=1e-31), chosen(device=CPU), chosen(wanted="torch")]
        assert set(without) == {"torch"}
    with shadow_cuda():
        assert chosen() == probe_path(CUDA) == "torch"
    assert chosen(device=CPU, wanted="triton") == "triton"
    with pytest.raises(UserError, match="unknown path 'cuda'; choose from auto, torch, triton"):
        chosen(wanted="cuda")
