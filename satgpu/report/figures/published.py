"""The run beside the notebook author's published numbers, curve by curve."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from satgpu.answers import published
from satgpu.answers.sentences import plain
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import INK, QUIET, log_km_axis, percent_axis, styles_of
from ..words import sentence

NAME, TITLE = "published", "This run beside the published numbers"

CURVES = {"sweet_spot": "scale_km", "similarity": "distance_km", "region_size": "span_deg", "boundaries": "width_km"}
CLOUDS = ("patterns", "scale_region")


def data(run: Run) -> pd.DataFrame:
    """The run beside the published numbers."""
    return published.beside(run)


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Four pairs of curves and two clouds of differences, under the notebook protocol."""
    table = published.beside(run)
    names = [name for name in (*CURVES, *CLOUDS) if name in set(table["table"])]
    if run.protocol != "notebook" or not names:
        return None
    figure, axes = open_sheet(len(names), narrow, height_in=2.9, columns=3)
    for panel, name in zip(axes, names, strict=True):
        rows = table[table["table"] == name]
        panel.set_title(plain(name))
        _curves(panel, run, rows, name) if name in CURVES else _cloud(panel, run, rows, name)
    close_figure(figure, TITLE, [_handle(run, i, ours) for i in (0, 1) for ours in (True, False)], run)
    caption = (
        "Published: SatCLIP ViT16 with trained weights, one seed. Clouds: difference of the pair, one dot "
        "per cell of the table; on the diagonal the two agree."
    )
    alt = " ".join(sentence(one) for one in answers if one.question == "published")
    return Picture(NAME, figure, TITLE, alt, caption)


def _handle(run: Run, i: int, ours: bool) -> Line2D:
    """Legend entry: this run solid, the published numbers hollow and dotted."""
    style = styles_of(run)[run.pair[i]]
    label = f"{style.label}, this run" if ours else f"SatCLIP ViT16 {('L=10', 'L=40')[i]}, published"
    return Line2D(
        [],
        [],
        color=style.colour,
        marker=style.marker,
        markersize=4,
        linewidth=1.6 if ours else 1.0,
        linestyle="-" if ours else (0, (1.5, 1.5)),
        markerfacecolor=style.colour if ours else "white",
        label=label,
    )


def _curves(axes: Axes, run: Run, rows: pd.DataFrame, name: str) -> None:
    """Published and own curves of both encoders."""
    key = CURVES[name]
    values = sorted(rows[key].unique())
    positions = {value: i for i, value in enumerate(values)} if key in ("span_deg", "width_km") else None
    for i, encoder in enumerate(("l10", "l40")):
        own = rows[rows["encoder"] == encoder].sort_values(key)
        x = own[key].map(positions) if positions else own[key]
        for column, ours in (("run", True), ("published", False)):
            handle = _handle(run, i, ours)
            axes.plot(
                x,
                own[column],
                color=handle.get_color(),
                linestyle=handle.get_linestyle(),
                linewidth=handle.get_linewidth(),
                marker=handle.get_marker(),
                markersize=3.2,
                markerfacecolor=handle.get_markerfacecolor(),
            )
    if positions:
        axes.set_xticks(range(len(values)), [f"{value:g}" for value in values], fontsize=7.5)
        axes.set_xlabel("span of the region (degrees)" if key == "span_deg" else "width of the boundary (km)")
    else:
        log_km_axis(axes, values, "cell size (km)" if key == "scale_km" else "distance (km)")
    if name == "similarity":
        axes.set_ylabel("cosine similarity")
    else:
        percent_axis(axes, "test accuracy")


def _cloud(axes: Axes, run: Run, rows: pd.DataFrame, name: str) -> None:
    """Published against own difference, one dot per cell."""
    keys = ["pattern", "region", "span_deg", "scale_km"]
    if name == "patterns":
        wide = rows.pivot_table(index=["pattern", "scale_km"], columns="encoder", values=["published", "run"])
        published, run = (wide[column]["l40"] - wide[column]["l10"] for column in ("published", "run"))
    else:
        cells = rows.set_index([key for key in keys if rows[key].notna().all()])
        published, run = cells["published"], cells["run"]
    both = 100 * np.concatenate([published, run])
    low, high = both.min() - 2, both.max() + 2
    axes.plot([low, high], [low, high], color=QUIET, linewidth=1, linestyle=(0, (4, 2)))
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.axvline(0, color=QUIET, linewidth=0.6)
    axes.plot(100 * published, 100 * run, linestyle="", marker="o", markersize=4, color=INK, alpha=0.6)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("published L=40 minus L=10 (points)")
    axes.set_ylabel(f"this run, {run.labels[1]} minus {run.labels[0]} (points)")
