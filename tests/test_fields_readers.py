"""Readers, budget and splits of real fields, each against something that isn't ours."""

import doctest
import importlib

import numpy as np
import pytest
import torch
from test_fields import smooth

import satgpu
from satgpu.fields import as_field, field_budget
from satgpu.fields.budget import FieldBudget
from satgpu.fields.held import morans_i, skill_by_distance
from satgpu.fields.readers import Coordinates, Linear, Mlp, Neighbours, share_read
from satgpu.fields.splits import Split, draw_places
from satgpu.geometry import uniform_on_sphere, unit_vectors
from satgpu.readouts.ridge import PENALTIES

N, M = 120, 60


@pytest.fixture(scope="module")
def data():
    """Embeddings (1, N + M, 9) of random places, and two smooth fields there (N + M, 2, 1)."""
    places = uniform_on_sphere(N + M, torch.Generator().manual_seed(3))
    X = satgpu.load_encoder("sh-l3")(places)
    Y = torch.stack([torch.from_numpy(smooth(seed, l_max=3)(places)) for seed in (0, 1)], 1)[..., None]
    return places, X[None, :, 1:], Y


def test_linear_is_scikit_learns_ridge_by_leave_one_out(data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    _, X, Y = data
    found = Linear(X[:, :N], X[:, N:])(Y[:N])[0, ..., 0]
    scaled = ((X - X[:, :N].mean(1)) / X[:, :N].std(1, correction=0))[0]
    largest = torch.linalg.eigvalsh(scaled[:N].T @ scaled[:N])[-1]
    model = linear_model.RidgeCV(alphas=(PENALTIES * largest).numpy(), alpha_per_target=True)
    assert np.allclose(model.fit(scaled[:N], Y[:N, :, 0]).predict(scaled[N:]), found, atol=1e-6)


def test_neighbours_are_scikit_learns(data):
    neighbors = pytest.importorskip("sklearn.neighbors")
    _, X, Y = data
    scale = X[0, :N].std(0, correction=0)
    model = neighbors.KNeighborsRegressor(10).fit(X[0, :N] / scale, Y[:N, :, 0])
    assert np.allclose(model.predict(X[0, N:] / scale), Neighbours(X[:, :N], X[:, N:])(Y[:N])[0, ..., 0])


def test_coordinates_are_scikit_learns_gaussian_process_of_that_length_and_noise(data):
    gaussian_process = pytest.importorskip("sklearn.gaussian_process")
    places, _, Y = data
    X = unit_vectors(places)[None]
    reader = Coordinates(X[:, :N], X[:, N:])
    length, noise = reader._choose(Y[:N].flatten(1), reader.between)
    kernel = gaussian_process.kernels.Matern(length, nu=0.5)
    model = gaussian_process.GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
    mean = Y[:N, :, 0].mean(0)
    found = model.fit(X[0, :N], Y[:N, :, 0] - mean).predict(X[0, N:]) + mean.numpy()
    assert np.allclose(found, reader(Y[:N])[0, ..., 0], atol=1e-8)


def test_mlps_read_as_much_as_scikit_learns(data):
    neural_network = pytest.importorskip("sklearn.neural_network")
    _, X, Y = data
    options = {"hidden_layer_sizes": (24,), "learning_rate_init": 0.02, "max_iter": 80, "early_stopping": False}
    scale = X[0, :N].std(0, correction=0)
    model = neural_network.MLPRegressor(**options, random_state=0).fit(X[0, :N] / scale, Y[:N, 0, 0])
    theirs = torch.from_numpy(model.predict(X[0, N:] / scale))[:, None, None]
    ours = Mlp(X[:, :N], X[:, N:], **options)(Y[:N])[0]
    truth, mean = Y[N:], Y[:N].mean(0)
    share = share_read(theirs, truth[:, :1], mean[:1])
    assert float(share_read(ours, truth, mean)[0]) == pytest.approx(float(share), abs=0.05)
    assert share > 0.8
    classes = Y.gt(Y[:N].median(0).values).double()
    proba = Mlp(X[:, :N], X[:, N:], **options)(classes[:N])[0]
    assert ((proba > 0.5) == (classes[N:] > 0.5)).double().mean() > 0.85


def test_many_are_read_at_once_as_one_by_one_and_share_the_work(monkeypatch):
    half = lambda p: np.where(p[:, 1] > 0, smooth(2)(p), np.nan)  # noqa: E731
    fields = [as_field(smooth(0), name="a"), as_field(smooth(1), name="b"), as_field(half, name="half")]
    encoder, embedded = satgpu.load_encoder("sh-l3"), []
    embed = encoder._embed
    monkeypatch.setattr(encoder, "_embed", lambda places: embedded.append(places) or embed(places))
    options = {"n_labels": 60, "turns": 4, "draws": 2}
    many = satgpu.read_fields([encoder], fields, ["linear", "neighbours", "coordinates"], **options)
    assert len(embedded) == 2 * (1 + 1 + 8)  # of a and b together, and of half under every turn, in both draws
    assert [(r.field, r.reader) for r in many[:4]] == [
        ("a", "linear"), ("a", "neighbours"), ("a", "coordinates"), ("b", "linear")
    ]  # fmt: skip
    for one in many[::4]:
        alone = satgpu.read_field(encoder, next(f for f in fields if f.name == one.field), reader=one.reader, **options)
        assert torch.allclose(alone.parts_by_draw, one.parts_by_draw, equal_nan=True)
        assert (alone.p_polar, alone.morans_i) == pytest.approx((one.p_polar, one.morans_i), nan_ok=True)
    tested = [one for one in many if one.verdict is not satgpu.fields.Known.UNTESTED]
    assert all(one.q >= one.p for one in tested) and any(one.q > one.p for one in tested)


def test_morans_i_is_that_of_a_plain_loop_and_its_deviation_that_of_shuffled_values():
    places = uniform_on_sphere(80, torch.Generator().manual_seed(1))
    xyz, values = unit_vectors(places), torch.from_numpy(smooth(4)(places))
    z, k = values - values.mean(), 5
    total, weights = 0.0, 0.0
    for i in range(80):
        near = sorted(range(80), key=lambda j: float((xyz[j] - xyz[i]).norm()))[1 : k + 1]
        total += sum(float(z[i] * z[j]) for j in near)
        weights += k
    index, deviations = morans_i(places, values[:, None], k)
    assert index == pytest.approx(80 / weights * total / float(z.square().sum()))
    assert index > 0.4 and deviations > 5
    noise = torch.randn(400, 80, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = np.array([morans_i(places, one[:, None], k) for one in noise])
    assert found[:, 0].mean() == pytest.approx(-1 / 79, abs=0.01)
    assert found[:, 1].std() == pytest.approx(1, abs=0.1)


def test_skill_by_distance_adds_up_to_the_skill_and_falls_with_distance():
    found = satgpu.read_field("untrained-l20-w64-d64", smooth(9, l_max=12), n_labels=100, turns=1, draws=2)
    bins = found.by_distance(4)
    held = torch.cat([one.missed for one in found.held]), torch.cat([one.total for one in found.held])
    assert bins["n_places"].sum() == len(held[0])
    assert bins["to_km"].iloc[:-1].tolist() == bins["from_km"].iloc[1:].tolist()
    whole = skill_by_distance(found.held, 1)
    assert whole["skill"][0] == pytest.approx(found.skill)
    near = satgpu.read_field("xyz", smooth(9, l_max=12), n_labels=200, turns=1, draws=3, reader="coordinates")
    assert near.by_distance(3)["skill"].is_monotonic_decreasing


def test_a_split_by_blocks_is_farther_from_labels_than_the_domain_and_is_drawn():
    pytest.importorskip("healpix")
    options = {"n_labels": 300, "turns": 1, "draws": 1}
    random = satgpu.read_field("xyz", smooth(0), **options)
    blocks = satgpu.read_field("xyz", smooth(0), split="blocks-1000km-buffer-500km", **options)
    assert random.wasserstein_km < 0.1 * random.distance_km[0]
    assert blocks.wasserstein_km > 2 * random.wasserstein_km and blocks.held[0].nearest_km.min() >= 500
    axes = blocks.plot_distances(cutoff_km=700.0)
    assert [line.get_label() for line in axes.get_lines()][-1] == "encoder's cut-off, 700 km"


def test_a_budget_says_where_labels_stop_paying():
    ladder = np.array([100, 200, 400, 800])
    skill = np.array([[0.1, 0.5, 0.51, 0.515], [0.1, 0.5, 0.54, 0.545]])
    found = FieldBudget("e", "f", "linear", "random", ladder, skill)
    assert found.enough.n == 400 and found.enough.low == 200
    table = found.table()
    assert table["gain"].tolist()[:2] == pytest.approx([0.4, 0.025]) and np.isnan(table["gain"].iloc[-1])
    still = FieldBudget("e", "f", "linear", "random", ladder, np.array([[0.1, 0.2, 0.3, 0.4]] * 2))
    assert np.isinf(still.enough.n)


def test_a_budget_is_read_at_the_same_places_as_the_field():
    field = as_field(smooth(6))
    found = field_budget("sh-l4", field, (40, 100, 300), draws=2)
    reading = satgpu.read_field("sh-l4", field, n_labels=300, turns=0, draws=2)
    assert found.table()["skill"].iloc[-1] == pytest.approx(reading.skill, abs=1e-9)
    places = draw_places(field, Split.parse("random"), 100, 0)
    few = field_budget("sh-l4", (places.lonlat_deg[:200], places.targets[:200, 0]), (40, 100, 300), draws=2)
    assert few.n_labels.tolist() == [40, 100]
    with pytest.raises(satgpu.UserError, match="two or more ascending"):
        field_budget("xyz", field, (100, 50))
    with pytest.raises(satgpu.UserError, match="leaves 140 labels"):
        field_budget("xyz", (places.lonlat_deg[:200], places.targets[:200, 0]), (140, 300))


@pytest.mark.parametrize("name", ["budget", "read"])
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(f"satgpu.fields.{name}")).failed == 0
