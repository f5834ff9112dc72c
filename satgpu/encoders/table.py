"""Precomputed embeddings: a table looked up by place, exactly or within a stated distance."""

import csv
import gzip
import math
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.base import ChunkedEncoder, Provenance
from satgpu.encoders.checkpoint import sha256_of_file
from satgpu.errors import UserError
from satgpu.geometry.sphere import EARTH_RADIUS_KM, refuse_metres, unit_vectors

TABLE_SUFFIXES = (".csv", ".npz", ".parquet")
# "Exact" is within a millimetre: what printing and reading degrees may move a point.
_EXACT_KM = 1e-6
# Names that belong to a row, a place, a moment or a label, not to an embedding.
_NO_COMPONENT = re.compile(
    r"(unnamed: ?\d+|index|idx|__index_level_\d+__|level_\d+|id|\w+_id|fid|gid|oid|row|key"
    r"|lon|lng|long|longitude|lat|latitude|x|y|easting|northing|(lon|lat|longitude|latitude)[._ ]?\w*"
    r"|h3\w*|s2\w*|geohash|quadkey|tile|cell|zone|fips|zip|postcode|geoid|elevation|altitude"
    r"|year|month|day|date|time|timestamp|hour|label|class|target|split|fold|weight)",
    re.IGNORECASE,
)
PLACE_NAMES = {
    "lon": ("lon", "longitude", "lng", "long", "x", "lon_deg"),
    "lat": ("lat", "latitude", "y", "lat_deg"),
}
_LEFT_OPEN = "name the components (?columns=e*), or drop the column"


@dataclass(frozen=True)
class TableSpec:
    """A path and what stands behind its question mark.

    Args:
        path: the file.
        within_km: take the nearest listed place up to this distance; None: exactly there.
        columns: patterns such as ``e*`` of the components' names; empty: all but lon and lat.
    """

    path: Path
    within_km: float | None = None
    columns: tuple[str, ...] = ()


