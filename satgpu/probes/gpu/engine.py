"""Training on a GPU: banks of slots, refilled from a queue as probes finish.

While one bank's turn runs on the device, the host reads the flags of the other, sends its finished probes
to be scored and refills their slots. So the device never waits, cost follows the mean number of epochs
and not the slowest probe, and memory is that of the slots however many probes there are. Probes of
different groups, numbers of rows, epochs and tasks share a bank; only another network needs another one,
and a bank that is not full rests while others have work. On a CPU the same code runs without graphs.
"""

from collections import deque
from collections.abc import Iterator
from itertools import chain

import torch

from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.gpu.fused import choose_step, path_name
from satgpu.probes.gpu.inputs import InputPool, ResidentGroup
from satgpu.probes.gpu.memory import free_budget, is_out_of_memory
from satgpu.probes.gpu.running_bank import RunningBank
from satgpu.probes.gpu.scoring import FinishedBatch
from satgpu.probes.groups import Subgroup
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport

# A bank of 64 probes of the notebook's shape fills an H200's multiprocessors once with 128 x 128 tiles,
# and its parameters and moments (42 MB) stay in the second-level cache for a whole turn.
BANK_SLOTS = 64
_BANKS_OF_A_SHAPE = 2
_FEWEST_SLOTS = 8
_FULL_ENOUGH = 0.95  # of the slots; an emptier bank rests while others have work

Waiting = tuple[ResidentGroup, int]


