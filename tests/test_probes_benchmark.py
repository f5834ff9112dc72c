"""The benchmark gives every figure that it promises."""

import argparse
import importlib.util
import math
from pathlib import Path

import pytest

_PATH = Path(__file__).parent.parent / "scripts" / "benchmark.py"
KEYS = ("sklearn_s", "sklearn_best_s", "satgpu_cold_s", "satgpu_warm_s", "ratio", "ratio_best") + (
    "useful_gflops",
    "sgemm_gflops",
    "score_difference",
    "peak_memory_bytes",
    "lightning_share",
)


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
def test_every_promised_figure_is_there(benchmark, monkeypatch):
    pytest.importorskip("sklearn", reason="compares with scikit-learn")
    monkeypatch.setattr(benchmark, "ENCODERS", ("xyz", "sh-l2"))
    args = argparse.Namespace(device="cpu", probes=4, repeats=1, tf32=False, no_sklearn=False)
    found = benchmark.measure(args)
    for key in KEYS:
        assert math.isfinite(found[key]), key
    assert found["ratio"] == pytest.approx(found["sklearn_s"] / found["satgpu_warm_s"])
    assert 0 <= found["lightning_share"] < 1 and found["peak_memory_bytes"] > 0
