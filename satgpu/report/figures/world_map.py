"""World maps: where the probes are right, and where they are wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from satgpu.answers import world_map
from satgpu.answers.types import Answer
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..words import count, percent, sentence
from . import equal_earth

NAME = "world_map"


def data(run: Run) -> pd.DataFrame:
    """Accuracy by cell of the map, of every encoder shown."""
    kept = world_map.kept(run)
    if kept.empty:
        return kept
    bands = world_map.bands_for(len(kept) // kept["encoder"].nunique())
    by_encoder = kept.groupby("encoder", sort=False)
    return pd.concat([world_map.accuracy_by_cell(rows, bands).assign(encoder=name) for name, rows in by_encoder])


def draw(
    run: Run, answers: Sequence[Answer], narrow: bool = False, coasts: list[np.ndarray] | None = None
) -> Picture | None:
    """Accuracy of each compared encoder over the globe, at one cell size.

    Args:
        coasts: coastlines to draw; read from the optional land mask by default.
    """
    kept, coasts = world_map.kept(run), equal_earth.load_coastlines() if coasts is None else coasts
    if kept.empty:
        return None
    encoders = [spec for spec in run.compared if spec in set(kept["encoder"])][:4]
    figure, axes = open_sheet(len(encoders), narrow, height_in=3.1 if not narrow else 2.6, columns=2)
    bands = world_map.bands_for(len(kept) // len(encoders))
    for panel, spec in zip(axes, encoders, strict=True):
        rows = kept[kept["encoder"] == spec]
        equal_earth.draw_world(panel, coasts)
        patches = equal_earth.colour_cells(panel, world_map.accuracy_by_cell(rows, bands), Normalize(0.5, 1.0))
        panel.set_title(f"{encoder_label(spec)}: {percent(world_map.right(rows))} right")
    bar = figure.colorbar(patches, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, pad=0.02, extend="min")
    bar.set_label("test points classified right (50 % and less: no better than guessing)")
    bar.ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    bar.outline.set_visible(False)
    title = "Where the probes are right, and where they are wrong"
    close_figure(figure, f"{title}: checkerboard, {kept['scale_km'].iloc[0]:g} km cells", [], run)
    caption = (
        f"Equal-area cells; grey ones held fewer than {world_map.MIN_POINTS} test points. Predictions of "
        f"{count(kept['replicate'].nunique(), 'replicate')}."
    ) + ("" if coasts else " No coastlines: the optional land mask (satgpu[land]) is not installed.")
    alt = " ".join(sentence(one) for one in answers if one.question == "world_map")
    return Picture(NAME, figure, title, alt, caption)
