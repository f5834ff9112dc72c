"""What the probes in training read: each group's inputs once, in one tensor that all slots of a bank index.

X is not copied into slots. A slot holds the numbers of its rows, four bytes a row, and the group's
inputs stay in the pool for as long as a probe of it waits, trains or is being scored.
"""

from bisect import insort
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.draws import HashedDraws, ProbeDraws
from satgpu.probes.groups import ProbeGroup, Subgroup
from satgpu.probes.options import n_validation_rows


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Values on the device; from the host by way of pinned memory, so that nobody waits."""
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


@dataclass
class _Block:
    """Rows of the pool: where one group's inputs lie, and how many subgroups read them."""

    owner: ProbeGroup | Subgroup  # kept, so that its id stays its own
    start: int
    n_rows: int
    readers: int = 0


class InputPool:
    """Inputs of many groups, one below the other.

    Args:
        n_features: D.
        capacity: rows.
        device, dtype: of the arithmetic.

    Attributes:
        X: (capacity, D).
    """

    def __init__(self, n_features: int, capacity: int, device: torch.device, dtype: torch.dtype):
        self.X = torch.zeros(capacity, n_features, dtype=dtype, device=device)
        self._blocks: dict[int, _Block] = {}
        self._gaps = [(0, capacity)]  # (start, rows), sorted

    @property
    def capacity(self) -> int:
        """Rows."""
        return self.X.shape[0]

    def fits(self, subgroup: Subgroup) -> bool:
        """Whether a subgroup's inputs are there or find a place."""
        n_rows = subgroup.group.X.shape[0]
        return id(_owner(subgroup)) in self._blocks or any(gap >= n_rows for _, gap in self._gaps)

    def acquire(self, subgroup: Subgroup, shift_and_scale: tuple[Tensor, Tensor] | None) -> int:
        """The first row of a subgroup's inputs, copied in unless they are there. To be asked after ``fits``."""
        owner = _owner(subgroup)
        block = self._blocks.get(id(owner))
        if block is None:
            X = to_device(subgroup.group.X, self.X.device)
            if shift_and_scale is not None:
                X = (X.double() - shift_and_scale[0]) / shift_and_scale[1]
            block = _Block(owner, self._take(X.shape[0]), X.shape[0])
            self._blocks[id(owner)] = block
            self.X[block.start : block.start + block.n_rows].copy_(X)
        block.readers += 1
        return block.start

    def release(self, subgroup: Subgroup) -> None:
        """One reader less; the last one's rows are free again."""
        key = id(_owner(subgroup))
        block = self._blocks[key]
        block.readers -= 1
        if block.readers == 0:
            del self._blocks[key]
            insort(self._gaps, (block.start, block.n_rows))
            self._gaps = _joined(self._gaps)

    def grow(self, capacity: int) -> None:
        """Take more rows; those in use stay where they are."""
        more = torch.zeros(capacity, self.X.shape[1], dtype=self.X.dtype, device=self.X.device)
        more[: self.capacity].copy_(self.X)
        self._gaps = _joined([*self._gaps, (self.capacity, capacity - self.capacity)])
        self.X = more

    def _take(self, n_rows: int) -> int:
        """The first gap that is long enough."""
        for i, (start, gap) in enumerate(self._gaps):
            if gap >= n_rows:
                self._gaps[i : i + 1] = [(start + n_rows, gap - n_rows)] if gap > n_rows else []
                return start
        raise AssertionError(f"no gap of {n_rows} rows: ask fits first")


class ResidentGroup:
    """A subgroup with what its probes need on the device, from the first that trains to the last that is done.

    Args:
        subgroup: probes of one group with one network.

    Attributes:
        n_fit, n_validation, n_test: rows.
        waiting_or_training: probes without a result.
        rows: (n_fit + n_validation + n_test,) int32 places in the pool: fitted, validation, test.
        labels: (members, rows) in the dtype of the arithmetic.
        validation_total: (members,) float64 squared deviation of the validation labels from their mean.
    """

    def __init__(self, subgroup: Subgroup):
        group, options = subgroup.group, subgroup.options
        self.subgroup = subgroup
        n_train, self.n_test = group.train_rows.shape[0], group.test_rows.shape[0]
        self.n_validation = n_validation_rows(n_train, options)
        self.n_fit = n_train - self.n_validation
        self.waiting_or_training = len(subgroup.members)
        self.draws: ProbeDraws = group.draws or HashedDraws(group.split_seed, group.probe_seeds)
        self.rows = self.labels = self.validation_total = self.scaling = None
        self._pool: InputPool | None = None

    @property
    def n_rows(self) -> int:
        """All of them."""
        return self.n_fit + self.n_validation + self.n_test

    @property
    def is_hashed(self) -> bool:
        """Whether its draws can be made for all slots at once."""
        return type(self.draws) is HashedDraws

    def enter(self, pool: InputPool) -> None:
        """Put inputs, rows and labels on the device, once."""
        if self._pool is not None:
            return
        group, device, dtype = self.subgroup.group, self.subgroup.device, self.subgroup.dtype
        members = list(self.subgroup.members)
        first, last = members[0], members[-1]
        Y = to_device(group.Y[first : last + 1], device)
        if last - first >= len(members):
            Y = Y.index_select(0, to_device(torch.tensor(members) - first, device))
        train, test = to_device(group.train_rows, device), to_device(group.test_rows, device)
        rows, labels = self._split(train, test, Y)
        fitted = rows[: self.n_fit]
        self.scaling = _scaling(to_device(group.X, device), fitted) if self.subgroup.options.standardize else None
        self.labels = labels.to(dtype)
        self.validation_total = _total(self.labels[:, self.n_fit : self.n_fit + self.n_validation])
        start = pool.acquire(self.subgroup, self.scaling)
        self.rows = (rows + start).int()
        self._pool = pool

    def leave(self) -> None:
        """Give the memory back."""
        if self._pool is not None:
            self._pool.release(self.subgroup)
        self._pool = self.rows = self.labels = self.validation_total = None

    def finish_one(self) -> None:
        """One probe has its result; after the last one the memory is given back."""
        self.waiting_or_training -= 1
        if self.waiting_or_training == 0:
            self.leave()

    def _split(self, train: Tensor, test: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """(rows,) of X: fitted, validation, test; and (members, rows) their labels."""
        if self.n_validation:
            labels = Y[0].index_select(0, train)
            fit, validation = self.draws.split(self.subgroup.members[0], labels, self.n_validation)
            train = train.index_select(0, to_device(torch.cat([fit, validation]), train.device))
        rows = torch.cat([train, test])
        return rows, Y.index_select(1, rows)


def _owner(subgroup: Subgroup) -> ProbeGroup | Subgroup:
    """Whose the inputs are: the group's, unless each subgroup scales them by rows of its own."""
    group = subgroup.group
    is_shared = group.draws is None or group.draws.shared
    return group if is_shared or not subgroup.options.standardize else subgroup


def _scaling(X: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(d,) shift and scale in float64 that standardise some rows; a constant input is only shifted."""
    fitted = X.index_select(0, rows).double()
    spread = fitted.std(0, correction=0)
    return fitted.mean(0), torch.where(spread > 0, spread, torch.ones_like(spread))


def _total(labels: Tensor) -> Tensor:
    """(p,) float64 squared deviation of (p, n) labels from their mean."""
    labels = labels.double()
    return (labels - labels.mean(-1, keepdim=True)).square().sum(-1)


def _joined(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted gaps with neighbours put together."""
    joined: list[tuple[int, int]] = []
    for start, n_rows in gaps:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + n_rows)
        else:
            joined.append((start, n_rows))
    return joined
