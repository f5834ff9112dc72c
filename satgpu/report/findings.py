"""What the run found, in sentences whose every number comes from its tables.

The notebook printed section 6 from memory; here each sentence is computed, and
where the replicates do not support one it says undecided.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from satgpu.analysis.evidence import contrast

from .headline import conditions
from .similarity import half_text
from .view import EXPERIMENT_TITLES, PROBE_EXPERIMENTS, STARVED_BELOW, RunView
from .words import count, listing, pattern_label, percent, percent_interval, points, points_interval, sampling_label


FIGURE_OF = {
    "Sweet spot": "sweet_spot_fine",
    "Region size": "region_size_effect",
    "Patterns": "pattern_complexity",
    "Boundaries": "boundary_sharpness",
    "Land or ocean": "coastline",
}


@dataclass(frozen=True)
class Section:
    """One part of the answer.

    Attributes:
        title: what it is about.
        sentences: the answer.
        recompute: the call that gives its numbers back from the run's tables.
        figure: name of the figure that shows it, if one does.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    recompute: str = ""
    figure: str = ""


def sections(view: RunView) -> list[Section]:
    """The answers, in the order of the notebook's summary; those without data are left out."""
    makers = (peak_section, region_section, pattern_section, scale_region_section, similarity_section, boundary_section, coastline_section, learned_section)
    made = [maker(view) for maker in makers]
    return [replace(section, figure=FIGURE_OF.get(section.title, "")) for section in made if section.sentences]


def peak_section(view: RunView) -> Section:
    """Where the second encoder of the pair leads most, and the scales that can't be told from it."""
    rows = view.rows("sweet_spot")
    recompute = "satgpu.analysis.peak and paired_differences(results, first, second, by=['scale_km']) over experiment == 'sweet_spot'"
    if not view.pair:
        return Section("Sweet spot", _single(view, rows, "scale_km", "km cells"), "satgpu.analysis.summarise")
    peak, table = view.peak, view.differences(rows, ["scale_km"])
    if peak is None:
        return Section("Sweet spot")
    first, second = view.pair_labels
    sentences = [f"Largest difference, {second} minus {first}: {points_interval(peak.difference, peak.low, peak.high)} at {peak.scale_km:g} km cells (global checkerboard)."]
    near = peak.indistinguishable_km
    if view.replicates < 2:
        sentences.append("One replicate: nothing tells this scale from its neighbours, so the peak is undecided.")
    elif len(near) > 1:
        sentences.append(f"The replicates cannot tell it from {count(len(near) - 1, 'other scale')} between {min(near):g} and {max(near):g} km.")
    sentences.append(_tally(view, table, "scale"))
    return Section("Sweet spot", sentences, recompute)


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
            f"With {sampling_label(sampling)}, {second} minus {first} is {points_interval(low['difference'], low['low'], low['high'])} in the smallest region "
            f"({low['span_deg']:g}°, {density.iloc[0]:.3g} training points per cell) and {points_interval(high['difference'], high['low'], high['high'])} in the largest "
            f"({high['span_deg']:g}°, {density.iloc[-1]:.3g}): {_trend(view, sampling, low['span_deg'], high['span_deg'])}."
        )
    return Section("Region size", sentences, "satgpu.analysis.paired_differences(results, first, second, by=['sampling', 'span_deg']) over experiment == 'region_size'")


def _trend(view: RunView, sampling: str, small_deg: float, large_deg: float) -> str:
    """Whether the difference in the smallest region is told from that in the largest, paired by replicate."""
    if view.replicates < 2:
        return "undecided, one replicate"
    change = contrast(*(view.evidence.cells("region_size", sampling, span_deg=span) for span in (small_deg, large_deg)))
    value = points_interval(change.mean, change.low, change.high)
    if change.low > 0:
        return f"the smaller region favours {view.pair_labels[1]}, by {value}"
    if change.high < 0:
        return f"the larger region favours {view.pair_labels[1]}, by {points_interval(-change.mean, -change.high, -change.low)}"
    return f"undecided, smallest minus largest {value}"


