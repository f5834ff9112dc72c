"""Difference and accuracy as the region grows, at fixed points and at fixed density."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from satgpu.answers import region_size
from satgpu.answers.types import Answer
from satgpu.run.read import Run
from satgpu.run.read_table import STARVED_POINTS_PER_CELL

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK
from ..words import sentence
from .curves import (
    UNDECIDED_HANDLE,
    accuracy_axis,
    difference_axis,
    ends_in_words,
    no_scores,
    plot_difference,
    plot_means,
)

NAME = "region_size_effect"
DRAWN = {"fixed_points": (INK, "o", "fixed points"), "fixed_density": ("#00876c", "^", "fixed density")}
PANELS = {"fixed_points": "same number of points", "fixed_density": "same points per cell"}


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """First the pair's difference, then the accuracies under each sampling."""
    rows = run.probes("region_size", scored=False)
    if rows.empty:
        return None
    samplings = [sampling for sampling in DRAWN if sampling in set(rows["sampling"])]
    figure, axes = open_sheet((1 if run.pair else 0) + max(1, len(samplings)), narrow, height_in=3.5)
    if rows["test_accuracy"].notna().sum() == 0:
        return no_scores(run, figure, axes, NAME, "Accuracy by size of the region")
    positions = {span: i for i, span in enumerate(sorted(rows["span_deg"].dropna().unique()))}
    handles = _difference_panel(axes[0], run, samplings, positions) if run.pair else []
    for panel, sampling in zip(axes[1 if run.pair else 0 :], samplings, strict=False):
        means = region_size.accuracies(run, sampling)
        entries = plot_means(panel, run, means, "span_deg", positions)
        accuracy_axis(panel, run.probes("region_size", sampling=sampling), means)
        _span_axis(panel, positions, region_size.density(run, sampling))
        panel.set_title(PANELS[sampling])
    title = f"Region size, {rows['scale_km'].dropna().iloc[0]:g} km cells"
    close_figure(figure, title, [*entries, *handles], run)
    own = [sentence(one) for one in answers if one.question == "region_size" and not one.claim]
    alt = " ".join(own) or ends_in_words(run, region_size.accuracies(run, samplings[0]), "span_deg", "degree regions")
    caption = (
        f"Under each span: training points per cell. * Below {STARVED_POINTS_PER_CELL:g} a probe is starved, and the "
        "size of the region cannot be told from the lack of points."
    )
    return Picture(NAME, figure, title, alt, caption)


def _difference_panel(axes: Axes, run: Run, samplings: list[str], positions: dict) -> list:
    """One curve of differences per sampling."""
    first, second = run.labels
    table, handles = region_size.table(run), []
    for sampling in samplings:
        colour, marker, label = DRAWN[sampling]
        rows = table[table["sampling"] == sampling]
        name = f"{second} minus {first}, {label}"
        handles.append(plot_difference(axes, rows, "span_deg", colour, name, positions, marker))
    difference_axis(axes, first, second)
    axes.set_xticks(list(positions.values()), [f"{span:g}°" for span in positions], fontsize=7.5)
    axes.set_xlabel("span of the region (degrees)")
    return [*handles, UNDECIDED_HANDLE]


def _span_axis(axes: Axes, positions: dict, density) -> None:
    """Spans as categories, with training points per cell in a second line."""
    rows = density.set_index("span_deg")
    labels = [
        f"{span:g}°\n{rows.loc[span, 'points_per_cell']:.3g}{'*' if rows.loc[span, 'starved'] else ''}"
        if span in rows.index
        else f"{span:g}°"
        for span in positions
    ]
    axes.set_xticks(list(positions.values()), labels, fontsize=7.5)
    axes.set_xlabel("span of the region (degrees)\ntraining points per cell")
