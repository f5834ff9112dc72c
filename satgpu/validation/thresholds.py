"""What is asked of the rules of ``satgpu.answers``, case by case, and what came out, as docs/statistics.md has it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from satgpu.answers.discoveries import FALSE_DISCOVERY_RATE
from satgpu.validation.simulated import (
    Tables,
    at_looks,
    half_learned,
    means_of_replicates,
    peaks,
    pooled,
    reports,
    unpaired,
    verdicts,
    without_luck_rule,
)

CHUNK = 200  # tables at a time
POINTS = 0.06  # of a true difference
Limits = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """Tables of one kind, and what is asked of the verdicts on them.

    Attributes:
        name: unique.
        count: (number of tables, generator) to arrays over tables (``satgpu.validation.simulated``).
        asked: least and most of the mean of each count.
        contrast: another rule, kept to show that the count would tell.
    """

    name: str
    count: object
    asked: Mapping[str, Limits]
    contrast: bool = False


@dataclass(frozen=True)
class Finding:
    """One number of a case with its 95 % Monte-Carlo interval, over ``n_tables`` tables."""

    case: Case
    what: str
    value: float
    low: float
    high: float
    n_tables: int

    @property
    def holds(self) -> bool:
        """The number lies within what was asked."""
        least, most = self.case.asked[self.what]
        return least <= self.value <= most


def measure(case: Case, n_tables: int, seed: int = 0) -> list[Finding]:
    """Draw the tables of a case, and count."""
    sizes = [CHUNK] * (n_tables // CHUNK) + [n_tables % CHUNK] * (n_tables % CHUNK > 0)
    parts = [case.count(size, np.random.default_rng([seed, i])) for i, size in enumerate(sizes)]
    values = {what: np.concatenate([part[what] for part in parts]) for what in case.asked}
    return [Finding(case, what, *_mean(value), n_tables) for what, value in values.items()]


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over tables with its interval: Wilson's of yes and no, else by the normal."""
    known = values[~np.isnan(values.astype(float))]
    if known.dtype == bool:
        ends = stats.binomtest(int(known.sum()), len(known)).proportion_ci(method="wilson")
        return float(known.mean()), ends.low, ends.high
    half = 1.96 * known.std() / math.sqrt(len(known))
    return float(known.mean()), float(known.mean() - half), float(known.mean() + half)


def markdown_table(cases: Iterable[Sequence[Finding]]) -> Iterator[str]:
    """Lines of the table, a case at a time: what is asked, and after a colon what was measured with its interval."""
    yield "| tables | asked: measured, % | holds |"
    yield "| --- | --- | --- |"
    for findings in cases:
        numbers = "; ".join(f"{_asked(found)}: {_words(found)}" for found in findings)
        yield f"| {findings[0].case.name} | {numbers} | {'yes' if all(f.holds for f in findings) else '**no**'} |"


def _words(found: Finding) -> str:
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _asked(found: Finding) -> str:
    least, most = found.case.asked[found.what]
    if math.isinf(most):
        return f"{found.what} ≥ {100 * least:g}"
    return f"{found.what} ≤ {100 * most:g}" if math.isinf(least) else f"{found.what} {100 * least:g} to {100 * most:g}"


def at_least(x: float) -> Limits:
    return x, math.inf


def at_most(x: float) -> Limits:
    return -math.inf, x


def all_cases(looks: Sequence[tuple[int, float]]) -> list[Case]:
    """Every case: null tables, true differences, looks, means, peaks, reports, and rules that must fail.

    Args:
        looks: (replicates, level) of a plan of looks.
    """
    return [*null_cases(), *power_cases(), *look_cases(looks), *mean_cases(), *peak_cases(), *contrast_cases(looks)]


def null_cases() -> list[Case]:
    """No encoder is better anywhere: a verdict is false, and intervals should hold 0."""
    even = {"false": at_most(0.06), "coverage": (0.94, 0.98)}
    stuck = {"false": at_most(0.04), "coverage": at_least(0.94)}
    skewed = {25: {"false": at_most(0.06), "coverage": at_least(0.91)}}
    skewed[90] = skewed[25] | {"coverage": at_least(0.93)}
    sizes = [(replicates, cells) for replicates in (2, 3, 8, 32) for cells in (25, 90)]
    return [
        *(_null(noise, r, c, even) for noise in ("normal", "correlated") for r, c in sizes),
        *(
            _null(noise, r, c, skewed[c])
            for noise in ("exponential", "lognormal of skewness 3.3")
            for r, c in sizes[2:]
        ),
        *(_null("normal", r, c, stuck, stuck=(0.15, 0.15)) for r, c in sizes[2:]),
        _null("normal", 1, 90, {"decided": at_most(0.0)}),
    ]


def _null(noise: str, replicates: int, cells: int, asked: Mapping[str, Limits], **options) -> Case:
    words = "15 % of probes stuck" if "stuck" in options else noise
    return Case(f"{words}, R {replicates}, {cells} cells", verdicts(Tables(cells, replicates, noise, **options)), asked)


