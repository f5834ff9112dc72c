"""Drawing results as they come: ``result.plot(ax)`` for a notebook. The figures of a report are drawn elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

if TYPE_CHECKING:
    from satgpu.readouts.local import LocalTransfer
    from satgpu.readouts.transfer import TransferFunction

_KM = "half a wavelength (km): fine detail left, coarse right"


def draw_transfer(found: TransferFunction, axes: Axes | None = None) -> Axes:
    """Share read as a line with its 95 % band over draws, the ceiling thin, in the next colour of the axes."""
    axes = _open(axes, _KM, "share of a field of this scale")
    name = found.name.lstrip("_")  # matplotlib leaves labels with one out of the legend
    label = f"{name}: {found.reader} reader, {found.n_labels:,} labels"
    (line,) = axes.plot(found.scale_km, found.share, linewidth=2, label=label)
    if np.isfinite(found.low).all():
        axes.fill_between(found.scale_km, found.low, found.high, color=line.get_color(), alpha=0.2, linewidth=0)
    if found.reader != "coordinates":  # which reads places, whatever they are embedded in
        held = f"{name}: held (ceiling)"
        axes.plot(found.scale_km, found.ceiling, linewidth=0.9, color=line.get_color(), label=held)
    axes.legend(frameon=False)
    return axes


def draw_local(found: LocalTransfer, axes: Axes | None = None) -> Axes:
    """Share read by scale, a line a place, at the first number of cells and tolerance; a dot on every fine edge."""
    axes = _open(axes, "cell (km)", "share of plane waves of this scale")
    first = found.shares.iloc[0]
    chosen = (found.shares["cells"] == first["cells"]) & (found.shares["tolerance"] == first["tolerance"])
    edges = found.edges()
    edges = edges[(edges["cells"] == first["cells"]) & (edges["tolerance"] == first["tolerance"])].set_index("place")
    for place, rows in found.shares[chosen].groupby("place"):
        mean = rows.groupby("scale_km")["share"].mean()
        edge = edges.loc[place]
        label = f"{found.encoder.lstrip('_')} at {edge['lon']:.1f}, {edge['lat']:.1f}"
        (line,) = axes.plot(mean.index, mean, label=label)
        if edge["fine_km"] > 0:
            axes.plot([edge["fine_km"]], [0.5], "o", color=line.get_color())
    axes.legend(frameon=False)
    return axes


def _open(axes: Axes | None, x: str, y: str) -> Axes:
    """The axes given, or new ones, ready for shares by kilometres."""
    if axes is None:
        _, axes = pyplot.subplots(figsize=(8, 4.3), layout="constrained")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda km, _: f"{km:g}")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.axhline(0.5, color="#9aa3ad", linewidth=0.8, linestyle=":", zorder=0)
    return axes
