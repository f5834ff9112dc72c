"""Accuracy curves: the sweet spot, the size of the region, the width of a boundary."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .sheet import Picture, close_sheet, open_sheet
from .style import INK, NEAREST, QUIET, SHUFFLED, percent_axis, reference_line, say_empty
from .view import STARVED_BELOW, RunView
from .words import listing, percent, points_interval


def plot_means(axes: Axes, view: RunView, means: pd.DataFrame, x: str, positions: dict | None = None) -> list:
    """One line and interval band per encoder of a table of means; returns the legend entries.

    Args:
        means: columns encoder, ``x``, mean, low, high.
        positions: value of ``x`` to place on the axis, for categories.
    """
    handles = []
    for spec in [*view.compared, *view.controls, NEAREST, SHUFFLED]:
        curve = means[means["encoder"] == spec].sort_values(x)
        if curve.empty:
            continue
        look = view.looks[spec]
        places = curve[x].map(positions) if positions else curve[x]
        axes.fill_between(
            places, curve["low"], curve["high"], color=look.colour, alpha=0.10 if look.control else 0.20, linewidth=0
        )
        axes.plot(places, curve["mean"], zorder=2 if look.control else 3, **look.line_options())
        handles.append(look.handle())
    return handles


def all_means(view: RunView, experiment: str, by: list[str], value: str = "test_accuracy") -> pd.DataFrame:
    """Means of encoders, nearest neighbour and shuffled labels, stacked with their names in ``encoder``."""
    parts = [view.means(view.rows(experiment), ["encoder", *by], value)]
    nearest = view.nearest(experiment)
    if len(nearest):
        parts.append(view.means(nearest[nearest["labels"] == "field"].assign(encoder=NEAREST), ["encoder", *by], value))
    shuffled = view.shuffled(experiment)
    if len(shuffled):
        parts.append(view.means(shuffled.assign(encoder=SHUFFLED), ["encoder", *by], value))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


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


def draw_region_size(view: RunView, narrow: bool = False) -> Picture:
    """Difference and accuracy as the region grows, at fixed points and at fixed density."""
    rows = view.rows("region_size")
    samplings = [s for s in ("fixed_points", "fixed_density") if s in set(rows["sampling"])]
    figure, axes = open_sheet((1 if view.pair else 0) + max(1, len(samplings)), narrow, height_in=3.5)
    if rows["test_accuracy"].notna().sum() == 0:
        return no_scores(view, figure, axes, "region_size_effect", "Accuracy by size of the region")
    spans = sorted(rows["span_deg"].dropna().unique())
    positions, handles, words = {span: i for i, span in enumerate(spans)}, [], []
    if view.pair:
        handles += _region_difference(axes[0], view, rows, samplings, positions, words)
    for panel, sampling in zip(axes[1 if view.pair else 0 :], samplings, strict=False):
        chosen = rows[rows["sampling"] == sampling]
        means = view.means(chosen, ["encoder", "span_deg"])
        entries = plot_means(panel, view, means, "span_deg", positions)
        _accuracy_axis(panel, chosen, means)
        _span_axis(panel, chosen, positions)
        panel.set_title({"fixed_points": "same number of points", "fixed_density": "same points per cell"}[sampling])
    title = f"Region size, {rows['scale_km'].dropna().iloc[0]:g} km cells"
    close_sheet(figure, title, [*entries, *handles], view.footer, view.notice)
    caption = (
        f"Under each span: training points per cell. * Below {STARVED_BELOW} a probe is starved, and the "
        f"size of the region cannot be told from the lack of points."
    )
    return Picture(
        "region_size_effect",
        figure,
        title,
        " ".join(words) or curve_words(view, view.means(rows, ["encoder", "span_deg"]), "span_deg", "degree regions"),
        caption,
    )


def _region_difference(axes: Axes, view: RunView, rows, samplings, positions, words) -> list:
    """Left panel: one curve of differences per sampling."""
    handles, looks = (
        [],
        {"fixed_points": (INK, "o", "fixed points"), "fixed_density": ("#00876c", "^", "fixed density")},
    )
    first, second = view.pair_labels
    for sampling in samplings:
        colour, marker, label = looks[sampling]
        table = view.differences(rows[rows["sampling"] == sampling], ["span_deg"]).sort_values("span_deg")
        handles.append(
            plot_difference(axes, table, "span_deg", colour, f"{second} minus {first}, {label}", positions, marker)
        )
        ends = [
            f"{points_interval(r.difference, r.low, r.high)} at {r.span_deg:g}°"
            for r in (table.iloc[0], table.iloc[-1])
        ]
        words.append(f"{second} minus {first} with {label}: {listing(ends)}.")
    difference_axis(axes, first, second)
    _span_axis(axes, None, positions)
    return [*handles, UNDECIDED_HANDLE]


def _span_axis(axes: Axes, rows: pd.DataFrame | None, positions: dict) -> None:
    """Spans as categories, with training points per cell in a second line."""
    labels = [f"{span:g}°" for span in positions]
    if rows is not None:
        per_cell = rows.groupby("span_deg")["train_points_per_cell"].median()
        starved = {span: "*" if per_cell.get(span, np.nan) < STARVED_BELOW else "" for span in positions}
        labels = [f"{span:g}°\n{per_cell.get(span, np.nan):.3g}{starved[span]}" for span in positions]
    axes.set_xticks(list(positions.values()), labels, fontsize=7.5)
    axes.set_xlabel("span of the region (degrees)" + ("\ntraining points per cell" if rows is not None else ""))


def _accuracy_axis(axes: Axes, rows: pd.DataFrame, means: pd.DataFrame) -> None:
    """Per cent, with the lines of chance and of the best possible; wide bands of few replicates are cut off."""
    percent_axis(axes, "test accuracy")
    chance, ceiling = rows["chance"].mean(), rows["ceiling"].mean()
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, min(chance, means["mean"].min()) - 0.08), max(min(high, 1.04), ceiling + 0.04))
    if np.isfinite(chance):
        reference_line(axes, chance, "chance")
    if np.isfinite(ceiling):
        reference_line(axes, ceiling, "best\npossible")


def curve_words(view: RunView, means: pd.DataFrame, x: str, unit: str, noun: str = "accuracy") -> str:
    """First and last value of each compared encoder's curve."""
    phrases = []
    for spec in view.compared:
        curve = means[means["encoder"] == spec].sort_values(x)
        if len(curve):
            first, last = curve.iloc[0], curve.iloc[-1]
            phrases.append(
                f"{view.label(spec)}: {percent(first['mean'])} at {first[x]:g} {unit}, {percent(last['mean'])} at "
                f"{last[x]:g}."
            )
    return f"Test {noun}. " + " ".join(phrases)


def no_scores(view: RunView, figure, axes, name: str, title: str) -> Picture:
    """The figure of an experiment of which no probe has a score."""
    for panel in axes:
        say_empty(panel, "no probe of this experiment\nhas a score: see the failures\nlisted in summary.md")
    close_sheet(figure, title, [], view.footer, view.notice)
    return Picture(name, figure, title, "No probe of this experiment has a score.")
