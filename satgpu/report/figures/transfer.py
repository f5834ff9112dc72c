"""Where each encoder spends its budget: the share of every scale that is read and held, and beside it the map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from satgpu.answers import map as map_answers
from satgpu.answers.transfer_curves import COORDINATES, Curve, curve, curves, km_word, measured
from satgpu.answers.transfer_curves import table as data
from satgpu.answers.types import Answer
from satgpu.earth import HALF_TURN_KM
from satgpu.readouts.levels import READ, runs_km
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK, QUIET, log_km_axis, percent_axis, styles_of
from ..words import sentence
from .map import draw_maps

__all__ = ["data", "draw"]

NAME = "transfer"
CAPTION = (
    "Solid: share of random fields of one scale that a linear reader gets from noisy labels, at places never seen "
    "(bands: 95 % over draws of places). Thin: share that lies in the embedding at all, which no number of labels "
    "exceeds for a linear reader. Dashed: an MLP. Grey: what the coordinates alone allow, without any encoder. Bars at "
    "the top: scales of which half or more is read."
)


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Left the curves of the compared encoders, right their maps where the run has them."""
    shown = [name for name in run.compared if curve(run, name)] or measured(run)[:2]
    if not shown:
        return None
    mapped = (
        [] if map_answers.table(run).empty else [n for n in shown if n in set(map_answers.table(run)["encoder"])][:2]
    )
    figure, left, maps = _panels(len(mapped), narrow)
    handles = _draw_shares(left, run, shown)
    if mapped:
        draw_maps(maps, run, mapped)
    told = [sentence(answer) for answer in answers if answer.question == "transfer" and answer.headline]
    title = "Where each embedding spends its budget, scale by scale"
    close_figure(figure, title, handles, run)
    return Picture(NAME, figure, title, " ".join(told), CAPTION)


def _panels(n_maps: int, narrow: bool) -> tuple[Figure, Axes, list[Axes]]:
    """The curves, and one or two maps beside them; stacked on a phone."""
    if narrow or not n_maps:
        figure, axes = open_sheet(1, narrow, height_in=3.6 + 2.4 * n_maps)
        place = axes[0].get_subplotspec()
        axes[0].remove()
        cells = place.subgridspec(1 + n_maps, 1, height_ratios=[3.6] + [2.4] * n_maps)
        left, *maps = (figure.add_subplot(cell) for cell in cells)
        return figure, left, maps
    figure, axes = open_sheet(2, narrow, height_in=4.6, widths=(1.25, 1))
    place = axes[1].get_subplotspec()
    axes[1].remove()
    cells = place.subgridspec(n_maps, 1)
    return figure, axes[0], [figure.add_subplot(cell) for cell in cells]


def _draw_shares(axes: Axes, run: Run, shown: list[str]) -> list[Line2D]:
    """Every curve, the bounds, the sampling limit and the runs; gives the legend entries."""
    handles = _draw_bounds(axes, run)
    for i, name in enumerate(shown):
        style, linear, mlp = styles_of(run)[name], curve(run, name), curve(run, name, "mlp")
        handles.append(_draw_curve(axes, linear, style.colour, style.line, encoder_label(name)))
        axes.plot(linear.scale_km, linear.ceiling_RL.mean(0), color=style.colour, linewidth=0.9, alpha=0.9, zorder=3)
        if mlp:
            axes.plot(mlp.scale_km, mlp.share, color=style.colour, linestyle=(0, (3, 2)), linewidth=1.3, zorder=3,
                      marker=style.marker, markersize=4, markerfacecolor="white")  # fmt: skip
        _draw_runs(axes, linear, style.colour, 1.045 + 0.03 * i)
    n = max(curve(run, name).n_labels for name in shown)
    scales = curve(run, shown[0]).scale_km
    log_km_axis(axes, scales, "half wavelength (km): fine detail left, coarse right")
    handles.append(_mark_sampling_limit(axes, n))
    axes.axhline(READ, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    axes.set_ylim(-0.03, 1.06 + 0.03 * len(shown))
    axes.set_yticks(np.arange(0, 1.01, 0.25))
    percent_axis(axes, f"share of a field of this scale, {n:,} labels")
    return handles + _meaning(run, shown)


def _draw_curve(axes: Axes, found: Curve, colour: str, line: object, label: str) -> Line2D:
    """The share read, with its band over draws of places."""
    low, high = found.interval
    axes.fill_between(found.scale_km, low, high, color=colour, alpha=0.2, linewidth=0, zorder=3)
    return axes.plot(found.scale_km, found.share, color=colour, linestyle=line, linewidth=2.2, label=label, zorder=4)[0]


def _draw_bounds(axes: Axes, run: Run) -> list[Line2D]:
    """What places alone allow: a reader that knows the scale (bound), and one that has to find it (baseline)."""
    found = curve(run, COORDINATES, COORDINATES)
    if found is None:
        return []
    options = {"color": "#9aa3ad", "linewidth": 1.4, "zorder": 2}
    (bound,) = axes.plot(found.scale_km, found.bound_RL.mean(0), linestyle=(0, (6, 1.5)), **options)
    (alone,) = axes.plot(found.scale_km, found.share, linestyle=(0, (1.5, 1.5)), **options)
    bound.set_label(f"bound for any reader that knows the scale, {found.n_labels:,} labels")
    alone.set_label(f"coordinates alone, Gaussian process, {found.n_labels:,} labels")
    return [bound, alone]


def _draw_runs(axes: Axes, found: Curve, colour: str, height: float) -> None:
    """A bar over the scales of which half or more is read; pale where not every draw agrees."""
    for coarse, fine, firm in runs_km(found.share, found.share_RL if len(found.share_RL) > 1 else None):
        firm = firm or len(found.share_RL) == 1
        axes.plot([fine, coarse], [height, height], color=colour, linewidth=4, alpha=1 if firm else 0.4,
                  solid_capstyle="butt", zorder=5)  # fmt: skip


def _mark_sampling_limit(axes: Axes, n: int) -> Line2D:
    """n labels determine at most n harmonics: those below degree √n. Gives the legend entry; the line may lie finer."""
    limit_km = HALF_TURN_KM / np.sqrt(n)
    style = {"color": QUIET, "linewidth": 1.0, "linestyle": (0, (4, 2))}
    if limit_km >= axes.get_xlim()[0]:
        axes.axvline(limit_km, zorder=1, **style)
    return Line2D([], [], label=f"sampling limit of {n:,} labels: {km_word(limit_km)} km", **style)


def _meaning(run: Run, shown: list[str]) -> list[Line2D]:
    """Legend entries of the kinds of line."""
    kinds = [Line2D([], [], color=INK, linewidth=0.9, label="held by the embedding (ceiling)")]
    mlps = [c for c in curves(run) if c.reader == "mlp" and c.encoder in shown]
    if mlps:
        label = f"read by an MLP, {mlps[0].n_labels:,} labels"
        kinds.append(Line2D([], [], color=INK, linestyle=(0, (3, 2)), linewidth=1.3, marker="o", markersize=4,
                            markerfacecolor="white", label=label))  # fmt: skip
    return kinds
