"""The notebook's points, labels and splits, bit for bit.

The references below repeat the notebook's cells in plain NumPy with its own names and
its global random stream; scikit-learn gives the split. Nothing here is approximate.
"""

import math
import re

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

from satgpu.errors import UserError
from satgpu.geometry import NOTEBOOK, PATTERNS, make_labels, notebook

SWEET_SPOT_KM = np.arange(300, 925, 25)
REGION_SIZES_DEG = [10, 20, 30, 50, 75, 100, 150, 180]
TEST_SCALES = [400, 600, 800, 1000, 1500]
DISTANCES_KM = [10, 25, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500, 2000, 3000]
BOUNDARY_WIDTHS = [0, 100, 250, 500, 1000, 2000]


@pytest.fixture(autouse=True)
def leave_the_global_stream_alone():
    """The references seed NumPy's global stream, as the notebook does; nobody else should notice."""
    state = np.random.get_state()
    yield
    np.random.set_state(state)


def cell_checkerboard(cell_size_km, n_samples=6000, lon_range=(-180, 180), lat_range=(-60, 60)):
    np.random.seed(42)
    cell_size_deg = cell_size_km / 111.0
    lons = np.random.uniform(lon_range[0], lon_range[1], n_samples)
    lats = np.random.uniform(lat_range[0], lat_range[1], n_samples)
    cell_x = (lons / cell_size_deg).astype(int)
    cell_y = (lats / cell_size_deg).astype(int)
    return np.stack([lons, lats], axis=1), (cell_x + cell_y) % 2


def cell_region(size_deg, center=(15, 50)):
    lon_range = (max(-180, center[0] - size_deg / 2), min(180, center[0] + size_deg / 2))
    lat_range = (max(-60, center[1] - size_deg / 2), min(70, center[1] + size_deg / 2))
    return lon_range, lat_range


def cell_pattern(pattern_type, scale_km, n_samples=6000):
    np.random.seed(42)
    scale_deg = scale_km / 111.0
    lons = np.random.uniform(-180, 180, n_samples)
    lats = np.random.uniform(-60, 60, n_samples)
    if pattern_type == "checkerboard":
        labels = ((lons / scale_deg).astype(int) + (lats / scale_deg).astype(int)) % 2
    elif pattern_type == "horizontal_stripes":
        labels = (lats / scale_deg).astype(int) % 2
    elif pattern_type == "vertical_stripes":
        labels = (lons / scale_deg).astype(int) % 2
    elif pattern_type == "diagonal_stripes":
        labels = ((lons + lats) / scale_deg).astype(int) % 2
    elif pattern_type == "concentric_rings":
        labels = (np.sqrt(lons**2 + lats**2) / scale_deg).astype(int) % 2
    return np.stack([lons, lats], axis=1), labels


def cell_points_at_distance(ref, dist_km, n_points=100):
    dist_deg = dist_km / 111.0
    angles = np.random.uniform(0, 2 * np.pi, n_points)
    lons = np.clip(ref[0] + dist_deg * np.cos(angles), -180, 180)
    lats = np.clip(ref[1] + dist_deg * np.sin(angles), -90, 90)
    return np.stack([lons, lats], axis=1)


def cell_boundary(boundary_width_km, n_samples=5000):
    np.random.seed(42)
    lons = np.random.uniform(-180, 180, n_samples)
    lats = np.random.uniform(-60, 60, n_samples)
    if boundary_width_km == 0:
        labels = (lats > 0).astype(int)
    else:
        dist_from_boundary = (lats - 0) / (boundary_width_km / 111.0)
        prob = 1 / (1 + np.exp(-dist_from_boundary * 2))
        labels = (np.random.random(n_samples) < prob).astype(int)
    return np.stack([lons, lats], axis=1), labels


def assert_same(tensor, array):
    assert tensor.dtype == torch.from_numpy(array).dtype
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_sweet_spot_points_and_labels_are_the_notebooks():
    scales = torch.tensor(SWEET_SPOT_KM)
    lonlat = notebook.notebook_box(6000)
    labels = make_labels("checkerboard", lonlat, scales, protocol="notebook")
    for row, km in enumerate(SWEET_SPOT_KM):
        coords, expected = cell_checkerboard(km)
        assert_same(lonlat, coords)
        assert_same(labels[row], expected)


