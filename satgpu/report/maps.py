"""World maps in the Equal Earth projection: where the probes are right, and where they are wrong."""

from functools import lru_cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from satgpu.answers.sweet_spot import the_peak

from .sheet import Picture, close_sheet, open_sheet
from .style import FAINT, INK, QUIET, say_empty
from .view import RunView
from .words import count, listing, percent

# Šavrič, Patterson and Jenny 2019, "The Equal Earth map projection".
_A = (1.340264, -0.081106, 0.000893, 0.003796)
POINTS_PER_CELL = 20  # aimed at, so that a cell's share is good to about 10 points
MIN_POINTS = 6  # test points a cell needs before it is coloured
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


def bands_for(n_points: int) -> int:
    """Bands that leave about POINTS_PER_CELL points a cell: b bands make about pi/2 * b² cells."""
    return int(np.clip(np.sqrt(n_points / POINTS_PER_CELL / 1.57), 5, 24))


def equal_area_cells(bands: int) -> pd.DataFrame:
    """Cells of nearly equal area: bands equal in sin(lat), each cut to cells about as wide as high."""
    edges = np.degrees(np.arcsin(np.linspace(-1, 1, bands + 1)))
    rows = []
    for band, (south, north) in enumerate(zip(edges, edges[1:], strict=False)):
        width = np.cos(np.radians((south + north) / 2))
        columns = max(3, round(2 * bands * width))
        for i in range(columns):
            rows.append((band, i, columns, south, north, -180 + 360 * i / columns, -180 + 360 * (i + 1) / columns))
    return pd.DataFrame(rows, columns=["band", "column", "columns", "south", "north", "west", "east"])


def accuracy_by_cell(predictions: pd.DataFrame, bands: int) -> pd.DataFrame:
    """Share of right test points in each cell of ``equal_area_cells``, NaN under MIN_POINTS points."""
    cells = equal_area_cells(bands)
    band = np.clip(((np.sin(np.radians(predictions["lat_deg"])) + 1) / 2 * bands).astype(int), 0, bands - 1)
    columns = cells.groupby("band")["columns"].first().to_numpy()[band]
    column = np.clip(((predictions["lon_deg"] + 180) / 360 * columns).astype(int), 0, columns - 1)
    right = (predictions["label"] == predictions["prediction"]).astype(float)
    tally = right.groupby([band.rename("band"), column.rename("column")]).agg(["mean", "size"]).reset_index()
    merged = cells.merge(tally, on=["band", "column"], how="left")
    merged["accuracy"] = merged["mean"].where(merged["size"] >= MIN_POINTS)
    return merged


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


def scale_to_map(view: RunView, predictions: pd.DataFrame) -> float:
    """Of the kept scales, the one nearest (in log km) to the pair's peak, else the middle one."""
    scales = np.sort(predictions["scale_km"].dropna().unique())
    peak = the_peak(view.run)
    if peak is None:
        return float(scales[len(scales) // 2])
    return float(scales[np.argmin(np.abs(np.log(scales / peak.scale_km)))])


def draw_world_map(view: RunView, narrow: bool = False, coasts: list[np.ndarray] | None = None) -> Picture:
    """Accuracy of each compared encoder over the globe, at one cell size.

    Args:
        coasts: coastlines to draw; read from the optional land mask by default.
    """
    coasts = load_coastlines() if coasts is None else coasts
    kept = view.predictions
    kept = kept[(kept["experiment"] == "sweet_spot") & kept["encoder"].isin(view.compared[:4])]
    title = "Where the probes are right, and where they are wrong"
    if kept["scale_km"].notna().sum() == 0:
        figure, axes = open_sheet(1, narrow, height_in=2.0)
        say_empty(axes[0], "this run kept no test predictions of the sweet spot")
        close_sheet(figure, title, [], view.footer, view.notice)
        return Picture("world_map", figure, title, "This run kept no test predictions.")
    scale_km = scale_to_map(view, kept)
    kept = kept[kept["scale_km"] == scale_km]
    encoders = [spec for spec in view.compared if spec in set(kept["encoder"])]
    figure, axes = open_sheet(len(encoders), narrow, height_in=3.1 if not narrow else 2.6, columns=2)
    norm, words = Normalize(0.5, 1.0), []
    bands = bands_for(len(kept) // len(encoders))
    for panel, spec in zip(axes, encoders, strict=True):
        chosen = kept[kept["encoder"] == spec]
        draw_world(panel, coasts)
        patches = colour_cells(panel, accuracy_by_cell(chosen, bands), norm)
        panel.set_title(f"{view.label(spec)}: {percent((chosen['label'] == chosen['prediction']).mean())} right")
        words.append(f"{view.label(spec)}: {_where_words(chosen)}")
    bar = figure.colorbar(patches, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, pad=0.02, extend="min")
    bar.set_label("test points classified right (50 % and less: no better than guessing)")
    bar.ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    bar.outline.set_visible(False)
    close_sheet(figure, f"{title}: checkerboard, {scale_km:g} km cells", [], view.footer, view.notice)
    caption = (
        f"Equal-area cells; grey ones held fewer than {MIN_POINTS} test points. Predictions of "
        f"{count(kept['replicate'].nunique(), 'replicate')}."
    ) + ("" if coasts else " No coastlines: the optional land mask (satgpu[land]) is not installed.")
    return Picture("world_map", figure, title, " ".join(words), caption)


def _where_words(predictions: pd.DataFrame) -> str:
    """Accuracy in the tropics, the middle latitudes and beyond 60°."""
    right, lat = predictions["label"] == predictions["prediction"], predictions["lat_deg"].abs()
    zones = {
        "within 30° of the equator": lat < 30,
        "between 30° and 60°": (lat >= 30) & (lat < 60),
        "beyond 60°": lat >= 60,
    }
    return listing(f"{percent(right[zone].mean())} right {name}" for name, zone in zones.items() if zone.any()) + "."
