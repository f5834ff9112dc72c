"""The geodesic checkerboard: cells of the scale in km at every latitude, colours that meet."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sphere_lines import HALF_TURN_KM, crossings, meridian, parallel, seeded

from satgpu.geometry import (
    EARTH_RADIUS_KM,
    cells_in,
    destination_deg,
    make_labels,
    pattern_info,
    uniform_on_sphere,
)

repeatable = settings(derandomize=True, deadline=None, max_examples=60)


def slow_checkerboard(lon, lat, scale_km):
    """One point, plain arithmetic: try every even number of cells and keep the nearest width."""
    bands = max(1, math.floor(HALF_TURN_KM / scale_km + 0.5))
    band = min(bands - 1, math.floor((lat + 90) / (180 / bands)))
    middle = math.radians(-90 + (band + 0.5) * 180 / bands)
    around_km = 2 * HALF_TURN_KM * math.cos(middle)
    cells = min(range(2, 2000, 2), key=lambda n: abs(around_km / n - scale_km))
    cell = min(cells - 1, math.floor((lon + 180) / (360 / cells)))
    return (band + cell) % 2


@pytest.mark.parametrize("scale_km", [100.0, 437.0, 900.0, 2500.0, 7000.0, 30_000.0])
def test_checkerboard_equals_the_obvious_loop(scale_km):
    lonlat = uniform_on_sphere(500, seeded(1))
    expected = [slow_checkerboard(lon, lat, scale_km) for lon, lat in lonlat.tolist()]
    assert make_labels("checkerboard", lonlat, scale_km).tolist() == expected


@pytest.mark.parametrize("scale_km", [300.0, 500.0, 900.0])
def test_checkerboard_bands_are_the_scale_high(scale_km):
    labels = make_labels("checkerboard", meridian(-179.999), scale_km)
    heights_km = crossings(labels).diff() * HALF_TURN_KM / 50_000
    assert (heights_km / scale_km - 1).abs().max() < 0.025
    assert len(heights_km) == round(HALF_TURN_KM / scale_km) - 2


@pytest.mark.parametrize("scale_km", [300.0, 500.0, 725.0, 900.0])
def test_checkerboard_cells_keep_their_width_in_km_at_every_latitude(scale_km):
    bands = round(HALF_TURN_KM / scale_km)
    for band in range(bands):
        latitude = (band + 0.5) / bands * 180 - 90
        labels = make_labels("checkerboard", parallel(latitude), scale_km)
        around_km = 2 * HALF_TURN_KM * math.cos(math.radians(latitude))
        widths = crossings(labels).diff() * around_km / 50_000 / scale_km
        low, high = (0.96, 1.04) if abs(latitude) < 60 else (0.74, 1.08)
        assert low < widths.min() and widths.max() < high, latitude
        assert widths.max() - widths.min() < 2 * around_km / 50_000 / scale_km + 1e-9


@repeatable
@given(st.floats(50, 15_000), st.floats(-90, 90))
def test_checkerboard_colours_meet_at_the_antimeridian(scale_km, lat):
    lon = torch.tensor([-179.9999999, 179.9999999, -180.0, 180.0], dtype=torch.float64)
    labels = make_labels("checkerboard", torch.stack([lon, torch.full_like(lon, lat)], dim=-1), scale_km)
    # A cell ends west of the antimeridian; the next, of the other colour, begins on it.
    assert labels[0] != labels[1]
    assert labels[0] == labels[2] == labels[3]


@pytest.mark.parametrize("scale_km", [300.0, 700.0])
def test_checkerboard_repeats_along_its_diagonal_every_wavelength(scale_km):
    """At the equator cells are squares, and a diagonal step of 2·√2/2 scales meets the same colour."""
    half = scale_km * math.sqrt(2) / 2
    start = destination_deg(torch.tensor([-180.0, 0.0], dtype=torch.float64), math.pi / 4, half)
    bands = round(HALF_TURN_KM / scale_km)
    start[1] += 90 / bands if bands % 2 else 0.0
    wavelength_km = pattern_info("checkerboard").wavelength_per_scale * scale_km
    steps_km = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64) * wavelength_km
    labels = make_labels("checkerboard", destination_deg(start, math.pi / 4, steps_km), scale_km)
    assert labels[0] == labels[1] == labels[2]
    beside = destination_deg(start, math.pi / 2, torch.tensor([0.0, scale_km], dtype=torch.float64))
    assert len(set(make_labels("checkerboard", beside, scale_km).tolist())) == 2


def test_the_checkerboard_has_about_as_many_cells_as_are_counted():
    """Counted on the ground: cells of each band, all round, against the area rule."""
    scale_km, bands = 500.0, round(HALF_TURN_KM / 500.0)
    cells = 0
    for band in range(bands):
        around = make_labels("checkerboard", parallel((band + 0.5) / bands * 180 - 90, 20_001), scale_km)
        cells += len(crossings(around)) + 1
    assert cells == pytest.approx(cells_in("checkerboard", scale_km, 4 * math.pi * EARTH_RADIUS_KM**2), rel=0.01)
