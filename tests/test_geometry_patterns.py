"""Label fields: sizes in km everywhere, balanced colours, one call for many scales, clear refusals."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sphere_lines import HALF_TURN_KM, crossings, parallel, seeded

from satgpu.errors import UserError
from satgpu.geometry import (
    PATTERNS,
    boundary_probability,
    cells_in,
    destination_deg,
    great_circle_km,
    make_labels,
    pattern_named,
    random_rotation,
    rotate_deg,
    uniform_on_sphere,
    unit_vectors,
)
from satgpu.geometry.patterns import boundary

repeatable = settings(derandomize=True, deadline=None, max_examples=60)
CLASSES = sorted(name for name, info in PATTERNS.items() if info.task == "classification" and name != "boundary")
FIELDS = [*CLASSES, "gradient"]


@pytest.fixture(scope="module")
def world():
    return uniform_on_sphere(20_000, seeded())


@repeatable
@given(st.floats(-180, 179.99), st.floats(-90, 90), st.sampled_from(CLASSES))
def test_labels_do_not_depend_on_how_a_longitude_is_written(lon, lat, pattern):
    points = torch.tensor([[lon, lat], [lon + 360 if lon < 0 else lon - 360, lat]], dtype=torch.float64)
    # Not within a micrometre of an edge, where rounding decides.
    jitter = make_labels(pattern, points[:1] + torch.tensor([[1e-9, 0.0]]), 700.0)
    labels = make_labels(pattern, points, 700.0)
    assert labels[0] == labels[1] or jitter[0] != labels[0]


@pytest.mark.parametrize("pattern", CLASSES)
def test_both_classes_cover_half_the_earth(world, pattern):
    share = make_labels(pattern, world, torch.tensor([300.0, 900.0])).double().mean(dim=-1)
    # Four standard errors of 20,000 points.
    assert ((share - 0.5).abs() < 4 * 0.5 / math.sqrt(20_000)).all()


def test_horizontal_stripes_are_cut_at_whole_scales_of_latitude():
    km_per_degree = HALF_TURN_KM / 180
    lat = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5], dtype=torch.float64) * 800 / km_per_degree
    points = torch.stack([torch.linspace(-170, 170, 5, dtype=torch.float64), lat], dim=-1)
    # floor, not truncation: the stripes north and south of the equator differ.
    assert make_labels("horizontal_stripes", points, 800.0).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("latitude", [0.0, 40.0, 65.0])
def test_vertical_stripes_do_not_narrow_toward_the_poles(latitude):
    """Straight east from the 0° meridian along a great circle, a stripe is one scale wide."""
    steps_km = torch.arange(0, 3000, dtype=torch.float64) + 0.5
    path = destination_deg(torch.tensor([0.0, latitude], dtype=torch.float64), math.pi / 2, steps_km)
    labels = make_labels("vertical_stripes", path, 500.0)
    assert crossings(labels).tolist() == [499, 999, 1499, 1999, 2499]
    assert labels[0] == 0


def test_diagonal_stripes_run_across_the_equator_at_45_degrees():
    steps_km = torch.arange(0, 3000, dtype=torch.float64) + 0.5
    origin = torch.zeros(2, dtype=torch.float64)
    north_east = make_labels("diagonal_stripes", destination_deg(origin, math.pi / 4, steps_km), 500.0)
    assert crossings(north_east).tolist() == [499, 999, 1499, 1999, 2499] and north_east[0] == 0
    # Along the stripe nothing changes: 250 km to the side of the great circle, all along.
    beside = destination_deg(origin, math.pi / 4, 250.0)
    normal = unit_vectors(torch.tensor([[90.0, 45.0]], dtype=torch.float64))
    assert normal[0].tolist() == pytest.approx([0, math.sqrt(0.5), math.sqrt(0.5)], abs=1e-15)
    turn = random_turn_about(normal[0], 200)
    labels = torch.stack([make_labels("diagonal_stripes", rotate_deg(beside[None], r), 500.0) for r in turn])
    assert (labels == 0).all()


def random_turn_about(axis, n):
    """Rotations about an axis by n angles around the circle (Rodrigues)."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    angles = torch.arange(n, dtype=torch.float64)[:, None, None] * (2 * math.pi / n)
    return torch.eye(3, dtype=torch.float64) + angles.sin() * cross + (1 - angles.cos()) * (cross @ cross)


