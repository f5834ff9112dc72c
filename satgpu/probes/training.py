"""Train any number of probes, streamed through the device: the one entry of this wing."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from satgpu.probes.cohort import Cohort, cut_to_cohorts
from satgpu.probes.cpu_engine import CpuEngine
from satgpu.probes.fitness import reasons_not_to_train, untrained_result
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.loop import Turns, run_bare
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
    """
    device = torch.device(device)
    report = TrainingReport()
    started = time.perf_counter()
    engine = CpuEngine(_cohorts(groups, options, device, dtype), torch.get_num_threads(), report)
    turns = Turns(engine, report, on_result, should_stop)
    try:
        with _exact_products(allow_tf32 and device.type == "cuda"):
            if lightning:
                from satgpu.probes.lightning_loop import run_under_lightning  # seconds to import

                run_under_lightning(turns, device)
            else:
                run_bare(turns)
    finally:
        engine.close()
    report.seconds = time.perf_counter() - started
    return report


@contextmanager
def _exact_products(allow_tf32: bool) -> Iterator[None]:
    """float32 products in full precision, unless asked otherwise, whatever the caller's setting is."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if allow_tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


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
