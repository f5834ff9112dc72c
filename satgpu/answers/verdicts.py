"""From intervals to verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from satgpu.answers.intervals import Interval

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"


@dataclass(frozen=True)
class Finding:
    """A verdict with the numbers behind it; ``statement`` replaces the claim's where the numbers make the sentence."""

    verdict: str
    evidence: str
    statement: str = ""


def within(interval: Interval, low: float = float("-inf"), high: float = float("inf")) -> str:
    """Does the estimate lie in [low, high]? Supported if the whole interval does, contradicted if none of it."""
    if interval.n == 0 or not interval.low <= interval.high:  # also NaN bounds
        return UNDECIDED
    if interval.high < low or interval.low > high:
        return CONTRADICTED
    if interval.n > 1 and low <= interval.low and interval.high <= high:
        return SUPPORTED
    return UNDECIDED


def all_of(verdicts: Iterable[str]) -> str:
    """Of parts that must all hold: contradicted by one, supported by all."""
    verdicts = list(verdicts)
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if verdicts and set(verdicts) == {SUPPORTED} else UNDECIDED
