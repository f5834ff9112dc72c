"""Draws are uniform by area, where they were asked for, and follow their generator."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from satgpu.errors import UserError
from satgpu.geometry import (
    EARTH_RADIUS_KM,
    great_circle_km,
    on_ring,
    uniform_in_box,
    uniform_in_cap,
    uniform_on_sphere,
    unit_vectors,
)

HALF_TURN_KM = math.pi * EARTH_RADIUS_KM
repeatable = settings(derandomize=True, deadline=None, max_examples=60)
# A seeded draw either passes for ever or never: the level only has to catch a wrong density.
LEVEL = 1e-3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform_p_value(unit_values, bins=40):
    """Chi-square p value of values in [0, 1] against the uniform distribution."""
    counts = torch.histc(unit_values, bins=bins, min=0, max=1)
    assert counts.sum() == len(unit_values)
    return stats.chisquare(counts.numpy()).pvalue


def test_uniform_points_do_not_crowd_the_poles():
    lonlat = uniform_on_sphere(40_000, seeded())
    assert lonlat.shape == (40_000, 2) and lonlat.dtype == torch.float64
    assert uniform_p_value((torch.sin(torch.deg2rad(lonlat[:, 1])) + 1) / 2) > LEVEL
    assert uniform_p_value((lonlat[:, 0] + 180) / 360) > LEVEL
    for axis in unit_vectors(lonlat).unbind(-1):
        assert uniform_p_value((axis + 1) / 2) > LEVEL


def test_points_uniform_in_degrees_would_fail_the_same_check():
    lat = torch.rand(40_000, generator=seeded(), dtype=torch.float64) * 180 - 90
    assert uniform_p_value((torch.sin(torch.deg2rad(lat)) + 1) / 2) < 1e-100


def test_longitude_and_latitude_are_independent():
    lonlat = uniform_on_sphere(40_000, seeded(1))
    rows = ((lonlat[:, 0] + 180) / 36).long()
    columns = ((torch.sin(torch.deg2rad(lonlat[:, 1])) + 1) * 5).long()
    counts = torch.bincount(rows * 10 + columns, minlength=100)
    assert stats.chisquare(counts.numpy()).pvalue > LEVEL


def test_a_box_is_filled_by_area():
    lonlat = uniform_in_box(20_000, (-30, 60), (20, 85), seeded())
    low, high = (math.sin(math.radians(x)) for x in (20, 85))
    assert uniform_p_value((torch.sin(torch.deg2rad(lonlat[:, 1])) - low) / (high - low)) > LEVEL
    assert uniform_p_value((lonlat[:, 0] + 30) / 90) > LEVEL


@repeatable
@given(st.floats(-180, 180), st.floats(0.1, 360), st.floats(-90, 89), st.floats(0.1, 180), st.integers(0, 2**40))
def test_box_points_stay_in_their_box(west, width, south, height, seed):
    north = min(90.0, south + height)
    lonlat = uniform_in_box(50, (west, west + width), (south, north), seeded(seed))
    assert ((lonlat[:, 0] >= -180) & (lonlat[:, 0] < 180)).all()
    assert (torch.remainder(lonlat[:, 0] - west + 1e-9, 360) <= width + 2e-9).all()
    assert ((lonlat[:, 1] >= south) & (lonlat[:, 1] <= north)).all()


def test_a_box_across_the_antimeridian_can_be_written_both_ways():
    a = uniform_in_box(100, (170, -170), (-10, 10), seeded())
    b = uniform_in_box(100, (170, 190), (-10, 10), seeded())
    assert torch.equal(a, b)
    assert (a[:, 0].abs() >= 170).all() and (a[:, 0] < 0).any() and (a[:, 0] > 0).any()


@pytest.mark.parametrize("center", [(15.0, 50.0), (0.0, 90.0), (-179.9, -12.0)])
@pytest.mark.parametrize("radius_km", [0.001, 800.0, HALF_TURN_KM])
def test_a_cap_is_filled_by_area(center, radius_km):
    lonlat = uniform_in_cap(20_000, torch.tensor(center, dtype=torch.float64), radius_km, seeded())
    distance_km = great_circle_km(lonlat, torch.tensor(center, dtype=torch.float64))
    # Points of a cap of 1 m are written in steps of 2 nm.
    assert distance_km.max() <= radius_km * (1 + 1e-5)
    edge = math.sin(radius_km / 2 / EARTH_RADIUS_KM)
    area_inside = (torch.sin(distance_km / 2 / EARTH_RADIUS_KM) / edge) ** 2
    assert uniform_p_value(area_inside.clamp_max(1)) > LEVEL


def test_bearings_within_a_cap_are_uniform():
    lonlat = uniform_in_cap(20_000, [0.0, 90.0], 500.0, seeded(2))
    assert uniform_p_value((lonlat[:, 0] + 180) / 360) > LEVEL


def test_a_cap_as_large_as_the_earth_is_the_earth():
    xyz = unit_vectors(uniform_in_cap(20_000, [33.0, -70.0], HALF_TURN_KM, seeded(3)))
    for axis in xyz.unbind(-1):
        assert uniform_p_value((axis + 1) / 2) > LEVEL


@repeatable
@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(0.001, HALF_TURN_KM), st.integers(0, 2**40))
def test_ring_points_lie_at_their_distance(lon, lat, distance_km, seed):
    center = torch.tensor([lon, lat], dtype=torch.float64)
    got = great_circle_km(on_ring(center, distance_km, 20, seeded(seed)), center)
    torch.testing.assert_close(got, torch.full_like(got, distance_km), rtol=1e-6, atol=0)


def test_rings_broadcast_over_places_and_distances_and_have_their_own_bearings():
    places = uniform_on_sphere(7, seeded())
    distances = torch.tensor([10.0, 100.0, 1000.0])
    rings = on_ring(places[:, None], distances, 5, seeded(1))
    assert rings.shape == (7, 3, 5, 2)
    got = great_circle_km(rings, places[:, None, None])
    torch.testing.assert_close(got, distances.double()[:, None].expand(7, 3, 5), rtol=1e-6, atol=0)
    polar = on_ring([0.0, 90.0], torch.tensor([10.0, 1000.0]), 5, seeded())
    assert not torch.allclose(polar[0, :, 0], polar[1, :, 0])
    assert great_circle_km(on_ring([5.0, 5.0], 0.0, 3, seeded()), [5.0, 5.0]).max() < 1e-11


def test_ring_bearings_are_uniform():
    assert uniform_p_value((on_ring([0.0, 90.0], 300.0, 20_000, seeded())[:, 0] + 180) / 360) > LEVEL


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: uniform_on_sphere(10, g),
        lambda g: uniform_in_box(10, (0, 10), (0, 10), g),
        lambda g: uniform_in_cap(10, [0.0, 0.0], 100.0, g),
        lambda g: on_ring([0.0, 0.0], 100.0, 10, g),
    ],
)
def test_draws_follow_their_generator(draw):
    generator = seeded(5)
    first, second = draw(generator), draw(generator)
    assert torch.equal(first, draw(seeded(5))) and not torch.equal(first, second)


def test_no_points_is_an_empty_draw():
    assert uniform_on_sphere(0, seeded()).shape == (0, 2)
    assert uniform_in_cap(0, [0.0, 0.0], 1.0, seeded()).shape == (0, 2)
    assert on_ring([0.0, 0.0], 1.0, 0, seeded()).shape == (0, 2)


def test_bad_requests_are_refused():
    with pytest.raises(UserError, match="the number of points must not be negative; got -1"):
        uniform_on_sphere(-1, seeded())
    for radius_km in (0.0, -5.0, 20016.0, math.nan):
        with pytest.raises(UserError, match=f"radius_km must be above 0 and at most 20015; got {radius_km}"):
            uniform_in_cap(5, [0.0, 0.0], radius_km, seeded())
    with pytest.raises(UserError, match=re.escape("center_deg must be one point (2,), longitude first; got (3, 2)")):
        uniform_in_cap(5, torch.zeros(3, 2), 10.0, seeded())
    with pytest.raises(UserError, match="center_deg has latitudes beyond ±90"):
        uniform_in_cap(5, [0.0, 100.0], 10.0, seeded())
    with pytest.raises(UserError, match="distance_km must not be negative; got -3"):
        on_ring([0.0, 0.0], torch.tensor([1.0, -3.0]), 5, seeded())


@pytest.mark.cuda
def test_points_are_drawn_on_the_generators_device():
    generator = torch.Generator(device="cuda").manual_seed(0)
    assert uniform_on_sphere(10, generator).device.type == "cuda"
    assert on_ring([0.0, 0.0], 100.0, 10, generator).device.type == "cuda"
