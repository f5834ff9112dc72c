"""What an answer is made of: a verdict, where its sentence comes from, and estimates with their intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class _Word(str, Enum):
    """An enumeration whose members read and write as their own text."""

    def __str__(self) -> str:
        return self.value


class Verdict(_Word):
    """What the tables say of a sentence. Undecided is not no: the rows can't tell."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


class Source(_Word):
    """Who says the sentence."""

    NOTEBOOK = "notebook"
    SATGPU = "satgpu"


class Censoring(_Word):
    """On which side of its value the truth lies, where the measurement ended before it."""

    NONE = ""
    FINER = "finer than"
    COARSER = "not reached by"
    AT_LEAST = "at least"


class Unit(_Word):
    """What a number counts. ``POINTS`` are percentage points: a difference of 0.05 in accuracy is 5 points."""

    KM = "km"
    KM2 = "km²"
    DEGREES = "°"
    POINTS = "points"
    SHARE = "share"
    HARMONIC = "l"
    NUMBER = ""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: in ``unit``; accuracies, shares and differences of them as fractions of one.
        low, high: 95 % interval unless its maker says otherwise; NaN where there is none (one replicate).
        n: replicates (or places) behind it.
        unit: what the number counts.
        censored: where the measurement ended before the truth.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 1
    unit: Unit = Unit.NUMBER
    censored: Censoring = Censoring.NONE

    @property
    def has_interval(self) -> bool:
        """False for a single replicate: a number without an interval decides nothing."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def decided_above(self, x: float) -> bool:
        """The whole interval lies above ``x``.

        >>> Estimate(0.62, 0.58, 0.66, n=3).decided_above(0.5), Estimate(0.62).decided_above(0.5)
        (True, False)
        """
        return self.has_interval and self.low > x

    def decided_below(self, x: float) -> bool:
        """The whole interval lies below ``x``."""
        return self.has_interval and self.high < x

    def __contains__(self, x: float) -> bool:
        return bool(self.low <= x <= self.high)


@dataclass(frozen=True)
class Answer:
    """One sentence, judged.

    Attributes:
        id: ``question.detail``, such as ``sweet_spot.peak``; the part before the dot names the question.
        source: whose sentence it is.
        protocol: of the rows behind it; "" where it spans protocols.
        verdict: what the tables say of it.
        statement: a format string over ``values``: ``"{second} leads {first} by {gain} at {scale}"``.
        values: estimates, and words such as an encoder's name.
        recompute: the call that gives the numbers again from the tables.
        p: of the test behind the verdict, for the false-discovery control over a report
            (``satgpu.answers.discoveries``); None where nothing was tested.
        claim: the notebook's own words, where the statement says what was measured beside them.
        headline: belongs into the first paragraph of page and summary.
    """

    id: str
    source: Source
    protocol: str
    verdict: Verdict
    statement: str
    values: Mapping[str, Estimate | str] = field(default_factory=dict)
    recompute: str = ""
    p: float | None = None
    claim: str = ""
    headline: bool = False

    @property
    def question(self) -> str:
        """The family of sentences it belongs to."""
        return self.id.partition(".")[0]
