"""Distances against mpmath, destinations at poles and across the antimeridian, areas, rotations."""

import math
import re

import mpmath
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from satgpu.errors import UserError
from satgpu.geometry import (
    EARTH_RADIUS_KM,
    box_area_km2,
    cap_area_km2,
    cap_radius_km,
    check_lonlat,
    destination_deg,
    great_circle_km,
    lonlat_deg_from_unit,
    random_rotation,
    rotate_deg,
    unit_vectors,
    wrap_longitude_deg,
)

SPHERE_KM2 = 4 * math.pi * EARTH_RADIUS_KM**2
HALF_TURN_KM = math.pi * EARTH_RADIUS_KM
ONE_MM_IN_KM = 1e-6
repeatable = settings(derandomize=True, deadline=None, max_examples=200)
longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)
points = st.tuples(longitudes, latitudes)


def slow_great_circle_km(a, b):
    """Angle between exact vectors, with 50 digits: the obvious way, too slow for anything else."""
    with mpmath.workdps(50):
        dot = mpmath.fdot(slow_unit_vector(a), slow_unit_vector(b))
        return float(mpmath.acos(max(-1, min(1, dot))) * mpmath.mpf(EARTH_RADIUS_KM))


def slow_unit_vector(point):
    lon, lat = (mpmath.radians(mpmath.mpf(float(x))) for x in point)
    return [mpmath.cos(lat) * mpmath.cos(lon), mpmath.cos(lat) * mpmath.sin(lon), mpmath.sin(lat)]


def degrees_tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@repeatable
@given(points, points)
@example((0.0, 90.0), (77.0, 90.0))
@example((-180.0, 12.0), (180.0, 12.0))
def test_distance_matches_fifty_digits_anywhere(a, b):
    got = great_circle_km(degrees_tensor(a), degrees_tensor(b)).item()
    assert abs(got - slow_great_circle_km(a, b)) < ONE_MM_IN_KM


@repeatable
@given(points, st.floats(0, 2 * math.pi), st.sampled_from([1e-6, 1e-3, 1.0]), st.booleans())
def test_distance_is_right_to_a_millimetre_beside_a_point_and_beside_its_antipode(point, bearing, metres, antipodal):
    step_deg = math.degrees(metres / 1000 / EARTH_RADIUS_KM)
    lat = max(-90.0, min(90.0, point[1] + step_deg * math.cos(bearing)))
    other = (point[0] + step_deg * math.sin(bearing), lat)
    if antipodal:
        other = (other[0] + 180, -other[1])
    got = great_circle_km(degrees_tensor(point), degrees_tensor(other)).item()
    # 1e-8 km = 10 micrometres: rounding of the coordinates themselves is 2 nm.
    assert abs(got - slow_great_circle_km(point, other)) < 1e-8


def test_plain_arcsin_haversine_would_miss_the_antipode_by_centimetres():
    """The trap the formula avoids: h near 1 has no digits left for the last metre."""
    a = torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 160 - 80
    metre_deg = math.degrees(1e-3 / EARTH_RADIUS_KM)
    b = torch.stack([a[:, 0] + 180, -a[:, 1] + metre_deg], dim=-1)
    half = torch.deg2rad(b - a) / 2
    cosines = torch.cos(torch.deg2rad(a[:, 1])) * torch.cos(torch.deg2rad(b[:, 1]))
    h = torch.sin(half[:, 1]) ** 2 + cosines * torch.sin(half[:, 0]) ** 2
    plain_km = 2 * EARTH_RADIUS_KM * torch.asin(h.sqrt().clamp_max(1))
    truth_km = HALF_TURN_KM - 1e-3
    assert (plain_km - truth_km).abs().max() > 10 * ONE_MM_IN_KM
    assert (great_circle_km(a, b) - truth_km).abs().max() < ONE_MM_IN_KM


