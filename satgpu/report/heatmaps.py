"""Differences by two factors at once: pattern × scale, and scale × region, undecided cells hatched."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from .curves import difference_limits
from .sheet import Picture, close_sheet, open_sheet
from .style import COMPARED_MARKERS, INK, QUIET, log_km_axis, percent_axis, say_empty
from .view import PATTERN_ORDER, REGION_ORDER, STARVED_BELOW, RunView, in_order
from .words import count, listing, pattern_label, points, points_interval

PATTERN_COLOURS = ("#1c2430", "#1f4e9c", "#00876c", "#b5367a", "#e8871e", "#6b4423")
UNDECIDED_PATCH = Patch(facecolor="white", edgecolor=QUIET, hatch="////", label="undecided")


def winner_colours(view: RunView, table: pd.DataFrame):
    """Norm and colour map of a difference: the colour of the encoder that leads, white where neither does."""
    limit = max(0.05, table["difference"].abs().max())
    colours = [view.looks[view.pair[0]].colour, "#ffffff", view.looks[view.pair[1]].colour]
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


def draw_patterns(view: RunView, narrow: bool = False) -> Picture:
    """Difference by pattern and scale, and the same against wavelength."""
    title = "Patterns: who reads which, at which scale"
    rows = view.rows("patterns")
    figure, axes = open_sheet(2, narrow, widths=(1.15, 1))
    if not view.pair or rows["test_accuracy"].notna().sum() == 0:
        return _accuracy_only(view, figure, axes, rows, "pattern", "pattern_complexity", title)
    table = view.differences(rows[rows["task"] == "classification"], ["pattern", "scale_km", "wavelength_km"])
    names = in_order(table["pattern"], PATTERN_ORDER)
    scales = sorted(table["scale_km"].unique())
    image = draw_heatmap(
        axes[0],
        table,
        "pattern",
        "scale_km",
        *winner_colours(view, table),
        names,
        scales,
        [pattern_label(name) for name in names],
    )
    axes[0].set_xlabel("scale (km)")
    axes[0].set_title("at equal scale")
    _colour_bar(figure, axes[0], image, view)
    _wavelength_panel(axes[1], view, names)
    title = _finding(view, table, "patterns and scales", title)
    handles = [UNDECIDED_PATCH, *(_pattern_handle(i, name) for i, name in enumerate(names))]
    close_sheet(figure, title, handles, view.footer, view.notice)
    caption = (
        "A checkerboard of cell s repeats every √2·s, stripes every 2·s: the right panel compares them at "
        "equal wavelength."
    )
    return Picture("pattern_complexity", figure, title, pattern_words(view, table), caption)


def _wavelength_panel(axes: Axes, view: RunView, names: list[str]) -> None:
    """One line of differences per pattern, against wavelength; checkerboards laid at the stripes' wavelengths too."""
    rows = pd.concat([view.rows("patterns"), view.rows("patterns_wavelength")])
    table = view.differences(rows[rows["task"] == "classification"], ["pattern", "wavelength_km"])
    for i, name in enumerate(names):
        curve = table[table["pattern"] == name].sort_values("wavelength_km")
        options = _pattern_handle(i, name)
        axes.plot(
            curve["wavelength_km"],
            100 * curve["difference"],
            color=options.get_color(),
            marker=options.get_marker(),
            markersize=4.5,
            linewidth=1.4,
        )
        known = curve[curve["low"].notna()]
        axes.vlines(
            known["wavelength_km"],
            100 * known["low"],
            100 * known["high"],
            color=options.get_color(),
            alpha=0.5,
            linewidth=1.4,
        )
    first, second = view.pair_labels
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_ylabel(f"{second} minus {first} (percentage points)")
    axes.set_ylim(*difference_limits(axes))
    axes.set_title("at equal wavelength")
    log_km_axis(axes, table["wavelength_km"], "wavelength (km)")


def _pattern_handle(i: int, name: str) -> Line2D:
    """Legend entry of one pattern."""
    k = i % len(PATTERN_COLOURS)
    return Line2D(
        [],
        [],
        color=PATTERN_COLOURS[k],
        marker=COMPARED_MARKERS[k],
        markersize=4.5,
        linewidth=1.4,
        label=pattern_label(name),
    )


def _finding(view: RunView, table: pd.DataFrame, noun: str, plain: str) -> str:
    """A title that counts the cells that are decided, where any is."""
    first, second = view.pair_labels
    tally = table["verdict"].value_counts()
    decided = [
        f"{name} leads in {tally[verdict]}"
        for verdict, name in (("second", second), ("first", first))
        if verdict in tally
    ]
    if not decided:
        return plain
    return f"Of {len(table)} {noun}, {' and '.join(decided)}; {tally.get('undecided', 0)} undecided"


