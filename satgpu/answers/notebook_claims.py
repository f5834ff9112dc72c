"""The sentences that the notebook printed, each with the test of what it says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from satgpu.answers.evidence import (
    Evidence,
    contrast,
    corrected,
    estimate,
    half_distance,
    half_distance_linear_km,
    points,
    similarity_at,
    with_interval,
)
from satgpu.answers.intervals import Interval
from satgpu.answers.judges import all_alike, each_cell, mean_difference, plain
from satgpu.answers.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED, Finding, all_of, within

SMALL_SPAN_DEG = 50.0  # "smaller regions": up to a continent
MEDIUM_KM = (600.0, 1000.0)


def sweet_spot_range(evidence: Evidence) -> Finding | None:
    """Do the scales that can't be told from the peak lie within 500 to 800 km?"""
    rows = evidence.cells("sweet_spot")
    if rows.empty:
        return None
    best, together = _peak(rows)
    inside = all(500 <= km <= 800 for km in together)
    outside = all(not 500 <= km <= 800 for km in together)
    replicated = rows["replicate"].nunique() > 1
    verdict = CONTRADICTED if outside else SUPPORTED if inside and replicated else UNDECIDED
    return Finding(verdict, f"{_peak_words(rows, best)}; {_range_words(together)} can't be told from it")


def sweet_spot_peak(evidence: Evidence) -> Finding | None:
    """Is one scale the peak?"""
    rows = evidence.cells("sweet_spot")
    if rows.empty:
        return None
    best, together = _peak(rows)
    verdict = SUPPORTED if len(together) == 1 and rows["replicate"].nunique() > 1 else UNDECIDED
    statement = f"{evidence.second}'s peak advantage is {points(_at(rows, best).mean)}, at {best:.0f} km"
    next_best = [f"{points(_at(rows, km).mean)} at {km:.0f} km" for km in _by_difference(rows)[1:3]]
    return Finding(
        verdict, f"next come {' and '.join(next_best)}; {_range_words(together)} can't be told from the peak", statement
    )


def region_gain(evidence: Evidence) -> Finding | None:
    """Does every smaller region gain 10 to 30 points?"""
    return each_cell(
        evidence.cells("region_size", "fixed_points"),
        "span_deg",
        "{:.0f}°",
        0.10,
        0.30,
        keep=lambda s: s <= SMALL_SPAN_DEG,
    )


def smaller_is_better(evidence: Evidence, sampling: str = "fixed_points") -> Finding | None:
    """Is the advantage larger in every smaller region, and does the smallest beat the largest?"""
    rows = evidence.cells("region_size", sampling)
    spans = sorted(rows["span_deg"].unique())
    if len(spans) < 2:
        return None
    by_span = {span: rows[rows["span_deg"] == span] for span in spans}
    inverted = _worst_inversion(by_span, spans)
    ends = contrast(by_span[spans[0]], by_span[spans[-1]])
    words = f"{_span_words(by_span, spans[0])}, {_span_words(by_span, spans[-1])}"
    words += f", smallest less largest {with_interval(ends)}"
    if inverted is not None:
        small, large, _ = inverted
        words += f"; yet {_span_words(by_span, small)} and {_span_words(by_span, large)}"
        return Finding(CONTRADICTED, words)
    return Finding(within(ends, low=0.0), words)


def similarity_at_500(evidence: Evidence) -> Finding | None:
    """Similarity at 500 km: about 0.9 for the first and 0.3 for the second."""
    if evidence.similarity.empty or not np.isclose(evidence.similarity["distance_km"], 500).any():
        return None
    first, second = similarity_at(evidence, 500, "first"), similarity_at(evidence, 500, "second")
    verdict = all_of([within(first, 0.85, 0.95), within(second, 0.25, 0.35)])
    return Finding(verdict, f"{_similarity_words(evidence.first, first)}; {_similarity_words(evidence.second, second)}")


