"""Your own labels: columns of a table, points of a GeoParquet file or bands of a raster, as fields.

``FILE:COLUMN``, ``FILE:COLUMN,COLUMN`` or ``FILE`` alone, which stands for every column that is neither a place nor an
index or a date. With ``?groups=COLUMN`` behind it the split ``column`` holds out whole groups of that column. Files are
``.csv``, ``.csv.gz``, ``.parquet`` and, where rasterio is installed, ``.tif``, whose columns are the numbers of its
bands. Places are columns such as lon and lat (CoordBench's files go in as they are), or points in ``geometry``.

What can't be used is left out and counted by its reason; longitudes from 0 to 360 mean what those from -180 to 180 do.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from satgpu.encoders.table import PLACE_NAMES, read_frame
from satgpu.errors import UserError, did_you_mean
from satgpu.fields.field import Field, field_at_places
from satgpu.geometry import wrap_longitude_deg

_SPEC = re.compile(
    r"(?P<path>.+?\.(?:csv(?:\.gz)?|parquet|tiff?))(?::(?P<columns>[^?]*))?(?:\?groups=(?P<groups>.+))?", re.IGNORECASE
)
# A column of words is one of numbers where so many of them are: the rest ("unknown", "-") are left out.
_NUMBERS_SHARE = 0.9
# Degrees are told apart to a tenth of a millimetre.
_DECIMALS = 9
_GEOMETRY = "geometry"
# Columns that stand for a row or a moment: read where they are named, never with the whole file.
_NO_VALUE = re.compile(
    r"unnamed: ?\d+|index|idx|__index_level_\d+__|level_\d+|id|\w+_id|fid|gid|oid|row|key|date|time|timestamp",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Table:
    """The rows of a file that have a place.

    Args:
        frame: their columns.
        lonlat_deg: (N, 2) degrees, longitude in [-180, 180).
        place: (N,) number of each row's place.
        left_out: rows without a place, by reason.
        rest: the columns that can be values.
    """

    frame: pd.DataFrame
    lonlat_deg: np.ndarray
    place: np.ndarray
    left_out: dict[str, int]
    rest: tuple[str, ...]


def is_file(spec: str) -> bool:
    """The spec names a file of labels, as far as one can tell from its ending."""
    return _SPEC.fullmatch(spec) is not None


def fields_of_file(spec: str, task: str = "auto") -> tuple[list[Field], list[str]]:
    """The fields of a file, and why columns were left out where none was named.

    Args:
        spec: ``FILE``, ``FILE:COLUMN,COLUMN`` or ``FILE:COLUMN?groups=COLUMN``.
        task: as for :func:`satgpu.fields.as_field`; "auto" decides for each column.

    Raises:
        UserError: no such file or column, no places, or a column named can't be read as a field.
    """
    found = _SPEC.fullmatch(spec)
    path = Path(found["path"]).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file; give labels as FILE.csv:COLUMN")
    columns = [one for one in (found["columns"] or "").split(",") if one]
    if path.suffix.lower().startswith(".tif"):
        from satgpu.fields.raster import fields_of_raster

        return fields_of_raster(path, columns, task), []
    table = read_table(path, path.stat().st_mtime_ns)
    groups = None if found["groups"] is None else _column(path, table, found["groups"])
    if columns:
        return [_field(path, table, _column(path, table, name).name, task, groups) for name in columns], []
    return _every_field(path, table, task, groups)


def _every_field(path: Path, table: Table, task: str, groups: pd.Series | None) -> tuple[list[Field], list[str]]:
    fields, notes = [], []
    for column in table.rest:
        try:
            fields.append(_field(path, table, column, task, groups))
        except UserError as error:
            notes.append(str(error))
    if not fields:
        raise UserError(notes[0] if notes else f"{path}: no column besides the places; name one that holds labels")
    return fields, notes


@functools.lru_cache(maxsize=4)
def read_table(path: Path, changed_ns: int) -> Table:
    """The rows of a table that have a place; ``changed_ns`` is when the file was last changed.

    Raises:
        UserError: it can't be read, has no places, or most of them aren't on the Earth.
    """
    frame = read_frame(path)
    names = {which: _place_column(frame, which) for which in ("lon", "lat")}
    if all(names.values()):
        raw = frame[list(names.values())].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64, copy=True)
    elif _GEOMETRY in frame:
        _check_degrees(path)
        raw = _points(path, frame[_GEOMETRY])
    else:
        raise UserError(_no_place(path, names, frame))
    missing = ~np.isfinite(raw).all(1)
    off = ~missing & ((np.abs(raw[:, 1]) > 90) | (raw[:, 0] < -180) | (raw[:, 0] > 360))
    if off.sum() > 0.5 * (~missing).sum():
        raise UserError(f"{path}: most places are not on the Earth; are they swapped, or not in degrees?")
    left_out = {"no place": int(missing.sum()), "place not on the Earth": int(off.sum())}
    keep = ~missing & ~off
    lonlat = _one_convention(raw[keep])
    used = {*names.values(), _GEOMETRY, *(c for c in frame.columns if _is_place(str(c)))}
    rest = tuple(str(c) for c in frame.columns if c not in used and not _NO_VALUE.fullmatch(str(c)))
    frame = frame[keep].reset_index(drop=True)
    return Table(frame, lonlat, np.unique(lonlat, axis=0, return_inverse=True)[1].ravel(), left_out, rest)


def _one_convention(lonlat: np.ndarray) -> np.ndarray:
    """Longitudes in [-180, 180), 0 at the poles, which have them all."""
    lonlat = lonlat.round(_DECIMALS)
    lon = wrap_longitude_deg(torch.from_numpy(lonlat[:, 0])).numpy().round(_DECIMALS)
    lon = np.where(np.abs(lonlat[:, 1]) == 90, 0.0, lon)
    return np.stack([lon, lonlat[:, 1]], 1) + 0.0  # no -0.0


def _field(path: Path, table: Table, column: str, task: str, groups: pd.Series | None) -> Field:
    """One column, a value a place."""
    left_out = Counter(table.left_out)
    values = _numbers_in_words(table.frame[column], left_out) if task != "classification" else table.frame[column]
    if pd.api.types.is_float_dtype(values):
        values = values.where(np.isfinite(values.to_numpy(np.float64, na_value=np.nan)))
    known = values.notna().to_numpy()
    left_out["missing value"] += int((~known).sum())
    rows = pd.DataFrame({"place": table.place[known], "code": pd.factorize(values[known])[0]})
    differ = (rows.groupby("place")["code"].transform("nunique") > 1).to_numpy()
    again = rows["place"].duplicated().to_numpy() & ~differ
    left_out["place with several values"] = int(differ.sum())
    left_out["met before, with the same value"] = int(again.sum())
    chosen = np.flatnonzero(known)[~differ & ~again]
    kept = values.iloc[chosen]
    numeric = pd.api.types.is_numeric_dtype(kept) and not pd.api.types.is_bool_dtype(kept)
    plain = kept.to_numpy(np.float64, na_value=np.nan) if numeric else kept.to_numpy(object)
    codes = None if groups is None else torch.from_numpy(pd.factorize(groups.iloc[chosen])[0].astype(np.int64))
    lonlat = torch.from_numpy(table.lonlat_deg[chosen])
    told = {reason: n for reason, n in left_out.items() if n}
    return field_at_places(lonlat, plain, f"{path.name}:{column}", task, codes, told)


def _numbers_in_words(values: pd.Series, left_out: Counter) -> pd.Series:
    """A column of words most of which are numbers, as numbers; any other as it is."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    lost = int((numbers.isna() & values.notna()).sum())
    if not numbers.notna().any() or lost > (1 - _NUMBERS_SHARE) * values.notna().sum():
        return values
    left_out["not a number"] = lost
    return numbers.where(values.notna() & numbers.notna())


