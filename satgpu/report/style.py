"""One style for every figure: a colour, marker and line style per encoder, and plain kilometre axes.

Colours are from the part of the wheel that survives the common colour-vision
deficiencies, and neighbours in the list differ in lightness, so a grey print
still separates them; markers and line styles say the same thing again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from satgpu.answers.tables import NEAREST, SHUFFLED
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

INK, QUIET, FAINT = "#1c2430", "#5b6675", "#d5dae1"
FONT_FAMILY = ["DejaVu Sans"]
COMPARED_COLOURS = ("#1f4e9c", "#e8871e", "#00876c", "#b5367a", "#56b4e9", "#6b4423")
CONTROL_COLOURS = ("#4d5560", "#868f9b", "#6d5d86", "#a58f5a", "#5f8f8a")
COMPARED_MARKERS = ("o", "s", "^", "D", "v", "P")
CONTROL_MARKERS = ("x", "+", "1", "2", "3")
COMPARED_LINES = ("-", (0, (7, 1.5)), (0, (5, 1.5, 1, 1.5)), "-", (0, (7, 1.5)), (0, (5, 1.5, 1, 1.5)))
CONTROL_LINES = ((0, (1, 1.4)), (0, (3, 1.6)), (0, (3, 1.4, 1, 1.4)), (0, (1, 2.6)), (0, (2, 2)))

_TICK_STEPS = (range(1, 10), (1, 2, 3, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))

RC = {
    "font.family": FONT_FAMILY,
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.7,
    "hatch.color": "#5b6675",
    "svg.hashsalt": "satgpu",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class EncoderStyle:
    """How one encoder is drawn, in every figure."""

    label: str
    colour: str
    marker: str
    line: object
    hollow: bool = False
    control: bool = False

    def line_options(self) -> dict:
        """Keyword arguments for ``Axes.plot``."""
        return {
            "color": self.colour,
            "linestyle": self.line,
            "marker": self.marker,
            "markersize": 4.5,
            "linewidth": 1.2 if self.control else 2.0,
            "markerfacecolor": "white" if self.hollow else self.colour,
            "markeredgecolor": self.colour,
        }

    def handle(self) -> Line2D:
        """The legend entry."""
        return Line2D([], [], label=self.label, **self.line_options())


def assign_styles(
    compared: Sequence[str], controls: Sequence[str], legendre: Mapping[str, float]
) -> dict[str, EncoderStyle]:
    """A style per encoder; a control with the L of a compared encoder shares its colour, hollow.

    Args:
        compared, controls: encoder specs, in order.
        legendre: spec to number of Legendre polynomials L, where it has one.
    """
    styles, by_polys, greys = {}, {}, 0
    for i, spec in enumerate(compared):
        k = i % len(COMPARED_COLOURS)
        styles[spec] = EncoderStyle(encoder_label(spec), COMPARED_COLOURS[k], COMPARED_MARKERS[k], COMPARED_LINES[k])
        by_polys.setdefault(legendre.get(spec), styles[spec])
    for spec in controls:
        twin = by_polys.get(legendre.get(spec)) if spec in legendre else None
        k = greys % len(CONTROL_COLOURS)
        greys += not twin
        drawn = (
            (twin.colour, twin.marker, (0, (1.5, 1.5)), True)
            if twin
            else (CONTROL_COLOURS[k], CONTROL_MARKERS[k], CONTROL_LINES[k], False)
        )
        styles[spec] = EncoderStyle(encoder_label(spec), *drawn, control=True)
    styles[NEAREST] = EncoderStyle(encoder_label(NEAREST), "#2b2b2b", "*", (0, (3, 1.2, 1, 1.2)), control=True)
    styles[SHUFFLED] = EncoderStyle(encoder_label(SHUFFLED), "#9aa3ad", ".", (0, (1, 2)), control=True)
    return styles


@once
def styles_of(run: Run) -> dict[str, EncoderStyle]:
    """The style of every encoder of a run."""
    return assign_styles(run.compared, run.controls, run.legendre)


def nice_km_ticks(low_km: float, high_km: float, width_in: float = 3.5) -> list[float]:
    """Round values inside the range, as many as there is room for.

    Args:
        width_in: length of the axis in inches; a digit takes about 0.084.

    >>> nice_km_ticks(290, 910), nice_km_ticks(95, 3100, width_in=2.3)
    ([300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0], [100.0, 200.0, 500.0, 1000.0, 2000.0])
    """
    exponents = range(int(np.floor(np.log10(low_km))), int(np.ceil(np.log10(high_km))) + 1)
    for steps in _TICK_STEPS:
        ticks = [step * 10.0**power for power in exponents for step in steps]
        inside = [tick for tick in ticks if low_km * 0.999 <= tick <= high_km * 1.001]
        gaps_in = np.diff(np.log(inside)) / np.log(high_km / low_km) * width_in
        digits = np.array([len(f"{tick:g}") for tick in inside])
        if (gaps_in >= 0.084 * (digits[1:] + digits[:-1]) / 2 + 0.07).all():
            return inside
    return inside


def _width_in(axes: Axes) -> float:
    """About how wide a panel is, in inches."""
    place = axes.get_subplotspec()
    ratios = place.get_gridspec().get_width_ratios() if place else [1]
    return axes.figure.get_figwidth() * ratios[place.colspan.start if place else 0] / sum(ratios)


def log_km_axis(axes: Axes, values_km, label: str) -> None:
    """A log kilometre axis with plain numbers for ticks."""
    values_km = np.asarray([v for v in values_km if np.isfinite(v) and v > 0], dtype=float)
    if not len(values_km):
        values_km = np.array([100.0, 1000.0])
    margin = max((values_km.max() / values_km.min()) ** 0.03, 1.03)
    low, high = values_km.min() / margin, values_km.max() * margin
    ticks = nice_km_ticks(low, high, 0.7 * _width_in(axes))
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks or [values_km.min()]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)


def percent_axis(axes: Axes, label: str) -> None:
    """Shares of one, printed as per cent."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))
    axes.set_ylabel(label)


def say_empty(axes: Axes, message: str) -> None:
    """A panel without data says why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=QUIET, wrap=True)


def reference_line(axes: Axes, y: float, text: str, colour: str = QUIET) -> None:
    """A horizontal line with its name in the right margin."""
    axes.axhline(y, color=colour, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=8, color=colour)
