"""The benchmark gives every figure that it promises."""

import argparse
import importlib.util
import math
from pathlib import Path

import pytest

_PATH = Path(__file__).parent.parent / "scripts" / "benchmark.py"
KEYS = ("cold_s", "useful_gflops", "sgemm_gflops", "peak_memory_bytes", "lightning_share")


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_probes_are_dealt_to_both_encoders_in_groups_of_25(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "ENCODERS", ("xyz", "sh-l2"))
    for n_probes, sizes in ((1, [1]), (7, [4, 3]), (50, [25, 25]), (128, [25, 25, 25, 25, 14, 14])):
        groups = benchmark.make_groups(n_probes, "cpu")
        assert [group.n_probes for group in groups] == sizes
        assert len({key for group in groups for key in group.keys}) == n_probes


@pytest.mark.slow
def test_every_promised_figure_is_there(benchmark):
    pytest.importorskip("sklearn", reason="compares with scikit-learn")
    words = {"device": "cpu", "problem": "random", "probes": 2, "repeats": 1}
    args = argparse.Namespace(**words, precision="ieee", rivals=True, no_sklearn=False)
    found = benchmark.measure(args)
    for key in KEYS:
        assert math.isfinite(found[key]), key
    sides = found["sides"]
    assert {"satgpu", "satgpu, bare loop", "torch.func", "scikit-learn at its best"} <= set(sides)
    for side in sides.values():
        assert side["ratio"] == pytest.approx(side["seconds"] / sides["satgpu"]["seconds"])
    if found["path"] != "torch":
        assert 0 < sides["satgpu"]["epochs_share_of_peak"] < 1.2
