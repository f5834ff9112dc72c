"""What each experiment asks, under both protocols."""

import numpy as np
import pytest
import torch

from satgpu.errors import UserError
from satgpu.experiments import EXPERIMENTS, Draw, Field, default_experiments
from satgpu.experiments.boundaries import Boundaries
from satgpu.experiments.map import Map
from satgpu.experiments.patterns import Patterns
from satgpu.experiments.region_size import RegionSize
from satgpu.experiments.resolution import Resolution
from satgpu.experiments.scale_region import ScaleRegion
from satgpu.experiments.similarity import Similarity
from satgpu.experiments.sweet_spot import SweetSpot
from satgpu.experiments.transfer import Transfer
from satgpu.geometry import EARTH_AREA_KM2, GEODESIC, NOTEBOOK, PROTOCOLS

PROBED = [name for name in (*default_experiments(), "resolution") if EXPERIMENTS[name].trains_probes]


def _sets(options, protocol="geodesic", replicate=0):
    return list(options.task_sets(Draw(PROTOCOLS[protocol], replicate, 42)))


def test_the_notebook_protocol_asks_for_the_notebooks_probes():
    counts = {name: sum(len(s.fields) for s in _sets(EXPERIMENTS[name].options(), "notebook")) for name in PROBED}
    assert counts == {
        "sweet_spot": 25, "region_size": 8, "patterns": 25, "scale_region": 90, "boundaries": 6, "resolution": 0,
    }  # fmt: skip
    (sweet_spot,) = _sets(SweetSpot(), "notebook")
    assert (sweet_spot.points.seed, sweet_spot.split_seed, set(sweet_spot.probe_seeds)) == (42, 42, {42})


def test_notebook_points_and_labels_are_the_notebooks():
    (tasks,) = _sets(SweetSpot(), "notebook")
    random = np.random.RandomState(42)
    lons, lats = random.uniform(-180, 180, 6000), random.uniform(-60, 60, 6000)
    points = tasks.points.draw()
    np.testing.assert_array_equal(points.numpy(), np.stack([lons, lats], 1))
    degrees = tasks.fields[0].scale_km / 111.0
    expected = ((lons / degrees).astype(int) + (lats / degrees).astype(int)) % 2
    np.testing.assert_array_equal(tasks.fields[0].labels(points, NOTEBOOK)[0].numpy(), expected)


def test_notebook_boundary_noise_follows_the_points_in_one_stream():
    (tasks,) = _sets(Boundaries(), "notebook")
    random = np.random.RandomState(42)
    lats = [random.uniform(-180, 180, 5000), random.uniform(-60, 60, 5000)][1]
    expected = (random.random_sample(5000) < 1 / (1 + np.exp(-lats / (500 / 111.0) * 2))).astype(int)
    field = next(f for f in tasks.fields if f.width_km == 500)
    labels, best = field.labels(tasks.points.draw(), NOTEBOOK)
    np.testing.assert_array_equal(labels.numpy(), expected)
    assert 0.96 < best.mean() < 0.98 and best.min() >= 0.5


@pytest.mark.parametrize("name", PROBED)
def test_replicates_differ_in_everything_that_is_drawn(name):
    first, second = (_sets(EXPERIMENTS[name].options(), replicate=replicate) for replicate in (0, 1))
    for a, b in zip(first, second, strict=True):
        assert a.points.seed != b.points.seed and a.split_seed != b.split_seed
        assert not set(a.probe_seeds) & set(b.probe_seeds)
        assert all(x.label_seed != y.label_seed for x, y in zip(a.fields, b.fields, strict=True))


@pytest.mark.parametrize("protocol", ["geodesic", "notebook"])
def test_task_ids_are_unique(protocol):
    ids = [i for name in PROBED for tasks in _sets(EXPERIMENTS[name].options(), protocol) for i in tasks.task_ids()]
    assert len(ids) == len(set(ids)) > 100


def test_fixed_density_holds_training_points_per_cell_where_fixed_points_does_not():
    per_cell = {"fixed_points": [], "fixed_density": []}
    for tasks in _sets(RegionSize()):
        per_cell[tasks.sampling].append(tasks.train_points_per_cell(tasks.fields[0], 0.7 * tasks.points.n))
    assert max(per_cell["fixed_points"]) / min(per_cell["fixed_points"]) > 50
    assert max(per_cell["fixed_density"]) / min(per_cell["fixed_density"]) < 1.02


def test_a_region_without_room_for_points_still_makes_a_plan():
    sets = _sets(RegionSize(spans_deg=(0.01,), points_per_cell=0.5))
    assert [s.points.n for s in sets] == [4000, 0]
    assert sets[1].points.draw().shape == (0, 2)


def test_resolution_keeps_points_per_cell_until_the_budget_ends():
    options = Resolution()
    for tasks in _sets(options):
        (field,) = tasks.fields
        wanted = options.points_per_cell if tasks.sampling == "fixed_per_cell" else options.local_points_per_cell
        held = tasks.points.n * field.scale_km**2 / tasks.points.area_km2
        assert held == pytest.approx(wanted, rel=0.01) or tasks.points.n == options.max_points


def test_local_caps_hold_the_same_number_of_cells_at_every_scale():
    caps = [s for s in _sets(Resolution()) if s.sampling == "local_caps"]
    for tasks in caps:
        assert tasks.points.area_km2 / tasks.fields[0].scale_km ** 2 == pytest.approx(36, rel=1e-6)
    assert len({s.region.center_deg for s in caps}) == len(caps)


