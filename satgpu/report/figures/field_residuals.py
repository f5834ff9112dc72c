"""World maps of what is missed of one real field, place by place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm

from satgpu.answers.fields import residuals
from satgpu.answers.types import Answer
from satgpu.readouts.world import coastlines, draw_world, equal_earth
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet

NAME, QUESTION = "field_residuals", "fields"


def data(run: Run) -> pd.DataFrame:
    """The residuals at every place."""
    return residuals(run)[2]


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """A map for each compared encoder, up to four, of the field on which they differ most."""
    field, is_class, rows = residuals(run)
    shown = [name for name in run.compared if name in set(rows["encoder"])][:4]
    if not shown:
        return None
    figure, axes = open_sheet(len(shown), narrow, height_in=3.0, columns=2)
    size = float(rows["residual"].abs().quantile(0.98)) or 1.0
    norm, colours = (Normalize(0, 1), "cividis_r") if is_class else (TwoSlopeNorm(0, -size, size), "RdBu_r")
    coasts = coastlines()
    for panel, name in zip(axes, shown, strict=True):
        own = rows[rows["encoder"] == name]
        draw_world(panel, coasts)
        x, y = equal_earth(own["lon_deg"].to_numpy(), own["lat_deg"].to_numpy())
        order = np.argsort(own["residual"].abs().to_numpy())
        panel.scatter(x[order], y[order], s=14, c=own["residual"].to_numpy()[order], cmap=colours, norm=norm,
                      linewidths=0.2, edgecolors="white", zorder=3)  # fmt: skip
        panel.set_title(encoder_label(name))
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, orientation="horizontal", shrink=0.5, aspect=40)
    bar.set_label("share not given to the true class" if is_class else "value less what was read")
    bar.outline.set_visible(False)
    title = f"Where {field} is missed"
    close_figure(figure, title, [], run)
    caption = "Places held back, of the first draw of places." + (
        "" if coasts else " No coastlines: the optional land mask (satgpu[land]) is not installed."
    )
    names = " and ".join(map(encoder_label, shown))
    return Picture(NAME, figure, title, f"Residuals of {field} at {len(own)} places, as read from {names}.", caption)
