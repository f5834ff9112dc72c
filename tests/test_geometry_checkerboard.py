"""The geodesic checkerboard: neighbours of the other colour, cells of one area, and the wavelength that is stated.

Cells are found again from the lattice they are drawn on; areas, neighbours and spectra are
measured on the ground, with points that know nothing of it.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sphere_lines import seeded

from satgpu.geometry import (
    EARTH_RADIUS_KM,
    PATTERNS,
    destination_deg,
    lonlat_deg_from_unit,
    make_labels,
    random_rotation,
    uniform_in_cap,
    uniform_on_sphere,
)
from satgpu.geometry.checkerboard import FACE_KM, globe_cells, region_cells

repeatable = settings(derandomize=True, deadline=None, max_examples=40)
CENTER = (15.0, 50.0)


def globe(points, scale_km):
    return globe_cells(points, torch.tensor(scale_km, dtype=torch.float64))[0]


def region(points, scale_km):
    return region_cells(points, torch.tensor(scale_km, dtype=torch.float64), CENTER)


def a_short_step(points, step_km):
    bearings = 2 * math.pi * torch.rand(len(points), generator=seeded(5), dtype=torch.float64)
    return destination_deg(points, bearings, step_km)


@pytest.mark.parametrize("scale_km", [150.0, 400.0, 900.0, 1500.0])
@pytest.mark.parametrize(("cells", "center"), [(globe, None), (region, CENTER)])
def test_every_neighbour_in_both_directions_has_the_other_colour(scale_km, cells, center):
    """From random places a twentieth of a cell on: where the cell has changed, its neighbour has been met."""
    points = uniform_on_sphere(60_000, seeded(1)) if center is None else uniform_in_cap(60_000, CENTER, 5000, seeded(1))
    beside = a_short_step(points, scale_km / 20)
    moved = (cells(beside, scale_km) - cells(points, scale_km)).abs()
    neighbours = moved.sum(dim=-1) == 1  # not across a corner
    differ = make_labels("checkerboard", points, scale_km, center_deg=center) != make_labels(
        "checkerboard", beside, scale_km, center_deg=center
    )
    for direction in range(moved.shape[1]):
        crossed = neighbours & (moved[:, direction] == 1)
        assert crossed.sum() > 300 and differ[crossed].all(), direction


@pytest.mark.parametrize("scale_km", [500.0, 1000.0])
def test_the_globes_cells_are_of_one_area(scale_km):
    """Counted with 200,000 points: the spread of the counts is chance's own, so the areas' is below 3 %."""
    corners = globe(uniform_on_sphere(200_000, seeded(2)), scale_km)
    steps = round(FACE_KM / scale_km)
    found, counts = torch.unique(corners, dim=0, return_counts=True)
    assert len(found) == 6 * steps**2 + 2
    vertices = ((found == 0) | (found == steps)).all(dim=1)
    expected = 200_000 / (6 * steps**2)
    share = counts[~vertices] / expected
    assert (share.var() - 1 / expected).clamp_min(0).sqrt() < 0.03
    assert vertices.sum() == 8 and (counts[vertices] / expected).mean() == pytest.approx(0.75, abs=0.05)
    area_km2 = 4 * math.pi * EARTH_RADIUS_KM**2 / (6 * steps**2)
    assert area_km2 == pytest.approx(scale_km**2, rel=0.1)


def test_a_regions_cells_are_of_one_area():
    points = uniform_in_cap(200_000, CENTER, 5000, seeded(3))
    # whole cells only: those that the rim doesn't cut
    rim = destination_deg(torch.tensor(CENTER, dtype=torch.float64), torch.linspace(0, 2 * math.pi, 4001)[:-1], 5000.0)
    cut = {tuple(cell) for cell in region(rim, 600.0).tolist()}
    found, counts = torch.unique(region(points, 600.0), dim=0, return_counts=True)
    whole = torch.tensor([tuple(cell) not in cut for cell in found.tolist()])
    density = 200_000 / (2 * math.pi * EARTH_RADIUS_KM**2 * (1 - math.cos(5000 / EARTH_RADIUS_KM)))
    share = counts[whole] / (density * 600.0**2)
    assert whole.sum() > 150
    assert share.mean() == pytest.approx(1, abs=0.01)
    assert (share.var() - 1 / (density * 600.0**2)).clamp_min(0).sqrt() < 0.03


@repeatable
@given(st.floats(50, 3000), st.integers(0, 2**31))
def test_colours_are_half_and_half_however_the_board_lies(scale_km, seed):
    points = uniform_on_sphere(4000, seeded(4))
    turned = make_labels("checkerboard", points, scale_km, rotation=random_rotation(seeded(seed)))
    assert abs(turned.double().mean() - 0.5) < 0.05


def test_a_regions_board_is_turned_and_shifted_by_its_generator_alike_at_all_scales():
    points = uniform_in_cap(500, CENTER, 3000, seeded(6))
    scales = torch.tensor([300.0, 700.0])
    boards = [make_labels("checkerboard", points, scales, center_deg=CENTER, generator=seeded(s)) for s in (1, 1, 2)]
    assert torch.equal(boards[0], boards[1]) and 0.3 < (boards[0] != boards[2]).double().mean() < 0.7
    alone = make_labels("checkerboard", points, 700.0, center_deg=CENTER, generator=seeded(1))
    assert torch.equal(boards[0][1], alone)


class Spectrum:
    """Power by harmonic degree of a field on a Gauss-Legendre grid: rows of latitude, FFT along them."""

    def __init__(self, n_lat: int = 200, l_max: int = 130):
        self.sines, self.weights = np.polynomial.legendre.leggauss(n_lat)
        self.shape, self.l_max = (n_lat, 2 * n_lat), l_max
        lon = np.arange(2 * n_lat) * np.pi / n_lat
        cosines = np.sqrt(1 - self.sines**2)[:, None]
        parts = (cosines * np.cos(lon), cosines * np.sin(lon), np.broadcast_to(self.sines[:, None], self.shape))
        self.lonlat_deg = lonlat_deg_from_unit(torch.from_numpy(np.stack(parts, -1).reshape(-1, 3)))

    def power(self, values: torch.Tensor) -> np.ndarray:
        """(l_max + 1,) power by degree, by the recurrence of the normalised Legendre functions."""
        rows = np.fft.rfft(values.double().numpy().reshape(self.shape), axis=1) * self.weights[:, None]
        power, x = np.zeros(self.l_max + 1), self.sines
        start = np.ones_like(x)
        for m in range(self.l_max + 1):
            if m:
                start = start * np.sqrt(1 - x * x) * math.sqrt((2 * m + 1) / (2 * m))
            before, now = np.zeros_like(x), start
            for degree in range(m, self.l_max + 1):
                if degree > m:
                    a = math.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
                    b = math.sqrt(((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1))
                    before, now = now, a * (x * now - b * before)
                power[degree] += (1 if m == 0 else 2) * abs((rows[:, m] * now).sum()) ** 2
        return power

    def peak_km(self, values: torch.Tensor) -> float:
        """Wavelength of the spectral peak: the maximum of the power smoothed over 5 % of wavenumber."""
        power = self.power(values)
        degrees = np.arange(1, self.l_max + 1)
        logs = np.log(degrees * (degrees + 1)) / 2
        at = np.linspace(logs[2], logs[-1], 500)
        smooth = np.exp(-0.5 * ((logs - at[:, None]) / 0.05) ** 2) @ power[1:]
        return 2 * math.pi * EARTH_RADIUS_KM / math.exp(at[smooth.argmax()])


@pytest.fixture(scope="module")
def spectrum():
    return Spectrum()


@pytest.mark.parametrize("pattern", sorted(name for name, p in PATTERNS.items() if p.size == "scale_km"))
@pytest.mark.parametrize("scale_km", [600.0, 1000.0])
def test_the_wavelength_stated_is_that_of_the_spectral_peak(spectrum, pattern, scale_km):
    labels = make_labels(pattern, spectrum.lonlat_deg, scale_km, rotation=random_rotation(seeded(1))).double()
    assert spectrum.peak_km(labels - labels.mean()) == pytest.approx(
        PATTERNS[pattern].wavelength_per_scale * scale_km, rel=0.1
    )


@pytest.mark.parametrize(("span_deg", "scale_km"), [(30.0, 500.0), (90.0, 700.0)])
def test_a_regions_board_has_the_wavelength_too(spectrum, span_deg, scale_km):
    radius_km = math.radians(span_deg / 2) * EARTH_RADIUS_KM
    labels = make_labels("checkerboard", spectrum.lonlat_deg, scale_km, center_deg=CENTER, generator=seeded(1)).double()
    toward = torch.deg2rad(spectrum.lonlat_deg - torch.tensor(CENTER))
    south, north = math.radians(CENTER[1]), torch.deg2rad(spectrum.lonlat_deg[:, 1])
    cosine = math.sin(south) * north.sin() + math.cos(south) * north.cos() * toward[:, 0].cos()
    inside = cosine > math.cos(radius_km / EARTH_RADIUS_KM)
    window = torch.where(inside, labels - labels[inside].mean(), 0.0)
    assert spectrum.peak_km(window) == pytest.approx(math.sqrt(2) * scale_km, rel=0.1)