def power_cases() -> list[Case]:
    """Half of 90 cells differ by 6 points."""
    asked = {
        r: {"power": at_least(least), "fdr": at_most(0.035)} for r, least in ((2, 0.1), (3, 0.6), (5, 0.8), (8, 0.9))
    }
    return [
        *(Case(f"6 points in half of 90 cells, R {r}", verdicts(Tables(90, r, gain=POINTS)), asked[r]) for r in asked),
        Case(
            "6 points, one sixth of 90 cells saturated, R 3",
            verdicts(Tables(90, 3, gain=POINTS, saturated=1 / 6)),
            {"power": at_least(0.55), "fdr": at_most(0.035)},
        ),
    ]


def look_cases(looks: Sequence[tuple[int, float]]) -> list[Case]:
    """Replicates are added where no look has decided yet."""
    most, rule = looks[-1][0], at_looks(looks)
    true = {"fdr": at_most(0.03), "decided coverage": at_least(0.92), "power": at_least(0.6)}
    return [
        *(
            Case(
                f"looks at {words}, {noise}, 90 cells",
                verdicts(Tables(90, most, noise), rule),
                {"false": at_most(0.05)},
            )
            for words in (", ".join(str(replicates) for replicates, _ in looks),)
            for noise in ("normal", "correlated", "exponential")
        ),
        Case("the same looks, 6 points in half of 90 cells", verdicts(Tables(90, most, gain=POINTS), rule), true),
        Case("the same looks, 3 points in half of 90 cells", verdicts(Tables(90, most, gain=POINTS / 2), rule), true),
    ]


def mean_cases() -> list[Case]:
    """Means of one encoder: plain, and where some of its probes never learn."""
    falling = lambda scale_km: 1 / (1 + (scale_km / 450) ** 6)  # noqa: E731
    asked, found = {"coverage": at_least(0.94)}, []
    for r in (3, 5, 32):
        found.append(Case(f"mean of R {r}, 25 cells", means_of_replicates(r), {"coverage": (0.94, 0.98)}))
    for r in (3, 8, 32):
        found.append(Case(f"mean, 15 % stuck, R {r}", half_learned(r, 0.15), asked))
        found.append(Case(f"mean, stuck below some 450 km, R {r}", half_learned(r, falling), asked))
        found.append(
            Case(f"mean, 15 % stuck, of three in ten replicates all, R {r}", half_learned(r, 0.15, 0.3), asked)
        )
    return found


def peak_cases() -> list[Case]:
    """The height and place of the highest of 25 means; sentences of a report."""
    asked = {"interval": at_least(0.94), "set": at_least(0.94), "bias": (-0.015, 0.007)}
    return [
        *(
            Case(f"peak of {100 * height:g} points, {words}, R {r}", peaks(r, height, width), asked)
            for height, width, words in ((0.0, 1.0, "a flat curve"), (0.15, 0.25, "narrow"), (0.15, 0.6, "broad"))
            for r in (3, 5, 8)
        ),
        *(
            Case(f"19 sentences, true ones in {n} of 4 questions", reports(tuple("abcd"[:n])), {"fdr": at_most(0.05)})
            for n in (0, 2)
        ),
    ]


def contrast_cases(looks: Sequence[tuple[int, float]]) -> list[Case]:
    """Other rules on the same tables, and tables on which the rule fails: each number must be out of what is held."""
    true, stuck, heavy = Tables(90, 3, gain=POINTS), Tables(90, 3, stuck=(0.15, 0.15)), "lognormal of skewness 6.2"
    each = at_looks([(replicates, FALSE_DISCOVERY_RATE) for replicates in range(2, looks[-1][0] + 1)])
    return [
        Case(name, count, asked, contrast=True)
        for name, count, asked in (
            ("plain t, 6 points, R 3", verdicts(true, pooled(cap=0, skewed=False)), {"power": at_most(0.15)}),
            ("not paired, 6 points, R 3", verdicts(true, unpaired), {"power": at_most(0.5)}),
            (
                "no cap on the pooled variance, R 2",
                verdicts(Tables(25, 2), pooled(cap=math.inf)),
                {"false": at_least(0.06)},
            ),
            ("no luck rule, 15 % stuck, R 3", verdicts(stuck, without_luck_rule), {"false": at_least(0.05)}),
            (
                "a look after every replicate, 25 cells",
                verdicts(Tables(25, looks[-1][0]), each),
                {"false": at_least(0.06)},
            ),
            ("percentiles of a bootstrap of 3", means_of_replicates(3), {"bootstrap": at_most(0.85)}),
            ("mean of one part, 15 % stuck, R 8", half_learned(8, 0.15, two=False), {"coverage": at_most(0.93)}),
            ("mean, 15 % stuck, of every replicate all, R 3", half_learned(3, 0.15, 1.0), {"coverage": at_most(0.93)}),
            ("the plain maximum of a flat curve, R 3", peaks(3, 0.0), {"bias of the maximum": at_least(0.007)}),
            ("skewness of alternating sign, R 8", verdicts(Tables(90, 8, "alternating")), {"false": at_least(0.06)}),
            ("lognormal of skewness 6.2, R 3, 25 cells", verdicts(Tables(25, 3, heavy)), {"coverage": at_most(0.92)}),
            ("two variances in 25 cells, R 3", verdicts(Tables(25, 3, two_variances=True)), {"false": at_least(0.06)}),
        )
    ]