class EmbeddingTable(ChunkedEncoder):
    """Embeddings of the places a file lists; other places are refused, never guessed.

    Args:
        spec: the file's path, with ``?within_km=25`` to take the nearest listed
            place up to that distance, and ``columns=e*`` (several by comma) to name the
            components. A ``.csv`` or ``.parquet`` has the columns ``lon``, ``lat`` (degrees)
            and one per embedding component; a ``.npz`` has the arrays ``lon`` (n,),
            ``lat`` (n,) and ``embedding`` (n, dim).

    Raises:
        UserError: the file or its option cannot be read, holds a bad value, a column
            that looks like an index, a place or a date, or one place with two embeddings.
    """

    def __init__(self, spec: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        from scipy.spatial import cKDTree

        wanted = _split_spec(spec)
        path, self.within_km = wanted.path, wanted.within_km
        lonlat, embeddings, self.columns = _read(wanted)
        _check(path, lonlat, embeddings)
        tree = cKDTree(unit_vectors(torch.from_numpy(lonlat)).numpy())
        keep = _one_row_per_place(path, tree, lonlat, embeddings)
        name = path.stem if self.within_km is None else f"{path.stem}-within{self.within_km:g}km"
        dim = embeddings.shape[1]
        source = f"file {path.name}, {_columns_in_words(self.columns)}"
        provenance = Provenance(name, source, "", sha256_of_file(path), True, "not stated", None, dim)
        super().__init__(provenance, device, dtype, 1 << 16)
        self._tree = cKDTree(tree.data[keep])
        self._embeddings = torch.from_numpy(embeddings[keep]).to(self.device, dtype)

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        chord, row = self._tree.query(unit_vectors(lonlat_deg).cpu().numpy())
        distance_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
        limit_km = _EXACT_KM if self.within_km is None else self.within_km
        self._refuse_far_points(lonlat_deg, distance_km, limit_km)
        return self._embeddings[torch.from_numpy(row).to(self.device)]

    def _refuse_far_points(self, lonlat_deg: Tensor, distance_km: np.ndarray, limit_km: float) -> None:
        far = int((distance_km > limit_km).sum())
        if not far:
            return
        worst = int(distance_km.argmax())
        lon, lat = lonlat_deg[worst].tolist()
        within = "exactly there" if self.within_km is None else f"within {limit_km:g} km"
        raise UserError(
            f"{self.name}: {far} of {len(distance_km)} points have no embedding {within}; the worst, longitude"
            f" {lon:g} latitude {lat:g}, is {distance_km[worst]:.4g} km from one; use a denser table or ?within_km="
        )


def looks_like_table(spec: str) -> bool:
    """The spec names a file this module reads."""
    return Path(spec.partition("?")[0]).suffix.lower() in TABLE_SUFFIXES


def _split_spec(spec: str) -> TableSpec:
    path, _, query = spec.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    options = dict(given)
    if len(given) > len(options):
        raise UserError(f"table {spec!r}: an option is given twice; name several columns by comma, as in ?columns=a,b")
    text, columns = options.pop("within_km", None), options.pop("columns", None)
    if options or (query and text is None and columns is None):
        raise UserError(
            f"table {spec!r}: cannot read the option {query!r}; there are ?within_km=DISTANCE and ?columns=PATTERNS"
        )
    patterns = tuple(part for part in (columns or "").split(",") if part)
    if columns is not None and not patterns:
        raise UserError(f"table {spec!r}: columns is empty; give names or patterns, as in ?columns=e*")
    return TableSpec(Path(path).expanduser(), None if text is None else _distance_km(spec, text), patterns)


def _distance_km(spec: str, text: str) -> float:
    try:
        within_km = float(text)
    except ValueError:
        within_km = math.nan
    if not 0 < within_km < math.inf:
        raise UserError(f"table {spec!r}: within_km must be a distance above 0; got {text!r}")
    refuse_metres(f"table {spec!r}: within_km", within_km)
    return within_km


def _read(wanted: TableSpec) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(n, 2) degrees, (n, dim) embeddings, float64, still unchecked, and the components' names."""
    if not wanted.path.is_file():
        raise UserError(f"{wanted.path}: no such file; give the path of a table of embeddings")
    if wanted.path.suffix.lower() != ".npz":
        return _read_frame(wanted)
    if wanted.columns:
        raise UserError(f"{wanted.path}: columns= is for .csv and .parquet; a .npz has one array 'embedding'")
    return _read_npz(wanted.path)


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    try:
        # Opened here: NumPy leaves a file of its own open where the archive is broken.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in ("lon", "lat", "embedding")}
    except Exception as error:  # a broken archive may raise anything
        raise UserError(f"{path}: cannot be read as .npz ({_first_words(error)})") from None
    missing = [name for name in ("lon", "lat", "embedding") if name not in arrays]
    if missing:
        raise UserError(f"{path}: array {missing[0]!r} is missing; wanted lon (n,), lat (n,) and embedding (n, dim)")
    shapes = {name: array.shape for name, array in arrays.items()}
    n = arrays["lon"].size
    if shapes["lon"] != (n,) or shapes["lat"] != (n,) or arrays["embedding"].ndim != 2 or len(arrays["embedding"]) != n:
        raise UserError(f"{path}: wanted lon (n,), lat (n,) and embedding (n, dim); got {shapes}")
    if any(array.dtype.kind not in "fiu" for array in arrays.values()):
        raise UserError(f"{path}: lon, lat and embedding must hold numbers")
    lonlat = np.stack([arrays["lon"], arrays["lat"]], axis=1).astype(np.float64)
    names = [f"embedding[{index}]" for index in range(arrays["embedding"].shape[1])]
    return lonlat, arrays["embedding"].astype(np.float64), names


def _read_frame(wanted: TableSpec) -> tuple[np.ndarray, np.ndarray, list[str]]:
    path = wanted.path
    frame = read_frame(path)
    for place in ("lon", "lat"):
        if place not in frame.columns:
            raise UserError(_missing_place(path, place, [str(column) for column in frame.columns]))
    columns = _components(wanted, frame)
    for column in ("lon", "lat", *columns):
        if getattr(frame[column].dtype, "kind", "O") not in "fiu":
            raise UserError(
                f"{path}: column {str(column)!r:.60} does not hold numbers; keep lon, lat and the embedding"
            )
    # Copies: pandas may hand out read-only views, which torch does not take.
    lonlat = frame[["lon", "lat"]].to_numpy(np.float64, copy=True, na_value=np.nan)
    return lonlat, frame[columns].to_numpy(np.float64, copy=True, na_value=np.nan), columns


def read_frame(path: Path):  # -> pandas.DataFrame, which is loaded only where a table is read
    """The file as a table whose columns have distinct names and whose rows are as long as its header."""
    import pandas as pd

    parquet = path.suffix.lower() == ".parquet"
    header = None if parquet else _header(path)
    try:
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path, low_memory=False, skipinitialspace=True)
    except ImportError:
        raise UserError(f"{path}: reading parquet needs pyarrow; run 'pip install pyarrow' or give a .csv") from None
    except Exception as error:  # a broken file may raise anything
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]} ({_first_words(error)})") from None
    if frame.columns.nlevels > 1:
        raise UserError(f"{path}: its columns have names of {frame.columns.nlevels} levels; write one name a column")
    if parquet:
        return frame.reset_index(drop=not {"lon", "lat"} <= set(frame.index.names))
    _check_rows(path, frame, header)
    return frame.reset_index(drop=True)


