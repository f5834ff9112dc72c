"""Small groups of probes for the tests of the probe engine."""

import numpy as np
import torch

from satgpu.probes import ProbeGroup, ProbeOptions, ProbeResult, TrainingReport, train_probes
from satgpu.probes.gpu.engine import SlotEngine
from satgpu.probes.loop import TrainingLoop
from satgpu.probes.training import SubgroupStream

SMALL = ProbeOptions(hidden_layer_sizes=(16, 8), max_iter=40, batch_size=64, n_iter_no_change=5)


def small_inputs(n: int = 400, d: int = 8, seed: int = 0) -> torch.Tensor:
    """(n, d) float64 normal numbers."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small_labels(X: torch.Tensor, n_probes: int, task: str = "classification") -> torch.Tensor:
    """(p, n) labels of growing difficulty."""
    columns = [X[:, p % 7] * (X[:, p % 7 + 1] if p % 2 else 1) for p in range(n_probes)]
    Y = torch.stack(columns)
    if task == "regression":
        return Y
    return (Y > 0).long() + (Y > 0.5).long() if task == "multiclass" else (Y > 0).long()


def small_group(n_probes: int = 5, n: int = 400, seed: int = 0, task: str = "classification", **fields) -> ProbeGroup:
    """A group of ``n_probes`` on 320 training and 80 test rows, unless ``fields`` say otherwise."""
    X = small_inputs(n, seed=seed)
    defaults = {
        "X": X,
        "Y": small_labels(X, n_probes, task),
        "train_rows": torch.arange(n * 4 // 5),
        "test_rows": torch.arange(n * 4 // 5, n),
        "split_seed": seed,
        "probe_seeds": torch.arange(n_probes) + 100 * seed,
        "task": "classification" if task == "multiclass" else task,
        "keys": [(seed, p) for p in range(n_probes)],
    }
    return ProbeGroup(**(defaults | fields))


def part_of(group: ProbeGroup, members: list[int]) -> ProbeGroup:
    """The same group with some of its probes."""
    fields = {name: getattr(group, name) for name in group.__dataclass_fields__}
    fields |= {"Y": group.Y[members], "probe_seeds": group.probe_seeds[members]}
    return ProbeGroup(**(fields | {"keys": [group.keys[member] for member in members]}))


def train(groups, options: ProbeOptions = SMALL, **kwargs) -> dict[object, ProbeResult]:
    """Results by key, from the bare loop."""
    results: dict[object, ProbeResult] = {}
    kwargs = {"lightning": False} | kwargs
    train_probes(iter(groups), options, on_result=lambda r: results.__setitem__(r.key, r), **kwargs)
    return results


def train_in_slots(
    groups,
    options: ProbeOptions = SMALL,
    n_slots: int = 4,
    dtype=torch.float64,
    engine_class=SlotEngine,
    device: str = "cpu",
    **kwargs,
) -> tuple[dict[object, ProbeResult], TrainingReport]:
    """(results by key, report) from the GPU's engine, run on the CPU without a graph unless another device is given."""
    results: dict[object, ProbeResult] = {}
    report = TrainingReport()
    place = torch.device(device)
    subgroups = SubgroupStream(groups, options, place, dtype)
    engine = engine_class(subgroups, options, place, dtype, report, n_slots=n_slots, **kwargs)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # these products are too small to share
    try:
        TrainingLoop(engine, report, lambda r: results.__setitem__(r.key, r), None).run()
    finally:
        torch.set_num_threads(before)
        engine.close()
    return results, report


def assert_same_bits(first: ProbeResult, second: ProbeResult) -> None:
    """Everything about two results is equal to the last bit."""
    for name in ("key", "n_iter", "stop_reason", "failure", "n_train", "n_validation", "n_test"):
        assert getattr(first, name) == getattr(second, name), name
    for name in ("train_score", "validation_score", "test_score", "chance", "loss_curve", "validation_curve"):
        a, b = (torch.as_tensor(getattr(result, name)) for result in (first, second))
        assert torch.equal(torch.nan_to_num(a, nan=-7.0), torch.nan_to_num(b, nan=-7.0)), name
    if first.parameters is not None:
        assert torch.equal(first.parameters, second.parameters)


def assert_alike(first: ProbeResult, second: ProbeResult, rtol: float = 1e-6) -> None:
    """Two results agree but for rounding of the products, which stacks may sum in another order."""
    for name in ("key", "n_iter", "stop_reason", "failure", "n_train", "n_validation", "n_test"):
        assert getattr(first, name) == getattr(second, name), name
    for name in ("train_score", "validation_score", "test_score", "chance", "loss_curve", "validation_curve"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=rtol, err_msg=name)
