"""Distances, directions, areas and rotations on a spherical Earth.

Coordinates are ``(..., 2)`` degrees, longitude first. Everything is computed in
float64, whatever comes in, and handed back in the dtype of the inputs: a metre
is 1.6e-7 rad, which float32 trigonometry would lose. Inputs that are no
floating-point tensor (lists, arrays, integers) count as float64.
"""

import math

import torch
from torch import Tensor

from satgpu.arrays import as_tensor
from satgpu.earth import EARTH_RADIUS_KM, HALF_TURN_KM
from satgpu.errors import UserError


def great_circle_km(a_deg: Tensor, b_deg: Tensor) -> Tensor:
    """Distance along the sphere between paired points.

    Args:
        a_deg: (..., 2) longitude and latitude in degrees.
        b_deg: (..., 2), broadcasts against ``a_deg``.

    Returns:
        (...) kilometres, in the dtype of the inputs.

    Raises:
        UserError: the last axis of either input is not 2, or a latitude on the CPU is beyond ±90
            (on a GPU a look at the values would wait for the device).

    Source: haversine h = sin²(d/2R), preferred to arccos because it keeps its
    precision at separations of metres. arcsin(√h) would lose it again near the
    antipode, so the complement 1 - h is taken as the haversine to the antipode
    of b, a sum of non-negative terms without cancellation.

    >>> great_circle_km([0.0, 0.0], [180.0, 0.0]) / EARTH_RADIUS_KM
    tensor(3.1416, dtype=torch.float64)
    """
    a, b = as_lonlat(a_deg, "a_deg"), as_lonlat(b_deg, "b_deg")
    _check_latitudes(a_deg=a, b_deg=b)
    dtype = torch.promote_types(a.dtype, b.dtype)
    a, b = a.double(), b.double()
    half_lon = torch.deg2rad(b[..., 0] - a[..., 0]) / 2
    half_difference = torch.deg2rad(b[..., 1] - a[..., 1]) / 2
    half_sum = torch.deg2rad(b[..., 1] + a[..., 1]) / 2
    cosines = torch.cos(torch.deg2rad(a[..., 1])) * torch.cos(torch.deg2rad(b[..., 1]))
    near = torch.sin(half_difference) ** 2 + cosines * torch.sin(half_lon) ** 2
    far = torch.sin(half_sum) ** 2 + cosines * torch.cos(half_lon) ** 2
    # A cosine of 90° that rounds to just below 0 must not make a NaN.
    angle_rad = 2 * torch.atan2(near.clamp_min(0).sqrt(), far.clamp_min(0).sqrt())
    return (EARTH_RADIUS_KM * angle_rad).to(dtype)


def destination_deg(origin_deg: Tensor, bearing_rad: Tensor, distance_km: Tensor) -> Tensor:
    """Where one arrives from ``origin_deg`` along a great circle.

    Args:
        origin_deg: (..., 2) longitude and latitude in degrees. At a pole, "north" is
            the limit along the given longitude, so every bearing stays distinct.
        bearing_rad: (...) radians clockwise from north, broadcasts.
        distance_km: (...) kilometres, broadcasts.

    Returns:
        (..., 2) degrees, longitude in [-180, 180], in the dtype of ``origin_deg``.

    Raises:
        ValueError: the last axis of ``origin_deg`` is not 2.

    Source: p = cos δ · o + sin δ · (cos β · north + sin β · east) on unit vectors;
    the textbook arcsin form loses half its digits beside the poles.
    """
    origin = as_lonlat(origin_deg, "origin_deg")
    lon, lat = torch.deg2rad(origin.double()).unbind(-1)
    bearing = torch.as_tensor(bearing_rad, dtype=torch.float64, device=origin.device)
    angle = torch.as_tensor(distance_km, dtype=torch.float64, device=origin.device) / EARTH_RADIUS_KM
    lon, lat, bearing, angle = torch.broadcast_tensors(lon, lat, bearing, angle)
    north = torch.stack([-lat.sin() * lon.cos(), -lat.sin() * lon.sin(), lat.cos()], dim=-1)
    east = torch.stack([-lon.sin(), lon.cos(), torch.zeros_like(lon)], dim=-1)
    heading = bearing.cos()[..., None] * north + bearing.sin()[..., None] * east
    start = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)
    end = angle.cos()[..., None] * start + angle.sin()[..., None] * heading
    return lonlat_deg_from_unit(end).to(origin.dtype)