def similarity_drop(evidence: Evidence) -> Finding | None:
    """Does similarity fall below 0.5 at about 2000 and 600 km (within 5 %)?"""
    if evidence.similarity.empty:
        return None
    halves = half_distance(evidence, "first"), half_distance(evidence, "second")
    verdict = all_of(within(half, 0.95 * km, 1.05 * km) for half, km in zip(halves, (2000, 600), strict=True))
    words = [
        f"{name} {half.mean:.0f} km ({half.low:.0f} to {half.high:.0f})" for name, half in _named(evidence, halves)
    ]
    linear = " and ".join(f"{half_distance_linear_km(evidence, which):.0f}" for which in ("first", "second"))
    return Finding(
        verdict,
        f"interpolated in log distance: {', '.join(words)}; {_places(halves[0].n)} "
        f"(linearly in distance {linear} km; the printed numbers are the grid's own distances)",
    )


def changes_faster(evidence: Evidence) -> Finding | None:
    """Is the half-similarity distance of the second shorter?"""
    if evidence.similarity.empty:
        return None
    first, second = half_distance(evidence, "first"), half_distance(evidence, "second")
    apart = first.low > second.high or second.low > first.high
    verdict = (
        UNDECIDED
        if not apart
        else CONTRADICTED
        if second.mean > first.mean
        else SUPPORTED
        if first.n > 1
        else UNDECIDED
    )
    words = [
        f"{name} {half.mean:.0f} km ({half.low:.0f} to {half.high:.0f})"
        for name, half in _named(evidence, (first, second))
    ]
    return Finding(verdict, f"similarity falls to one half at {', '.join(words)}; {_places(first.n)}")


def patterns_alike(evidence: Evidence) -> Finding | None:
    """Do the advantages of all patterns lie within 5 points of each other at 600 to 1000 km?"""
    rows = evidence.cells("patterns", task="classification")
    rows = rows[rows["scale_km"].between(*MEDIUM_KM)]
    return all_alike(rows, "pattern", ["scale_km"])


def best_pattern(evidence: Evidence) -> Finding | None:
    """Is one pattern's mean advantage larger than every other's?"""
    rows = evidence.cells("patterns", task="classification")
    means = rows.groupby("pattern")["difference"].mean().sort_values(ascending=False)
    if len(means) < 2:
        return None
    best = rows[rows["pattern"] == means.index[0]]
    gaps = [contrast(best, rows[rows["pattern"] == name], corrected(len(means) - 1)) for name in means.index[1:]]
    verdict = SUPPORTED if all(within(gap, low=0.0) == SUPPORTED for gap in gaps) else UNDECIDED
    statement = f"The best pattern for {evidence.second} is {plain(means.index[0])}"
    words = ", ".join(f"{plain(name)} {points(value)}" for name, value in means.items())
    return Finding(verdict, f"mean advantage over scales: {words}", statement)


def use_second_within_continent(evidence: Evidence) -> Finding | None:
    """Is the second ahead in every region, span and scale from 400 to 800 km?"""
    rows = evidence.cells("scale_region")
    return each_cell(
        rows[rows["scale_km"].between(400, 800)], ["region", "span_deg", "scale_km"], "{} {:.0f}° {:.0f} km", low=0.0
    )


def continents_alike(evidence: Evidence) -> Finding | None:
    """Do the continents' advantages lie within 5 points of each other at equal span and scale?"""
    return all_alike(evidence.cells("scale_region"), "region", ["span_deg", "scale_km"])


def continent_gain(evidence: Evidence) -> Finding | None:
    """25 to 31 points within continents at 500 to 600 km."""
    rows = evidence.cells("scale_region")
    return each_cell(
        rows[rows["scale_km"].isin([500, 600])], ["region", "span_deg", "scale_km"], "{} {:.0f}° {:.0f} km", 0.25, 0.31
    )


def global_use_first(evidence: Evidence) -> Finding | None:
    """Is the first ahead in every global task?"""
    rows = pd.concat([evidence.cells("sweet_spot"), evidence.cells("patterns", task="classification")])
    return each_cell(rows, ["experiment", "pattern", "scale_km"], "{} {} {:.0f} km", high=0.0)


def regression_use_first(evidence: Evidence) -> Finding | None:
    """Is the first ahead in regression at every scale?"""
    rows = evidence.pairs[evidence.pairs["task"] == "regression"]
    if rows.empty:
        return Finding(UNDECIDED, "no regression was run")
    found = each_cell(rows, "scale_km", "{:.0f} km", high=0.0)
    return Finding(found.verdict, f"R² in hundredths: {found.evidence}")


