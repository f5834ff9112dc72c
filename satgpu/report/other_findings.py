"""What was found beside checkerboards and stripes: similarity with distance, boundaries, land and ocean."""

import numpy as np
import pandas as pd

from .coast import HALF_WAY, coast_resolution
from .section import Section, tally_words
from .similarity import faster_words, half_text
from .view import RunView
from .words import km_interval, listing, percent, percent_interval


def similarity_section(view: RunView) -> Section:
    """Similarity at 500 km, and the distance at which it has halved."""
    sentences = []
    curves = view.similarity_means()
    at_500 = curves[
        (curves["distance_km"] == 500) & curves["encoder"].isin([*view.compared, *view.controls])
    ].set_index("encoder")
    named = [spec for spec in [*view.compared, *view.controls] if spec in at_500.index]
    if named:
        values = [f"{view.label(s)} {_similarity_value(at_500.loc[s])}" for s in named]
        sentences.append(f"Mean cosine similarity at 500 km: {listing(values)}.")
    if view.pair and set(view.pair) <= set(at_500.index):
        undecided = "Which embedding changes faster is undecided: the intervals over places overlap or are missing"
        sentences.append((faster_words(view, curves) or undecided) + ".")
    kernels = view.kernels.to_dict("records")
    if kernels:
        sentences.append(
            "It falls to one half at: "
            + listing(f"{view.label(r['encoder'])} {half_text(r)}" for r in kernels)
            + " (interpolated, 95 % interval over places)."
        )
    return Section(
        "Embedding discrimination",
        sentences,
        "satgpu.readouts.kernel.similarity_curve and kernel_resolutions(similarity)",
    )


def _similarity_value(row: pd.Series) -> str:
    interval = (
        f" [{row['low']:.3f}, {row['high']:.3f}]"
        if np.isfinite(row["low"])
        else f" (one place, ± {row['std']:.3f} around its ring)"
    )
    return f"{row['mean']:.3f}{interval}"


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
            ends = [
                (
                    f"{percent_interval(r['mean'], r['low'], r['high'])} "
                    f"{'at a sharp boundary' if r['width_km'] == 0 else f'at {r.width_km:g} km'}"
                )
                for _, r in curve.iloc[[0, -1]].iterrows()
            ]
            sentences.append(f"{view.label(spec)} reaches {listing(ends)} of what the label noise leaves.")
    table = view.differences(scored, ["width_km"], value="skill")
    if len(table):
        sentences.append(tally_words(view, table, "width"))
    return Section(
        "Boundaries",
        sentences,
        (
            "satgpu.answers.skill, then summarise(..., by=['encoder', 'width_km'], value='skill') over "
            "experiment == 'boundaries'"
        ),
    )


def coastline_section(view: RunView) -> Section:
    """Land or ocean: accuracy and intersection over union."""
    rows = view.rows("coastline")
    accuracy, overlap = view.means(rows, ["encoder"]), view.means(rows, ["encoder"], "test_iou")
    sentences = []
    for r in accuracy.to_dict("records"):
        iou = overlap[overlap["encoder"] == r["encoder"]]
        words = f", IoU {iou['mean'].iloc[0]:.2f}" if len(iou) else ""
        sentences.append(
            f"{view.label(r['encoder'])} tells land from ocean at "
            f"{percent_interval(r['mean'], r['low'], r['high'])} of the test points{words}."
        )
    if len(accuracy):
        sentences.append(f"Guessing the commoner of the two is right at {percent(rows['chance'].mean())}.")
    far = coast_resolution(view.coast_shares).to_dict("records")
    if far:
        distances = [f"{view.label(r['encoder'])} {km_interval(r['distance_km'], r['low'], r['high'])}" for r in far]
        sentences.append(
            f"Right at {100 * HALF_WAY:.0f} % of the places from this far off the coast: {listing(distances)}."
        )
    recompute = (
        "satgpu.answers.summarise(results, ['encoder'], 'test_accuracy' or 'test_iou'), experiment == 'coastline'"
    )
    recompute += "; distances: satgpu.report.coast.coast_resolution(accuracy_by_distance(predictions))"
    return Section("Land or ocean", sentences, recompute)
