"""Bands of a raster as fields: given where it covers, or, on a small part of the Earth, at its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.fields.field import Field, as_field, field_at_places
from satgpu.geometry import uniform_on_sphere

# A raster on less of the Earth than this is read at its own cells: uniform places would hardly ever meet it.
_LEAST_SHARE = 0.02
_MOST_CELLS = 50_000
_TRIAL_PLACES = 4000


@dataclass(frozen=True)
class Band:
    """One band, looked up by place.

    Args:
        values: (rows, columns), NaN where there is none.
        inverse: a, b, c, d, e, f of column = a·x + b·y + c, row = d·x + e·y + f.
        to_map: x, y in the raster's own coordinates from longitude and latitude.
        west: of a raster in degrees, its first longitude; None for one in other coordinates.
    """

    values: np.ndarray
    inverse: tuple[float, ...]
    to_map: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    west: float | None = None

    def __call__(self, lonlat_deg: Tensor) -> np.ndarray:
        """(N,) values of the cells that hold (N, 2) places, NaN beyond the raster."""
        lon, lat = lonlat_deg.double().cpu().numpy().T
        if self.west is not None:
            lon = self.west + (lon - self.west) % 360
        x, y = (np.asarray(axis, dtype=float) for axis in self.to_map(lon, lat))
        a, b, c, d, e, f = self.inverse
        with np.errstate(invalid="ignore"):
            column, row = np.floor(a * x + b * y + c), np.floor(d * x + e * y + f)
            inside = (column >= 0) & (column < self.values.shape[1]) & (row >= 0) & (row < self.values.shape[0])
        found = np.full(len(lon), np.nan)
        found[inside] = self.values[row[inside].astype(int), column[inside].astype(int)]
        return found

    def cells(self, to_lonlat: Callable, n: int) -> tuple[Tensor, np.ndarray]:
        """(n, 2) places and (n,) values of cells that have one, drawn evenly by area of a raster in degrees."""
        rows, columns = np.nonzero(np.isfinite(self.values))
        a, b, c, d, e, f = self.inverse
        u, v, scale = columns + 0.5 - c, rows + 0.5 - f, a * e - b * d
        lon, lat = (np.asarray(axis) for axis in to_lonlat((e * u - b * v) / scale, (a * v - d * u) / scale))
        area = np.cos(np.radians(lat)) if self.west is not None else np.ones(len(lat))
        n = min(n, int((area > 0).sum()))
        chosen = np.random.default_rng(0).choice(len(lat), n, replace=False, p=area / area.sum()) if n else []
        return torch.from_numpy(np.stack([lon[chosen], lat[chosen]], 1)), self.values[rows[chosen], columns[chosen]]


def field_of_band(band: Band, to_lonlat: Callable, name: str, task: str = "auto") -> Field:
    """The band as a field."""
    trial = uniform_on_sphere(_TRIAL_PLACES, torch.Generator().manual_seed(0))
    if np.isfinite(band(trial)).mean() >= _LEAST_SHARE:
        return as_field(band, task, name)
    return field_at_places(*band.cells(to_lonlat, _MOST_CELLS), name, task)


def fields_of_raster(path: Path, bands: list[str], task: str = "auto") -> list[Field]:
    """The bands of a raster file, all of them where none is named.

    Raises:
        UserError: rasterio is not installed, the file can't be read, has no such band or no reference system.
    """
    try:
        import rasterio
    except ImportError:
        raise UserError(f"{path}: a raster needs rasterio; run: pip install 'satgpu[raster]'") from None
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as file:
            wrong = [band for band in bands if band not in map(str, file.indexes)]
            if wrong:
                raise UserError(f"{path}: no band {wrong[0]!r}; it has 1 to {file.count}")
            if file.crs is None:
                raise UserError(f"{path}: it doesn't say in which coordinates it is; set its reference system")
            return [_field(file, int(band), f"{path.name}:{band}", task) for band in bands or map(str, file.indexes)]
    except RasterioError as error:
        raise UserError(f"{path}: cannot be read as a raster ({' '.join(str(error).split())[:120]})") from None


def _field(file, band: int, name: str, task: str) -> Field:
    from rasterio.warp import transform

    values = file.read(band, masked=True).astype(float).filled(np.nan)
    degrees, crs = "EPSG:4326", file.crs
    west = file.bounds.left if crs.is_geographic else None
    made = Band(values, tuple(~file.transform)[:6], lambda lon, lat: transform(degrees, crs, lon, lat), west)
    return field_of_band(made, lambda x, y: transform(crs, degrees, x, y), name, task)