class SlotEngine:
    """Trains subgroups as they come, through a fixed number of slots.

    Args:
        subgroups: pulled when there is room. If memory runs out meanwhile, they are asked again for the same item.
        options: of all probes.
        device, dtype: of the arithmetic.
        report: epochs, operations, slots and notices are added to it.
        memory_budget_bytes: 80 % of what is free by default; no limit on a CPU.
        n_slots: of one bank, if memory allows.
        path: what computes minibatches, as ``choose_step`` takes it.
        precision: of float32 products: ieee, tf32x3 or tf32.
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
        path: str = "auto",
        precision: str = "ieee",
    ):
        self._subgroups = subgroups
        self._options, self._device, self._dtype, self._report = options, device, dtype, report
        self._budget_bytes = memory_budget_bytes
        self._n_slots = n_slots
        self._path, self._precision = path, precision
        self._queues: dict[BankShape, deque[Waiting]] = {}
        self._untrained: list[ProbeResult] = []
        self._scored: list[FinishedBatch] = []
        self._banks: list[RunningBank] = []
        self._pools: dict[int, InputPool] = {}
        self._exhausted = False
        self._stream = self._graph_pool = None
        if device.type == "cuda":
            torch.cuda.init()  # the next line raises before anything has used CUDA
            torch.cuda.reset_peak_memory_stats(device)
            self._stream = torch.cuda.Stream(device)
            self._graph_pool = torch.cuda.graph_pool_handle()

    @property
    def done(self) -> bool:
        """Whether every probe has been trained and its result given out."""
        in_hand = self._untrained or self._scored or any(self._queues.values())
        return self._exhausted and not in_hand and not any(r.n_busy or r.scored for r in self._banks)

    def advance(self) -> list[ProbeResult]:
        """A turn of the banks; the results of probes that had finished before it."""
        results, self._untrained = self._untrained, []
        if self._memory_ran_out(results):
            # Not where the error is at hand: it would keep the failed tensors alive.
            self._halve()
        return results

    def close(self) -> None:
        """Wait for the device and let the banks go."""
        self._banks.clear()
        self._pools.clear()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            self._report.peak_memory_bytes = torch.cuda.max_memory_allocated(self._device)

    def _memory_ran_out(self, results: list[ProbeResult]) -> bool:
        """Take a turn; whether an allocation failed in it. ``results`` has what came in up to there."""
        try:
            self._turn(results)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return True
        return False

    def _turn(self, results: list[ProbeResult]) -> None:
        while self._scored:
            results += self._scored[-1].results()
            self._scored.pop()
        if not self._n_waiting:
            self._pull()
        for running in self._banks:
            self._collect(running, results)
        self._refill()
        for running in self._ready():
            running.launch()
        self._pull()  # looking at new groups makes the host wait, so the device is given its work first

    @property
    def _n_waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def _pull(self) -> None:
        """Read subgroups until the queues could fill the banks of every network once over."""
        most = _BANKS_OF_A_SHAPE * self._n_slots
        while not self._exhausted and self._n_waiting + len(self._untrained) < most * max(1, len(self._queues)):
            item = next(self._subgroups, None)
            if item is None:
                self._exhausted = True
            elif isinstance(item, ProbeResult):
                self._untrained.append(item)
            else:
                resident = ResidentGroup(item)
                queue = self._queues.setdefault(BankShape.of(resident), deque())
                queue.extend((resident, index) for index in range(len(item.members)))

    def _collect(self, running: RunningBank, results: list[ProbeResult]) -> None:
        """Free what has stopped, and read what was scored a turn ago."""
        n_scored = len(running.scored)
        running.collect()  # waits for the bank's flags, and everything scored before has landed by then
        for _ in range(n_scored):
            results += running.scored[0].results()
            running.scored.pop(0)

    def _refill(self) -> None:
        """Fill the banks, with new ones or more room where needed; at the end put the half-empty ones together."""
        for shape, queue in self._queues.items():
            banks = self._banks_of(shape)
            for running in banks:
                running.refill(queue)
            if queue and self._make_room(shape, queue):
                for running in self._banks_of(shape):
                    running.refill(queue)
        if self._exhausted:
            for shape in [shape for shape, queue in self._queues.items() if not queue]:
                self._put_together(shape)
                self._shrink(shape)

    def _banks_of(self, shape: BankShape) -> list[RunningBank]:
        return [running for running in self._banks if running.bank.shape == shape]

    def _make_room(self, shape: BankShape, queue: deque[Waiting]) -> bool:
        """For the probes of a queue that have found no slot; whether there is more room now."""
        banks = self._banks_of(shape)
        has_free = any(running.bank.free for running in banks)
        if banks and has_free:
            return self._grow(shape, banks, queue)
        is_worth_it = self._exhausted or len(queue) >= self._n_slots or not self._banks
        return is_worth_it and len(banks) < _BANKS_OF_A_SHAPE and self._make_bank(shape, queue)

    def _grow(self, shape: BankShape, banks: list[RunningBank], queue: deque[Waiting]) -> bool:
        """More rows for a bank's slots, or for the inputs."""
        pool, n_rows = banks[0].bank.pool, max(resident.n_rows for resident, _ in queue)
        was_short = any(n_rows > running.bank.n_rows for running in banks)
        for running in banks:
            running.make_room(n_rows)
        subgroup = queue[0][0].subgroup
        if not pool.fits(subgroup):
            more = max(pool.capacity // 2, subgroup.group.X.shape[0])
            is_idle = not any(running.n_busy for running in self._banks if running.bank.pool is pool)
            if not is_idle and (pool.capacity + more) * self._bytes_per_input(shape) > self._bytes_left():
                return was_short
            pool.grow(pool.capacity + more)
            for running in self._banks:
                if running.bank.pool is pool:
                    running.actions.forget()
            return True
        return was_short

    def _make_bank(self, shape: BankShape, queue: deque[Waiting]) -> bool:
        """Another bank for a network, if memory is left for one."""
        n_rows = max(resident.n_rows for resident, _ in queue)
        per_slot = shape.bytes_per_slot(self._options, self._dtype, n_rows, self._products(shape))
        left = self._bytes_left()
        pool = self._pools.get(shape.layout.units[0])
        if pool is None:
            groups = {id(resident.subgroup.group): resident.subgroup.group.X.shape[0] for resident, _ in queue}
            capacity = max(sum(groups.values()) * 5 // 4, 1)
            capacity = max(min(capacity, left // 4 // self._bytes_per_input(shape)), max(groups.values()))
            left -= capacity * self._bytes_per_input(shape)
        if not self._banks_of(shape) and len(queue) > self._n_slots:
            left //= _BANKS_OF_A_SHAPE
        affordable = left // per_slot
        if self._banks and affordable < min(self._n_slots, 1 + self._n_slots // 4):
            self._banks = [running for running in self._banks if running.n_busy or running.scored]
            return False
        n_slots = max(1, min(self._n_slots, affordable))
        if pool is None:
            pool = self._pools[shape.layout.units[0]] = InputPool(
                shape.layout.units[0], capacity, self._device, self._dtype
            )
        products = self._products(shape)
        bank = SlotBank(shape, self._options, n_slots, n_rows, pool, products)
        self._report.path = path_name(products, self._precision)
        self._banks.append(RunningBank(bank, self._report, self._stream, self._graph_pool))
        self._report.slots = max(self._report.slots, sum(running.bank.n_slots for running in self._banks))
        return True

    def _products(self, shape: BankShape) -> str:
        """The products of a bank's Triton kernels; empty where torch computes its minibatches."""
        step = choose_step(shape.layout, self._options, self._dtype, self._device, self._path)
        return self._precision if step == "triton" else ""

    def _bytes_per_input(self, shape: BankShape) -> int:
        """Of one row of X."""
        return shape.layout.units[0] * self._dtype.itemsize

    def _bytes_left(self) -> int:
        """For further banks and inputs."""
        if self._budget_bytes is None:
            return free_budget(self._device)
        slots = sum(
            running.bank.n_slots
            * running.bank.shape.bytes_per_slot(
                self._options, self._dtype, running.bank.n_rows, self._products(running.bank.shape)
            )
            for running in self._banks
        )
        inputs = sum(pool.X.numel() * pool.X.element_size() for pool in self._pools.values())
        return self._budget_bytes - slots - inputs

    def _ready(self) -> list[RunningBank]:
        """The banks to launch: the full ones, or what there is when no more can come."""
        busy = [running for running in self._banks if running.n_busy]
        if self._exhausted and not self._n_waiting:
            return busy
        full = [running for running in busy if running.n_busy >= _FULL_ENOUGH * running.bank.n_slots]
        return full or sorted(busy, key=lambda running: -running.n_busy / running.bank.n_slots)[:1]

    def _put_together(self, shape: BankShape) -> None:
        """One bank in the place of two that are half empty."""
        banks = [running for running in self._banks_of(shape) if running.n_busy]
        if len(banks) == 2 and banks[1].n_busy <= len(banks[0].bank.free):
            banks[0].adopt(banks[1])
            self._banks.remove(banks[1])

    def _shrink(self, shape: BankShape) -> None:
        """Fewer slots in the place of a bank that is less than half full and gets no more probes."""
        for running in self._banks_of(shape):
            bank, n_slots = running.bank, max(_FEWEST_SLOTS, 1 << (running.n_busy - 1).bit_length())
            if running.n_busy and bank.may_shrink and n_slots <= bank.n_slots // 2:
                small = SlotBank(shape, self._options, n_slots, bank.n_rows, bank.pool, self._products(shape))
                fewer = RunningBank(small, self._report, self._stream, self._graph_pool)
                fewer.adopt(running)
                self._banks[self._banks.index(running)] = fewer

    def _halve(self) -> None:
        """After memory ran out, send the probes in training back to the queue, to start again in half the slots.

        A probe's numbers depend on its seeds alone, so starting again changes no result.
        """
        n_slots = max((running.bank.n_slots for running in self._banks), default=self._n_slots)
        if n_slots == 1:
            raise torch.OutOfMemoryError("one probe alone does not fit the device's memory; use a smaller network")
        for running in self._banks:
            occupants = [occupant for occupant in running.bank.occupants if occupant is not None]
            self._queues[running.bank.shape].extendleft(reversed(occupants))
            self._scored += running.scored
        scored = chain.from_iterable(batch.occupants for batch in self._scored)
        for resident, _ in chain(*self._queues.values(), scored):
            resident.leave()
        self._n_slots = n_slots // 2
        self._banks.clear()
        self._pools.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._report.notices.append(f"device memory ran out: {n_slots} slots a bank became {self._n_slots}")