def pattern_section(view: RunView) -> Section:
    """Average difference by pattern."""
    rows = view.rows("patterns")
    table = view.differences(rows[rows["task"] == "classification"], ["pattern"])
    sentences = []
    if len(table):
        first, second = view.pair_labels
        ordered = table.sort_values("difference", ascending=False)
        sentences.append(f"Average {second} minus {first} over the scales: " + listing(f"{pattern_label(r['pattern'])} {points_interval(r['difference'], r['low'], r['high'])}" for r in ordered.to_dict("records")) + ".")
        sentences += _best_pattern(view, list(ordered["pattern"]))
    fields = rows[rows["task"] == "regression"]
    sentences += _regression(view, fields)
    return Section("Patterns", sentences, "satgpu.analysis.paired_differences(results, first, second, by=['pattern']) over experiment == 'patterns'; regression: value='test_r2'")


def _best_pattern(view: RunView, patterns: list[str]) -> list[str]:
    """The pattern with the largest average, if it is told from the next one."""
    if len(patterns) < 2:
        return []
    change = contrast(*(view.evidence.cells("patterns", pattern=pattern, task="classification") for pattern in patterns[:2]))
    decided = view.replicates > 1 and change.low > 0
    names = [pattern_label(pattern) for pattern in patterns[:2]]
    verdict = names[0] if decided else f"undecided between {names[0]} and {names[1]}"
    interval = (change.low, change.high) if view.replicates > 1 else (np.nan, np.nan)
    return [f"Best pattern for {view.pair_labels[1]}: {verdict} ({names[0]} minus {names[1]} {points_interval(change.mean, *interval)})."]


def _regression(view: RunView, rows: pd.DataFrame) -> list[str]:
    """The smooth field that is predicted rather than classified, in R²."""
    table = view.differences(rows, ["scale_km"], value="test_r2")
    if table.empty:
        return []
    first, second = view.pair_labels
    parts = [f"{r['first_mean']:.2f} against {r['second_mean']:.2f} at {r['scale_km']:g} km ({_leader(view, r['verdict'])})" for r in table.to_dict("records")]
    return [f"Regression of a smooth gradient, R² of {first} against {second}: {listing(parts)}."]


def _leader(view: RunView, verdict: str) -> str:
    return {"first": f"{view.pair_labels[0]} better", "second": f"{view.pair_labels[1]} better"}.get(verdict, "undecided")


def scale_region_section(view: RunView) -> Section:
    """Average difference of each region, and the tally of its cells."""
    rows, sentences = view.rows("scale_region"), []
    table = view.differences(rows, ["region", "span_deg", "scale_km"])
    if len(table):
        first, second = view.pair_labels
        means = view.differences(rows, ["region"])
        sentences.append(f"Average {second} minus {first}: " + listing(f"{r['region']} {points_interval(r['difference'], r['low'], r['high'])}" for r in means.to_dict("records")) + ".")
        sentences.append(_tally(view, table, "combination") + f" Fewer than {STARVED_BELOW} training points per cell in {_starved_cells(rows)} of them.")
    return Section("Scale and region", sentences, "satgpu.analysis.paired_differences(results, first, second, by=['region', 'span_deg', 'scale_km']) over experiment == 'scale_region'")


def _starved_cells(rows: pd.DataFrame) -> int:
    return int((rows.groupby(["region", "span_deg", "scale_km"])["train_points_per_cell"].median() < STARVED_BELOW).sum())


def similarity_section(view: RunView) -> Section:
    """Similarity at 500 km, and the distance at which it has halved."""
    sentences = []
    curves = view.similarity_means()
    at_500 = curves[(curves["distance_km"] == 500) & curves["encoder"].isin([*view.compared, *view.controls])].set_index("encoder")
    named = [spec for spec in [*view.compared, *view.controls] if spec in at_500.index]
    if named:
        values = [f"{view.label(s)} {_similarity_value(at_500.loc[s])}" for s in named]
        sentences.append(f"Mean cosine similarity at 500 km: {listing(values)}.")
    if view.pair and set(view.pair) <= set(at_500.index):
        sentences.append(_similarity_verdict(view, at_500.loc[view.pair[0]], at_500.loc[view.pair[1]]))
    kernels = view.kernels.to_dict("records")
    if kernels:
        sentences.append("It falls to one half at: " + listing(f"{view.label(r['encoder'])} {half_text(r)}" for r in kernels) + " (interpolated, 95 % interval over places).")
    return Section("Embedding discrimination", sentences, "satgpu.analysis.kernel.similarity_curve and kernel_resolutions(similarity)")