@pytest.mark.parametrize("center", [(15, 50), (-100, 40), (100, 35), (170, -50)])
@pytest.mark.parametrize("size_deg", REGION_SIZES_DEG)
def test_region_points_and_labels_are_the_notebooks(center, size_deg):
    lon_range, lat_range = cell_region(size_deg, center)
    assert notebook.region_box(center, size_deg) == (lon_range, lat_range)
    coords, expected = cell_checkerboard(500, 4000, lon_range, lat_range)
    lonlat = notebook.notebook_box(4000, lon_range, lat_range)
    assert_same(lonlat, coords)
    assert_same(make_labels("checkerboard", lonlat, 500, protocol="notebook"), expected)


@pytest.mark.parametrize(
    "pattern",
    ["checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings"],
)
def test_pattern_labels_are_the_notebooks(pattern):
    lonlat = notebook.notebook_box(6000)
    together = make_labels(pattern, lonlat, torch.tensor(TEST_SCALES), protocol="notebook")
    for row, km in enumerate(TEST_SCALES):
        coords, expected = cell_pattern(pattern, km)
        assert_same(lonlat, coords)
        assert_same(make_labels(pattern, lonlat, km, protocol="notebook"), expected)
        assert_same(together[row], expected)


@pytest.mark.parametrize("km", TEST_SCALES)
def test_points_on_the_edge_of_a_diagonal_stripe_are_rounded_as_in_the_notebook(km):
    random = np.random.RandomState(0)
    lats = random.uniform(-60, 60, 2000)
    lons = random.randint(-20, 20, 2000) * (km / 111.0) - lats
    expected = ((lons + lats) / (km / 111.0)).astype(int) % 2
    otherwise = (lons / (km / 111.0) + lats / (km / 111.0)).astype(int) % 2
    assert (expected != otherwise).any()
    assert_same(notebook.diagonal_stripes(torch.from_numpy(np.stack([lons, lats], axis=1)), km), expected)


def test_rings_continue_the_stream_where_section_3_left_it():
    cell_pattern("concentric_rings", 1500)
    reference = np.array([0.0, 45.0])
    expected = np.stack([cell_points_at_distance(reference, km, n_points=200) for km in DISTANCES_KM])
    assert_same(notebook.notebook_rings(DISTANCES_KM), expected)


def test_rings_of_no_distance_are_empty():
    assert notebook.notebook_rings([], n_points=7).shape == (0, 7, 2)


def test_rings_are_cut_at_the_pole_as_in_the_notebook():
    np.random.seed(1)
    np.random.uniform(size=12_000)
    expected = cell_points_at_distance((175.0, 80.0), 3000, 50)
    rings = notebook.notebook_rings([3000], 50, (175.0, 80.0), seed=1)
    assert rings[..., 1].max() == 90 and rings[..., 0].max() == 180
    assert_same(rings[0], expected)


@pytest.mark.parametrize("width_km", BOUNDARY_WIDTHS)
def test_boundary_points_and_noise_are_the_notebooks(width_km):
    coords, expected = cell_boundary(width_km)
    lonlat = notebook.notebook_box(5000)
    assert_same(lonlat, coords)
    assert_same(notebook.boundary_labels(lonlat, width_km), expected)
    assert_same(make_labels("boundary", lonlat, width_km, protocol="notebook"), expected)


def test_boundaries_of_several_widths_are_stacked():
    lonlat = notebook.notebook_box(5000)
    labels = make_labels("boundary", lonlat, torch.tensor(BOUNDARY_WIDTHS), protocol="notebook")
    assert_same(labels, np.stack([cell_boundary(width)[1] for width in BOUNDARY_WIDTHS]))


