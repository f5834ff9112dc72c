"""The world in the Equal Earth projection: outline, coastlines, filled cells."""

from functools import lru_cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from ..style import FAINT, INK, QUIET

# Šavrič, Patterson and Jenny 2019, "The Equal Earth map projection".
_A = (1.340264, -0.081106, 0.000893, 0.003796)
# One way from light to dark, so that a grey print reads the same.
RIGHT = LinearSegmentedColormap.from_list("right", ["#f9e3b4", "#c9d8c0", "#6ba3bb", "#2c5f9e", "#12305f"])
NO_DATA = "#e9ebee"


def equal_earth(lon_deg: np.ndarray, lat_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal Earth map coordinates of degrees; areas on the map are true."""
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.radians(lat_deg)))
    t2, t6 = theta**2, theta**6
    slope = _A[0] + 3 * _A[1] * t2 + t6 * (7 * _A[2] + 9 * _A[3] * t2)
    return 2 * np.sqrt(3) * np.radians(lon_deg) * np.cos(theta) / (3 * slope), theta * (
        _A[0] + _A[1] * t2 + t6 * (_A[2] + _A[3] * t2)
    )


@lru_cache(maxsize=1)
def load_coastlines() -> list[np.ndarray]:
    """(k, 2) longitude and latitude arrays, or an empty list where the optional land mask is not installed.

    The import is inside on purpose: the land mask lives in the geometry wing,
    which a report built from tables alone must not need. A map without
    coastlines is still a map, and its caption says why they are missing.
    """
    try:
        from satgpu.geometry.land import coastlines

        return list(coastlines())
    except (ImportError, ValueError):
        return []


def draw_world(axes: Axes, coasts: list[np.ndarray]) -> None:
    """Outline, graticule and coastlines."""
    axes.set_aspect("equal")
    axes.set_axis_off()
    lat = np.linspace(-90, 90, 181)
    edge = [np.column_stack(equal_earth(np.full_like(lat, lon), lat)) for lon in (-180, 180)]
    outline = np.vstack([edge[0], edge[1][::-1], edge[0][:1]])
    axes.fill(*outline.T, color=NO_DATA, zorder=0)
    axes.plot(*outline.T, color=QUIET, linewidth=0.8, zorder=5)
    axes.set_xlim(outline[:, 0].min() * 1.01, outline[:, 0].max() * 1.01)
    axes.set_ylim(outline[:, 1].min() * 1.02, outline[:, 1].max() * 1.02)
    lines = [np.column_stack(equal_earth(np.full_like(lat, lon), lat)) for lon in range(-120, 180, 60)]
    lines += [
        np.column_stack(equal_earth(np.linspace(-180, 180, 181), np.full(181, float(y)))) for y in (-60, -30, 0, 30, 60)
    ]
    axes.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.5, zorder=1))
    if coasts:
        lines = _unwrapped(coasts)
        # A white casing keeps the coast readable on dark cells.
        axes.add_collection(LineCollection(lines, colors="white", linewidths=1.3, alpha=0.8, zorder=3))
        axes.add_collection(LineCollection(lines, colors=INK, linewidths=0.5, zorder=4))


def _unwrapped(coasts: list[np.ndarray]) -> list[np.ndarray]:
    """Projected coast pieces, cut where they jump across the antimeridian."""
    pieces = []
    for coast in coasts:
        jumps = np.flatnonzero(np.abs(np.diff(coast[:, 0])) > 180) + 1
        pieces += [np.column_stack(equal_earth(*part.T)) for part in np.split(coast, jumps) if len(part) > 1]
    return pieces


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
