"""What the run found, in sentences whose every number comes from its tables.

The notebook printed section 6 from memory; here each sentence is computed, and
where the replicates do not support one it says undecided.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from satgpu.answers.evidence import contrast
from satgpu.answers.notebook_claims import best_pattern

from .headline import conditions
from .learned import learned_section
from .other_findings import boundary_section, coastline_section, similarity_section
from .section import Section, paired_call, tally_words
from .view import EXPERIMENT_TITLES, PROBE_EXPERIMENTS, STARVED_BELOW, RunView
from .words import listing, pattern_label, percent_interval, points_interval, sampling_label, sentence

MEASURES = (
    "Half similarity: the distance at which the mean cosine similarity of two places falls to one half. "
    "180°/l₉₀: l₉₀ is the harmonic degree below which 90 % of the similarity kernel's power lies. "
    "Both come from the embedding itself, without a probe."
)
FIGURE_OF = {
    "Sweet spot": "sweet_spot_fine",
    "Region size": "region_size_effect",
    "Patterns": "pattern_complexity",
    "Boundaries": "boundary_sharpness",
    "Land or ocean": "coastline",
}


def sections(view: RunView) -> list[Section]:
    """The answers, in the order of the notebook's summary; those without data are left out."""
    makers = (
        peak_section,
        region_section,
        pattern_section,
        scale_region_section,
        similarity_section,
        boundary_section,
        coastline_section,
        learned_section,
    )
    made = [maker(view) for maker in makers]
    return [replace(section, figure=FIGURE_OF.get(section.title, "")) for section in made if section.sentences]


def peak_section(view: RunView) -> Section:
    """The answers about the sweet spot."""
    own = [answer for answer in view.answers if answer.question == "sweet_spot"]
    if not view.pair:
        return Section("Sweet spot", _single(view, view.rows("sweet_spot"), "scale_km", "km cells"), "")
    words = [f"The notebook: “{a.claim}”. {sentence(a)} ({a.verdict})" if a.claim else sentence(a) for a in own]
    return Section("Sweet spot", words, own[0].recompute if own else "")


def region_section(view: RunView) -> Section:
    """How the difference changes with the size of the region, at fixed points and at fixed density."""
    rows, sentences = view.rows("region_size"), []
    for sampling in ("fixed_points", "fixed_density"):
        chosen = rows[rows["sampling"] == sampling]
        table = view.differences(chosen, ["span_deg"]).sort_values("span_deg")
        if table.empty:
            continue
        first, second = view.pair_labels
        low, high = table.iloc[0], table.iloc[-1]
        density = chosen.groupby("span_deg")["train_points_per_cell"].median()
        sentences.append(
            f"With {sampling_label(sampling)}, {second} minus {first} is {_at_span(low, density)} in the smallest "
            f"region and {_at_span(high, density)} in the largest: "
            f"{_trend(view, sampling, low['span_deg'], high['span_deg'])}."
        )
    return Section("Region size", sentences, paired_call("region_size", "sampling", "span_deg"))


def _at_span(row: pd.Series, density: pd.Series) -> str:
    """The difference in one region, with its size and density."""
    value = points_interval(row["difference"], row["low"], row["high"])
    return f"{value} ({row['span_deg']:g}°, {density[row['span_deg']]:.3g} training points per cell)"


def _trend(view: RunView, sampling: str, small_deg: float, large_deg: float) -> str:
    """Whether the difference in the smallest region is told from that in the largest, paired by replicate."""
    if view.replicates < 2:
        return "undecided, one replicate"
    change = contrast(*(view.evidence.cells("region_size", sampling, span_deg=span) for span in (small_deg, large_deg)))
    value = points_interval(change.mean, change.low, change.high)
    if change.low > 0:
        return f"the smaller region favours {view.pair_labels[1]}, by {value}"
    if change.high < 0:
        return (
            f"the larger region favours {view.pair_labels[1]}, by "
            f"{points_interval(-change.mean, -change.high, -change.low)}"
        )
    return f"undecided, smallest minus largest {value}"


