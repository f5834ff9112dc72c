"""A bank in motion: what a turn does, how long it is, and what the host knows of each slot meanwhile.

The host never asks the device where a slot stands: minibatches per epoch follow from the number of rows,
so it counts along. Only whether a probe has stopped comes back, four numbers a slot, in pinned memory.
"""

from collections import deque
from dataclasses import dataclass

import torch

from satgpu.probes.gpu.bank import SlotBank, n_steps, n_validation_chunks
from satgpu.probes.gpu.graphs import CapturedActions
from satgpu.probes.gpu.inputs import ResidentGroup
from satgpu.probes.gpu.scoring import FinishedBatch, Flags, mark, to_host, wait
from satgpu.probes.results import TrainingReport

# What orders, validation and stopping rule of a turn cost, in minibatches of the whole bank: by the bytes that
# scripts/gpu_counts.py counts 1.0 with the Triton kernels and 1.3 without.
_COST_OF_A_TURN = 1.0
_NARROWEST_ORDER = 256


@dataclass
class _Place:
    """Where a slot's probe stands.

    Attributes:
        n_steps: minibatches of an epoch.
        position: of them done.
        epoch: epochs done.
    """

    n_steps: int
    position: int = 0
    epoch: int = 0

    @property
    def left(self) -> int:
        """Minibatches to the end of the epoch."""
        return self.n_steps - self.position


def length_of_turn(left: list[int]) -> int:
    """Minibatches of a turn that keep most slots busy for its cost, given those that each has left in its epoch.

    A slot that comes to the end of its epoch rests until the turn ends; a short turn pays its fixed cost often.

    >>> length_of_turn([19, 19, 19]), length_of_turn([19] * 30 + [2]), length_of_turn([10] * 30 + [76, 76])
    (19, 19, 10)
    """
    return max(set(left), key=lambda k: (sum(min(steps, k) for steps in left) / (k + _COST_OF_A_TURN), k))


class RunningBank:
    """A bank with its graphs and the flags of its last turn.

    Args:
        bank: the slots.
        report: epochs and operations are added to it.
        stream, graph_pool: for the captures; no stream on a CPU.
    """

    def __init__(self, bank: SlotBank, report: TrainingReport, stream: "torch.cuda.Stream | None", graph_pool: object):
        self.bank = bank
        self.actions = CapturedActions(bank, stream, graph_pool)
        self.scored: list[FinishedBatch] = []
        self._report = report
        self._places: dict[int, _Place] = {}
        self._flags: torch.Tensor | None = None
        self._landed: torch.cuda.Event | None = None

    @property
    def n_busy(self) -> int:
        """Slots that hold a probe."""
        return self.bank.n_slots - len(self.bank.free)

    def collect(self) -> None:
        """Free the slots of the probes that stopped in the last turn; their scores are on the way."""
        if self._flags is None:
            return
        wait(self._landed)
        flags, self._flags = self._flags.T.tolist(), None
        known = [Flags(bool(live), bool(finite), epochs, stale) for live, finite, epochs, stale in flags]
        stopped = {slot: known[slot] for slot in self._places if not known[slot].is_live}
        if stopped:
            self.scored.append(FinishedBatch(self.bank, stopped))
        for slot in stopped:
            self.bank.occupants[slot] = None
            del self._places[slot]

    def take_scored(self) -> list[FinishedBatch]:
        """The batches scored so far, to be read: all that was launched before the last flags has landed."""
        scored, self.scored = self.scored, []
        return scored

    def refill(self, queue: deque[tuple[ResidentGroup, int]]) -> None:
        """Fill free slots with those of the queue whose inputs are in the pool or fit into it."""
        arrivals, kept = [], deque()
        free = deque(self.bank.free)
        while queue and free:
            resident, index = queue.popleft()
            if resident.n_rows > self.bank.n_rows or not self.bank.pool.fits(resident.subgroup):
                kept.append((resident, index))
                continue
            slot = free.popleft()
            self.bank.occupants[slot] = (resident, index)  # from here on it is this bank's to give back
            resident.enter(self.bank.pool)
            arrivals.append((slot, resident, index))
        queue.extendleft(reversed(kept))
        if arrivals:
            self._make_room_for_orders(arrivals)
            self.bank.load(arrivals)
            self._places |= {slot: _Place(n_steps(resident, self.bank.shape)) for slot, resident, _ in arrivals}

    def launch(self) -> int:
        """Start a turn and the copy of its flags, and return at once.

        Returns:
            Its minibatches.
        """
        if not self._places:
            return 0
        bank, places = self.bank, self._places
        n = length_of_turn([place.left for place in places.values()])
        beginning = [slot for slot, place in places.items() if place.position == 0]
        if beginning:
            self._set_own_orders(beginning)
            self.actions.run("begin", self._width_of_order(beginning))
        for _ in range(n):
            self.actions.run("step")
        ending = [slot for slot, place in places.items() if place.left <= n]
        self.actions.run("end", max(n_validation_chunks(bank.occupants[slot][0], bank.shape) for slot in ending))
        self._count(n, ending)
        rule = bank.rule
        self._flags = to_host(torch.stack([rule.is_live.long(), rule.is_finite.long(), rule.epochs, rule.stale_epochs]))
        self._landed = mark(bank.device)
        return n

    def adopt(self, other: "RunningBank") -> None:
        """Take over the probes of another bank of this shape, which is then empty; both have been collected."""
        self.make_room(max(self.bank.n_rows, other.bank.n_rows))
        other.make_room(self.bank.n_rows)
        for one in (self, other):
            if one.bank.own_order is None and (self.bank.own_order is not None or other.bank.own_order is not None):
                one.bank.take_own_orders()
                one.actions.forget()
        free, moving = self.bank.free, list(other._places)
        self.bank.adopt(other.bank, moving, free[: len(moving)])
        self._places |= dict(zip(free, (other._places[slot] for slot in moving), strict=False))
        self.scored += other.take_scored()
        other._places = {}

    def make_room(self, n_rows: int) -> None:
        """For probes of so many rows."""
        if n_rows > self.bank.n_rows:
            self.bank.grow(n_rows)
            self.actions.forget()

    def _make_room_for_orders(self, arrivals: list[tuple[int, ResidentGroup, int]]) -> None:
        """The first probe whose orders are not hashes changes what ``begin`` does."""
        if self.bank.own_order is None and any(not resident.is_hashed for _, resident, _ in arrivals):
            self.bank.take_own_orders()
            self.actions.forget()

    def _set_own_orders(self, beginning: list[int]) -> None:
        for slot in beginning:
            resident, index = self.bank.occupants[slot]
            if not resident.is_hashed:
                member = resident.subgroup.members[index]
                order = resident.draws.order(member, self._places[slot].epoch, resident.n_fit)
                self.bank.set_own_order(slot, order)

    def _width_of_order(self, beginning: list[int]) -> int:
        """Columns that hold the orders of the beginning slots, in few different sizes: each is a graph of its own."""
        most = max(self.bank.occupants[slot][0].n_fit for slot in beginning)
        return min(self.bank.n_rows, max(_NARROWEST_ORDER, 1 << (most - 1).bit_length()))

    def _count(self, n: int, ending: list[int]) -> None:
        """What the host knows after a turn of ``n`` minibatches."""
        flops_per_row = self.bank.shape.layout.flops_per_row
        for place in self._places.values():
            place.position = min(place.n_steps, place.position + n)
        for slot in ending:
            self._places[slot].position = 0
            self._places[slot].epoch += 1
            self._report.useful_flops += flops_per_row * self.bank.occupants[slot][0].n_fit
        self._report.epochs += len(ending)
