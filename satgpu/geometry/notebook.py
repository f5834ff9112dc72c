"""The deep-dive notebook's own draws and labels, bit for bit.

Everything here repeats a choice of the notebook, good or bad: a "kilometre" is
1/111 of a degree in both directions, cells are cut by truncation toward zero,
points are uniform in degrees, and the numbers come from NumPy's legacy generator
with seed 42. For a sound version of each see ``patterns`` and ``sampling``.

Points are drawn with NumPy and handed on as float64 CPU tensors. Labels need
only division, square root and truncation, which IEEE arithmetic rounds the same
way everywhere, so they run on any device; where a transcendental function
decides a label (the boundary's sigmoid), NumPy computes it.
"""

import math

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.sphere import as_lonlat

KM_PER_DEGREE = 111.0
SEED = 42
REFERENCE_DEG = (0.0, 45.0)  # of its similarity rings
BEARINGS = 200
# Section 3 leaves the global stream here: seed 42, then 6000 longitudes and 6000 latitudes.
DRAWS_BEFORE_SIMILARITY = 12_000


def notebook_box(
    n: int,
    lon_range_deg: tuple[float, float] = (-180, 180),
    lat_range_deg: tuple[float, float] = (-60, 60),
    seed: int = SEED,
) -> Tensor:
    """(n, 2) points uniform in degrees: all longitudes first, then all latitudes."""
    return torch.from_numpy(_draw_box(np.random.RandomState(seed), n, lon_range_deg, lat_range_deg))


def boundary_labels(lonlat_deg: Tensor, width_km: float, seed: int = SEED) -> Tensor:
    """(n,) labels north of the equator, with the label noise that follows the points in the stream.

    The noise is what the notebook drew only for points that are ``notebook_box(n, seed=seed)``.
    """
    lonlat = as_lonlat(lonlat_deg)
    if width_km == 0:  # The notebook draws no noise here.
        return (lonlat[:, 1] > 0).long()
    random = np.random.RandomState(seed)
    random.uniform(size=2 * len(lonlat))
    labels = random.random_sample(len(lonlat)) < _boundary_probability(lonlat[:, 1].cpu().numpy(), width_km)
    return torch.from_numpy(labels).long().to(lonlat.device)


def boundary_probability(lonlat_deg: Tensor, width_km: float) -> Tensor:
    """(n,) probability of label 1: a sigmoid of latitude, 2·lat/(width/111); width 0 is a step."""
    lonlat = as_lonlat(lonlat_deg)
    probability = _boundary_probability(lonlat[..., 1].cpu().numpy(), width_km)
    return torch.from_numpy(probability).to(lonlat.device)


def notebook_rings(
    distances_km: list[float], n_points: int = 200, reference_deg: tuple[float, float] = (0.0, 45.0), seed: int = SEED
) -> Tensor:
    """(len(distances_km), n_points, 2) points on circles in degree space around the reference.

    One stream runs through all distances, from where section 3 left it.
    """
    random = np.random.RandomState(seed)
    random.uniform(size=DRAWS_BEFORE_SIMILARITY)
    rings = [_ring(random, distance_km / KM_PER_DEGREE, n_points, reference_deg) for distance_km in distances_km]
    return torch.from_numpy(np.stack(rings)) if rings else torch.empty(0, n_points, 2, dtype=torch.float64)