def _similarity_value(row: pd.Series) -> str:
    interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if np.isfinite(row["low"]) else f" (one place, ± {row['std']:.3f} around its ring)"
    return f"{row['mean']:.3f}{interval}"


def _similarity_verdict(view: RunView, first: pd.Series, second: pd.Series) -> str:
    """Which embedding changes faster, where the intervals are apart."""
    names = view.pair_labels
    if not np.isfinite(first["low"]) or not np.isfinite(second["low"]):
        return "Which embedding changes faster is undecided: one place gives no interval."
    if first["low"] > second["high"]:
        return f"{names[1]}'s embeddings change faster with distance than {names[0]}'s."
    if second["low"] > first["high"]:
        return f"{names[0]}'s embeddings change faster with distance than {names[1]}'s."
    return "Which embedding changes faster at 500 km is undecided: the intervals overlap."


def boundary_section(view: RunView) -> Section:
    """Skill against the best possible at the sharpest and the widest boundary."""
    rows = view.rows("boundaries")
    scored = view.with_skill(rows)
    means = view.means(scored[scored["encoder"].isin(view.compared)], ["encoder", "width_km"], "skill")
    if means.empty:
        return Section("Boundaries")
    sentences = []
    for spec in view.compared:
        curve = means[means["encoder"] == spec].sort_values("width_km")
        if len(curve):
            ends = [f"{percent_interval(r['mean'], r['low'], r['high'])} {'at a sharp boundary' if r['width_km'] == 0 else f'at {r.width_km:g} km'}" for _, r in curve.iloc[[0, -1]].iterrows()]
            sentences.append(f"{view.label(spec)} reaches {listing(ends)} of what the label noise leaves.")
    table = view.differences(scored, ["width_km"], value="skill")
    if len(table):
        sentences.append(_tally(view, table, "width"))
    return Section("Boundaries", sentences, "satgpu.analysis.skill, then summarise(..., by=['encoder', 'width_km'], value='skill') over experiment == 'boundaries'")


def coastline_section(view: RunView) -> Section:
    """Land or ocean: accuracy and intersection over union."""
    rows = view.rows("coastline")
    accuracy, overlap = view.means(rows, ["encoder"]), view.means(rows, ["encoder"], "test_iou")
    sentences = []
    for r in accuracy.to_dict("records"):
        iou = overlap[overlap["encoder"] == r["encoder"]]
        words = f", IoU {iou['mean'].iloc[0]:.2f}" if len(iou) else ""
        sentences.append(f"{view.label(r['encoder'])} tells land from ocean at {percent_interval(r['mean'], r['low'], r['high'])} of the test points{words}.")
    if len(accuracy):
        sentences.append(f"Guessing the commoner of the two is right at {percent(rows['chance'].mean())}.")
    return Section("Land or ocean", sentences, "satgpu.analysis.summarise(results, by=['encoder'], value='test_accuracy' and 'test_iou') over experiment == 'coastline'")


def learned_section(view: RunView) -> Section:
    """How much of the advantage an untrained encoder has already."""
    title, recompute = "How much of it is learned", "satgpu.analysis.paired_differences for the pair and for the untrained pair, by=['scale_km'], over experiment == 'sweet_spot'"
    if not view.pair:
        return Section(title)
    if all(spec.startswith("untrained") for spec in view.pair):
        return Section(title, ["Nothing here is learned: both encoders of the pair carry seeded random weights, so every difference above comes from the harmonics and the architecture alone."], recompute)
    if not view.untrained_pair:
        return Section(title, ["Not known from this run: no untrained encoders of the same L ran beside the pair."], recompute)
    return Section(title, [*_share_without_training(view), *_learned_by_encoder(view), *_chance_controls(view)], recompute)


