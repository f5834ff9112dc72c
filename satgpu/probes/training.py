"""Train any number of probes, streamed through the device: the one entry of this wing."""

import time
from collections.abc import Callable, Iterable, Iterator

import torch

from satgpu.probes.cohort import Cohort, cut_to_cohorts
from satgpu.probes.cpu_engine import CpuEngine
from satgpu.probes.fitness import reasons_not_to_train, untrained_result
from satgpu.probes.groups import ProbeGroup
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

    Returns:
        What was done.
    """
    report = TrainingReport()
    items = _cohorts(groups, options, torch.device(device), dtype)
    started = time.perf_counter()
    engine = CpuEngine(items, torch.get_num_threads(), report)
    try:
        while not engine.done:
            if should_stop is not None and should_stop():
                report.stopped = True
                break
            for result in engine.advance():
                report.probes += 1
                if on_result is not None:
                    on_result(result)
    finally:
        engine.close()
    report.seconds = time.perf_counter() - started
    return report


def _cohorts(
    groups: Iterable[ProbeGroup], options: ProbeOptions, device: torch.device, dtype: torch.dtype
) -> Iterator[Cohort | ProbeResult]:
    """Cohorts to train, and results of probes that cannot be trained, in the order of the groups."""
    for group in groups:
        reasons = reasons_not_to_train(group, options)
        for member, reason in enumerate(reasons):
            if reason:
                yield untrained_result(group, member, reason)
        members = [member for member, reason in enumerate(reasons) if not reason]
        yield from cut_to_cohorts(group, members, options, device=device, dtype=dtype, size=_COHORT_PROBES)