def test_antipodes_of_poles_and_of_the_equator_are_half_a_turn_away():
    a = degrees_tensor([0, 90], [12, 90], [0, 0], [-90, 0], [30, -45])
    b = degrees_tensor([0, -90], [133, -90], [180, 0], [90, 0], [-150, 45])
    torch.testing.assert_close(great_circle_km(a, b), torch.full((5,), HALF_TURN_KM, dtype=torch.float64))


def test_distance_broadcasts_and_keeps_the_dtype_of_the_inputs():
    a = torch.zeros(4, 1, 2)
    assert great_circle_km(a, torch.ones(3, 2)).shape == (4, 3)
    assert great_circle_km(a, torch.ones(3, 2)).dtype == torch.float32
    assert great_circle_km(a, torch.ones(3, 2, dtype=torch.float64)).dtype == torch.float64
    assert great_circle_km([0, 0], [1, 0]).dtype == torch.float64


@repeatable
@given(points, st.floats(0, 2 * math.pi))
def test_float32_coordinates_lose_no_more_than_their_own_rounding(point, bearing):
    a = degrees_tensor(point).float()
    b = destination_deg(a, bearing, 1.0)
    assert b.dtype == torch.float32
    # One step of a float32 longitude near 180° is 1.5e-5 degrees, 1.7 m; two coordinates, two points.
    assert abs(great_circle_km(a, b).item() - 1.0) < 4e-3
    assert great_circle_km(a, b).item() == pytest.approx(slow_great_circle_km(a[0].tolist(), b[0].tolist()), rel=1e-6)


@repeatable
@given(points, st.floats(0, 2 * math.pi), st.floats(1e-3, HALF_TURN_KM))
@example((0.0, 90.0), 1.0, 1e-3)
@example((123.0, -90.0), 2.0, 5000.0)
@example((179.9999, 10.0), math.pi / 2, 100.0)
@example((10.0, 20.0), 0.3, HALF_TURN_KM)
def test_destination_lies_at_its_distance_to_a_millionth(origin, bearing, distance_km):
    end = destination_deg(degrees_tensor(origin), bearing, distance_km)[0]
    assert -180 <= end[0] <= 180 and -90 <= end[1] <= 90
    assert slow_great_circle_km(origin, end.tolist()) == pytest.approx(distance_km, rel=1e-6)


@repeatable
@given(longitudes, st.floats(-89, 89), st.floats(0.01, 2 * math.pi - 0.01), st.floats(1.0, 15_000.0))
def test_destination_lies_in_its_direction(lon, lat, bearing, distance_km):
    end_lon, end_lat = map(math.radians, destination_deg(degrees_tensor([lon, lat]), bearing, distance_km)[0].tolist())
    step, lat = end_lon - math.radians(lon), math.radians(lat)
    north = math.cos(lat) * math.sin(end_lat) - math.sin(lat) * math.cos(end_lat) * math.cos(step)
    east = math.sin(step) * math.cos(end_lat)
    difference = math.atan2(east, north) - bearing
    assert math.remainder(difference, 2 * math.pi) == pytest.approx(0, abs=1e-8)


def test_bearings_from_a_pole_stay_distinct():
    ends = destination_deg(degrees_tensor([0, 90]), torch.tensor([0.0, 0.5, 1.0, 1.5]) * math.pi, 1000.0)
    # "North" from the pole at longitude 0 is onward, down the 180° meridian; then clockwise.
    expected = torch.tensor([180.0, 90.0, 0.0, -90.0], dtype=torch.float64)
    torch.testing.assert_close(ends[:, 0].abs(), expected.abs(), atol=1e-5, rtol=0)
    assert ends[1, 0] > 0 > ends[3, 0]


def test_eastward_across_the_antimeridian_comes_out_in_the_west():
    one_degree_km = HALF_TURN_KM / 180
    end = destination_deg(degrees_tensor([179.5, 0.0]), math.pi / 2, one_degree_km)
    torch.testing.assert_close(end, degrees_tensor([-179.5, 0.0]))


