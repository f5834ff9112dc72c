"""Train any number of probes, streamed through the device: the one entry of this wing."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch

from satgpu.errors import UserError
from satgpu.probes.cohort import Cohort, cut_to_cohorts
from satgpu.probes.cpu.engine import CpuEngine
from satgpu.probes.fitness import reasons_not_to_train, untrained_result
from satgpu.probes.gpu.engine import SlotEngine
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.loop import Engine, Turns, run_bare
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport

_COHORT_PROBES = 64


def train_probes(
    groups: Iterable[ProbeGroup],
    options: ProbeOptions,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    memory_budget_bytes: int | None = None,
    allow_tf32: bool = False,
    on_result: Callable[[ProbeResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    lightning: bool = True,
) -> TrainingReport:
    """Train every probe of every group; each result is handed over as its probe finishes.

    Args:
        groups: pulled one by one as room comes free, so they may be made on the way.
        options: of all probes.
        device: "cpu" or a CUDA device.
        dtype: of the arithmetic, float32 or float64.
        memory_budget_bytes: at most this much on the device; by default 80 % of what is free.
        allow_tf32: on a GPU, products of float32 in TensorFloat-32: faster, and not scikit-learn's numbers.
        on_result: called from this thread with each result, in the order of finishing.
        should_stop: asked several times a second; True ends the call, unfinished probes are not reported.
        lightning: run under Lightning's Trainer, or as a bare loop (single small fits are sooner done so).

    Returns:
        What was done.

    Raises:
        UserError: a device that isn't there.
    """
    device = checked_device(device)
    report = TrainingReport()
    if lightning:
        from satgpu.probes.lightning_loop import run_under_lightning  # takes seconds, so only where needed
    started = time.perf_counter()
    cohorts = _cohorts(groups, options, device, dtype, memory_budget_bytes)
    if device.type == "cpu":
        engine: Engine = CpuEngine(cohorts, torch.get_num_threads(), report)
    else:
        engine = SlotEngine(cohorts, options, device, dtype, report, memory_budget_bytes)
    turns = Turns(engine, report, on_result, should_stop)
    try:
        with _settings(device, allow_tf32):
            if lightning:
                run_under_lightning(turns, device)
            else:
                run_bare(turns)
    finally:
        engine.close()
    report.seconds = time.perf_counter() - started
    return report


def checked_device(device: str | torch.device) -> torch.device:
    """The device, if there is such a one.

    Raises:
        UserError: another kind than "cpu" and "cuda", or no GPU at hand.
    """
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {str(device)!r}; choose cpu, cuda or cuda:N")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {str(device)!r} needs an NVIDIA GPU, and torch finds none; use device='cpu'")
    return found


@contextmanager
def _settings(device: torch.device, allow_tf32: bool) -> Iterator[None]:
    """float32 products in full precision unless asked otherwise, on this device; the caller's settings after."""
    on_gpu = device.type == "cuda"
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allow_tf32 and on_gpu else "highest")
    try:
        with torch.cuda.device(device) if on_gpu else nullcontext():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _cohorts(
    groups: Iterable[ProbeGroup],
    options: ProbeOptions,
    device: torch.device,
    dtype: torch.dtype,
    memory_budget_bytes: int | None = None,
) -> Iterator[Cohort | ProbeResult]:
    """Cohorts to train, and results of probes that cannot be trained, in the order of the groups."""
    for group in groups:
        reasons = reasons_not_to_train(group, options)
        for member, reason in enumerate(reasons):
            if reason:
                yield untrained_result(group, member, reason)
        members = [member for member, reason in enumerate(reasons) if not reason]
        size = _cohort_size(group, options, dtype, memory_budget_bytes)
        yield from cut_to_cohorts(group, members, options, device=device, dtype=dtype, size=size)


def _cohort_size(group: ProbeGroup, options: ProbeOptions, dtype: torch.dtype, budget_bytes: int | None) -> int:
    """Probes that train side by side: as many as the budget holds, at least one."""
    if budget_bytes is None:
        return _COHORT_PROBES
    n_train, n_features = group.train_rows.shape[0], group.X.shape[1]
    per_probe = dtype.itemsize * (5 * Layout((n_features, *options.hidden_layer_sizes, 1)).size + 3 * n_train)
    shared = dtype.itemsize * 4 * n_train * n_features  # the rows, and two epochs of minibatches
    return max(1, min(_COHORT_PROBES, (budget_bytes - shared) // per_probe))
