"""Land or ocean: a real field, and accuracy against distance to the coast."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from satgpu.answers import coastline
from satgpu.answers.tables import NEAREST
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import QUIET, EncoderStyle, log_km_axis, percent_axis, reference_line, say_empty, styles_of
from ..words import sentence
from .curves import no_scores, plot_means

NAME, TITLE = "coastline", coastline.TITLE


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Accuracy and IoU of every encoder, and accuracy by distance to the coast."""
    if run.probes("coastline", scored=False).empty:
        return None
    figure, axes = open_sheet(2, narrow, widths=(1.25, 1))
    if coastline.accuracies(run).empty:
        return no_scores(run, figure, axes, NAME, TITLE)
    _scores_panel(axes[0], run)
    handles = _distance_panel(axes[1], run)
    close_figure(figure, TITLE, handles, run)
    caption = (
        "Right: share of test points classified right, by great-circle distance to the nearest coast; "
        "half way lies between guessing and always right."
    )
    alt = " ".join(sentence(one) for one in answers if one.question == "coastline")
    return Picture(NAME, figure, TITLE, alt, caption)


def _scores_panel(axes: Axes, run: Run) -> None:
    """Accuracy and IoU of each encoder with their intervals, the numbers beside."""
    tables = [table.set_index("encoder") for table in (coastline.accuracies(run), coastline.overlaps(run))]
    specs = [spec for spec in [*run.compared, *run.controls, NEAREST] if spec in tables[0].index]
    for i, spec in enumerate(specs):
        numbers = []
        for offset, marker, table in zip((-0.12, 0.12), ("o", "D"), tables, strict=True):
            if spec in table.index:
                _score(axes, styles_of(run)[spec], table.loc[spec], i + offset, marker)
                numbers.append(f"{100 * table.loc[spec, 'mean']:.1f} %")
        axes.text(1.02, i, " / ".join(numbers), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    chance = coastline.chance(run)
    axes.axvline(chance, color=QUIET, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    axes.text(chance, -0.62, "chance ", fontsize=8, ha="right", va="top", color=QUIET)
    axes.set_yticks(range(len(specs)), [styles_of(run)[spec].label for spec in specs])
    axes.set_ylim(len(specs) - 0.4, -0.7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("● accuracy   ◆ IoU of land   (95 % intervals)")
    axes.grid(axis="y", visible=False)


def _score(axes: Axes, style: EncoderStyle, row: pd.Series, y: float, marker: str) -> None:
    """One dot and its interval."""
    if np.isfinite(row["low"]):
        axes.hlines(y, row["low"], row["high"], color=style.colour, linewidth=2.4, alpha=0.6)
    axes.plot(
        row["mean"],
        y,
        marker=marker,
        color=style.colour,
        markersize=6,
        markerfacecolor="white" if style.hollow else style.colour,
        linestyle="",
    )


def _distance_panel(axes: Axes, run: Run) -> list:
    """One line per encoder whose predictions were kept, and the level that a resolution is read at."""
    shares = coastline.shares_by_distance(run)
    if shares.empty:
        say_empty(
            axes,
            "accuracy by distance to the coast\nneeds kept predictions and the\nland mask: pip install 'satgpu[land]'",
        )
        return []
    handles = plot_means(axes, run, shares, "distance_km")
    percent_axis(axes, "test points right")
    axes.set_ylim(max(axes.get_ylim()[0], shares["mean"].min() - 0.06), 1.03)
    reference_line(axes, coastline.HALF_WAY, "half way")
    log_km_axis(axes, shares["distance_km"], "distance to the coast (km)")
    return handles
