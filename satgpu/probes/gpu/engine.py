"""Training on a GPU: two banks of slots, refilled from the queue as probes finish.

While one bank's epoch runs on the device, the host reads the flags of the other, hands its finished
probes out and refills their slots. So the device never waits, cost follows the mean number of epochs
and not the slowest probe, and memory is that of the slots however many probes there are. On a CPU the
same code runs without graphs, which is how its logic is tested.
"""

from collections import deque
from collections.abc import Callable, Iterator

import torch

from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.groups import Subgroup
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainedProbe, TrainingReport, make_result

# A bank of 64 probes of the notebook's shape fills an H200's multiprocessors once with 128 x 128 tiles,
# and its parameters and moments (42 MB) stay in the second-level cache for a whole epoch.
BANK_SLOTS = 64
_N_BANKS = 2
_SHARE_OF_FREE_MEMORY = 0.8


class SlotEngine:
    """Trains subgroups as they come, through a fixed number of slots.

    Args:
        subgroups: pulled when there is room.
        options: of all probes.
        device, dtype: of the arithmetic.
        report: epochs, operations, slots and notices are added to it.
        memory_budget_bytes: 80 % of what is free by default; no limit on a CPU.
        n_slots: of one bank, if memory allows.
    """

    def __init__(
        self,
        subgroups: Iterator[Subgroup | ProbeResult],
        options: ProbeOptions,
        device: torch.device,
        dtype: torch.dtype,
        report: TrainingReport,
        memory_budget_bytes: int | None = None,
        n_slots: int = BANK_SLOTS,
    ):
        self._subgroups = subgroups
        self._options, self._device, self._dtype, self._report = options, device, dtype, report
        self._budget = memory_budget_bytes
        self._n_slots = n_slots
        self._queues: dict[BankShape, deque[tuple[Subgroup, int]]] = {}
        self._untrained: list[ProbeResult] = []
        self._banks: list[RunningBank] = []
        self._shape: BankShape | None = None
        self._exhausted = False
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @property
    def done(self) -> bool:
        """Whether every probe has been trained and its result given out."""
        waiting = any(self._queues.values()) or self._untrained
        return self._exhausted and not waiting and not any(bank.is_busy for bank in self._banks)

    def advance(self) -> list[ProbeResult]:
        """One epoch of every bank; the results of probes that had finished before it."""
        self._pull()
        results, self._untrained = self._untrained, []
        try:
            self._choose_shape()
            for running in self._banks:
                running.collect(results)
                running.refill(self._queues[self._shape])
                running.launch()
        except torch.OutOfMemoryError:
            self._halve()
        return results

    def close(self) -> None:
        """Wait for the device and let the banks go."""
        self._banks.clear()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            self._report.peak_memory_bytes = torch.cuda.max_memory_allocated(self._device)

    def _pull(self) -> None:
        """Read subgroups until the queue can fill all slots once over."""
        room = _N_BANKS * self._n_slots - sum(len(queue) for queue in self._queues.values())
        while not self._exhausted and room > 0:
            item = next(self._subgroups, None)
            if item is None:
                self._exhausted = True
            elif isinstance(item, ProbeResult):
                self._untrained.append(item)
                room -= 1
            else:
                queue = self._queues.setdefault(BankShape.of(item), deque())
                queue.extend((item, member) for member in item.members)
                room -= len(item.members)

    def _choose_shape(self) -> None:
        """Go on to the shape with most probes waiting, once the present one has none at all."""
        if any(running.is_busy for running in self._banks) or (self._shape and self._queues[self._shape]):
            return
        waiting = {shape: queue for shape, queue in self._queues.items() if queue}
        self._banks.clear()
        self._queues = waiting
        self._shape = None
        if waiting:
            self._shape = max(waiting, key=lambda shape: len(waiting[shape]))
            self._make_banks(self._shape)

    def _make_banks(self, shape: BankShape) -> None:
        """Two banks within the budget, or one where a few slots are enough."""
        per_slot = shape.bytes_per_slot(self._options, self._dtype)
        affordable = self._memory_budget() // (per_slot * _N_BANKS)
        n_slots = max(1, min(self._n_slots, affordable))
        n_banks = _N_BANKS if len(self._queues[shape]) > n_slots else 1
        for _ in range(n_banks):
            bank = SlotBank(shape, self._options, n_slots, self._device, self._dtype)
            self._banks.append(RunningBank(bank, self._report))
        self._report.slots = max(self._report.slots, n_banks * n_slots)

    def _memory_budget(self) -> int:
        """Bytes for the banks."""
        if self._budget is not None:
            return self._budget
        if self._device.type != "cuda":
            return 1 << 62
        return int(_SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(self._device)[0])

    def _halve(self) -> None:
        """After memory ran out, send the probes in flight back to the queue, to start again in half the slots.

        A probe's numbers depend on its seeds alone, so starting again changes no result.
        """
        n_slots = max((len(running.bank.occupants) for running in self._banks), default=self._n_slots)
        if n_slots == 1:
            raise torch.OutOfMemoryError("one probe alone does not fit the device's memory; use a smaller network")
        queue = self._queues[self._shape]
        for running in self._banks:
            queue.extendleft(occupant for occupant in running.bank.occupants if occupant is not None)
        self._n_slots = n_slots // 2
        self._banks.clear()
        self._shape = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._report.notices.append(f"device memory ran out: {n_slots} slots a bank became {self._n_slots}")


