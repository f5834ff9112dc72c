"""Train any number of probes, streamed through the device."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from satgpu.errors import UserError
from satgpu.probes.cpu.engine import CpuEngine
from satgpu.probes.cpu.fused_path import choose_path
from satgpu.probes.gpu.engine import SlotEngine
from satgpu.probes.groups import ProbeGroup, Subgroup, cut_to_subgroups, reasons_not_to_train
from satgpu.probes.loop import Engine, TrainingLoop
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport, untrained_result

_SUBGROUP_PROBES = 64


def train_probes(
    groups: Iterable[ProbeGroup],
    options: ProbeOptions,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    memory_budget_bytes: int | None = None,
    allow_tf32: bool = False,
    cpu_path: str = "auto",
    on_result: Callable[[ProbeResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    lightning: bool = True,
    trainer: Mapping[str, Any] | None = None,
) -> TrainingReport:
    """Train every probe of every group; each result is handed over as its probe finishes.

    Args:
        groups: pulled one by one as room comes free, so they may be made on the way.
        options: of all probes.
        device: "cpu" or a CUDA device.
        dtype: of the arithmetic, float32 or float64.
        memory_budget_bytes: at most this much on the device; by default 80 % of what is free.
        allow_tf32: on a GPU, products of float32 in TensorFloat-32: faster, and not scikit-learn's numbers.
        cpu_path: on a CPU, "auto" (``cpu.fused_path.choose_path`` tells the rule), "torch", or an instruction set.
        on_result: called from this thread with each result, in the order of finishing.
        should_stop: asked several times a second; True ends the call, unfinished probes are not reported.
        lightning: run under Lightning's Trainer, or as a bare loop (single small fits are sooner done so).
        trainer: further arguments of that Trainer, such as ``logger`` and ``callbacks``.

    Returns:
        What was done.

    Raises:
        UserError: a device that isn't there.
    """
    device = checked_device(device)
    report = TrainingReport()
    if lightning:
        from satgpu.probes.module import fit_with_lightning  # takes seconds, so only where needed
    started = time.perf_counter()
    subgroups = _subgroups(groups, options, device, dtype, memory_budget_bytes)
    if device.type == "cpu":
        engine: Engine = CpuEngine(subgroups, choose_path(dtype, options, cpu_path), torch.get_num_threads(), report)
    else:
        engine = SlotEngine(subgroups, options, device, dtype, report, memory_budget_bytes)
    loop = TrainingLoop(engine, report, on_result, should_stop)
    try:
        with _settings(device, allow_tf32):
            if lightning:
                fit_with_lightning(loop, device, trainer)
            else:
                loop.run()
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


def _subgroups(
    groups: Iterable[ProbeGroup],
    options: ProbeOptions,
    device: torch.device,
    dtype: torch.dtype,
    memory_budget_bytes: int | None = None,
) -> Iterator[Subgroup | ProbeResult]:
    """Subgroups to train, and results of probes that cannot be trained, in the order of the groups."""
    for group in groups:
        reasons = reasons_not_to_train(group, options)
        for member, reason in enumerate(reasons):
            if reason:
                yield untrained_result(group, member, reason)
        members = [member for member, reason in enumerate(reasons) if not reason]
        size = _subgroup_size(group, options, dtype, memory_budget_bytes)
        yield from cut_to_subgroups(group, members, options, device=device, dtype=dtype, size=size)


def _subgroup_size(group: ProbeGroup, options: ProbeOptions, dtype: torch.dtype, budget_bytes: int | None) -> int:
    """Probes that train side by side: as many as the budget holds, at least one."""
    if budget_bytes is None:
        return _SUBGROUP_PROBES
    n_train, n_features = group.train_rows.shape[0], group.X.shape[1]
    per_probe = dtype.itemsize * (5 * Layout((n_features, *options.hidden_layer_sizes, 1)).size + 3 * n_train)
    shared = dtype.itemsize * 4 * n_train * n_features  # the rows, and two epochs of minibatches
    return max(1, min(_SUBGROUP_PROBES, (budget_bytes - shared) // per_probe))