def test_unit_vectors_point_where_they_should():
    xyz = unit_vectors([[0, 0], [90, 0], [45, 90], [180, 0]])
    expected = degrees_tensor([1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0])
    torch.testing.assert_close(xyz, expected, atol=1e-15, rtol=0)


@repeatable
@given(points)
def test_unit_vectors_lead_back_to_their_point(point):
    back = lonlat_deg_from_unit(unit_vectors(degrees_tensor(point)) * 7)[0]
    # atan2 beside a pole is exact; rounding cos(lat) is what remains: 1e-9 m.
    assert slow_great_circle_km(point, back.tolist()) < 1e-11


@repeatable
@given(st.floats(-1e4, 1e4))
@example(-180.00000000000003)
@example(-1e-300)
@example(540.0)
def test_wrapped_longitudes_are_the_same_meridian_within_range(lon):
    wrapped = wrap_longitude_deg(torch.tensor(lon, dtype=torch.float64)).item()
    assert -180 <= wrapped < 180
    assert math.remainder(wrapped - lon, 360) == pytest.approx(0, abs=1e-11)
    if -180 <= lon < 180:
        assert wrapped == lon


def test_cap_area_is_that_of_archimedes():
    assert cap_area_km2(HALF_TURN_KM) == pytest.approx(SPHERE_KM2, rel=1e-14)
    assert cap_area_km2(HALF_TURN_KM / 2) == pytest.approx(SPHERE_KM2 / 2, rel=1e-14)
    assert cap_area_km2(0.001) == pytest.approx(math.pi * 1e-6, rel=1e-12)
    tensor = cap_area_km2(torch.tensor([100.0, 1000.0], dtype=torch.float64))
    assert tensor.tolist() == pytest.approx([cap_area_km2(100.0), cap_area_km2(1000.0)], rel=1e-14)


@repeatable
@given(st.floats(1e-3, HALF_TURN_KM * 0.999))
def test_cap_radius_inverts_cap_area(radius_km):
    assert cap_radius_km(cap_area_km2(radius_km)) == pytest.approx(radius_km, rel=1e-9)


@pytest.mark.parametrize("area", [0, -1.0, 6e8, math.nan])
def test_cap_radius_refuses_an_area_that_no_cap_has(area):
    with pytest.raises(UserError, match=re.escape(f"above 0 and at most 5.101e8 km2 (the whole Earth); got {area}")):
        cap_radius_km(area)


def test_box_areas_add_up():
    assert box_area_km2((-180, 180), (-90, 90)) == pytest.approx(SPHERE_KM2, rel=1e-14)
    assert box_area_km2((0, 90), (0, 90)) == pytest.approx(SPHERE_KM2 / 8, rel=1e-14)
    assert box_area_km2((170, -170), (10, 20)) == pytest.approx(box_area_km2((-10, 10), (10, 20)), rel=1e-14)
    polar_cap = box_area_km2((-180, 180), (80, 90))
    assert polar_cap == pytest.approx(cap_area_km2(HALF_TURN_KM / 18), rel=1e-12)


@pytest.mark.parametrize("lon_range", [(5, 5), (-400, 0), (0, 361), (0, math.nan)])
def test_a_box_of_impossible_longitudes_is_refused(lon_range):
    with pytest.raises(UserError, match=re.escape(f"(west, east), at most 360 degrees apart; got {lon_range}")):
        box_area_km2(lon_range, (0, 1))


@pytest.mark.parametrize("lat_range", [(10, 10), (20, 10), (-91, 0), (0, math.nan)])
def test_a_box_of_impossible_latitudes_is_refused(lat_range):
    with pytest.raises(UserError, match=re.escape(f"(south, north) within -90 to 90; got {lat_range}")):
        box_area_km2((0, 1), lat_range)