class RunningBank:
    """A bank with its graph, if it is on a GPU, and the flags of its last epoch.

    Args:
        bank: the slots.
        report: epochs and operations are added to it.
    """

    def __init__(self, bank: SlotBank, report: TrainingReport):
        self.bank = bank
        self._report = report
        self._replay = _captured(bank) if bank.flat.device.type == "cuda" else bank.train_epoch
        self._flags: torch.Tensor | None = None
        self._landed: torch.cuda.Event | None = None

    @property
    def is_busy(self) -> bool:
        """Whether any slot holds a probe."""
        return any(occupant is not None for occupant in self.bank.occupants)

    def launch(self) -> None:
        """Start one epoch and the copy of its flags; on a GPU this returns at once."""
        if not self.is_busy:
            return
        bank = self.bank
        bank.draw_orders()
        self._replay()
        rule = bank.rule
        flags = torch.stack([rule.is_live.long(), rule.is_finite.long(), rule.epochs, rule.stale_epochs])
        if flags.is_cuda:
            self._flags = torch.empty(flags.shape, dtype=flags.dtype, pin_memory=True)
            self._flags.copy_(flags, non_blocking=True)
            self._landed = torch.cuda.Event()
            self._landed.record()
        else:
            self._flags = flags
        busy = sum(occupant is not None for occupant in bank.occupants)
        self._report.epochs += busy
        self._report.useful_flops += busy * bank.shape.layout.flops_per_row * bank.shape.n_fit

    def collect(self, results: list[ProbeResult]) -> None:
        """Append the results of the probes that stopped in the last epoch; their slots are free again."""
        if self._flags is None:
            return
        if self._landed is not None:
            self._landed.synchronize()
        flags, self._flags = self._flags.T.tolist(), None
        for slot, (is_live, is_finite, epochs, stale) in enumerate(flags):
            if self.bank.occupants[slot] is not None and not is_live:
                results.append(self._result(slot, bool(is_finite), epochs, stale))
                self.bank.occupants[slot] = None

    def refill(self, queue: deque[tuple[Subgroup, int]]) -> None:
        """Fill free slots from the queue."""
        arrivals = []
        for slot in self.bank.free:
            if queue:
                arrivals.append((slot, *queue.popleft()))
        if arrivals:
            self.bank.load(arrivals)

    def _result(self, slot: int, is_finite: bool, epochs: int, stale: int) -> ProbeResult:
        """What came of the probe in a slot."""
        bank, rule = self.bank, self.bank.rule
        subgroup, member = bank.occupants[slot]
        early_stopping = bank.options.early_stopping
        reason = "early_stopping" if stale > bank.options.n_iter_no_change else "max_iter"
        n_scores = epochs if early_stopping else 0
        trained = TrainedProbe(
            flat=(bank.best_flat if early_stopping else bank.flat)[slot].clone(),
            n_iter=epochs,
            stop_reason=reason if is_finite else "failed",
            failure="" if is_finite else f"non-finite loss at epoch {epochs}",
            best_score=float(rule.best[slot]) if early_stopping else float("nan"),
            losses=rule.losses[slot, :epochs].cpu().numpy().copy(),
            validation_scores=rule.validation_scores[slot, : n_scores - (not is_finite)].cpu().numpy().copy(),
        )
        return make_result(subgroup, member, trained)


def _captured(bank: SlotBank) -> Callable[[], None]:
    """The bank's epoch as a CUDA graph; captured while the bank is empty, so nothing is trained by it."""
    stream = torch.cuda.Stream(bank.flat.device)
    stream.wait_stream(torch.cuda.current_stream(bank.flat.device))
    with torch.cuda.stream(stream):
        for _ in range(2):  # libraries choose kernels and set up workspaces before the capture
            bank.train_epoch()
    torch.cuda.current_stream(bank.flat.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        bank.train_epoch()
    return graph.replay