def _column(path: Path, table: Table, name: str) -> pd.Series:
    if name in table.frame:
        return table.frame[name]
    columns = [str(column) for column in table.frame.columns]
    raise UserError(f"{path}: no column {name!r}{did_you_mean(name, columns) or f'; it has {_listed(columns)}'}")


def _place_column(frame: pd.DataFrame, which: str) -> str | None:
    """The column of longitudes or latitudes, by the first of its usual names; None where there is none."""
    by_name = {str(column).lower(): column for column in reversed(frame.columns)}
    return next((by_name[name] for name in PLACE_NAMES[which] if name in by_name), None)


def _is_place(name: str) -> bool:
    return any(name.lower() in names for names in PLACE_NAMES.values())


def _no_place(path: Path, names: dict[str, str | None], frame: pd.DataFrame) -> str:
    missing = next(which for which, name in names.items() if name is None)
    columns = _listed([str(column) for column in frame.columns])
    return f"{path}: column {missing!r} is missing; wanted lon and lat in degrees, or points; found {columns}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8])[:120] + (", …" if len(names) > 8 else "")


def _check_degrees(path: Path) -> None:
    """UserError where a GeoParquet file says that its coordinates aren't degrees."""
    from pyarrow import parquet

    geo = json.loads((parquet.read_schema(path).metadata or {}).get(b"geo", b"{}"))
    crs = geo.get("columns", {}).get(_GEOMETRY, {}).get("crs") or {}
    if crs and not str(crs.get("type", "")).startswith("Geographic"):
        name = crs.get("name", "unnamed")
        raise UserError(f"{path}: its points are in {name!r}, not in degrees; write it again with to_crs('EPSG:4326')")


def _points(path: Path, geometry: pd.Series) -> np.ndarray:
    """(N, 2) longitude and latitude of points in well-known binary, NaN where there is none.

    Source: OGC 06-103r4: a byte for the order of bytes, the kind (1 for a point), x, y; z and m may follow.
    """
    nothing = (np.nan, np.nan)
    return np.array([nothing if not isinstance(one, bytes) else _point(path, one) for one in geometry]).reshape(-1, 2)


def _point(path: Path, binary: bytes) -> tuple[float, float]:
    order = "<" if binary[:1] == b"\x01" else ">"
    try:
        (kind,) = struct.unpack_from(f"{order}I", binary, 1)
        start = 9 if kind & 0x20000000 else 5  # an EWKB point carries its reference system first
        if (kind & 0x0FFFFFFF) % 1000 != 1:
            raise UserError(f"{path}: its geometry holds other things than points; write their centroids")
        return struct.unpack_from(f"{order}dd", binary, start)
    except struct.error:
        raise UserError(f"{path}: its geometry is no well-known binary; write it with geopandas") from None
