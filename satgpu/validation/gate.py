"""The gate: what any number called a resolution must survive, before it is believed of an encoder nobody planted.

A row says a truth that is known without the measurement, and measures it: closed forms of planted encoders, and
changes of an encoder that must change nothing. Rows come from the modules of ``ROOMS``, each with a list ``ROWS``.
``satgpu gate`` runs them; ``satgpu gate ENCODER`` runs those that can be asked of any encoder.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

ROOMS = tuple(f"satgpu.validation.gate_{room}" for room in ("transfer", "local", "fields", "changes"))


@dataclass(frozen=True)
class Check:
    """One number of a row: what it must be, and what came out.

    Args:
        label: which number.
        expected: the truth; for a row with ``below`` the most it may be.
        measured: what came out.
    """

    label: str
    expected: float
    measured: float


@dataclass(frozen=True)
class Size:
    """How much is spent on a row: the full gate or the one in the tests.

    Args:
        n_labels, n_test: places.
        replicates: draws of places.
        small: the size of the tests, where tolerances are ``Row.small_tolerance``.
    """

    n_labels: int
    n_test: int
    replicates: int
    small: bool


FULL = Size(n_labels=6000, n_test=4000, replicates=3, small=False)
SMALL = Size(n_labels=700, n_test=400, replicates=1, small=True)


@dataclass(frozen=True)
class Row:
    """One truth.

    Args:
        name: short, unique.
        truth: what must hold, in words or as a formula.
        measure: (size, encoder) to the numbers; the encoder is None where the row plants its own.
        tolerance: largest distance of a measured number from the expected one.
        small_tolerance: the same for the small gate, None to leave the row out of it.
        below: the expected number is a limit: measured may be anything up to expected + tolerance.
        of_any_encoder: the row can be asked of any encoder; otherwise of planted ones only.
        former: a measure of the first version, kept to show which rows it fails; it doesn't close the gate.
    """

    name: str
    truth: str
    measure: Callable[[Size, Callable | None], Iterable[Check]]
    tolerance: float
    small_tolerance: float | None = None
    below: bool = False
    of_any_encoder: bool = False
    former: bool = False


@dataclass(frozen=True)
class Outcome:
    """A row that was measured."""

    row: Row
    checks: tuple[Check, ...]
    tolerance: float
    seconds: float

    @property
    def holds(self) -> bool:
        """Every number is where it must be."""
        return all(self._off(check) <= self.tolerance for check in self.checks)

    @property
    def worst(self) -> float:
        """Largest distance of a number from where it must be."""
        return max(self._off(check) for check in self.checks)

    def _off(self, check: Check) -> float:
        off = check.measured - check.expected
        off = max(off, 0.0) if self.row.below else abs(off)
        return off if off == off else float("inf")  # NaN is no number that holds


def all_rows() -> list[Row]:
    """Every row of every room.

    Raises:
        ValueError: two rows with one name.
    """
    rows = [row for room in ROOMS for row in importlib.import_module(room).ROWS]
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"two rows of the gate are called {next(n for n in names if names.count(n) > 1)!r}")
    return rows


def run_gate(rows: Iterable[Row], size: Size = FULL, encoder: Callable | None = None) -> Iterator[Outcome]:
    """Measure the rows, one by one; of a given encoder only those that can be asked of any."""
    for row in rows:
        if (encoder is not None and not row.of_any_encoder) or (size.small and row.small_tolerance is None):
            continue
        start = time.perf_counter()
        checks = tuple(row.measure(size, encoder))
        tolerance = row.small_tolerance if size.small else row.tolerance
        yield Outcome(row, checks, tolerance, time.perf_counter() - start)


def markdown_table(outcomes: Iterable[Outcome]) -> str:
    """The rows as a table: truth, expected, measured, tolerance, holds."""
    lines = ["| | must hold | expected → measured | within | holds |", "| --- | --- | --- | --- | --- |"]
    for outcome in outcomes:
        numbers = "; ".join(_words(check) for check in outcome.checks)
        limit = f"{'at most +' if outcome.row.below else ''}{outcome.tolerance:g}"
        holds = "yes" if outcome.holds else "**no**"
        lines.append(f"| {outcome.row.name} | {outcome.row.truth} | {numbers} | {limit} | {holds} |")
    return "\n".join(lines)


def _words(check: Check) -> str:
    label = f"{check.label}: " if check.label else ""
    return f"{label}{_number(check.expected)} → {_number(check.measured)}"


def _number(value: float) -> str:
    if value != value:
        return "none"
    return (
        f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"
    )


def generator(seed: int) -> torch.Generator:
    """A CPU generator."""
    return torch.Generator().manual_seed(seed)
