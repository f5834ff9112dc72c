"""When to look at a growing table, and at what level: fixed from the time there is, before the first probe.

Looking after every replicate and stopping at the first verdict gives 18 to 24 %
of false tables where 5 % are claimed. Here the looks are planned, their levels
add up to 0.05, and cells that were decided stand and get no more replicates::

    plan = LookPlan.from_budget(minutes=20, seconds_per_replicate=70)
    for k, look in enumerate(plan.looks):
        if k > 0 and no time is left:
            break                                   # a look may be skipped, never added
        todo = plan.undecided_cells(rows, first, second, by, look=k)     # None before the first look: all cells
        train plan.replicates_of(k) of the cells in todo, where cell_key(...) in todo
    satgpu.compare(rows, first, second, by, looks=plan.looks)             # the verdicts, from the table alone

The plan depends on the budget and not on the clock of the run, and which cells
go on depends on the rows alone: the same seed and plan give the same table,
whatever the number of processes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from satgpu.answers.compare import UNDECIDED, compare
from satgpu.errors import UserError

LEVEL = 0.05
FIRST_LOOK = 3  # replicates: fewer decide next to nothing
THREE_LOOKS = ((3, 0.005), (6, 0.014), (12, 0.031))
UNDECIDED_SHARE = 0.5  # of the cells, that go on after the first look: half of them, in the studies seen so far


class Look(NamedTuple):
    """Judge every cell by its replicates below ``replicates``, at the false discovery rate ``level``."""

    replicates: int
    level: float


@dataclass(frozen=True)
class LookPlan:
    """The looks of a run, in order."""

    looks: tuple[Look, ...]

    def __post_init__(self):
        sizes = [look.replicates for look in self.looks]
        if not self.looks or sizes != sorted(set(sizes)) or sizes[0] < 1:
            raise UserError(f"looks {sizes} must be at growing numbers of replicates, such as 3, 6, 12")
        if any(look.level <= 0 for look in self.looks) or sum(self.levels) > LEVEL + 1e-9:
            raise UserError(f"levels of looks {list(self.levels)} must be positive and add up to {LEVEL} at most")

    @classmethod
    def from_budget(cls, minutes: float, seconds_per_replicate: float) -> "LookPlan":
        """The plan for a time budget: as many looks as it is likely to pay for.

        Args:
            minutes: for all the probes of the study.
            seconds_per_replicate: what one replicate of the whole study costs.

        Returns:
            one look at 0.05 where the time is enough for one only, with as many replicates as fit and never fewer
            than three, however slow the machine (one decides nothing, two one true difference in seven); else looks
            at 3, 6 and 12 replicates; with more time doubled beyond.

        >>> LookPlan.from_budget(minutes=4, seconds_per_replicate=70).looks
        (Look(replicates=3, level=0.05),)
        >>> LookPlan.from_budget(minutes=4, seconds_per_replicate=30).levels
        (0.005, 0.014, 0.031)
        """
        if not minutes > 0 or not seconds_per_replicate > 0:
            raise UserError(f"minutes {minutes} and seconds per replicate {seconds_per_replicate} must be positive")
        return cls(plan_looks(minutes * 60 / seconds_per_replicate))

    @classmethod
    def single(cls, replicates: int) -> "LookPlan":
        """One look at a number of replicates that was chosen beforehand."""
        return cls((Look(replicates, LEVEL),))

    @property
    def levels(self) -> tuple[float, ...]:
        """The false discovery rate of each look."""
        return tuple(look.level for look in self.looks)

    @property
    def replicates(self) -> int:
        """The most that a cell can get."""
        return self.looks[-1].replicates

    def replicates_of(self, look: int) -> range:
        """The replicates that the cells still undecided are given before this look."""
        return range(self.looks[look - 1].replicates if look else 0, self.looks[look].replicates)

    def undecided_cells(
        self, table: pd.DataFrame, first: str, second: str, by: Sequence[str], look: int
    ) -> set[tuple] | None:
        """The cells that need the replicates of ``look``: those that no look before it decided.

        Args:
            table: rows of results.csv of one experiment and protocol, all replicates so far.
            first, second: the compared encoders.
            by: the experiment's factors, as the report compares them.
            look: index of the look that is to come.

        Returns:
            ``cell_key`` of each; None, which means all, before the first look or without rows to judge by.
        """
        if look == 0 or not {first, second} <= set(table["encoder"]):
            return None
        return undecided_cells(table, first, second, by, self.looks[:look])


def plan_looks(affordable: float) -> tuple[Look, ...]:
    """Looks for a budget of ``affordable`` replicates of the whole study.

    >>> [look.replicates for look in plan_looks(14)]
    [3, 6, 12, 24]
    """
    if affordable < _expected_cost(THREE_LOOKS[-1][0]):
        return (Look(max(FIRST_LOOK, math.floor(affordable + 1e-9)), LEVEL),)
    sizes = [size for size, _ in THREE_LOOKS]
    while affordable >= _expected_cost(2 * sizes[-1]):
        sizes.append(2 * sizes[-1])
    if len(sizes) == len(THREE_LOOKS):
        return tuple(Look(*look) for look in THREE_LOOKS)
    return tuple(Look(size, LEVEL * 6 / (math.pi * k) ** 2) for k, size in enumerate(sizes, 1))


def _expected_cost(replicates: int) -> float:
    """Replicates of the whole study that looks up to ``replicates`` cost, decided cells left out."""
    return FIRST_LOOK + UNDECIDED_SHARE * (replicates - FIRST_LOOK)


def undecided_cells(
    table: pd.DataFrame, first: str, second: str, by: Sequence[str], looks: Sequence[tuple[int, float]]
) -> set[tuple]:
    """The cells that none of these looks decides."""
    judged = compare(table, first, second, by, looks=looks)
    open_cells = judged.loc[judged["verdict"] == UNDECIDED, list(by)]
    return {cell_key(cell) for cell in open_cells.itertuples(index=False, name=None)}


def cell_key(values: Iterable) -> tuple:
    """The factors of a cell as a tuple that can be looked up: NaN, which equals nothing, as None.

    >>> cell_key([float("nan"), 400, "Asia"])
    (None, 400.0, 'Asia')
    """
    return tuple(
        value if isinstance(value, str) else None if value is None or math.isnan(value) else float(value)
        for value in values
    )
