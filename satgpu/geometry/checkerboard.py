"""Boards of squares of equal area, two colours, every cell beside cells of the other colour only.

**On the globe** a cube is blown up to the sphere by the quadrilateralized spherical
cube, which keeps areas (Chan & O'Neill 1975; O'Neill & Laubscher 1976), and each face
carries a lattice of n x n steps. Cells are centred on the lattice's corners, not on its
squares, so that the cube's eight vertices lie *inside* cells (of three sides and 3/4 of
the area) instead of at corners where three colours would have to meet. The lattice's
graph has faces of four sides only, so two colours are enough: no seam anywhere.

**In a region** the board is plane, in the azimuthal equal-area projection about the
region's centre: all cells have the area of the scale squared.

Measured (tests): all neighbours differ, areas are equal within 2 % but for the eight
vertex cells, and the peak of the harmonic power spectrum lies within 2 % of √2 times
the cells' width. That width is the scale as near as a whole number of cells allows:
within 5 % up to 1000 km and 10 % up to 3000 km on the globe, exact in a region.
"""

import math

import torch
from torch import Tensor

from satgpu.geometry.sphere import EARTH_RADIUS_KM, unit_vectors, wrap_longitude_deg

FACE_KM = math.sqrt(4 * math.pi / 6) * EARTH_RADIUS_KM  # side of a square as large as a sixth of the Earth


def globe_cells(lonlat_deg: Tensor, scale_km: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of each point, as the lattice corner on the cube's surface that it is centred on.

    Args:
        lonlat_deg: (n, 2) degrees.
        scale_km: () or (P, 1) kilometres, positive.

    Returns:
        (n, 3) or (P, n, 3) float64 whole numbers from 0 to steps, at least one of them 0 or steps, and
        steps () or (P, 1), the cells along a cube's edge.
    """
    steps = torch.floor(FACE_KM / scale_km + 0.5).clamp_min(1)
    # wrapped first, so that a longitude and 360° more of it are one place to the last bit
    xyz = unit_vectors(torch.stack([wrap_longitude_deg(lonlat_deg[:, 0]), lonlat_deg[:, 1]], dim=-1))
    axis = xyz.abs().argmax(dim=-1, keepdim=True)
    above, first, second = (xyz.gather(-1, (axis + step) % 3)[:, 0] for step in range(3))
    on_face = (steps * (above > 0), *(torch.floor((c + 1) / 2 * steps + 0.5) for c in _on_face(above, first, second)))
    in_order = torch.stack(torch.broadcast_tensors(*on_face), dim=-1)
    # on_face runs from the face's axis on; back to x, y, z
    back = (torch.arange(3, device=axis.device) - axis) % 3
    return in_order.gather(-1, back.expand(in_order.shape)), steps


def globe_checkerboard(lonlat_deg: Tensor, scale_km: Tensor) -> Tensor:
    """The colour of each point on the globe's board, 0 or 1: (n,) or (P, n) int64."""
    corner, _ = globe_cells(lonlat_deg, scale_km)
    return corner.sum(dim=-1).to(torch.int64) % 2


def region_cells(
    lonlat_deg: Tensor,
    scale_km: Tensor,
    center_deg: tuple[float, float],
    bearing_rad: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Column and row of each point's cell on a plane board about a centre.

    Args:
        lonlat_deg: (n, 2) degrees.
        scale_km: () or (P, 1) kilometres, positive.
        center_deg: longitude and latitude of the projection's centre.
        bearing_rad: of the board's columns, from north.
        offset: of the board against the centre, in cells.

    Returns:
        (n, 2) or (P, n, 2) float64 whole numbers.
    """
    east_km, north_km = _equal_area_km(lonlat_deg, center_deg).unbind(dim=-1)
    cos, sin = math.cos(bearing_rad), math.sin(bearing_rad)
    across, along = cos * east_km - sin * north_km, sin * east_km + cos * north_km
    return torch.floor(torch.stack([across / scale_km + offset[0], along / scale_km + offset[1]], dim=-1))


def region_checkerboard(
    lonlat_deg: Tensor, scale_km: Tensor, center_deg: tuple[float, float], generator: torch.Generator | None = None
) -> Tensor:
    """The colour of each point on a region's board: (n,) or (P, n) int64.

    Args:
        lonlat_deg, scale_km, center_deg: as for ``region_cells``.
        generator: turns and shifts the board, by one turn and one shift for all scales; None leaves it
            north up with a corner on the centre.
    """
    bearing, right, up = (0.0, 0.0, 0.0) if generator is None else torch.rand(3, generator=generator).tolist()
    cells = region_cells(lonlat_deg, scale_km, center_deg, 2 * math.pi * bearing, (right, up))
    return cells.sum(dim=-1).to(torch.int64) % 2


def _on_face(above: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Equal-area coordinates in [-1, 1] on a cube's face, of unit vectors (n,) by their components.

    Source: O'Neill & Laubscher 1976, as in PROJ's ``qsc``, for the eighth of a face where the
    azimuth is within 45° of the first axis; the others follow by symmetry.
    """
    near, far = torch.maximum(first.abs(), second.abs()), torch.minimum(first.abs(), second.abs())
    azimuth = torch.atan2(far, near)
    tilt = torch.atan(12 / math.pi * (azimuth + torch.acos(math.sqrt(0.5) * azimuth.sin()) - math.pi / 2))
    height = (first**2 + second**2) / (1 + above.abs())  # 1 - |above|, without cancellation
    largest = 1 - torch.cos(torch.atan(1 / azimuth.cos()))  # the same on the face's edge
    x = (height / largest).clamp(0, 1).sqrt()
    y = x * torch.tan(tilt)
    steep = second.abs() > first.abs()
    return torch.copysign(torch.where(steep, y, x), first), torch.copysign(torch.where(steep, x, y), second)


def _equal_area_km(lonlat_deg: Tensor, center_deg: tuple[float, float]) -> Tensor:
    """(n, 2) kilometres east and north of the centre in Lambert's azimuthal equal-area projection."""
    center = torch.tensor(center_deg, dtype=torch.float64, device=lonlat_deg.device)
    turn, lat_rad = torch.deg2rad(lonlat_deg[:, 0] - center[0]), torch.deg2rad(lonlat_deg[:, 1])
    sin_0, cos_0 = torch.deg2rad(center[1]).sin(), torch.deg2rad(center[1]).cos()
    north = cos_0 * lat_rad.sin() - sin_0 * lat_rad.cos() * turn.cos()
    toward = sin_0 * lat_rad.sin() + cos_0 * lat_rad.cos() * turn.cos()  # cosine of the distance
    stretch = EARTH_RADIUS_KM * (2 / (1 + toward).clamp_min(1e-12)).sqrt()
    return stretch[:, None] * torch.stack([lat_rad.cos() * turn.sin(), north], dim=-1)
