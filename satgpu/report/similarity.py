"""Similarity of embeddings against distance: as it is, centred, and how fast it falls."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .sheet import Picture, close_sheet, open_sheet
from .style import log_km_axis, reference_line, say_empty
from .view import RunView
from .words import km_interval, listing


def draw_similarity(view: RunView, narrow: bool = False) -> Picture:
    """Mean cosine similarity with quantiles over places, the same centred, and its rate of change."""
    title = "How fast embeddings grow apart with distance"
    curves, centred = view.similarity_means(), view.similarity_means("centred_similarity_mean")
    centred = centred[centred["mean"].notna()]
    figure, axes = open_sheet(3 if len(centred) else 2, narrow, height_in=3.5)
    if curves.empty:
        for panel in axes:
            say_empty(panel, "no similarities in this run")
        close_sheet(figure, title, [], view.footer, view.notice)
        return Picture("embedding_similarity", figure, title, "No similarities in this run.")
    handles = _similarity_panel(axes[0], view, curves)
    axes[0].set_title("as it is")
    if len(centred):
        _similarity_panel(axes[1], view, centred)
        axes[1].set_title("centred: mean embedding removed")
    _rate_panel(axes[-1], view, curves)
    title = faster_words(view, curves) or title
    close_sheet(figure, title, handles, view.footer, view.notice)
    return Picture("embedding_similarity", figure, title, similarity_words(view, curves), _caption(curves))


def faster_words(view: RunView, curves: pd.DataFrame, distance_km: float = 500) -> str:
    """Whose embeddings change faster with distance, where the intervals over places are apart; else nothing."""
    rows = curves[curves["distance_km"] == distance_km].set_index("encoder")
    if not view.pair or not set(view.pair) <= set(rows.index):
        return ""
    (first, second), (a, b) = view.pair_labels, (rows.loc[spec] for spec in view.pair)
    if a["low"] > b["high"]:
        return f"{second}'s embeddings change faster with distance than {first}'s"
    return f"{first}'s embeddings change faster with distance than {second}'s" if b["low"] > a["high"] else ""


def _caption(curves: pd.DataFrame) -> str:
    places = int(curves["n_places"].max())
    if places > 1:
        return (
            f"Lines: mean over {places} places. Bands: the middle 80 % of places, for the compared encoders. "
            f"Dashed level: half similarity."
        )
    return (
        "One place, as in the notebook. Bands: ± one standard deviation over the points of a ring. Dashed "
        "level: half similarity."
    )


def _similarity_panel(axes: Axes, view: RunView, curves: pd.DataFrame) -> list:
    """One line per encoder, bands for the compared ones."""
    handles = []
    for spec in [*view.compared, *view.controls]:
        curve = curves[curves["encoder"] == spec].sort_values("distance_km")
        if curve.empty:
            continue
        look = view.looks[spec]
        if not look.control:
            one = curve["n_places"] < 2
            low = curve["q10"].where(~one, curve["mean"] - curve["std"])
            high = curve["q90"].where(~one, curve["mean"] + curve["std"])
            axes.fill_between(curve["distance_km"], low, high, color=look.colour, alpha=0.15, linewidth=0)
        axes.plot(curve["distance_km"], curve["mean"], zorder=2 if look.control else 3, **look.line_options())
        handles.append(look.handle())
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


def _rate_panel(axes: Axes, view: RunView, curves: pd.DataFrame) -> None:
    """The notebook's discrimination rate."""
    for spec in [*view.compared, *view.controls]:
        curve = curves[curves["encoder"] == spec].sort_values("distance_km")
        if len(curve) > 1:
            look = view.looks[spec]
            axes.plot(*rate_of_change(curve), zorder=2 if look.control else 3, **look.line_options())
    axes.set_title("rate of change")
    axes.set_ylabel("fall of similarity per e-fold of distance")
    log_km_axis(axes, curves["distance_km"], "distance (km)")


def similarity_words(view: RunView, curves: pd.DataFrame) -> str:
    """Similarity at 500 km and the half-similarity distance of each compared encoder."""
    at_500 = curves[curves["distance_km"] == 500]
    values = [f"{view.label(r.encoder)} {r.mean:.3f}" for r in at_500.itertuples() if r.encoder in view.compared]
    kernels = view.kernels[view.kernels["encoder"].isin(view.compared)]
    halves = [f"{view.label(r['encoder'])} {half_text(r)}" for r in kernels.to_dict("records")]
    words = f"Similarity at 500 km: {listing(values)}." if values else ""
    return words + (f" Half similarity at: {listing(halves)}." if halves else "")


def half_text(row: dict, prefix: str = "") -> str:
    """The half-similarity distance of a row of ``kernel_resolutions``, in words."""
    km, low, high = (row[f"{prefix}half_similarity{suffix}"] for suffix in ("_km", "_low", "_high"))
    if not np.isfinite(km):
        return "never"
    return km_interval(km, low, high, "finer than" if km <= row["finest_km"] else "")