def test_the_three_stripes_are_one_field_seen_along_three_axes(world):
    """Turning the points so that y becomes z makes vertical stripes horizontal."""
    y_to_z = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)
    vertical = make_labels("vertical_stripes", world, 700.0)
    turned = make_labels("horizontal_stripes", world, 700.0, rotation=y_to_z)
    assert (vertical == turned).all()


def test_rings_are_rings_of_great_circle_distance(world):
    distance_km = great_circle_km(world, torch.zeros(2, dtype=torch.float64))
    expected = torch.floor(distance_km / 650).long() % 2
    assert torch.equal(make_labels("concentric_rings", world, 650.0), expected)
    assert make_labels("concentric_rings", [[0.0, 0.0], [180.0, 0.0]], 650.0).tolist() == [0, 0]


def test_the_gradient_is_smooth_and_has_its_half_period():
    steps_km = torch.arange(0, 10_000, dtype=torch.float64)
    path = destination_deg(torch.zeros(2, dtype=torch.float64), math.pi / 4, steps_km)
    values = make_labels("gradient", path, 2000.0)
    slope_per_km = values.diff().abs().max()
    assert slope_per_km < 4 / math.sqrt(3) * 2 * math.pi / 2000
    assert values.diff().diff().abs().max() < 1e-4
    along_equator = make_labels("gradient", parallel(0.0, 40_001), 1000.0)
    # On the equator only s₁s₂ is left: sin(π x/s)·sin(π (Q - x)/s), period one scale.
    x_km = (parallel(0.0, 40_001)[:, 0] * HALF_TURN_KM / 180).abs()
    s_y = torch.sin(math.pi * torch.minimum(x_km, HALF_TURN_KM - x_km) / 1000) * parallel(0.0, 40_001)[:, 0].sign()
    s_x = torch.sin(math.pi * (HALF_TURN_KM / 2 - x_km) / 1000)
    torch.testing.assert_close(along_equator, 2 / math.sqrt(3) * s_x * s_y, atol=1e-9, rtol=0)


def test_the_gradient_changes_within_a_scale_everywhere(world):
    """No place where the field is flat: within a cap of one scale its values spread."""
    scale_km = 600.0
    bearings = torch.linspace(0, 2 * math.pi, 25, dtype=torch.float64)[:-1]
    radii = torch.tensor([0.25, 0.5, 0.75, 1.0], dtype=torch.float64) * scale_km
    rings = destination_deg(world[:1000, None, None], bearings[:, None], radii)
    values = make_labels("gradient", rings.reshape(-1, 2), scale_km).reshape(1000, -1)
    assert (values.amax(dim=1) - values.amin(dim=1)).min() > 1.0


def test_the_gradient_has_mean_0_and_deviation_1(world):
    values = make_labels("gradient", world, torch.tensor([300.0, 600.0, 900.0]))
    assert values.dtype == torch.float64
    assert values.mean(dim=-1).abs().max() < 0.03
    assert (values.std(dim=-1) - 1).abs().max() < 0.05


def test_boundary_probability_is_the_logistic_of_the_distance():
    km_per_degree = HALF_TURN_KM / 180
    lat = torch.tensor([-500.0, -1.0, 0.0, 1.0, 500.0], dtype=torch.float64) / km_per_degree
    points = torch.stack([torch.linspace(-170, 170, 5, dtype=torch.float64), lat], dim=-1)
    p = boundary_probability(points, torch.tensor([500.0, 0.0]))
    assert p[0].tolist() == pytest.approx([1 / (1 + math.exp(-2 * d / 500)) for d in (-500, -1, 0, 1, 500)])
    assert p[1].tolist() == [0, 0, 0, 1, 1]
    assert p[0, 4].item() == pytest.approx(0.8808, abs=1e-4)


