"""Drawing the world: the Equal Earth projection, coastlines, and the map of an encoder's fine edge."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

# Šavrič, Patterson and Jenny 2019, "The Equal Earth map projection".
_A = (1.340264, -0.081106, 0.000893, 0.003796)
INK, QUIET, FAINT, SEA = "#1c2430", "#5b6675", "#d5dae1", "#f1f3f5"
# Twice as fine or as coarse as the median place: the ends of the colours.
_FINEST, _COARSEST = 0.5, 2.0
_BAR_RATIO = 1.1


def equal_earth(lon_deg: np.ndarray, lat_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal Earth map coordinates of degrees; areas on the map are true."""
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.radians(lat_deg)))
    t2, t6 = theta**2, theta**6
    slope = _A[0] + 3 * _A[1] * t2 + t6 * (7 * _A[2] + 9 * _A[3] * t2)
    return 2 * np.sqrt(3) * np.radians(lon_deg) * np.cos(theta) / (3 * slope), theta * (
        _A[0] + _A[1] * t2 + t6 * (_A[2] + _A[3] * t2)
    )


@lru_cache(maxsize=1)
def coastlines() -> list[np.ndarray]:
    """(k, 2) longitude and latitude of every coast, an empty list where the optional land mask is not installed."""
    try:
        from satgpu.geometry.land import coastlines as read  # brings torch, which a report may not have

        return list(read())
    except (ImportError, ValueError):
        return []


def draw_world(axes: Axes, coasts: list[np.ndarray]) -> None:
    """Outline, graticule and coastlines."""
    axes.set_aspect("equal")
    axes.set_axis_off()
    lat = np.linspace(-90, 90, 181)
    edge = [np.column_stack(equal_earth(np.full_like(lat, lon), lat)) for lon in (-180, 180)]
    outline = np.vstack([edge[0], edge[1][::-1], edge[0][:1]])
    axes.fill(*outline.T, color=SEA, zorder=0)
    axes.plot(*outline.T, color=QUIET, linewidth=0.8, zorder=5)
    axes.set_xlim(outline[:, 0].min() * 1.01, outline[:, 0].max() * 1.01)
    axes.set_ylim(outline[:, 1].min() * 1.02, outline[:, 1].max() * 1.02)
    across = np.linspace(-180, 180, 181)
    lines = [np.column_stack(equal_earth(np.full_like(lat, lon), lat)) for lon in range(-120, 180, 60)]
    lines += [np.column_stack(equal_earth(across, np.full(181, float(y)))) for y in (-60, -30, 0, 30, 60)]
    axes.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.5, zorder=1))
    pieces = _unwrapped(coasts)
    # A white casing keeps the coast readable on dark cells.
    axes.add_collection(LineCollection(pieces, colors="white", linewidths=1.3, alpha=0.8, zorder=2.5))
    axes.add_collection(LineCollection(pieces, colors=INK, linewidths=0.5, zorder=2.6))


def _unwrapped(coasts: list[np.ndarray]) -> list[np.ndarray]:
    """Projected coast pieces, cut where they jump across the antimeridian."""
    pieces = []
    for coast in coasts:
        jumps = np.flatnonzero(np.abs(np.diff(coast[:, 0])) > 180) + 1
        pieces += [np.column_stack(equal_earth(*part.T)) for part in np.split(coast, jumps) if len(part) > 1]
    return pieces


def draw_resolution_map(
    table: pd.DataFrame, axes: Axes | None = None, title: str = "", colour_bar: bool = True
) -> Axes:
    """Places coloured by their edge relative to the median place, barred along their finest bearing.

    Args:
        table: rows of a :class:`satgpu.readouts.map.ResolutionMap`.
        axes: to draw in; new ones by default.
    """
    if axes is None:
        _, axes = pyplot.subplots(figsize=(8, 4.3), layout="constrained")
    draw_world(axes, coastlines())
    size = _marker_points(axes, len(table))
    norm, colours = LogNorm(_FINEST, _COARSEST), colormaps["cividis"]
    x, y = equal_earth(table["lon"].to_numpy(dtype=float), table["lat"].to_numpy(dtype=float))
    known = table["relative"].notna().to_numpy()
    relative = table["relative"].clip(_FINEST, _COARSEST).to_numpy()[known]
    axes.scatter(x[known], y[known], s=size**2, c=relative, cmap=colours, norm=norm, linewidths=0, zorder=3)
    axes.scatter(x[~known], y[~known], s=size**2 / 3, marker="x", c=QUIET, linewidths=0.8, zorder=3)
    axes.add_collection(LineCollection(_bars(table), colors=INK, linewidths=1.1, zorder=4))
    axes.set_title(title)
    if colour_bar:
        add_colour_bar(axes)
    return axes


def add_colour_bar(axes: Axes | list[Axes]) -> None:
    """The key of the colours, under one map or several."""
    first = axes[0] if isinstance(axes, list) else axes
    image = ScalarMappable(LogNorm(_FINEST, _COARSEST), colormaps["cividis"])
    bar = first.figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, pad=0.03)
    ticks = (0.5, 0.71, 1.0, 1.41, 2.0)
    bar.ax.xaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.xaxis.set_major_formatter(FixedFormatter(["½", "0.71", "1", "1.41", "2"]))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.set_label("edge relative to the median place (dark: finer)")


def _marker_points(axes: Axes, n: int) -> float:
    """Diameter in points of markers that n places even by area leave room for."""
    width_points = axes.get_position().width * axes.figure.get_size_inches()[0] * 72
    return min(16.0, 0.75 * width_points * 0.68 / np.sqrt(max(n, 1)))


def _bars(table: pd.DataFrame) -> list[np.ndarray]:
    """A bar along the finest bearing of every place that is clearly finer along one, its ends projected."""
    clear = table[(table["anisotropy"] >= _BAR_RATIO) & (table["lat"].abs() < 85)]
    half_deg = min(7.0, 180 / np.sqrt(max(len(table), 1)) * 0.35)
    bearing, lat = np.radians(clear["finest_bearing_deg"].to_numpy()), clear["lat"].to_numpy()
    east = half_deg * np.sin(bearing) / np.cos(np.radians(lat))
    north = half_deg * np.cos(bearing)
    ends = [equal_earth(clear["lon"].to_numpy() + s * east, np.clip(lat + s * north, -90, 90)) for s in (-1, 1)]
    return list(np.stack([np.column_stack(end) for end in ends], axis=1))