def pattern_section(view: RunView) -> Section:
    """Average difference by pattern."""
    rows = view.rows("patterns")
    table = view.differences(rows[rows["task"] == "classification"], ["pattern"])
    sentences = []
    if len(table):
        first, second = view.pair_labels
        ordered = table.sort_values("difference", ascending=False)
        sentences.append(
            f"Average {second} minus {first} over the scales: "
            + listing(
                f"{pattern_label(r['pattern'])} {points_interval(r['difference'], r['low'], r['high'])}"
                for r in ordered.to_dict("records")
            )
            + "."
        )
        sentences += _best_pattern(view, list(ordered["pattern"]))
    fields = rows[rows["task"] == "regression"]
    sentences += _regression(view, fields)
    recompute = paired_call("patterns", "pattern", more="; regression: value='test_r2'")
    return Section("Patterns", sentences, recompute)


def _best_pattern(view: RunView, patterns: list[str]) -> list[str]:
    """The pattern with the largest average, if it is told from the next one."""
    if len(patterns) < 2:
        return []
    change = contrast(
        *(view.evidence.cells("patterns", pattern=pattern, task="classification") for pattern in patterns[:2])
    )
    decided = best_pattern(view.evidence).verdict == "supported"
    names = [pattern_label(pattern) for pattern in patterns[:2]]
    verdict = names[0] if decided else f"undecided between {names[0]} and {names[1]}"
    interval = (change.low, change.high) if view.replicates > 1 else (np.nan, np.nan)
    value = points_interval(change.mean, *interval)
    return [f"Best pattern for {view.pair_labels[1]}: {verdict} ({names[0]} minus {names[1]} {value})."]


def _regression(view: RunView, rows: pd.DataFrame) -> list[str]:
    """The smooth field that is predicted rather than classified, in R²."""
    table = view.differences(rows, ["scale_km"], value="test_r2")
    if table.empty:
        return []
    first, second = view.pair_labels
    parts = [
        f"{r['first_mean']:.2f} against {r['second_mean']:.2f} at {r['scale_km']:g} km ({_leader(view, r['verdict'])})"
        for r in table.to_dict("records")
    ]
    return [f"Regression of a smooth gradient, R² of {first} against {second}: {listing(parts)}."]


def _leader(view: RunView, verdict: str) -> str:
    names = dict(zip(("first", "second"), view.pair_labels, strict=True))
    return f"{names[verdict]} better" if verdict in names else "undecided"


def scale_region_section(view: RunView) -> Section:
    """Average difference of each region, and the tally of its cells."""
    rows, sentences = view.rows("scale_region"), []
    table = view.differences(rows, ["region", "span_deg", "scale_km"])
    if len(table):
        first, second = view.pair_labels
        means = view.differences(rows, ["region"])
        sentences.append(
            f"Average {second} minus {first}: "
            + listing(
                f"{r['region']} {points_interval(r['difference'], r['low'], r['high'])}"
                for r in means.to_dict("records")
            )
            + "."
        )
        sentences.append(
            tally_words(view, table, "combination")
            + f" Fewer than {STARVED_BELOW} training points per cell in {_starved_cells(rows)} of them."
        )
    return Section("Scale and region", sentences, paired_call("scale_region", "region", "span_deg", "scale_km"))


def _starved_cells(rows: pd.DataFrame) -> int:
    return int(
        (rows.groupby(["region", "span_deg", "scale_km"])["train_points_per_cell"].median() < STARVED_BELOW).sum()
    )


def _single(view: RunView, rows: pd.DataFrame, x: str, unit: str) -> list[str]:
    """One encoder alone: the ends of its curve."""
    means = view.means(rows[rows["encoder"].isin(view.compared)], ["encoder", x])
    sentences = []
    for spec, curve in means.groupby("encoder", sort=False):
        ends = [
            f"{percent_interval(r['mean'], r['low'], r['high'])} at {r[x]:g} {unit}"
            for _, r in curve.iloc[[0, -1]].iterrows()
        ]
        sentences.append(f"{view.label(spec)}: {listing(ends)}.")
    return sentences


def absent_experiments(view: RunView) -> list[str]:
    """Titles of the experiments this run has no rows of."""
    return [EXPERIMENT_TITLES[name] for name in (*PROBE_EXPERIMENTS, "similarity") if not view.present(name)]


def resolution_notes(view: RunView) -> list[str]:
    """What the headline numbers mean and what they belong to."""
    return [
        MEASURES,
        *conditions(view),
    ]