def test_patterns_also_come_at_equal_wavelength():
    sets = _sets(Patterns())
    stripes = {f.wavelength_km for f in sets[0].fields if f.pattern == "vertical_stripes"}
    boards = {f.wavelength_km for f in sets[1].fields}
    assert sorted(stripes) == pytest.approx(sorted(boards))


def test_directionless_patterns_turn_with_the_replicate_and_directed_ones_do_not():
    lonlat = _sets(SweetSpot())[0].points.draw()
    turned = {}
    for name in ("checkerboard", "horizontal_stripes"):
        fields = [Field(name, 1000.0, label_seed=seed) for seed in (1, 2)]
        labels = [f.labels(lonlat, GEODESIC)[0] for f in fields]
        turned[name] = not torch.equal(*labels)
    assert turned == {"checkerboard": True, "horizontal_stripes": False}


def test_shuffled_labels_keep_their_shares_and_lose_their_places():
    (control,) = SweetSpot().control_sets(Draw(GEODESIC, 0, 42))
    (field,) = control.fields
    lonlat = control.points.draw()
    shuffled = field.labels(lonlat, GEODESIC)[0]
    plain = Field("checkerboard", field.scale_km, label_seed=field.label_seed).labels(lonlat, GEODESIC)[0]
    assert shuffled.sum() == plain.sum()
    assert 0.4 < (shuffled == plain).double().mean() < 0.6


def test_the_globe_is_its_published_area():
    assert pytest.approx(510_065_622, rel=1e-6) == EARTH_AREA_KM2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SweetSpot(scales_km=(300.0, -5.0)), r"sweet_spot\.scales_km holds -5\.0"),
        (lambda: SweetSpot(n_points=0), r"sweet_spot\.n_points holds 0"),
        (lambda: Patterns(scales_km=()), r"patterns\.scales_km is empty"),
        (lambda: Patterns(patterns=("checkerbord",)), "unknown pattern 'checkerbord'.*did you mean 'checkerboard'"),
        (
            lambda: ScaleRegion(centers=(("Europe", 50.0, 115.0),)),
            "scale_region.centers: 'Europe' has latitudes beyond .*longitude comes first",
        ),
        (lambda: Boundaries(widths_km=(-1.0,)), r"boundaries\.widths_km holds -1\.0; every value must be 0 or more"),
        (
            lambda: SweetSpot(scales_km=(300.0, 500.0, 300.001)),
            r"sweet_spot\.scales_km holds 300\.0 twice; give each once",
        ),
        (lambda: SweetSpot(scales_km=(5e5,)), r"sweet_spot\.scales_km holds 500000 km; half the Earth's .* metres\?"),
        (lambda: Boundaries(widths_km=(0.0, 0.0)), r"boundaries\.widths_km holds 0\.0 twice"),
        (lambda: RegionSize(spans_deg=(20.0, 20.0)), r"region_size\.spans_deg holds 20\.0 twice"),
        (lambda: RegionSize(spans_deg=(2000.0,)), r"spans_deg holds 2000\.0; give degrees, 360 at most"),
        (lambda: RegionSize(center_deg=(10.0, 95.0)), "region_size.center_deg has latitudes beyond"),
        (lambda: Patterns(patterns=("checkerboard",) * 2), "patterns.patterns holds 'checkerboard' twice"),
        (lambda: ScaleRegion(centers=(("A", 1.0, 2.0), ("A", 3.0, 4.0))), "scale_region.centers holds 'A' twice"),
        (lambda: Similarity(distances_km=(10.0, 10.0)), r"similarity\.distances_km holds 10\.0 twice"),
        (lambda: Map(cells=1e9), "map has 700 labels in 1e.09 cells; a cap needs 50 or more in 4 to 400"),
        (lambda: Map(noise=-1.0), r"map\.noise holds -1\.0; every value must be 0 or more"),
        (lambda: Transfer(noise=float("inf")), r"transfer\.noise holds inf"),
        (lambda: Transfer(n_test=1), r"transfer\.n_test is 1; give 50 or more"),
        (lambda: Transfer(mlp_labels=-5), r"transfer\.mlp_labels holds -5"),
        (lambda: Transfer(mlp_degrees=(2, 2)), r"transfer\.mlp_degrees holds 2\.0 twice"),
        (lambda: Transfer(coordinates_labels=(5,)), r"transfer\.coordinates_labels is \(5,\); give 50 or more"),
        (lambda: Transfer(coordinates_labels=()), r"transfer\.coordinates_labels is empty"),
        (lambda: Transfer(twin_seeds=-1), r"transfer\.twin_seeds holds -1"),
        (lambda: RegionSize(points_per_cell=float("inf")), r"region_size\.points_per_cell holds inf"),
        (
            lambda: ScaleRegion(centers=(("a\nb", 1.0, 2.0),)),
            "holds a name that cannot be printed, .a.nb.",
        ),
        (lambda: Map(scales_km=(100.0, 1600.0)), r"map\.scales_km is .*; give two or more, 800 km at most"),
        (lambda: Similarity(n_places=0), r"similarity\.n_places holds 0"),
        (lambda: Similarity(circle_points=33), "circle_points 33"),
        (lambda: Resolution(local_scales_km=(100.0,)), r"resolution\.local_scales_km is \[100\.0\]; a crossing lies"),
        (lambda: Resolution(cells_per_cap=1e4), "resolution.cells_per_cap is 10000; .* are larger than the Earth"),
        (lambda: Resolution(threshold=1.0), r"resolution\.threshold is 1\.0"),
        (lambda: Field("checkerboard", -3.0), "scale_km of 'checkerboard' is -3.0"),
    ],
)
def test_impossible_options_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
