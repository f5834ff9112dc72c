"""Similarity of embeddings against distance: centred, plain, and how fast it falls."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from satgpu.answers import similarity
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import log_km_axis, reference_line, styles_of
from ..words import sentence

NAME, PLAIN = "embedding_similarity", "How fast embeddings grow apart with distance"
PANELS = {"centred": "centred: mean embedding taken away", "plain": "plain: mean embedding in it"}


def data(run: Run) -> pd.DataFrame:
    """The curves in numbers."""
    return similarity.curve(run)


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Mean cosine similarity with quantiles over places, centred and plain, and the rate of change."""
    curves = {kind: similarity.curve(run, kind) for kind in PANELS}
    curves = {kind: table for kind, table in curves.items() if len(table)}
    if not curves:
        return None
    figure, axes = open_sheet(len(curves) + 1, narrow, height_in=3.5)
    for panel, (kind, table) in zip(axes, curves.items(), strict=False):
        handles = _similarity_panel(panel, run, table)
        panel.set_title(PANELS[kind])
    kind, table = next(iter(curves.items()))
    _rate_panel(axes[-1], run, table)
    axes[-1].set_title(f"rate of change, {kind}")
    told = {one.id: one for one in answers}
    faster = told.get("similarity.faster")
    title = _title(faster) if faster and faster.verdict == "supported" else PLAIN
    close_figure(figure, title, handles, run)
    alt = " ".join(sentence(told[name]) for name in told if name.startswith("similarity.half"))
    return Picture(NAME, figure, title, alt, _caption(table))


def _title(faster: Answer) -> str:
    return sentence(faster).partition(":")[0]


def _caption(table: pd.DataFrame) -> str:
    places = int(table["n_places"].max())
    if places > 1:
        return f"Lines: mean over {places} places. Bands: the middle 80 % of places. Dashed level: half similarity."
    return "One place, as in the notebook. Bands: ± one standard deviation over a ring. Dashed level: half similarity."


def _similarity_panel(axes: Axes, run: Run, curves: pd.DataFrame) -> list:
    """One line per encoder, bands for the compared ones."""
    handles = []
    for spec in [*run.compared, *run.controls]:
        curve = curves[curves["encoder"] == spec].sort_values("distance_km")
        if curve.empty:
            continue
        style = styles_of(run)[spec]
        if not style.control:
            one = curve["n_places"] < 2
            low = curve["q10"].where(~one, curve["mean"] - curve["std"])
            high = curve["q90"].where(~one, curve["mean"] + curve["std"])
            axes.fill_between(curve["distance_km"], low, high, color=style.colour, alpha=0.15, linewidth=0)
        axes.plot(curve["distance_km"], curve["mean"], zorder=2 if style.control else 3, **style.line_options())
        handles.append(style.handle())
    reference_line(axes, 0.5, "½")
    axes.set_ylim(max(-0.55, axes.get_ylim()[0]), 1.04)
    axes.set_ylabel("cosine similarity")
    log_km_axis(axes, curves["distance_km"], "distance (km)")
    return handles


def rate_of_change(curve: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Distances between the sampled ones, and the fall of similarity per e-fold of distance there."""
    log_km = np.log(curve["distance_km"].to_numpy())
    middle = np.exp((log_km[1:] + log_km[:-1]) / 2)
    return middle, -np.diff(curve["mean"].to_numpy()) / np.diff(log_km)


def _rate_panel(axes: Axes, run: Run, curves: pd.DataFrame) -> None:
    """The notebook's discrimination rate."""
    for spec in [*run.compared, *run.controls]:
        curve = curves[curves["encoder"] == spec].sort_values("distance_km")
        if len(curve) > 1:
            style = styles_of(run)[spec]
            axes.plot(*rate_of_change(curve), zorder=2 if style.control else 3, **style.line_options())
    axes.set_ylabel("fall of similarity per e-fold of distance")
    log_km_axis(axes, curves["distance_km"], "distance (km)")
