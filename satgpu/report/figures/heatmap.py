"""Differences by two factors at once as coloured cells, the undecided ones hatched."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from satgpu.answers.sentences import plain
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure
from ..style import COMPARED_MARKERS, INK, QUIET, log_km_axis, percent_axis, say_empty, styles_of

PATTERN_COLOURS = ("#1c2430", "#1f4e9c", "#00876c", "#b5367a", "#e8871e", "#6b4423")
UNDECIDED_PATCH = Patch(facecolor="white", edgecolor=QUIET, hatch="////", label="undecided")


def winner_colours(run: Run, table: pd.DataFrame):
    """Norm and colour map of a difference: the colour of the encoder that leads, white where neither does."""
    limit = max(0.05, table["difference"].abs().max())
    colours = [styles_of(run)[run.pair[0]].colour, "#ffffff", styles_of(run)[run.pair[1]].colour]
    return TwoSlopeNorm(0.0, -limit, limit), LinearSegmentedColormap.from_list("winner", colours)


def _is_light(rgba) -> bool:
    """Whether dark ink reads on a colour (relative luminance, Rec. 709)."""
    return float(np.dot(rgba[:3], (0.2126, 0.7152, 0.0722))) > 0.42


def draw_heatmap(
    axes: Axes,
    table: pd.DataFrame,
    row: str,
    column: str,
    norm,
    colour_map,
    rows: list,
    columns: list,
    row_labels: list[str],
    starved: pd.Series | None = None,
):
    """Cells coloured by difference, with its number; hatched where undecided, a dot where starved.

    Args:
        table: columns ``row``, ``column``, difference, verdict.
        norm, colour_map: from ``winner_colours``.
        starved: starved or not by (row, column) index, if known.
    """
    grid = table.pivot(index=row, columns=column, values="difference").reindex(index=rows, columns=columns)
    verdicts = table.pivot(index=row, columns=column, values="verdict").reindex(index=rows, columns=columns)
    image = axes.imshow(grid.to_numpy(dtype=float), cmap=colour_map, norm=norm, aspect="auto")
    for i, j in np.ndindex(grid.shape):
        value, undecided = grid.iloc[i, j], verdicts.iloc[i, j] == "undecided"
        if not np.isfinite(value):
            axes.text(j, i, "–", ha="center", va="center", color=QUIET)
            continue
        if undecided:
            axes.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#8a93a0", linewidth=0)
            )
        mark = "*" if starved is not None and bool(starved.get((rows[i], columns[j]), False)) else ""
        colour = INK if undecided or _is_light(colour_map(norm(value))) else "white"
        box = (
            {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            if undecided
            else None
        )
        axes.text(j, i, f"{_signed(100 * value)}{mark}", ha="center", va="center", fontsize=8.5, color=colour, bbox=box)
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), row_labels)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _signed(value: float) -> str:
    """Whole points with their sign, and no sign for nothing."""
    return f"{round(value):+d}" if round(value) else "0"


def pattern_handle(i: int, name: str) -> Line2D:
    """Legend entry of one pattern."""
    k = i % len(PATTERN_COLOURS)
    return Line2D(
        [],
        [],
        color=PATTERN_COLOURS[k],
        marker=COMPARED_MARKERS[k],
        markersize=4.5,
        linewidth=1.4,
        label=plain(name),
    )


def count_title(run: Run, table: pd.DataFrame, noun: str, plain: str) -> str:
    """A title that counts the cells that are decided, where any is."""
    first, second = run.labels
    tally = table["verdict"].value_counts()
    decided = [
        f"{name} leads in {tally[verdict]}"
        for verdict, name in (("second", second), ("first", first))
        if verdict in tally
    ]
    if not decided:
        return plain
    return f"Of {len(table)} {noun}, {' and '.join(decided)}; {tally.get('undecided', 0)} undecided"


def colour_bar(figure, axes, image, run: Run) -> None:
    """The scale of a heatmap: points of difference, by the colours of the two encoders."""
    first, second = run.labels
    bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=28, pad=0.02)
    bar.set_label(f"{second} minus {first} (percentage points)")
    bar.ax.yaxis.set_major_formatter(lambda value, _: _signed(100 * value))
    bar.outline.set_visible(False)


def accuracy_only(run: Run, figure, axes, table: pd.DataFrame, key: str, name: str, title: str) -> Picture:
    """With one encoder there is no difference to draw: its accuracies instead; without scores, a sentence."""
    means = table[table["encoder"].isin(run.compared[:1])]
    for panel in axes[1:]:
        figure.delaxes(panel)
    if means.empty:
        say_empty(axes[0], "no probe of this experiment\nhas a score: see the failures\nlisted in summary.md")
    handles = []
    for i, (value, curve) in enumerate(means.groupby(key, sort=False)):
        handle = pattern_handle(i, value)
        axes[0].fill_between(
            curve["scale_km"], curve["low"], curve["high"], color=handle.get_color(), alpha=0.12, linewidth=0
        )
        axes[0].plot(curve["scale_km"], curve["mean"], color=handle.get_color(), marker=handle.get_marker())
        handles.append(handle)
    if len(means):
        title = f"{title.split(':')[0]}: accuracy of {encoder_label(run.compared[0])}"
        log_km_axis(axes[0], means["scale_km"], "scale (km)")
        percent_axis(axes[0], "test accuracy")
    close_figure(figure, title, handles, run)
    return Picture(
        name,
        figure,
        title,
        "One encoder: there is no difference to show." if len(means) else "No probe of this experiment has a score.",
    )


def in_order(values, order: Sequence[str]) -> list[str]:
    """Distinct values, those of ``order`` first."""
    found = list(dict.fromkeys(values))
    return [value for value in order if value in found] + sorted(value for value in found if value not in order)