def _header(path: Path) -> list[str]:
    """The names in a CSV's first line, each once and set apart by commas."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", newline="", encoding="utf-8-sig", errors="replace") as file:
        line = file.readline()
    header = next(csv.reader([line], skipinitialspace=True), [])
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise UserError(f"{path}: column {repeated[0]!r:.60} stands in the header twice; keep one")
    other = next((sign for sign in ";\t|" if "lon" in [name.strip(' "').lower() for name in line.split(sign)]), ",")
    if other != "," and len(header) < 2:
        raise UserError(f"{path}: its columns are set apart by {other!r}; write commas, and decimal points")
    return header


def _check_rows(path: Path, frame, header: list[str]) -> None:  # noqa: ANN001
    """Rows longer than the header, which pandas would shift by taking an index.

    R writes its row names without a name of their own: a header one short is right
    where the first values are a running number or words.
    """
    if list(frame.index) == list(range(len(frame))):
        return
    numbers = frame.index.nlevels == 1 and frame.index.dtype.kind in "fiu"
    running = numbers and list(frame.index) == list(range(1, len(frame) + 1))
    words = frame.index.nlevels == 1 and not numbers and frame.index.is_unique
    if not (running or words) or frame[frame.columns[-1]].isna().all():
        extra = frame.index.nlevels
        raise UserError(f"{path}: its rows have {extra} value(s) more than its header names; mend the header")


def _missing_place(path: Path, place: str, found: list[str]) -> str:
    near = [name for name in found if name.strip().lower() in PLACE_NAMES[place]]
    hint = f"; did you mean {near[0]!r}? rename it to {place!r}" if near else ""
    listed = ", ".join(found[:6])
    return f"{path}: column {place!r} is missing; wanted lon, lat and the embedding; found {listed:.120}{hint}"


def _components(wanted: TableSpec, frame) -> list[str]:  # noqa: ANN001
    """The names of the embedding's columns: those asked for, or all that can be nothing else."""
    rest = [column for column in frame.columns if column not in ("lon", "lat")]
    if wanted.columns:
        for pattern in wanted.columns:
            if not any(fnmatchcase(str(column), pattern) for column in rest):
                names = ", ".join(map(str, rest[:6]))
                raise UserError(f"{wanted.path}: no column matches {pattern!r}; it has {names:.120}")
        return [column for column in rest if any(fnmatchcase(str(column), pattern) for pattern in wanted.columns)]
    _refuse_odd_ones(wanted.path, rest, frame)
    return rest


