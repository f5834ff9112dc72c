"""What is read of each real field, stacked into its parts, and beside it what training gave to each part."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from satgpu.answers.fields import KNOWS, PARTS, gain, part, table
from satgpu.answers.types import Answer, Estimate
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK, QUIET
from ..words import sentence

NAME = "fields"
# Dark to light, so that a grey print reads the same; hatches say it again.
COLOURS = {"resolution": "#35507a", "zonal": "#c9a227", "longitude": "#3fa88b"}
HATCHES = {"resolution": "", "zonal": "//", "longitude": ".."}
MEANING = {
    "resolution": "resolution: read of it however it is turned",
    "zonal": "zonal: kept by turns about the axis",
    "longitude": "longitude: read only where it lies, the evidence of knowledge",
}
CAPTION = (
    "Left: share of each field's variance that is read at places held back, in three parts that add up to it; whiskers "
    "are 95 % intervals of each part, over draws of places. Parts below 0 stand left of the line. A filled dot: the "
    "encoder knows the field, that is, reads more of it than of 95 % of its turns, about the axis and in all "
    "directions, and the longitude part is 3 points or more. Right: each part less that of untrained encoders of the "
    "same architecture."
)


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """A group of bars for every field, one bar an encoder."""
    rows = table(run)
    if rows.empty:
        return None
    with_gain = bool((rows["twins"] > 0).any())
    height = 0.8 + 0.27 * len(rows) + 0.2 * rows["field"].nunique()
    figure, axes = open_sheet(1 + with_gain, narrow, height, widths=(1.6, 1) if with_gain else None)
    heights = _heights(rows)
    _draw_parts(axes[0], rows, heights)
    if with_gain:
        _draw_gains(axes[1], rows, heights, labels=narrow)
    handles = [Patch(facecolor=COLOURS[p], hatch=HATCHES[p], edgecolor="white", label=MEANING[p]) for p in PARTS]
    title = "Real fields: what is resolution, what is zonal, what is known"
    close_figure(figure, title, handles, run)
    told = [sentence(one) for one in answers if one.question == "fields"]
    return Picture(NAME, figure, title, " ".join(told), CAPTION)


def _heights(rows: pd.DataFrame) -> list[float]:
    """Places of the bars from the top down, with a gap before each field."""
    gaps = (rows["field"] != rows["field"].shift()).cumsum()
    return list(-(rows.index.to_numpy() + 0.9 * gaps.to_numpy()))


def _draw_parts(axes: Axes, rows: pd.DataFrame, heights: Sequence[float]) -> None:
    for row, y in zip(rows.to_dict("records"), heights, strict=True):
        ends = {1: 0.0, -1: 0.0}
        for i, name in enumerate(PARTS):
            found = part(row, name)
            if pd.isna(found.value):
                continue
            side = 1 if found.value >= 0 else -1
            _draw_bar(axes, y, ends[side], found, name, i)
            ends[side] += found.value
        style = {"color": INK, "markersize": 5, "markerfacecolor": INK if row["known"] == KNOWS else "white"}
        axes.plot(row["skill"], y, marker="o", zorder=5, **style)
    _label_rows(axes, rows, heights)
    # Few draws have wide intervals: they may leave the panel, the bars may not.
    axes.set_xlim(min(-0.12, float(rows[list(PARTS)].clip(upper=0).sum(axis=1).min()) - 0.05), 1.03)
    axes.set_xlabel("share of the field's variance read")


def _draw_bar(axes: Axes, y: float, start: float, found: Estimate, name: str, i: int) -> None:
    """One part from where the last ended, with the interval of its own length at its end."""
    axes.barh(y, found.value, 0.72, start, color=COLOURS[name], hatch=HATCHES[name], edgecolor="white", linewidth=0.4)
    if found.has_interval:
        ends = [start + found.low, start + found.high]
        axes.plot(ends, [y + 0.22 * (i - 1)] * 2, color=INK, linewidth=1.1, zorder=4)


def _label_rows(axes: Axes, rows: pd.DataFrame, heights: Sequence[float], labels: bool = True) -> None:
    """Encoders at the axis, fields above their bars, no frame."""
    axes.set_yticks(heights, [encoder_label(name) for name in rows["encoder"]] if labels else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_ylim(min(heights) - 0.7, 0.2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    for field, own in rows.groupby("field", sort=False):
        words = field + (" (negative control)" if own["control"].iloc[0] else "")
        place = {"transform": axes.get_yaxis_transform(), "ha": "left", "va": "center"}
        axes.text(0.005, heights[own.index[0]] + 0.8, words, fontweight="bold", fontsize=9, **place)


def _draw_gains(axes: Axes, rows: pd.DataFrame, heights: Sequence[float], labels: bool) -> None:
    for row, y in zip(rows.to_dict("records"), heights, strict=True):
        for i, name in enumerate(PARTS if row["twins"] else ()):
            found, at = gain(row, name), y + 0.24 * (1 - i)
            axes.plot(found.value, at, marker="osD"[i], color=COLOURS[name], markersize=4.5, zorder=4)
            if found.has_interval:
                axes.plot([found.low, found.high], [at, at], color=COLOURS[name], linewidth=1.6, zorder=3)
    _label_rows(axes, rows, heights, labels)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+.3g}"))
    axes.set_xlabel("what training gave, points")