def _share_without_training(view: RunView) -> list[str]:
    """The pair's average difference beside that of its untrained twins, and where the pair peaks."""
    rows = view.rows("sweet_spot")
    trained, untrained = view.differences(rows, []), view.differences(rows, [], view.untrained_pair)
    if trained.empty or untrained.empty:
        return []
    (a,), (b,) = trained.to_dict("records"), untrained.to_dict("records")
    first, second = view.pair_labels
    share = f" That is {100 * b['difference'] / a['difference']:.0f} % of it." if np.isfinite(a["low"]) and a["low"] > 0 and b["low"] > 0 else ""
    return [
        f"Averaged over the sweet spot, {second} leads {first} by {points_interval(a['difference'], a['low'], a['high'])}; "
        f"the untrained pair of the same L has {points_interval(b['difference'], b['low'], b['high'])} already.{share}"
    ]


def _learned_by_encoder(view: RunView) -> list[str]:
    """Trained minus untrained of the same L."""
    sentences = []
    for spec, twin in zip(view.pair, view.untrained_pair):
        table = view.differences(view.rows("sweet_spot"), [], (twin, spec))
        if len(table):
            row = table.iloc[0]
            verdict = {"second": "training helps", "first": "training hurts"}.get(row["verdict"], "undecided")
            sentences.append(f"{view.label(spec)} minus its untrained twin: {points_interval(row['difference'], row['low'], row['high'])} ({verdict}).")
    return sentences


def _chance_controls(view: RunView) -> list[str]:
    """Shuffled labels must stay at chance."""
    shuffled = view.shuffled()
    if shuffled["test_accuracy"].notna().sum() == 0:
        return []
    excess = shuffled.assign(excess=shuffled["test_accuracy"] - shuffled["chance"])
    (row,) = view.means(excess.assign(all="all"), ["all"], "excess").to_dict("records")
    return [f"With shuffled labels the probes score {points_interval(row['mean'], row['low'], row['high'])} above chance, over {count(len(shuffled), 'probe')}: {_at_chance(row)}."]


def _at_chance(row: dict) -> str:
    if not np.isfinite(row["low"]):
        return "one replicate, so undecided"
    return "at chance, as they must be" if row["low"] <= 0 <= row["high"] else "NOT at chance: something leaks from the training rows into the test rows"


def _single(view: RunView, rows: pd.DataFrame, x: str, unit: str) -> list[str]:
    """One encoder alone: the ends of its curve."""
    means = view.means(rows[rows["encoder"].isin(view.compared)], ["encoder", x])
    sentences = []
    for spec, curve in means.groupby("encoder", sort=False):
        ends = [f"{percent_interval(r['mean'], r['low'], r['high'])} at {r[x]:g} {unit}" for _, r in curve.iloc[[0, -1]].iterrows()]
        sentences.append(f"{view.label(spec)}: {listing(ends)}.")
    return sentences


def _tally(view: RunView, table: pd.DataFrame, noun: str) -> str:
    """How many rows of a table of differences are decided, and for whom."""
    first, second = view.pair_labels
    tally = table["verdict"].value_counts()
    return f"Of {count(len(table), noun)}, {second} leads in {tally.get('second', 0)}, {first} in {tally.get('first', 0)}; {tally.get('undecided', 0)} undecided (false discovery rate 5 %)."


def absent_experiments(view: RunView) -> list[str]:
    """Titles of the experiments this run has no rows of."""
    return [EXPERIMENT_TITLES[name] for name in (*PROBE_EXPERIMENTS, "similarity") if not view.present(name)]


def resolution_notes(view: RunView) -> list[str]:
    """What the headline numbers mean and what they belong to."""
    return [
        "Half similarity: the distance at which the mean cosine similarity of two places falls to one half. 180°/l₉₀: l₉₀ is the harmonic degree below which 90 % of the similarity kernel's power lies. Both come from the embedding itself, without a probe.",
        *conditions(view),
    ]