@pytest.mark.parametrize("width_km, percent", [(100, 99.5), (250, 98.7), (500, 97.4), (1000, 94.8), (2000, 89.6)])
def test_label_noise_sets_the_best_accuracy(width_km, percent):
    """The ceilings that the notebook never knew of, for points at large.

    Expected of a sigmoid over latitudes uniform within 60°: 1 - ln 2 · width / (111 · 120).
    """
    points = torch.cat([notebook.notebook_box(5000, seed=seed) for seed in range(40)])
    got = 100 * NOTEBOOK.best(PATTERNS["boundary"], points, width_km, 0).mean().item()
    assert got == pytest.approx(100 * (1 - math.log(2) * width_km / 111 / 120), abs=0.1)
    assert got == pytest.approx(percent, abs=0.1)


def test_the_notebooks_own_points_have_a_lower_ceiling():
    """Seed 42 happens to put more points near the equator: compare its runs with these."""
    points = notebook.notebook_box(5000)
    got = [100 * NOTEBOOK.best(PATTERNS["boundary"], points, w, 0).mean().item() for w in BOUNDARY_WIDTHS]
    assert got == pytest.approx([100, 99.37, 98.49, 97.09, 94.35, 89.10], abs=0.005)


def test_a_boundary_narrower_than_a_metre_raises_no_overflow():
    probability = notebook.boundary_probability([[0, -60], [0, 60]], 1e-4)
    assert probability.tolist() == [0.0, 1.0]


def test_the_gradient_follows_the_notebooks_degrees():
    lonlat = notebook.notebook_box(100)
    scale_deg = 500 / 111.0
    lon, lat = lonlat.numpy().T
    expected = np.sin(np.pi * lon / scale_deg) * np.sin(np.pi * lat / scale_deg)
    got = make_labels("gradient", lonlat, torch.tensor([500.0, 900.0]), protocol="notebook")
    assert got.shape == (2, 100) and got.dtype == torch.float64
    np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-12)


def test_truncation_makes_a_double_stripe_at_the_equator():
    """Why the notebook's labels are not the geodesic ones: both sides of 0 fall in cell 0."""
    labels = notebook.horizontal_stripes([[10, -1.0], [10, 1.0], [10, 5.0]], 444)
    assert labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("n", [2, 3, 7, 10, 17, 100, 333, 1001, 3000, 4000, 5000, 6000])
@pytest.mark.parametrize("test_size", [0.3, 0.25])
def test_splits_are_scikit_learns_in_content_and_order(n, test_size):
    train, test = train_test_split(np.arange(n), test_size=test_size, random_state=42)
    train_rows, test_rows = notebook.train_test_rows(n, test_size)
    assert_same(train_rows, train)
    assert_same(test_rows, test)


def test_splits_follow_their_seed():
    train, test = train_test_split(np.arange(500), test_size=0.3, random_state=7)
    assert_same(notebook.train_test_rows(500, seed=7)[0], train)
    assert_same(notebook.train_test_rows(500, seed=7)[1], test)


@pytest.mark.parametrize("n, test_size", [(1, 0.3), (0, 0.3), (10, 0.0), (10, 1.0), (10, -0.5)])
def test_a_split_with_an_empty_part_is_refused(n, test_size):
    with pytest.raises(UserError, match=re.escape(f"test_size {test_size} of {n} points leaves an empty part")):
        notebook.train_test_rows(n, test_size)


def test_other_random_streams_are_left_alone():
    np.random.seed(5)
    expected = np.random.random(3)
    np.random.seed(5)
    notebook.notebook_box(10)
    notebook.notebook_rings([100.0])
    notebook.boundary_labels(notebook.notebook_box(10), 100)
    notebook.train_test_rows(10)
    np.testing.assert_array_equal(np.random.random(3), expected)


def test_a_notebook_kilometre_is_one_111th_of_a_degree():
    ring = notebook.notebook_rings([111.0], 100, (0.0, 0.0))[0]
    assert ring.norm(dim=-1).tolist() == pytest.approx([1.0] * 100)
    assert math.degrees(1 / 6371.0088) != pytest.approx(1 / 111, rel=1e-3)