def test_random_rotations_are_rotations_and_follow_their_seed():
    rotations = random_rotation(torch.Generator().manual_seed(3), n=50)
    identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(rotations @ rotations.mT, identity, atol=1e-14, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50, dtype=torch.float64))
    again = random_rotation(torch.Generator().manual_seed(3))
    assert again.shape == (3, 3) and not torch.equal(again, random_rotation(torch.Generator().manual_seed(4)))
    assert torch.equal(again, random_rotation(torch.Generator().manual_seed(3)))
    assert random_rotation(torch.Generator(), n=0).shape == (0, 3, 3)


def test_random_rotations_are_uniform():
    """Under Haar measure on SO(3): E trace = 0, E trace² = 1, and every axis ends anywhere with equal chance."""
    n = 20_000
    rotations = random_rotation(torch.Generator().manual_seed(0), n=n)
    trace = rotations.diagonal(dim1=1, dim2=2).sum(dim=-1)
    assert trace.mean().abs() < 4 / math.sqrt(n)
    assert (trace.square().mean() - 1).abs() < 4 * trace.square().std() / math.sqrt(n)
    # Each entry is a coordinate of a uniform unit vector: uniform in [-1, 1], variance 1/3.
    assert rotations.mean(dim=0).abs().max() < 4.5 / math.sqrt(3 * n)
    assert (rotations.var(dim=0) - 1 / 3).abs().max() < 4.5 * math.sqrt(4 / 45 / n)


@repeatable
@given(points, points, st.integers(0, 2**31))
def test_rotations_keep_distances(a, b, seed):
    rotation = random_rotation(torch.Generator().manual_seed(seed))
    before = great_circle_km(degrees_tensor(a), degrees_tensor(b))
    after = great_circle_km(rotate_deg(degrees_tensor(a), rotation), rotate_deg(degrees_tensor(b), rotation))
    assert abs(before - after).item() < ONE_MM_IN_KM


def test_a_quarter_turn_about_the_pole_moves_points_east():
    quarter = degrees_tensor([0, -1, 0], [1, 0, 0], [0, 0, 1])
    torch.testing.assert_close(rotate_deg([[10.0, 20.0]], quarter), degrees_tensor([100.0, 20.0]))


def test_shapes_are_checked_with_what_was_wanted():
    with pytest.raises(ValueError, match=re.escape("a_deg must be (..., 2), longitude first; got (4, 3)")):
        great_circle_km(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=re.escape("origin_deg must be (..., 2), longitude first; got ()")):
        destination_deg(torch.tensor(1.0), 0.0, 1.0)
    with pytest.raises(ValueError, match=re.escape("xyz must be (..., 3); got (4, 2)")):
        lonlat_deg_from_unit(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=re.escape("rotation must be (3, 3); got (2, 3)")):
        rotate_deg(torch.zeros(4, 2), torch.zeros(2, 3))


def test_coordinates_from_outside_are_checked():
    assert check_lonlat([[10, 20]]).dtype == torch.float64
    assert check_lonlat(torch.zeros(0, 2)).shape == (0, 2)
    with pytest.raises(UserError, match=re.escape("places must be (..., 2), longitude first; got (3,)")):
        check_lonlat(torch.zeros(3), "places")
    with pytest.raises(UserError, match="has 2 of 3 points with NaN or infinite coordinates; drop them"):
        check_lonlat([[0, math.nan], [1, 1], [math.inf, 0]])
    swapped = re.escape("first (48.85, 120); longitude and latitude look swapped: longitude comes first")
    with pytest.raises(UserError, match=swapped):
        check_lonlat([[0, 0], [48.85, 120.0]])
    with pytest.raises(UserError, match="longitudes beyond ±360, first 4000; give degrees"):
        check_lonlat([[4000.0, 10.0]])


@pytest.mark.cuda
def test_distances_on_the_gpu_equal_those_on_the_cpu():
    a, b = torch.rand(2, 1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 90
    on_gpu = destination_deg(a.cuda(), 1.0, great_circle_km(a.cuda(), b.cuda())).cpu()
    torch.testing.assert_close(on_gpu, destination_deg(a, 1.0, great_circle_km(a, b)), atol=1e-11, rtol=0)
