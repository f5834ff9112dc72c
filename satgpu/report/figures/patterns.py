"""Difference by pattern and scale, and the same against wavelength."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from satgpu.answers import patterns
from satgpu.answers.sentences import plain
from satgpu.answers.tables import means
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK, log_km_axis
from ..words import sentence
from .curves import difference_limits
from .heatmap import (
    UNDECIDED_PATCH,
    accuracy_only,
    colour_bar,
    count_title,
    draw_heatmap,
    in_order,
    pattern_handle,
    winner_colours,
)

NAME, PLAIN = "pattern_complexity", "Patterns: who reads which, at which scale"
PATTERN_ORDER = ("checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings")


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Left a cell for each pattern and scale, right a line for each pattern."""
    if run.probes("patterns", scored=False).empty:
        return None
    figure, axes = open_sheet(2, narrow, widths=(1.15, 1))
    table = patterns.table(run)
    if table.empty:
        return accuracy_only(run, figure, axes, means(run, "patterns", ("pattern", "scale_km")), "pattern", NAME, PLAIN)
    names, scales = in_order(table["pattern"], PATTERN_ORDER), sorted(table["scale_km"].unique())
    labels = [plain(name) for name in names]
    image = draw_heatmap(axes[0], table, "pattern", "scale_km", *winner_colours(run, table), names, scales, labels)
    axes[0].set_xlabel("scale (km)")
    axes[0].set_title("at equal scale")
    colour_bar(figure, axes[0], image, run)
    _wavelength_panel(axes[1], run, names)
    title = count_title(run, table, "patterns and scales", PLAIN)
    close_figure(figure, title, [UNDECIDED_PATCH, *(pattern_handle(i, name) for i, name in enumerate(names))], run)
    alt = " ".join(sentence(one) for one in answers if one.id in ("patterns.cells", "patterns.averages"))
    caption = "Left at equal scale, right where the patterns repeat after the same distance."
    return Picture(NAME, figure, title, alt, caption)


def _wavelength_panel(axes: Axes, run: Run, names: list[str]) -> None:
    """One line of differences per pattern, against wavelength; checkerboards laid at the stripes' wavelengths too."""
    table = patterns.by_wavelength(run)
    for i, name in enumerate(names):
        curve = table[table["pattern"] == name].sort_values("wavelength_km")
        options = pattern_handle(i, name)
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
    first, second = run.labels
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_ylabel(f"{second} minus {first} (percentage points)")
    axes.set_ylim(*difference_limits(axes))
    axes.set_title("at equal wavelength")
    log_km_axis(axes, table["wavelength_km"], "wavelength (km)")
