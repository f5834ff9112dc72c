"""Boundaries: accuracy against the ceiling that their label noise sets."""

from collections.abc import Sequence

import numpy as np
from matplotlib.lines import Line2D

from satgpu.answers import boundaries
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK, percent_axis, reference_line
from .curves import ends_in_words, no_scores, plot_means

NAME, PLAIN = "boundary_sharpness", "Boundaries: accuracy against the best possible, by width"


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Accuracy against the ceiling set by the label noise, and skill against it."""
    if run.probes("boundaries", scored=False).empty:
        return None
    figure, axes = open_sheet(2, narrow)
    means, skills = boundaries.accuracies(run), boundaries.skills(run)
    if means.empty:
        return no_scores(run, figure, axes, NAME, PLAIN)
    ceilings = boundaries.ceilings(run)
    positions = {width: i for i, width in enumerate(ceilings.index)}
    handles = plot_means(axes[0], run, means, "width_km", positions)
    places = np.arange(len(positions))
    axes[0].hlines(ceilings, places - 0.35, places + 0.35, color=INK, linewidth=1.6)
    handles.append(Line2D([], [], color=INK, linewidth=1.6, label="best possible with this label noise"))
    plot_means(axes[1], run, skills, "width_km", positions)
    reference_line(axes[1], 1.0, "best\npossible")
    for panel in axes:
        panel.set_xticks(range(len(positions)), ["sharp" if width == 0 else f"{width:g}" for width in positions])
        panel.set_xlabel("width of the boundary (km)")
    percent_axis(axes[0], "test accuracy")
    axes[0].set_ylim(max(axes[0].get_ylim()[0], means["mean"].min() - 0.1), ceilings.max() + 0.02)
    axes[1].set_ylim(max(axes[1].get_ylim()[0], skills["mean"].min() - 0.2), 1.12)
    axes[1].set_ylabel("skill: (accuracy − chance) / (ceiling − chance)")
    title = _title(run)
    close_figure(figure, title, handles, run)
    caption = (
        "A wide boundary has noisy labels, so no reader can reach 100 %: the black bars are the best "
        "possible accuracy, and skill is measured against them."
    )
    return Picture(NAME, figure, title, ends_in_words(run, skills, "width_km", "km width", "skill"), caption)


def _title(run: Run) -> str:
    """Who reads boundaries better, where it is decided at every width that it is the same one."""
    verdicts = set(boundaries.table(run)["verdict"])
    names = dict(zip(("first", "second"), run.labels, strict=True))
    leader = names.get(*verdicts) if len(verdicts) == 1 else None
    return f"{leader} reads boundaries of every width better" if leader else PLAIN