def boundary_preference(evidence: Evidence) -> Finding | None:
    """The notebook compared the sharp boundary's difference with the mean of all and printed the sign."""
    rows = evidence.cells("boundaries")
    if rows["width_km"].nunique() < 2:
        return None
    sharp, wide = rows[rows["width_km"] == rows["width_km"].min()], rows[rows["width_km"] > rows["width_km"].min()]
    gap = contrast(sharp, wide)
    word = "sharp" if gap.mean > 0 else "gradual"
    verdict = SUPPORTED if gap.n > 1 and (gap.low > 0 or gap.high < 0) else UNDECIDED
    return Finding(
        verdict,
        f"difference at the sharpest boundary less the mean of the others: {with_interval(gap)}",
        f"{evidence.second} prefers {word} boundaries",
    )


NOTEBOOK_CLAIMS: dict[str, tuple[str, Callable[[Evidence], Finding | None]]] = {
    "region_gain": ("{second} gains 10 to 30 points in smaller regions", region_gain),
    "smaller_regions": ("Smaller regions favour {second}: constraining the region's size helps it", smaller_is_better),
    "similarity_500": ("At 500 km the similarity of {second} is about 0.3, of {first} about 0.9", similarity_at_500),
    "similarity_drop": ("Similarity drops below 0.5 at about 2000 km ({first}) and 600 km ({second})", similarity_drop),
    "changes_faster": ("{second}'s embeddings change much faster with distance than {first}'s", changes_faster),
    "patterns_alike": ("All patterns show a similar advantage of {second} at medium scales", patterns_alike),
    "best_pattern": ("One pattern is the best for {second}", best_pattern),
    "continents_alike": ("The advantage of {second} is alike in all continents", continents_alike),
    "continent_gain": ("{second} has 25 to 31 points of advantage within continents at 500 to 600 km", continent_gain),
    "use_second_within_continent": (
        "For tasks at 400 to 800 km within a continent: use {second}",
        use_second_within_continent,
    ),
    "regression_use_first": ("For regression: use {first}", regression_use_first),
    "boundary_preference": ("{second} prefers one kind of boundary", boundary_preference),
}


def _peak(rows: pd.DataFrame) -> tuple[float, list[float]]:
    """The scale of the largest mean difference and all that it can't be told from."""
    scales = _by_difference(rows)
    best = rows[rows["scale_km"] == scales[0]]
    gaps = {km: contrast(best, rows[rows["scale_km"] == km], corrected(len(scales) - 1)) for km in scales[1:]}
    return scales[0], sorted([scales[0], *(km for km, gap in gaps.items() if not gap.low > 0)])


def _by_difference(rows: pd.DataFrame) -> list[float]:
    return rows.groupby("scale_km")["difference"].mean().sort_values(ascending=False).index.tolist()


def _at(rows: pd.DataFrame, scale_km: float) -> Interval:
    return estimate(rows[rows["scale_km"] == scale_km])


def _peak_words(rows: pd.DataFrame, best: float) -> str:
    return f"largest difference {with_interval(_at(rows, best))} at {best:.0f} km"


def _range_words(scales: list[float]) -> str:
    if len(scales) == 1:
        return "no other scale"
    return f"{len(scales) - 1} other scales between {scales[0]:.0f} and {scales[-1]:.0f} km"


def _worst_inversion(by_span: dict[float, pd.DataFrame], spans: list[float]) -> tuple[float, float, Interval] | None:
    """The pair of spans whose smaller one is behind the larger beyond doubt, the widest such gap."""
    pairs = list(combinations(spans, 2))
    gaps = [(small, large, contrast(by_span[small], by_span[large], corrected(len(pairs)))) for small, large in pairs]
    inverted = [gap for gap in gaps if gap[2].high < 0]
    return min(inverted, key=lambda gap: gap[2].mean) if inverted else None


def _similarity_words(name: str, value: Interval) -> str:
    return f"{name} {value.mean:.2f} ({value.low:.2f} to {value.high:.2f}, {_places(value.n)})"


def _places(n: int) -> str:
    return "one place" if n == 1 else f"{n} places"


def _named(evidence: Evidence, values: tuple) -> list[tuple]:
    return list(zip((evidence.first, evidence.second), values, strict=True))


def _span_words(by_span: dict[float, pd.DataFrame], span_deg: float) -> str:
    return f"{span_deg:.0f}° region {points(mean_difference(by_span[span_deg]))}"
