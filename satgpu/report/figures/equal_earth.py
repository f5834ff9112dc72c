"""Cells of the world, filled by accuracy, in the Equal Earth projection."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from satgpu.readouts.world import coastlines as load_coastlines
from satgpu.readouts.world import draw_world, equal_earth

__all__ = ["RIGHT", "colour_cells", "draw_world", "equal_earth", "load_coastlines"]

# One way from light to dark, so that a grey print reads the same.
RIGHT = LinearSegmentedColormap.from_list("right", ["#f9e3b4", "#c9d8c0", "#6ba3bb", "#2c5f9e", "#12305f"])


def colour_cells(axes: Axes, cells: pd.DataFrame, norm: Normalize) -> PolyCollection:
    """Fill the cells that have enough points."""
    known = cells[cells["accuracy"].notna()]
    polygons = []
    for cell in known.itertuples():
        lat = np.linspace(cell.south, cell.north, 5)
        sides = np.concatenate([np.full(5, cell.west), np.full(5, cell.east)]), np.concatenate([lat, lat[::-1]])
        polygons.append(np.column_stack(equal_earth(*sides)))
    patches = PolyCollection(
        polygons, array=known["accuracy"].to_numpy(), cmap=RIGHT, norm=norm, edgecolors="face", linewidths=0.2, zorder=2
    )
    axes.add_collection(patches)
    return patches