def unit_vectors(lonlat_deg: Tensor) -> Tensor:
    """(..., 3) unit vectors of (..., 2) degrees: x to 0°E on the equator, y to 90°E, z to the north pole."""
    lonlat = as_lonlat(lonlat_deg)
    lon, lat = torch.deg2rad(lonlat.double()).unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1).to(lonlat.dtype)


def lonlat_deg_from_unit(xyz: Tensor) -> Tensor:
    """(..., 2) degrees, longitude in [-180, 180], of (..., 3) vectors of any positive length.

    Raises:
        ValueError: the last axis is not 3.
    """
    if xyz.shape[-1:] != (3,):
        raise ValueError(f"xyz must be (..., 3); got {tuple(xyz.shape)}")
    x, y, z = xyz.unbind(-1)
    # atan2 keeps its digits at the poles, where arcsin(z) has none left.
    return torch.rad2deg(torch.stack([torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))], dim=-1))


def wrap_longitude_deg(lon_deg: Tensor) -> Tensor:
    """The same longitudes in [-180, 180); those already there come back bit for bit."""
    inside = (lon_deg >= -180) & (lon_deg < 180)
    wrapped = torch.remainder(lon_deg + 180, 360) - 180
    # remainder can round up to 360 just below a multiple of it.
    return torch.where(inside, lon_deg, torch.where(wrapped >= 180, -180, wrapped))


def cap_area_km2(radius_km: Tensor) -> Tensor:
    """Area of a spherical cap of geodesic radius ``radius_km`` (float or tensor): 4πR² sin²(r/2R)."""
    if isinstance(radius_km, Tensor):
        return 4 * math.pi * EARTH_RADIUS_KM**2 * torch.sin(radius_km / (2 * EARTH_RADIUS_KM)) ** 2
    return 4 * math.pi * EARTH_RADIUS_KM**2 * math.sin(radius_km / (2 * EARTH_RADIUS_KM)) ** 2


def cap_radius_km(area_km2: float) -> float:
    """Geodesic radius of the cap of this area, the inverse of :func:`cap_area_km2`.

    Raises:
        UserError: the area is not positive, or larger than the sphere (5.1e8 km²).
    """
    fraction = area_km2 / (4 * math.pi * EARTH_RADIUS_KM**2)
    if not 0 < fraction <= 1 + 1e-12:
        raise UserError(f"a cap's area must be above 0 and at most 5.101e8 km2 (the whole Earth); got {area_km2}")
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(fraction, 1.0)))


def box_area_km2(lon_range_deg: tuple[float, float], lat_range_deg: tuple[float, float]) -> float:
    """Area between two meridians and two parallels: R² Δλ (sin φ₂ - sin φ₁).

    ``lon_range_deg`` runs eastward, so (170, -170) is 20 degrees across the antimeridian.

    Raises:
        UserError: the box is empty, wider than 360 degrees or beyond the poles.
    """
    (west, east), (south, north) = check_box(lon_range_deg, lat_range_deg)
    half_rad, middle_rad = math.radians(north - south) / 2, math.radians(north + south) / 2
    return EARTH_RADIUS_KM**2 * math.radians(east - west) * 2 * math.cos(middle_rad) * math.sin(half_rad)


def refuse_metres(name: str, km: float) -> None:
    """UserError for a length that no two places on Earth are apart."""
    if km > HALF_TURN_KM * (1 + 1e-12):
        raise UserError(
            f"{name} holds {km:g} km; half the Earth's circumference is {HALF_TURN_KM:.0f} km: are these metres?"
        )


