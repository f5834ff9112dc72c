"""Land, ocean and coast from the mask of global-land-mask."""

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from satgpu.errors import UserError
from satgpu.geometry import EARTH_RADIUS_KM, great_circle_km, land, on_ring, uniform_on_sphere, unit_vectors

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("global_land_mask") is None, reason="needs the package global-land-mask (satgpu[land])"
)

LAND_PLACES = {
    "Paris": (2.35, 48.85),
    "Alice Springs": (133.9, -23.7),
    "Kansas": (-98.5, 39.0),
    "South Pole": (0.0, -90.0),
    "Manaus": (-60.0, -3.1),
    "Fiji, east of the antimeridian": (178.0, -17.8),
}
OCEAN_PLACES = {
    "Gulf of Guinea": (0.0, 0.0),
    "Indian Ocean, where Paris would be if swapped": (48.85, 2.35),
    "North Pole": (0.0, 90.0),
    "Point Nemo": (-123.4, -48.88),
    "Mediterranean": (5.0, 40.0),
    "Pacific on the antimeridian": (180.0, 10.0),
}


def test_known_places_are_land_or_ocean():
    assert land.is_land(torch.tensor(list(LAND_PLACES.values()))).all()
    assert not land.is_land(torch.tensor(list(OCEAN_PLACES.values()))).any()


def test_answers_do_not_depend_on_how_a_longitude_is_written():
    lonlat = uniform_on_sphere(2000, torch.Generator().manual_seed(0))
    further = lonlat + torch.where(lonlat[:, :1] < 0, 360.0, 0.0) * torch.tensor([1.0, 0.0])
    assert torch.equal(land.is_land(lonlat), land.is_land(further))


def test_the_earth_is_29_percent_land():
    share = land.is_land(uniform_on_sphere(50_000, torch.Generator().manual_seed(0))).double().mean()
    # 29.2 % in the literature; four standard errors, and lakes count as land here.
    assert abs(share - 0.29) < 0.01


@pytest.mark.parametrize("latitude", [48.85, 70.004])
def test_a_row_of_cells_is_the_row_in_the_file(latitude):
    """Reads the file again, as one plain array up to that row."""
    row = int((90 - latitude) * 120)
    with zipfile.ZipFile(land._mask_path()) as archive, archive.open("mask.npy") as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        for _ in range(row):
            stream.read(43_200)
        ocean = np.frombuffer(stream.read(43_200), dtype=bool)
    lon = -180 + (torch.arange(43_200, dtype=torch.float64) + 0.5) / 120
    points = torch.stack([lon, torch.full_like(lon, latitude)], dim=-1)
    np.testing.assert_array_equal(land.is_land(points).numpy(), ~ocean)


@pytest.mark.slow
def test_answers_are_those_of_the_package_itself():
    """In a process of its own: importing the package takes 933 MB."""
    lonlat = uniform_on_sphere(100_000, torch.Generator().manual_seed(1))
    code = (
        "import sys, numpy as np; from global_land_mask import is_land;"
        "p = np.frombuffer(sys.stdin.buffer.read()).reshape(-1, 2);"
        "sys.stdout.buffer.write(is_land(p[:, 1], p[:, 0]).tobytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=lonlat.numpy().tobytes(), capture_output=True, check=True)
    expected = np.frombuffer(done.stdout, dtype=bool)
    # The package divides by a rounded cell size: points within 1e-9 cells of an edge may differ.
    assert (land.is_land(lonlat).numpy() != expected).sum() <= 1


def test_coast_edges_have_land_on_one_side_and_ocean_on_the_other():
    edges = land._coast_edges_deg()
    some = torch.from_numpy(edges[np.random.default_rng(0).choice(len(edges), 4000, replace=False)])
    across_latitude = torch.remainder(some[:, 0] * 120, 1).sub(0.5).abs() < 0.01
    half_cell = torch.where(across_latitude[:, None], torch.tensor([0.0, 0.4]), torch.tensor([0.4, 0.0])) / 120
    assert across_latitude.any() and not across_latitude.all()
    assert (land.is_land(some - half_cell) != land.is_land(some + half_cell)).all()


def test_distance_is_that_to_the_nearest_of_all_edges():
    lonlat = uniform_on_sphere(15, torch.Generator().manual_seed(2))
    dots = unit_vectors(lonlat) @ unit_vectors(torch.from_numpy(land._coast_edges_deg())).T
    expected = EARTH_RADIUS_KM * torch.arccos(dots.max(dim=1).values)
    got = land.distance_to_coast_km(lonlat)
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-3)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 2**40))
def test_nothing_changes_within_the_distance_to_the_coast(seed):
    generator = torch.Generator().manual_seed(seed)
    place = uniform_on_sphere(1, generator)
    # Midpoints stand for edges of up to 0.93 km.
    clear_km = land.distance_to_coast_km(place)[0] - 0.5
    if clear_km > 0:
        around = on_ring(place[0], clear_km * torch.linspace(0.1, 1, 10), 40, generator).reshape(-1, 2)
        assert (land.is_land(around) == land.is_land(place)).all()


