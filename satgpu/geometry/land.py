"""Land, ocean and coast, from the mask inside the PyPI package ``global-land-mask``.

The mask is NOAA's GLOBE elevation model on a grid of 1/120° (about 0.93 km at the
equator): ocean where GLOBE has no elevation, so that most lakes count as land.

The package itself is never imported: its import decompresses 933 MB into memory.
Here the file is read in blocks of rows and kept as bits: exact, 117 MB, read once
per process in 2 to 4 s. The coast, as the 2.1 million edges between land and ocean
cells, is built when first asked for: 3 s and 150 MB more.
"""

import functools
import importlib.util
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.sphere import EARTH_RADIUS_KM, check_lonlat, unit_vectors

CELLS_PER_DEGREE = 120
ROWS, COLUMNS = 180 * CELLS_PER_DEGREE, 360 * CELLS_PER_DEGREE
MASK_FILE = "globe_combined_mask_compressed.npz"


def is_land(lonlat_deg: Tensor) -> Tensor:
    """Whether points are on land.

    Args:
        lonlat_deg: (n, 2) degrees, longitude first.

    Returns:
        (n,) bool, on the points' device.

    Raises:
        UserError: the package is not installed, or the points are not on the Earth.
    """
    lonlat = check_lonlat(lonlat_deg)
    lon, lat = np.moveaxis(lonlat.double().cpu().numpy(), -1, 0)
    # Row 0 hangs from the north pole, column 0 begins at 180°W.
    row = np.clip(np.floor((90 - lat) * CELLS_PER_DEGREE).astype(np.int64), 0, ROWS - 1)
    column = np.floor((lon + 180) * CELLS_PER_DEGREE).astype(np.int64) % COLUMNS
    ocean = (_ocean_bits()[row, column // 8] >> (7 - column % 8)) & 1
    return torch.from_numpy(np.asarray(ocean == 0)).to(lonlat.device)


def distance_to_coast_km(lonlat_deg: Tensor) -> Tensor:
    """Great-circle distance to the nearest coast, inland and at sea alike.

    The coast is the set of edges between land and ocean cells, each known by its
    midpoint: 0.5 km from the nearest edge at most, on a mask that is itself good to
    about 1 km. Islands of a single cell count.

    Args:
        lonlat_deg: (n, 2) degrees, longitude first.

    Returns:
        (n,) float64 kilometres, never negative, on the points' device.

    Raises:
        UserError: the package is not installed, or the points are not on the Earth.
    """
    lonlat = check_lonlat(lonlat_deg)
    chord, _ = _coast_tree().query(unit_vectors(lonlat.double()).cpu().numpy())
    distance_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1))
    return torch.from_numpy(distance_km).to(lonlat.device)


def coastlines(spacing_deg: float = 0.4) -> list[np.ndarray]:
    """Coastlines for drawing a map, as contours of the share of land in coarse cells.

    Args:
        spacing_deg: size of the coarse cells: a multiple of 1/15 that divides 180.

    Returns:
        List of (k, 2) arrays of longitude and latitude in degrees, none of them
        crossing the antimeridian.

    Raises:
        UserError: the package is not installed, or the spacing does not fit.
    """
    import contourpy  # Comes with matplotlib; only drawing needs it.

    share = _land_share(spacing_deg)
    rows, columns = share.shape
    lat = 90 - spacing_deg * (np.arange(rows) + 0.5)
    # One column more on either side: the lines reach the antimeridian and end there.
    lon = -180 + spacing_deg * (np.arange(-1, columns + 1) + 0.5)
    share = np.concatenate([share[:, -1:], share, share[:, :1]], axis=1)
    lines = contourpy.contour_generator(lon, lat, share).lines(0.5)
    return [np.clip(line, [-180, -90], [180, 90]) for line in lines]


@functools.lru_cache(maxsize=1)
def _ocean_bits() -> np.ndarray:
    """(21600, 5400) bytes of 8 cells each, the westernmost in the highest bit; 1 is ocean."""
    path = _mask_path()
    try:
        with zipfile.ZipFile(path) as archive, archive.open("mask.npy") as stream:
            return _pack_rows(stream, path)
    except UserError:
        raise
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError, ValueError) as error:
        raise _bad_file(path, f"{type(error).__name__}: {error}") from error