def test_boundary_labels_are_drawn_with_their_probability(world):
    widths = torch.tensor([0.0, 500.0, 5000.0])
    labels = make_labels("boundary", world, widths, generator=seeded(1))
    p = boundary_probability(world, widths)
    assert labels.shape == p.shape and labels.dtype == torch.int64
    assert torch.equal(labels[0].double(), p[0])
    standard_error = (p * (1 - p)).sum(dim=-1).sqrt()
    assert ((labels - p).sum(dim=-1).abs() <= 4 * standard_error).all()
    assert torch.equal(labels, make_labels("boundary", world, widths, generator=seeded(1)))
    assert not torch.equal(labels, make_labels("boundary", world, widths, generator=seeded(2)))
    # The best guess, p > ½, is right as often as the probability of the likelier label says.
    right = (labels == (p > 0.5)).double().mean(dim=-1)
    assert (right - torch.maximum(p, 1 - p).mean(dim=-1)).abs().max() < 4 * 0.5 / math.sqrt(20_000)


def test_a_sharp_boundary_needs_no_generator(world):
    assert torch.equal(make_labels("boundary", world, 0.0), (world[:, 1] > 0).long())
    assert torch.equal(make_labels("boundary", world, 0.0, generator=seeded()), (world[:, 1] > 0).long())


@pytest.mark.parametrize("pattern", FIELDS)
def test_many_scales_at_once_equal_one_by_one(world, pattern):
    scales = [150.0, 400.0, 1500.0, 20_000.0]
    rotation = random_rotation(seeded(2))
    together = make_labels(pattern, world, torch.tensor(scales), rotation=rotation)
    assert together.shape == (4, len(world))
    for row, scale_km in enumerate(scales):
        alone = make_labels(pattern, world, scale_km, rotation=rotation)
        assert alone.shape == (len(world),) and torch.equal(together[row], alone)


@pytest.mark.parametrize("pattern", FIELDS)
def test_the_rotation_turns_the_points_before_they_are_labelled(world, pattern):
    rotation = random_rotation(seeded(3))
    turned = make_labels(pattern, world, 800.0, rotation=rotation)
    assert torch.equal(turned, make_labels(pattern, rotate_deg(world, rotation), 800.0))
    assert (turned != make_labels(pattern, world, 800.0)).double().mean() > 0.4


@repeatable
@given(st.sampled_from(CLASSES), st.floats(1e-3, 2e4), st.integers(0, 2**40), st.booleans())
def test_labels_are_0_or_1_for_any_scale_and_any_points(pattern, scale_km, seed, poles):
    points = uniform_on_sphere(30, seeded(seed))
    if poles:
        points[:15, 1], points[15:, 1] = 90, -90
    labels = make_labels(pattern, points, scale_km, rotation=random_rotation(seeded(seed)))
    assert labels.dtype == torch.int64 and ((labels == 0) | (labels == 1)).all()


@pytest.mark.parametrize("pattern", FIELDS)
def test_no_points_have_no_labels(pattern):
    assert make_labels(pattern, torch.zeros(0, 2), torch.tensor([300.0, 400.0])).shape == (2, 0)


@pytest.mark.parametrize("pattern", CLASSES)
def test_float32_points_are_labelled_as_their_float64_values(world, pattern):
    single = world.float()
    assert torch.equal(make_labels(pattern, single, 500.0), make_labels(pattern, single.double(), 500.0))


def test_the_pattern_table_says_what_experiments_need():
    assert pattern_named("checkerboard").wavelength_per_scale == pytest.approx(math.sqrt(2))
    assert pattern_named("concentric_rings").wavelength_per_scale == 2
    assert math.isnan(pattern_named("boundary").wavelength_per_scale)
    assert pattern_named("gradient").task == "regression"
    directed = {name for name, info in PATTERNS.items() if info.has_direction}
    assert directed == {"horizontal_stripes", "vertical_stripes", "diagonal_stripes"}


