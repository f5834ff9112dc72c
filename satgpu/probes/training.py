"""Train any number of probes, streamed through the device."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from satgpu.errors import UserError, unknown_choice
from satgpu.probes.cpu.engine import CpuEngine
from satgpu.probes.cpu.fused_path import choose_path
from satgpu.probes.gpu.engine import SlotEngine
from satgpu.probes.gpu.fused import PRECISIONS
from satgpu.probes.gpu.memory import is_out_of_memory
from satgpu.probes.groups import ProbeGroup, Subgroup, cut_to_subgroups, reasons_not_to_train
from satgpu.probes.loop import Engine, TrainingLoop
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport, untrained_result

_SUBGROUP_PROBES = 64

GroupOrMaker = ProbeGroup | Callable[[], ProbeGroup | Sequence[ProbeGroup]]


def train_probes(
    groups: Iterable[GroupOrMaker],
    options: ProbeOptions,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    memory_budget_bytes: int | None = None,
    precision: str = "ieee",
    path: str = "auto",
    on_result: Callable[[ProbeResult], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    lightning: bool = True,
    trainer: Mapping[str, Any] | None = None,
) -> TrainingReport:
    """Train every probe of every group; each result is handed over as its probe finishes.

    Args:
        groups: pulled one by one as room comes free, so they may be made on the way; a function that makes
            one or several groups is called again if memory ran out in it.
        options: of all probes.
        device: "cpu" or a CUDA device.
        dtype: of the arithmetic, float32 or float64.
        memory_budget_bytes: at most this much on the device; by default 80 % of what is free.
        precision: of float32 products on a GPU: "ieee" as on a CPU; "tf32", faster and with 10 bits of each factor;
            "tf32x3", three such products for one, near ieee (by the Triton kernels; torch takes ieee for it).
        path: what computes epochs: "auto", "torch", an instruction set on a CPU (``cpu.fused_path.choose_path`` tells
            the rule) or "triton" on a GPU (``gpu.fused.choose_step``).
        on_result: called from this thread with each result, in the order of finishing.
        should_stop: asked several times a second; True ends the call, unfinished probes are not reported.
        lightning: run under Lightning's Trainer, or as a bare loop (single small fits are sooner done so).
        trainer: further arguments of that Trainer, such as ``logger`` and ``callbacks``.

    Returns:
        What was done.

    Raises:
        UserError: a device that isn't there, or another word for precision or path.
    """
    device = checked_device(device)
    if precision not in PRECISIONS:
        raise unknown_choice("precision", precision, PRECISIONS)
    report = TrainingReport()
    if lightning:
        from satgpu.probes.module import fit_with_lightning  # takes seconds, so only where needed
    started = time.perf_counter()
    subgroups = SubgroupStream(groups, options, device, dtype, memory_budget_bytes)
    if device.type == "cpu":
        engine: Engine = CpuEngine(subgroups, choose_path(dtype, options, path), torch.get_num_threads(), report)
    else:
        how = {"path": path, "precision": precision}
        engine = SlotEngine(subgroups, options, device, dtype, report, memory_budget_bytes, **how)
    loop = TrainingLoop(engine, report, on_result, should_stop)
    try:
        with _settings(device, precision):
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
    # C++ asks the driver for the index of plain "cuda" each time; from here on it has one.
    return torch.device("cuda", torch.cuda.current_device()) if str(found) == "cuda" else found


@contextmanager
def _settings(device: torch.device, precision: str) -> Iterator[None]:
    """float32 products in full precision unless asked otherwise, on this device; the caller's settings after."""
    on_gpu = device.type == "cuda"
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" and on_gpu else "highest")
    try:
        with torch.cuda.device(device) if on_gpu else nullcontext():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class SubgroupStream(Iterator[Subgroup | ProbeResult]):
    """Subgroups to train, and results of probes that cannot be trained, in the order of the groups.

    If memory runs out while a group is being made, ``next`` may be called again once there is more: a
    function that makes groups is then asked once more.

    Args:
        groups: groups, or functions that make one or several.
        options: of all probes.
        device, dtype: of the arithmetic.
        memory_budget_bytes: limits the probes of a subgroup.
    """

    def __init__(
        self,
        groups: Iterable[GroupOrMaker],
        options: ProbeOptions,
        device: torch.device,
        dtype: torch.dtype,
        memory_budget_bytes: int | None = None,
    ):
        self._groups = iter(groups)
        self._options, self._device, self._dtype, self._budget = options, device, dtype, memory_budget_bytes
        self._next: GroupOrMaker | None = None
        self._ready: deque[Subgroup | ProbeResult] = deque()

    def __next__(self) -> Subgroup | ProbeResult:
        while not self._ready:
            if self._next is None:
                self._next = self._pulled()
            made = self._next() if callable(self._next) else self._next
            groups = [made] if isinstance(made, ProbeGroup) else made
            self._ready.extend([item for group in groups for item in self._cut(group)])
            self._next = None
        return self._ready.popleft()

    def _pulled(self) -> GroupOrMaker:
        """The next group or maker. A generator that has raised is at its end, and its further groups are lost."""
        try:
            return next(self._groups)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                "memory ran out inside the iterator of groups, which cannot go on after an error; "
                "let it yield functions that make the groups: they are called again with more memory free"
            ) from error

    def _cut(self, group: ProbeGroup) -> Iterator[Subgroup | ProbeResult]:
        """What one group gives."""
        reasons = reasons_not_to_train(group, self._options)
        for member, reason in enumerate(reasons):
            if reason:
                yield untrained_result(group, member, reason)
        members = [member for member, reason in enumerate(reasons) if not reason]
        size = _subgroup_size(group, self._options, self._dtype, self._budget)
        yield from cut_to_subgroups(group, members, self._options, device=self._device, dtype=self._dtype, size=size)


def _subgroup_size(group: ProbeGroup, options: ProbeOptions, dtype: torch.dtype, budget_bytes: int | None) -> int:
    """Probes that train side by side: as many as the budget holds, at least one."""
    if budget_bytes is None:
        return _SUBGROUP_PROBES
    n_train, n_features = group.train_rows.shape[0], group.X.shape[1]
    per_probe = dtype.itemsize * (5 * Layout((n_features, *options.hidden_layer_sizes, 1)).size + 3 * n_train)
    shared = dtype.itemsize * 4 * n_train * n_features  # the rows, and two epochs of minibatches
    return max(1, min(_SUBGROUP_PROBES, (budget_bytes - shared) // per_probe))