def pattern_words(view: RunView, table: pd.DataFrame) -> str:
    """The averages by pattern, and how many cells are decided for whom."""
    first, second = view.pair_labels
    averages = table.groupby("pattern")["difference"].mean().sort_values(ascending=False)
    means = listing(f"{pattern_label(name)} {points(value)}" for name, value in averages.items())
    return f"{_verdict_words(view, table)} Average {second} minus {first} over the scales, in points: {means}."


def _verdict_words(view: RunView, table: pd.DataFrame) -> str:
    first, second = view.pair_labels
    tally = table["verdict"].value_counts()
    return (
        f"Of {count(len(table), 'cell')}, {second} leads in {tally.get('second', 0)}, {first} in "
        f"{tally.get('first', 0)}, and {tally.get('undecided', 0)} are undecided."
    )


def draw_scale_region(view: RunView, narrow: bool = False) -> Picture:
    """One heatmap per region: span × scale."""
    title = "Scale and region: who is better where"
    rows = view.rows("scale_region")
    regions = in_order(rows["region"], REGION_ORDER)
    figure, axes = open_sheet(len(regions), narrow, height_in=3.6, columns=min(3, len(regions)))
    if not view.pair or rows["test_accuracy"].notna().sum() == 0:
        return _accuracy_only(view, figure, axes, rows, "region", "scale_region", title)
    table = view.differences(rows, ["region", "span_deg", "scale_km"])
    spans, scales = sorted(table["span_deg"].unique()), sorted(table["scale_km"].unique())
    norm, colour_map = winner_colours(view, table)
    for panel, region in zip(axes, regions, strict=True):
        chosen = table[table["region"] == region]
        starved = (
            rows[rows["region"] == region].groupby(["span_deg", "scale_km"])["train_points_per_cell"].median()
            < STARVED_BELOW
        )
        image = draw_heatmap(
            panel,
            chosen,
            "span_deg",
            "scale_km",
            norm,
            colour_map,
            spans,
            scales,
            [f"{span:g}°" for span in spans],
            starved,
        )
        panel.set_title(region)
        panel.set_xlabel("cell size (km)")
    axes[0].set_ylabel("span of the region (degrees)")
    _colour_bar(figure, axes, image, view)
    title = _finding(view, table, "regions, spans and scales", title)
    close_sheet(figure, title, [UNDECIDED_PATCH], view.footer, view.notice)
    caption = (
        f"Numbers: percentage points. Hatched: the interval or the false-discovery control does not "
        f"decide. * fewer than {STARVED_BELOW} training points per cell."
    )
    return Picture("scale_region", figure, title, scale_region_words(view, table), caption)


def scale_region_words(view: RunView, table: pd.DataFrame) -> str:
    """Tally, and each region's largest cell."""
    first, second = view.pair_labels
    phrases = [_verdict_words(view, table)]
    for region, cells in table.groupby("region", sort=False):
        best = cells.loc[cells["difference"].abs().idxmax()]
        phrases.append(
            f"{region}: largest {points_interval(best['difference'], best['low'], best['high'])} ({second} "
            f"minus {first}) at {best['span_deg']:g}°, {best['scale_km']:g} km."
        )
    return " ".join(phrases)


def _colour_bar(figure, axes, image, view: RunView) -> None:
    first, second = view.pair_labels
    bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=28, pad=0.02)
    bar.set_label(f"{second} minus {first} (percentage points)")
    bar.ax.yaxis.set_major_formatter(lambda value, _: _signed(100 * value))
    bar.outline.set_visible(False)


def _accuracy_only(view: RunView, figure, axes, rows: pd.DataFrame, key: str, name: str, title: str) -> Picture:
    """With one encoder there is no difference to draw: its accuracies instead; without scores, a sentence."""
    means = view.means(rows[rows["encoder"].isin(view.compared[:1])], [key, "scale_km"])
    for panel in axes[1:]:
        figure.delaxes(panel)
    if means.empty:
        say_empty(axes[0], "no probe of this experiment\nhas a score: see the failures\nlisted in summary.md")
    handles = []
    for i, (value, curve) in enumerate(means.groupby(key, sort=False)):
        handle = _pattern_handle(i, value)
        axes[0].fill_between(
            curve["scale_km"], curve["low"], curve["high"], color=handle.get_color(), alpha=0.12, linewidth=0
        )
        axes[0].plot(curve["scale_km"], curve["mean"], color=handle.get_color(), marker=handle.get_marker())
        handles.append(handle)
    if len(means):
        title = f"{title.split(':')[0]}: accuracy of {view.label(view.compared[0])}"
        log_km_axis(axes[0], means["scale_km"], "scale (km)")
        percent_axis(axes[0], "test accuracy")
    close_sheet(figure, title, handles, view.footer, view.notice)
    return Picture(
        name,
        figure,
        title,
        "One encoder: there is no difference to show." if len(means) else "No probe of this experiment has a score.",
    )