def test_cells_are_counted_at_equal_wavelength():
    assert cells_in("checkerboard", 500.0, 1e6) == pytest.approx(4)
    assert cells_in("gradient", 500.0, 1e6) == pytest.approx(4)
    # Stripes of 500 km have the wavelength of a checkerboard of 707 km.
    assert cells_in("vertical_stripes", 500.0, 1e6) == pytest.approx(2)
    assert cells_in("concentric_rings", 500.0, 1e6) == pytest.approx(cells_in("checkerboard", 707.1068, 1e6))
    assert math.isnan(cells_in("boundary", 500.0, 1e6))


def test_unknown_names_are_refused_with_a_guess():
    with pytest.raises(UserError, match=r"unknown pattern 'chekerboard'; .*; did you mean 'checkerboard'\?"):
        make_labels("chekerboard", torch.zeros(1, 2), 500.0)
    with pytest.raises(UserError, match=r"unknown pattern 'x'; choose from boundary, checker.*vertical_stripes$"):
        cells_in("x", 500.0, 1.0)
    with pytest.raises(UserError, match=r"unknown protocol 'notebok'; .*; did you mean 'notebook'\?"):
        make_labels("checkerboard", torch.zeros(1, 2), 500.0, protocol="notebok")


@pytest.mark.parametrize("protocol", ["geodesic", "notebook"])
@pytest.mark.parametrize("scale", [0.0, -5.0, math.nan, math.inf])
def test_a_scale_that_is_no_length_is_refused(protocol, scale):
    for scale_km in (scale, torch.tensor([500.0, scale])):
        with pytest.raises(UserError, match=re.escape(f"scale_km must be above 0 kilometres; got {scale:g}")):
            make_labels("checkerboard", torch.zeros(1, 2), scale_km, protocol=protocol)


def test_bad_widths_and_missing_noise_are_refused():
    with pytest.raises(UserError, match="width_km must be 0 or more kilometres; got -1"):
        make_labels("boundary", torch.zeros(1, 2), -1.0, generator=seeded())
    with pytest.raises(UserError, match="pass generator=torch.Generator"):
        boundary(torch.zeros(1, 2), torch.tensor([0.0, 10.0]))


def test_bad_shapes_and_coordinates_are_refused():
    with pytest.raises(UserError, match=re.escape("scale_km must be a number or (P,); got shape (2, 2)")):
        make_labels("checkerboard", torch.zeros(1, 2), torch.ones(2, 2))
    with pytest.raises(UserError, match=re.escape("lonlat_deg must be (n, 2), longitude first; got (2,)")):
        make_labels("checkerboard", torch.zeros(2), 500.0)
    with pytest.raises(UserError, match="longitude and latitude look swapped"):
        make_labels("checkerboard", torch.tensor([[48.0, 120.0]]), 500.0)
    with pytest.raises(UserError, match="geodesic 'gradient' has no form about a centre"):
        make_labels("gradient", torch.zeros(1, 2), 500.0, center_deg=(0.0, 0.0))
    with pytest.raises(UserError, match="notebook protocol has no 'coastline'"):
        make_labels("coastline", torch.zeros(1, 2), 500.0, protocol="notebook")
    with pytest.raises(UserError, match="the notebook protocol has no rotations"):
        make_labels("checkerboard", torch.zeros(1, 2), 500.0, protocol="notebook", rotation=torch.eye(3))


@pytest.mark.cuda
@pytest.mark.parametrize("protocol", ["geodesic", "notebook"])
@pytest.mark.parametrize("pattern", CLASSES)
def test_labels_on_the_gpu_equal_those_on_the_cpu(world, pattern, protocol):
    on_gpu = make_labels(pattern, world.cuda(), torch.tensor([300.0, 900.0]), protocol=protocol)
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), make_labels(pattern, world, torch.tensor([300.0, 900.0]), protocol=protocol))