def region_box(center_deg: tuple[float, float], span_deg: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The notebook's region: (lon_range, lat_range) of a square in degrees, cut at ±180, -60 and 70.

    Raises:
        UserError: nothing of it is left.
    """
    lon, lat = center_deg
    south, north = max(-60, lat - span_deg / 2), min(70, lat + span_deg / 2)
    if south >= north:
        raise UserError(
            f"the notebook's {span_deg:g}° around {tuple(center_deg)} lies beyond 60°S or 70°N; use geodesic"
        )
    return (max(-180, lon - span_deg / 2), min(180, lon + span_deg / 2)), (south, north)


def train_test_rows(n: int, test_size: float = 0.3, seed: int = SEED) -> tuple[Tensor, Tensor]:
    """Train and test rows in the order of scikit-learn's ``train_test_split(range(n), ...)``.

    Raises:
        UserError: one of the two parts would be empty.

    Source: ``ShuffleSplit``: one permutation, its head is the test set (rounded up).
    """
    n_test = math.ceil(test_size * n)
    if not 0 < n_test < n:
        raise UserError(
            f"test_size {test_size} of {n} points leaves an empty part; use more points or another test_size"
        )
    permutation = torch.from_numpy(np.random.RandomState(seed).permutation(n))
    return permutation[n_test:], permutation[:n_test]


def checkerboard(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """Squares in degrees; truncation makes the cells beside the equator and 0°E twice as wide."""
    lon, lat = _cells_deg(lonlat_deg, scale_km)
    return (lon.to(torch.int64) + lat.to(torch.int64)) % 2


def horizontal_stripes(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """Stripes of latitude, the one at the equator twice as wide."""
    return _cells_deg(lonlat_deg, scale_km)[1].to(torch.int64) % 2


def vertical_stripes(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """Stripes of longitude, narrowing toward the poles, the one at 0°E twice as wide."""
    return _cells_deg(lonlat_deg, scale_km)[0].to(torch.int64) % 2


def diagonal_stripes(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """Stripes of longitude + latitude."""
    lonlat, scale_deg = _operands(lonlat_deg, scale_km)
    # Summed before the division, as in the notebook: the rounding decides labels.
    return ((lonlat[..., 0] + lonlat[..., 1]) / scale_deg).to(torch.int64) % 2


def concentric_rings(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """Circles in degree space around (0, 0)."""
    lonlat, scale_deg = _operands(lonlat_deg, scale_km)
    distance_deg = (lonlat[..., 0] * lonlat[..., 0] + lonlat[..., 1] * lonlat[..., 1]).sqrt()
    return (distance_deg / scale_deg).to(torch.int64) % 2


def gradient(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """sin(π lon/s)·sin(π lat/s), s = km/111 degrees: the checkerboard's smooth counterpart, for regression.

    The notebook announces gradients but draws none; this keeps its units.
    """
    lon, lat = _cells_deg(lonlat_deg, scale_km)
    return torch.sin(math.pi * lon) * torch.sin(math.pi * lat)


def _cells_deg(lonlat_deg: Tensor, scale_km: Tensor) -> tuple[Tensor, Tensor]:
    """Longitude and latitude in cells of scale/111 degrees, (n,) or (P, n) each."""
    lonlat, scale_deg = _operands(lonlat_deg, scale_km)
    return lonlat[..., 0] / scale_deg, lonlat[..., 1] / scale_deg


def _operands(lonlat_deg: Tensor, scale_km: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 points, and the scale in degrees shaped to broadcast over them."""
    lonlat = as_lonlat(lonlat_deg).double()
    scale_deg = torch.as_tensor(scale_km, dtype=torch.float64, device=lonlat.device) / KM_PER_DEGREE
    return lonlat, scale_deg[..., None] if scale_deg.ndim else scale_deg


def _draw_box(random: np.random.RandomState, n: int, lon_range_deg, lat_range_deg) -> np.ndarray:
    lon = random.uniform(lon_range_deg[0], lon_range_deg[1], n)
    lat = random.uniform(lat_range_deg[0], lat_range_deg[1], n)
    return np.stack([lon, lat], axis=1)


def _boundary_probability(lat: np.ndarray, width_km: float) -> np.ndarray:
    if width_km == 0:
        return (lat > 0).astype(np.float64)
    with np.errstate(over="ignore"):  # Far south of a narrow boundary exp is inf, and the probability rightly 0.
        return 1 / (1 + np.exp(-(lat / (width_km / KM_PER_DEGREE)) * 2))


def _ring(random: np.random.RandomState, distance_deg: float, n: int, reference_deg) -> np.ndarray:
    angle = random.uniform(0, 2 * np.pi, n)
    lon = np.clip(reference_deg[0] + distance_deg * np.cos(angle), -180, 180)
    lat = np.clip(reference_deg[1] + distance_deg * np.sin(angle), -90, 90)
    return np.stack([lon, lat], axis=1)
