"""Spherical harmonics against 60 digits, at every latitude, and against SatCLIP's published polynomials."""

import math
from pathlib import Path

import pytest
import torch
from slow_harmonics import accuracy

from satgpu.encoders import spherical_harmonics
from satgpu.errors import UserError

LATITUDES = [-90, -89.999999, -89.99, -85, -60.5, -30, -1e-8, 0, 12.3, 45, 66.6, 80, 89, 89.9, 89.9999, 90]


def places(*lonlat):
    return torch.tensor(lonlat, dtype=torch.float64)


def everywhere(n):
    drawn = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return drawn * places((360.0, 180.0)) - places((180.0, 90.0))


def largest_error(lon, lat, legendre_polys, variant="analytic"):
    exact = accuracy.exact_harmonics(lon, lat, legendre_polys, variant)
    got = spherical_harmonics(places((lon, lat)), legendre_polys, variant)[0].tolist()
    return max(abs(float(a - b)) for a, b in zip(exact, got, strict=True)), max(abs(float(a)) for a in exact)


@pytest.mark.parametrize("lat", LATITUDES)
def test_forty_polynomials_are_right_to_1e_12_at_every_latitude(lat):
    for lon in (-180.0, -77.7, 0.1):
        assert largest_error(lon, lat, 40)[0] < 1e-12


@pytest.mark.parametrize("lat", [-90, -89.99, -50, 0, 33, 89.9999, 90])
def test_a_hundred_polynomials_are_right_to_1e_12_of_the_largest(lat):
    error, largest = largest_error(123.4, lat, 100)
    assert error < 1e-12 * largest


def test_the_first_terms_have_the_published_values():
    first, zonal = spherical_harmonics(places((17.0, 90.0)), 2)[0, [0, 2]].tolist()
    assert first == pytest.approx(0.886226925452758, abs=1e-15)
    # theta runs from the south pole, so cos(theta) is -1 at the north pole.
    assert zonal == pytest.approx(-1.53499006191973, abs=1e-14)


def test_zonal_terms_are_pi_times_the_textbook_value_and_the_others_differ_by_the_sign_of_odd_orders():
    point = places((-40.0, 25.0))
    published, textbook = spherical_harmonics(point, 6)[0], spherical_harmonics(point, 6, "closed-form")[0]
    for degree in range(6):
        for m in range(-degree, degree + 1):
            ratio = math.pi if m == 0 else -1.0 if m % 2 else 1.0
            index = degree**2 + degree + m
            assert published[index].item() == pytest.approx(ratio * textbook[index].item(), abs=1e-14)


@pytest.mark.parametrize("lat", [-90, -42.5, 0, 71, 90])
def test_closed_form_harmonics_are_the_textbook_values(lat):
    assert largest_error(-20.25, lat, 40, "closed-form")[0] < 1e-12


@pytest.mark.parametrize("legendre_polys", [100, 300])
def test_many_polynomials_obey_the_addition_theorem_without_nan(legendre_polys):
    points = places((0, -90), (10, -89.9999), (20, -60), (30, 0), (40, 45), (50, 89), (60, 90))
    values = spherical_harmonics(points, legendre_polys, "closed-form")
    assert torch.isfinite(values).all()
    for degree in (0, 1, legendre_polys // 2, legendre_polys - 1):
        power = values[:, degree**2 : (degree + 1) ** 2].square().sum(dim=1)
        expected = torch.full_like(power, (2 * degree + 1) / (4 * math.pi))
        torch.testing.assert_close(power, expected, rtol=1e-10, atol=0)


def test_meridians_meet_at_the_antimeridian_and_at_the_poles():
    west, east = (spherical_harmonics(places((lon, 33.0)), 40) for lon in (-180.0, 180.0))
    torch.testing.assert_close(west, east, rtol=0, atol=1e-12)
    for pole in (-90.0, 90.0):
        at_pole = spherical_harmonics(places((-170, pole), (0, pole), (55.5, pole)), 40)
        torch.testing.assert_close(at_pole[0], at_pole[1], rtol=0, atol=1e-12)
        torch.testing.assert_close(at_pole[0], at_pole[2], rtol=0, atol=1e-12)


def test_a_point_does_not_depend_on_its_neighbours():
    points = everywhere(1000)
    together = spherical_harmonics(points, 40)
    assert together.shape == (1000, 1600)
    alone = torch.cat([spherical_harmonics(points[row : row + 1], 40) for row in range(0, 1000, 97)])
    # The sine of a lone point may come from another branch of the maths library, one last digit apart.
    torch.testing.assert_close(together[::97], alone, rtol=0, atol=1e-12)


def test_no_points_give_no_rows():
    assert spherical_harmonics(torch.empty(0, 2, dtype=torch.float64), 5).shape == (0, 25)


@pytest.mark.parametrize("lat", [-20, -7.5, 0, 13, 20])
def test_published_polynomials_agree_to_1e_9_in_the_tropics(lat):
    point = places((99.0, lat))
    ours, theirs = spherical_harmonics(point, 40), accuracy.published_harmonics(point, 40)
    assert (ours - theirs).abs().max() < 1e-9
    assert (ours - theirs).norm() < 1e-10 * ours.norm()


def test_published_polynomials_are_a_percent_off_near_the_poles():
    point = places((99.0, 85.0))
    ours, theirs = spherical_harmonics(point, 40), accuracy.published_harmonics(point, 40)
    assert 1e-3 < (ours - theirs).norm() / ours.norm() < 1e-1


def test_the_accuracy_page_says_what_is_measured():
    page = (Path(__file__).parents[1] / "docs" / "harmonics.md").read_text()
    row = next(line for line in page.split("Published polynomials:")[1].splitlines() if line.startswith("| 60°"))
    cells = dict(zip(accuracy.LEGENDRE_POLYS, row.split("|")[2:], strict=False))
    for legendre_polys in (20, 40):
        measured = max(
            accuracy.feature_error(
                accuracy.published_harmonics(places((lon, lat)), legendre_polys)[0],
                accuracy.exact_harmonics(lon, lat, legendre_polys),
            )
            for lon in accuracy.LONGITUDES_DEG
            for lat in (60, -60)
        )
        assert float(cells[legendre_polys]) == pytest.approx(measured, rel=0.5)


def test_float32_points_give_float32_harmonics():
    points = places((12.0, 50.0), (-3.0, 88.0))
    single = spherical_harmonics(points.float(), 40)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), spherical_harmonics(points, 40), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("legendre_polys", "variant", "message"),
    [
        (0, "analytic", "legendre_polys must be 1 to 1000; got 0"),
        (1001, "analytic", "legendre_polys must be 1 to 1000; got 1001"),
        (10, "discretized", "unknown harmonics 'discretized'; choose from analytic, closed-form"),
    ],
)
def test_impossible_harmonics_are_refused(legendre_polys, variant, message):
    with pytest.raises(UserError, match=message):
        spherical_harmonics(places((0, 0)), legendre_polys, variant)


@pytest.mark.cuda
def test_harmonics_on_a_gpu_equal_those_on_a_cpu():
    points = everywhere(5000)
    on_gpu = spherical_harmonics(points.cuda(), 40).cpu()
    torch.testing.assert_close(on_gpu, spherical_harmonics(points, 40), rtol=0, atol=1e-12)
