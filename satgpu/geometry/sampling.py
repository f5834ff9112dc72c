"""Points on the sphere, drawn uniformly by area.

Every draw takes a ``torch.Generator`` and returns float64 degrees, longitude
first, on the generator's device. A CPU generator gives the same points wherever
they are used afterwards, so move the points, not the generator.
"""

import math

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.sphere import (
    EARTH_RADIUS_KM,
    HALF_TURN_KM,
    check_box,
    check_lonlat,
    destination_deg,
    wrap_longitude_deg,
)


def uniform_on_sphere(n: int, generator: torch.Generator) -> Tensor:
    """(n, 2) points uniform by area over the whole sphere.

    Raises:
        UserError: ``n`` is negative.
    """
    return uniform_in_box(n, (-180.0, 180.0), (-90.0, 90.0), generator)


def uniform_in_box(
    n: int, lon_range_deg: tuple[float, float], lat_range_deg: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """(n, 2) points uniform by area between two meridians and two parallels.

    Longitudes run eastward: (170, -170) and (170, 190) are the same 20 degrees
    across the antimeridian. Latitude is arcsin of a uniform number, because equal
    steps of sin(lat) enclose equal areas (Archimedes).

    Raises:
        UserError: ``n`` is negative, or the box is empty or not on the Earth.
    """
    (west, east), (south, north) = check_box(lon_range_deg, lat_range_deg)
    u = _uniform((_count(n), 2), generator)
    lon = wrap_longitude_deg(west + (east - west) * u[:, 0])
    low, high = math.sin(math.radians(south)), math.sin(math.radians(north))
    lat = torch.rad2deg(torch.asin((low + (high - low) * u[:, 1]).clamp(-1, 1)))
    return torch.stack([lon, lat.clamp(south, north)], dim=-1)


def uniform_in_cap(n: int, center_deg: Tensor, radius_km: float, generator: torch.Generator) -> Tensor:
    """(n, 2) points uniform by area within geodesic distance ``radius_km`` of ``center_deg`` (2,).

    The area inside distance r grows as sin²(r/2R), so that is what is drawn: exact
    for caps of a metre and for the whole sphere.

    Raises:
        UserError: ``n`` is negative, the centre is not one point on the Earth, or the
            radius is not above 0 and at most half the Earth's circumference.
    """
    if not 0 < radius_km <= HALF_TURN_KM * (1 + 1e-12):
        raise UserError(f"radius_km must be above 0 and at most {HALF_TURN_KM:.0f}; got {radius_km}")
    u = _uniform((_count(n), 2), generator)
    edge = math.sin(min(radius_km / (2 * EARTH_RADIUS_KM), math.pi / 2))
    distance_km = 2 * EARTH_RADIUS_KM * torch.asin(edge * u[:, 0].sqrt())
    center = check_lonlat(center_deg, "center_deg").to(generator.device, torch.float64)
    if center.ndim != 1:
        raise UserError(f"center_deg must be one point (2,), longitude first; got {tuple(center.shape)}")
    return destination_deg(center.expand(n, 2), 2 * math.pi * u[:, 1], distance_km)


def on_ring(center_deg: Tensor, distance_km: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Points at one geodesic distance from a centre, at uniform bearings.

    Args:
        center_deg: (..., 2) degrees.
        distance_km: float or (...), broadcasts against the centres' leading axes.
        n: points per ring.

    Returns:
        (..., n, 2) degrees; every ring has its own bearings.

    Raises:
        UserError: ``n`` or a distance is negative, or a centre is not on the Earth.
    """
    center = check_lonlat(center_deg, "center_deg").to(generator.device, torch.float64)
    distance = torch.as_tensor(distance_km, dtype=torch.float64, device=generator.device)
    if (distance < 0).any():
        raise UserError(f"distance_km must not be negative; got {distance.min().item():g}")
    rings = torch.broadcast_shapes(center.shape[:-1], distance.shape)
    bearing_rad = 2 * math.pi * _uniform((*rings, _count(n)), generator)
    return destination_deg(center[..., None, :], bearing_rad, distance[..., None])


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Float64 uniforms in [0, 1) on the generator's device."""
    return torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device)


def _count(n: int) -> int:
    if n < 0:
        raise UserError(f"the number of points must not be negative; got {n}")
    return n