def _pack_rows(stream, path: Path) -> np.ndarray:
    """The mask as bits, read 120 rows (5 MB) at a time so that it never stands in memory as bytes."""
    np.lib.format.read_magic(stream)
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if (shape, fortran_order, dtype) != ((ROWS, COLUMNS), False, np.dtype(bool)):
        raise _bad_file(path, f"{dtype} {shape}")
    packed = np.empty((ROWS, COLUMNS // 8), dtype=np.uint8)
    for top in range(0, ROWS, CELLS_PER_DEGREE):
        block = np.frombuffer(stream.read(CELLS_PER_DEGREE * COLUMNS), dtype=bool)
        packed[top : top + CELLS_PER_DEGREE] = np.packbits(block.reshape(CELLS_PER_DEGREE, COLUMNS), axis=1)
    return packed


def _mask_path() -> Path:
    """Where the installed package keeps the mask, found without importing it."""
    spec = importlib.util.find_spec("global_land_mask")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the land mask needs the package global-land-mask; install it with: pip install 'satgpu[land]'")
    return Path(spec.submodule_search_locations[0]) / MASK_FILE


def _bad_file(path: Path, found: str) -> UserError:
    return UserError(
        f"{path} is not the {ROWS} x {COLUMNS} land mask of global-land-mask 1.0 ({found});"
        " reinstall it with: pip install --force-reinstall 'satgpu[land]'"
    )


def _land_share(spacing_deg: float) -> np.ndarray:
    """(rows, columns) share of land in cells of ``spacing_deg``, from the north-west corner."""
    fifteenths = round(15 * spacing_deg)
    if fifteenths < 1 or 2700 % fifteenths or not math.isclose(15 * spacing_deg, fifteenths, rel_tol=1e-9):
        raise UserError(f"spacing_deg must be a multiple of 1/15 that divides 180, like 0.2, 0.4, 1; got {spacing_deg}")
    # A byte is 8 cells of 1/120° in a row, so 1/15° of longitude.
    rows = _ocean_bits().reshape(2700 // fifteenths, 8 * fifteenths, 5400)
    ocean = np.stack([np.bitwise_count(block).sum(axis=0, dtype=np.int64) for block in rows])
    ocean = ocean.reshape(len(rows), -1, fifteenths).sum(axis=-1)
    return 1 - ocean / (8 * fifteenths) ** 2


@functools.lru_cache(maxsize=1)
def _coast_tree():
    """KD-tree over the unit vectors of all coast edges' midpoints."""
    from scipy.spatial import cKDTree

    # Unbalanced trees build several times faster and answer as exactly.
    return cKDTree(unit_vectors(torch.from_numpy(_coast_edges_deg())).numpy(), balanced_tree=False, compact_nodes=False)


def _coast_edges_deg() -> np.ndarray:
    """(edges, 2) midpoints of the edges between land and ocean cells, degrees."""
    bits = _ocean_bits()
    edges = []
    for top in range(0, ROWS, 15 * CELLS_PER_DEGREE):
        block = bits[top : top + 15 * CELLS_PER_DEGREE + 1]
        row, column = _set_bits(block[:-1] ^ block[1:])
        edges.append(_cell_units_deg(top + row + 1, column + 0.5))
        block = block[: 15 * CELLS_PER_DEGREE]
        # Each cell beside its eastern neighbour; the last column's is the first.
        east = (block << 1) | (np.roll(block, -1, axis=1) >> 7)
        row, column = _set_bits(block ^ east)
        edges.append(_cell_units_deg(top + row + 0.5, column + 1))
    return np.concatenate(edges)


def _set_bits(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every bit that is 1; few bytes of a coast are not 0, so only those are unpacked."""
    row, byte = np.nonzero(packed)
    which, bit = np.nonzero(np.unpackbits(packed[row, byte][:, None], axis=1))
    return row[which], byte[which] * 8 + bit


def _cell_units_deg(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(n, 2) degrees of positions given in cells from the north-west corner."""
    return np.stack([column / CELLS_PER_DEGREE - 180, 90 - row / CELLS_PER_DEGREE], axis=1)