def test_distances_at_known_places():
    nemo, le_havre, paris = land.distance_to_coast_km(torch.tensor([[-123.4, -48.88], [0.10, 49.49], [2.35, 48.85]]))
    # Point Nemo, the farthest from any land, is known to be 2688 km from it.
    assert nemo.item() == pytest.approx(2688, abs=10)
    assert le_havre < 5 and 120 < paris < 170


def test_coastlines_follow_the_coast():
    lines = land.coastlines()
    assert len(lines) > 100 and all(line.ndim == 2 and line.shape[1] == 2 for line in lines)
    vertices = torch.from_numpy(np.concatenate(lines))
    assert vertices[:, 0].abs().max() <= 180 and vertices[:, 1].abs().max() <= 90
    # The diagonal of a cell of 0.4 degrees at the equator.
    assert land.distance_to_coast_km(vertices).max() < 63
    jumps = torch.cat([great_circle_km(*map(torch.from_numpy, (line[:-1], line[1:]))) for line in lines])
    assert jumps.max() < 63


def test_finer_coastlines_have_more_detail():
    count = {spacing: sum(map(len, land.coastlines(spacing))) for spacing in (0.2, 0.4, 1.0)}
    assert count[0.2] > count[0.4] > count[1.0] > 1000


@pytest.mark.parametrize("spacing_deg", [0.25, 0.0, -1.0, 7.0])
def test_a_spacing_that_does_not_fit_is_refused(spacing_deg):
    with pytest.raises(UserError, match=f"spacing_deg must be a multiple of 1/15 .* 1; got {spacing_deg}"):
        land.coastlines(spacing_deg)


@pytest.mark.parametrize("ask", [land.is_land, land.distance_to_coast_km])
def test_points_off_the_earth_are_refused(ask):
    with pytest.raises(UserError, match="latitude look swapped"):
        ask(torch.tensor([[0.0, 95.0]]))


@pytest.fixture
def package_at(monkeypatch):
    """Pretends that the package is installed in a folder, or not at all, with nothing cached."""

    def pretend(folder):
        spec = None
        if folder is not None:
            spec = importlib.machinery.ModuleSpec("global_land_mask", None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
        monkeypatch.setattr(land, "_ocean_bits", land._ocean_bits.__wrapped__)
        monkeypatch.setattr(land, "_coast_tree", land._coast_tree.__wrapped__)

    return pretend


@pytest.mark.parametrize(
    "ask",
    [land.is_land, land.distance_to_coast_km, lambda lonlat: land.coastlines()],
    ids=["land", "distance", "lines"],
)
def test_without_the_package_it_says_what_to_install(package_at, ask):
    package_at(None)
    with pytest.raises(UserError, match=re.escape("install it with: pip install 'satgpu[land]'")):
        ask(torch.zeros(1, 2))


def test_a_broken_mask_file_is_named(package_at, tmp_path):
    package_at(tmp_path)
    path = tmp_path / land.MASK_FILE
    complaint = re.escape(f"{path} is not the 21600 x 43200 land mask of global-land-mask 1.0")
    with pytest.raises(UserError, match=complaint + r" \(FileNotFoundError"):
        land.is_land(torch.zeros(1, 2))
    path.write_bytes(b"not a zip file")
    with pytest.raises(UserError, match=complaint + r" \(BadZipFile"):
        land.is_land(torch.zeros(1, 2))
    np.savez_compressed(path, other=np.zeros(3))
    with pytest.raises(UserError, match=complaint + r" \(KeyError"):
        land.is_land(torch.zeros(1, 2))
    np.savez_compressed(path, mask=np.zeros((180, 360), dtype=bool))
    with pytest.raises(UserError, match=complaint + re.escape(" (bool (180, 360))")):
        land.is_land(torch.zeros(1, 2))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mask.npy", "not an array")
    with pytest.raises(UserError, match=complaint + r" \(ValueError"):
        land.is_land(torch.zeros(1, 2))


@pytest.mark.cuda
def test_answers_come_back_on_the_points_device():
    points = torch.tensor([[2.35, 48.85]], device="cuda")
    assert land.is_land(points).device.type == "cuda"
    assert land.distance_to_coast_km(points).device.type == "cuda"