def _refuse_odd_ones(path: Path, rest: list[str], frame) -> None:  # noqa: ANN001
    """Columns that are no component by their name, by what they hold, or by being unlike e0, e1, e2 beside them."""
    stems = Counter(stem for column in rest if (stem := re.sub(r"\d+$", "", str(column))) != str(column))
    numbered = any(count > 1 for count in stems.values())
    for column in rest:
        if _NO_COMPONENT.fullmatch(str(column)):
            raise UserError(
                f"{path}: column {str(column)!r:.60} looks like an index, a place or a date, not like a component;"
                f" {_LEFT_OPEN}"
            )
        if _counts_rows(frame[column]):
            raise UserError(f"{path}: column {str(column)!r:.60} counts the rows like an index; {_LEFT_OPEN}")
        if numbered and not str(column)[-1:].isdigit():
            raise UserError(
                f"{path}: column {str(column)!r:.60} has no number as others have; {_LEFT_OPEN} (?columns=* takes all)"
            )


def _counts_rows(values) -> bool:  # noqa: ANN001
    """Whole numbers 0, 1, 2, … or 1, 2, 3, … of three rows or more."""
    if getattr(values.dtype, "kind", "O") not in "iu" or len(values) < 3:
        return False
    first = int(values.iloc[0])
    return first in (0, 1) and bool((values.to_numpy() == np.arange(first, first + len(values))).all())


def _check(path: Path, lonlat: np.ndarray, embeddings: np.ndarray) -> None:
    if not len(lonlat) or not embeddings.shape[1]:
        raise UserError(f"{path}: the table is empty: {len(lonlat)} places, {embeddings.shape[1]} embedding columns")
    if not np.isfinite(lonlat).all() or np.abs(lonlat[:, 1]).max() > 90 or np.abs(lonlat[:, 0]).max() > 360:
        raise UserError(f"{path}: lon or lat is missing or out of range (are they swapped, or not in degrees?)")
    bad = int((~np.isfinite(embeddings)).any(axis=1).sum())
    if bad:
        raise UserError(f"{path}: {bad} of {len(embeddings)} embeddings hold NaN or infinity; drop those rows")


def _one_row_per_place(path: Path, tree, lonlat: np.ndarray, embeddings: np.ndarray) -> np.ndarray:  # noqa: ANN001
    """Rows to keep: a place under several names (±180°, a pole, 190° and -170°) once, if its embeddings agree."""
    pairs = tree.query_pairs(_EXACT_KM / EARTH_RADIUS_KM, output_type="ndarray")
    differ = (embeddings[pairs[:, 0]] != embeddings[pairs[:, 1]]).any(axis=1)
    if differ.any():
        first, second = pairs[np.flatnonzero(differ)[0]]
        places = " and ".join(f"({lonlat[row, 0]:g}, {lonlat[row, 1]:g})" for row in (first, second))
        raise UserError(
            f"{path}: {int(differ.sum())} place(s) stand in the table twice with different embeddings, first"
            f" {places}; keep one embedding each"
        )
    keep = np.ones(len(lonlat), dtype=bool)
    keep[pairs[:, 1]] = False  # the later row of each pair
    return np.flatnonzero(keep)


def _columns_in_words(columns: list[str]) -> str:
    """``columns e0, e1, e2``; the first and the last where there are many."""
    if len(columns) <= 4:
        return f"columns {', '.join(map(str, columns))}"
    return f"{len(columns)} columns {columns[0]}, {columns[1]}, …, {columns[-1]}"


def _first_words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
