"""What several figures share: accuracy curves, paired differences, and their axes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from satgpu.answers.tables import NEAREST, SHUFFLED
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure
from ..style import INK, QUIET, EncoderStyle, percent_axis, reference_line, say_empty, styles_of
from ..words import percent


def plot_means(axes: Axes, run: Run, means: pd.DataFrame, x: str, positions: dict | None = None) -> list:
    """One line and interval band per encoder of a table of means; returns the legend entries.

    Args:
        means: columns encoder, ``x``, mean, low, high.
        positions: value of ``x`` to place on the axis, for categories.
    """
    handles, lucky = [], 0
    for spec in [*run.compared, *run.controls, NEAREST, SHUFFLED]:
        curve = means[means["encoder"] == spec].sort_values(x)
        if curve.empty:
            continue
        style = styles_of(run)[spec]
        places = curve[x].map(positions) if positions else curve[x]
        axes.fill_between(
            places, curve["low"], curve["high"], color=style.colour, alpha=0.10 if style.control else 0.20, linewidth=0
        )
        axes.plot(places, curve["mean"], zorder=2 if style.control else 3, **style.line_options())
        handles.append(style.handle())
        lucky += _those_that_learned(axes, curve, places, style) if spec in run.compared else 0
    return [*handles, LEARNED_HANDLE] if lucky else handles


LEARNED_HANDLE = Line2D([], [], color=QUIET, marker="_", linestyle="", label="probes that learned, alone")


def _those_that_learned(axes: Axes, curve: pd.DataFrame, places: pd.Series, style: EncoderStyle) -> int:
    """A dash at the mean of the probes that learned, where others of the cell never did; returns how many."""
    if "skill_mean" not in curve:
        return 0
    apart = curve["skill_mean"] - curve["mean"] > 0.002  # the two are one where every probe learned
    axes.plot(places[apart], curve.loc[apart, "skill_mean"], color=style.colour, marker="_", markersize=9, linestyle="")
    return int(apart.sum())


def plot_difference(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    colour: str,
    label: str,
    positions: dict | None = None,
    marker: str = "o",
    hollow: bool = False,
) -> Line2D:
    """Paired differences in points with their intervals; white markers where undecided."""
    table = table.sort_values(x)
    places = (table[x].map(positions) if positions else table[x]).to_numpy(dtype=float)
    mean, low, high = (100 * table[column].to_numpy(dtype=float) for column in ("difference", "low", "high"))
    axes.plot(
        places, mean, color=colour, linewidth=1.2, linestyle=(0, (1.5, 1.5)) if hollow else "-", alpha=0.7, zorder=2
    )
    known = np.isfinite(low) & np.isfinite(high)
    axes.vlines(places[known], low[known], high[known], color=colour, linewidth=1.6, alpha=0.65, zorder=2)
    decided = (table["verdict"] != "undecided").to_numpy() & (not hollow)
    for chosen, face in ((decided, colour), (~decided, "white")):
        axes.plot(
            places[chosen],
            mean[chosen],
            linestyle="",
            marker=marker,
            markersize=5.5,
            markerfacecolor=face,
            markeredgecolor=colour,
            zorder=4,
        )
    return Line2D(
        [],
        [],
        color=colour,
        marker=marker,
        markersize=5.5,
        linewidth=1.2,
        linestyle=(0, (1.5, 1.5)) if hollow else "-",
        markerfacecolor="white" if hollow else colour,
        label=label,
    )


def difference_axis(axes: Axes, first: str, second: str) -> None:
    """Zero line, label and the words that say which side is whose."""
    axes.axhline(0, color=INK, linewidth=1.0, zorder=1)
    axes.set_ylabel(f"{second} minus {first}\n(percentage points)")
    axes.text(0.01, 0.99, f"▲ {second} better", transform=axes.transAxes, ha="left", va="top", fontsize=8, color=QUIET)
    axes.text(
        0.01, 0.01, f"▼ {first} better", transform=axes.transAxes, ha="left", va="bottom", fontsize=8, color=QUIET
    )
    low, high = difference_limits(axes)
    axes.set_ylim(min(low, -2) - 0.06 * (high - low), max(high, 2) + 0.06 * (high - low))


def difference_limits(axes: Axes) -> tuple[float, float]:
    """The axis as it is, but no further than the drawn means reach twice over: few replicates have wide intervals."""
    reach = 2.2 * max(
        [10.0, *(np.nanmax(np.abs(line.get_ydata())) for line in axes.lines if len(line.get_ydata()) > 2)]
    )
    low, high = axes.get_ylim()
    return max(low, -reach), min(high, reach)


UNDECIDED_HANDLE = Line2D(
    [], [], color=QUIET, marker="o", linestyle="", markerfacecolor="white", markersize=5.5, label="undecided"
)


def accuracy_axis(axes: Axes, rows: pd.DataFrame, means: pd.DataFrame) -> None:
    """Per cent, with the lines of chance and of the best possible; wide bands of few replicates are cut off."""
    percent_axis(axes, "test accuracy")
    chance, ceiling = rows["chance"].mean(), rows["ceiling"].mean()
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, min(chance, means["mean"].min()) - 0.08), max(min(high, 1.04), ceiling + 0.04))
    if np.isfinite(chance):
        reference_line(axes, chance, "chance")
    if np.isfinite(ceiling):
        reference_line(axes, ceiling, "best\npossible")


def ends_in_words(run: Run, means: pd.DataFrame, x: str, unit: str, noun: str = "accuracy") -> str:
    """First and last value of each compared encoder's curve."""
    phrases = []
    for spec in run.compared:
        curve = means[means["encoder"] == spec].sort_values(x)
        if len(curve):
            first, last = curve.iloc[0], curve.iloc[-1]
            phrases.append(
                f"{encoder_label(spec)}: {percent(first['mean'])} at {first[x]:g} {unit}, {percent(last['mean'])} at "
                f"{last[x]:g}."
            )
    return f"Test {noun}. " + " ".join(phrases)


def no_scores(run: Run, figure, axes, name: str, title: str) -> Picture:
    """The figure of an experiment of which no probe has a score."""
    for panel in axes:
        say_empty(panel, "no probe of this experiment\nhas a score: see the failures\nlisted in summary.md")
    close_figure(figure, title, [], run)
    return Picture(name, figure, title, "No probe of this experiment has a score.")
