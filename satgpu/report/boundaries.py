"""Boundaries: accuracy against the ceiling that their label noise sets."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from .curves import all_means, curve_words, no_scores, plot_means
from .sheet import Picture, close_sheet, open_sheet
from .style import INK, percent_axis, reference_line
from .view import RunView


def draw_boundaries(view: RunView, narrow: bool = False) -> Picture:
    """Accuracy against the ceiling set by the label noise, and skill against it."""
    rows = view.rows("boundaries")
    figure, axes = open_sheet(2, narrow)
    means, skills = (
        all_means(view, "boundaries", ["width_km"]),
        view.means(view.with_skill(rows), ["encoder", "width_km"], "skill"),
    )
    if means.empty:
        return no_scores(view, figure, axes, "boundary_sharpness", "Boundary accuracy by width")
    widths = sorted(rows["width_km"].dropna().unique())
    positions = {width: i for i, width in enumerate(widths)}
    handles = plot_means(axes[0], view, means, "width_km", positions)
    ceilings = rows.groupby("width_km")["ceiling"].mean().reindex(widths)
    axes[0].hlines(ceilings, np.arange(len(widths)) - 0.35, np.arange(len(widths)) + 0.35, color=INK, linewidth=1.6)
    handles.append(Line2D([], [], color=INK, linewidth=1.6, label="best possible with this label noise"))
    plot_means(axes[1], view, skills, "width_km", positions)
    reference_line(axes[1], 1.0, "best\npossible")
    for panel in axes:
        panel.set_xticks(range(len(widths)), ["sharp" if width == 0 else f"{width:g}" for width in widths])
        panel.set_xlabel("width of the boundary (km)")
    percent_axis(axes[0], "test accuracy")
    axes[0].set_ylim(max(axes[0].get_ylim()[0], means["mean"].min() - 0.1), ceilings.max() + 0.02)
    axes[1].set_ylim(max(axes[1].get_ylim()[0], skills["mean"].min() - 0.2), 1.12)
    axes[1].set_ylabel("skill: (accuracy − chance) / (ceiling − chance)")
    title = _boundary_title(view, rows)
    close_sheet(figure, title, handles, view.footer, view.notice)
    caption = (
        "A wide boundary has noisy labels, so no reader can reach 100 %: the black bars are the best "
        "possible accuracy, and skill is measured against them."
    )
    return Picture(
        "boundary_sharpness", figure, title, curve_words(view, skills, "width_km", "km width", "skill"), caption
    )


def _boundary_title(view: RunView, rows: pd.DataFrame) -> str:
    """Who reads boundaries better, where it is decided at every width that it is the same one."""
    plain = "Boundaries: accuracy against the best possible, by width"
    verdicts = set(view.differences(rows, ["width_km"])["verdict"])
    leader = (
        dict(zip(("first", "second"), view.pair_labels, strict=True)).get(*verdicts) if len(verdicts) == 1 else None
    )
    return f"{leader} reads boundaries of every width better" if leader else plain