def check_box(
    lon_range_deg: tuple[float, float], lat_range_deg: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The box with west < east, east up to 360 degrees further; UserError where it is none."""
    (west, east), (south, north) = map(float, lon_range_deg), map(float, lat_range_deg)
    if east < west:
        east += 360
    if not (-360 <= west <= 360 and 0 < east - west <= 360):
        raise UserError(f"lon_range_deg must be (west, east), at most 360 degrees apart; got {tuple(lon_range_deg)}")
    if not -90 <= south < north <= 90:
        raise UserError(f"lat_range_deg must be (south, north) within -90 to 90; got {tuple(lat_range_deg)}")
    return (west, east), (south, north)


def random_rotation(generator: torch.Generator, n: int | None = None) -> Tensor:
    """A rotation of the sphere, uniform over all rotations: (3, 3), or (n, 3, 3) where ``n`` is given.

    Float64, on the generator's device.

    Source: a unit quaternion from four normal numbers is uniform over SO(3) (Shoemake 1992).
    """
    q = torch.randn(1 if n is None else n, 4, generator=generator, dtype=torch.float64, device=generator.device)
    w, x, y, z = (q / q.norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    rotations = torch.stack(rows, dim=-1).reshape(-1, 3, 3)
    return rotations[0] if n is None else rotations


def rotate_deg(lonlat_deg: Tensor, rotation: Tensor) -> Tensor:
    """(..., 2) degrees of the points after v -> rotation @ v on their unit vectors.

    Raises:
        ValueError: ``rotation`` is not (3, 3).
    """
    if tuple(rotation.shape) != (3, 3):
        raise ValueError(f"rotation must be (3, 3); got {tuple(rotation.shape)}")
    lonlat = as_lonlat(lonlat_deg)
    xyz = unit_vectors(lonlat.double()) @ rotation.to(lonlat.device, torch.float64).T
    return lonlat_deg_from_unit(xyz).to(lonlat.dtype)


def as_lonlat(lonlat_deg: Tensor, name: str = "lonlat_deg") -> Tensor:
    """The coordinates as a floating-point tensor, the shape checked (never the values: no sync on a GPU)."""
    lonlat = lonlat_deg if isinstance(lonlat_deg, Tensor) else as_tensor(lonlat_deg, name).double()
    if lonlat.is_complex():
        raise UserError(f"{name} must hold numbers of degrees; got {lonlat.dtype}")
    if lonlat.shape[-1:] != (2,):
        raise UserError(f"{name} must be (..., 2), longitude first; got {tuple(lonlat.shape)}")
    return lonlat if lonlat.is_floating_point() else lonlat.double()


def _check_latitudes(**points: Tensor) -> None:
    """UserError for a latitude beyond ±90, where looking is free."""
    for name, lonlat in points.items():
        if lonlat.device.type == "cpu" and (lonlat[..., 1].abs() > 90).any():
            lat = lonlat[..., 1].abs().max().item()
            raise UserError(f"{name} has a latitude of {lat:g} degrees; wanted -90 to 90, longitude first")


def check_lonlat(lonlat_deg: Tensor, name: str = "lonlat_deg") -> Tensor:
    """The coordinates as a floating-point tensor, shape and values checked: for where data enters.

    Raises:
        UserError: the last axis is not 2, a value is NaN or infinite, a latitude is
            beyond ±90 (the sign of swapped columns) or a longitude beyond ±360.
    """
    lonlat = as_lonlat(lonlat_deg, name).detach()
    finite = torch.isfinite(lonlat).all(dim=-1)
    if not finite.all():
        bad = int((~finite).sum())
        raise UserError(f"{name} has {bad} of {finite.numel()} points with NaN or infinite coordinates; drop them")
    beyond = lonlat[..., 1].abs() > 90
    if beyond.any():
        lon, lat = lonlat[beyond][0].tolist()
        raise UserError(
            f"{name} has latitudes beyond ±90 degrees, first ({lon:g}, {lat:g});"
            " longitude and latitude look swapped: longitude comes first"
        )
    far = lonlat[..., 0].abs() > 360
    if far.any():
        raise UserError(f"{name} has longitudes beyond ±360, first {lonlat[far][0, 0].item():g}; give degrees")
    return lonlat


def check_points(lonlat_deg: Tensor, name: str = "lonlat_deg") -> Tensor:
    """(N, 2) float64 degrees, longitude first and in [-180, 180), checked as ``check_lonlat`` does.

    Float64 whatever comes in: a float32 longitude is only good to metres. Longitudes
    already in range come back bit for bit, others by their one name there: what isn't
    periodic would take 190° for another place than -170°.
    """
    lonlat = check_lonlat(lonlat_deg, name).to(torch.float64)
    if lonlat.ndim != 2:
        raise UserError(f"{name} must be (n, 2), longitude first; got {tuple(lonlat.shape)}")
    lon_deg, lat_deg = lonlat.unbind(-1)
    return torch.stack([wrap_longitude_deg(lon_deg), lat_deg], dim=-1)
