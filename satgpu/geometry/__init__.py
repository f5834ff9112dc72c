"""Points, distances and label fields on the sphere. Degrees, longitude first; kilometres."""

from satgpu.geometry.labels import make_labels
from satgpu.geometry.patterns import PATTERNS, Pattern, boundary_probability, cells_in, pattern_named
from satgpu.geometry.points import EARTH_AREA_KM2, Points
from satgpu.geometry.protocols import GEODESIC, NOTEBOOK, PROTOCOLS, Protocol, protocol_named
from satgpu.geometry.sampling import on_ring, uniform_in_box, uniform_in_cap, uniform_on_sphere
from satgpu.geometry.sphere import (
    EARTH_RADIUS_KM,
    HALF_TURN_KM,
    box_area_km2,
    cap_area_km2,
    cap_radius_km,
    check_lonlat,
    destination_deg,
    great_circle_km,
    lonlat_deg_from_unit,
    random_rotation,
    refuse_metres,
    rotate_deg,
    unit_vectors,
    wrap_longitude_deg,
)

__all__ = [
    "EARTH_AREA_KM2",
    "EARTH_RADIUS_KM",
    "GEODESIC",
    "HALF_TURN_KM",
    "NOTEBOOK",
    "PATTERNS",
    "PROTOCOLS",
    "Pattern",
    "Points",
    "Protocol",
    "boundary_probability",
    "box_area_km2",
    "cap_area_km2",
    "cap_radius_km",
    "cells_in",
    "check_lonlat",
    "destination_deg",
    "great_circle_km",
    "lonlat_deg_from_unit",
    "make_labels",
    "on_ring",
    "pattern_named",
    "protocol_named",
    "random_rotation",
    "refuse_metres",
    "rotate_deg",
    "uniform_in_box",
    "uniform_in_cap",
    "uniform_on_sphere",
    "unit_vectors",
    "wrap_longitude_deg",
]
