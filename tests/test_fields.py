"""Fields of the real Earth: turns, parts and verdicts."""

import numpy as np
import pytest
import torch

import satgpu
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.fields import Known, as_field, sources
from satgpu.fields.harmonics import coefficients, field_coefficients, gauss_legendre_grid, turned_coefficients
from satgpu.fields.held import macro_f1
from satgpu.fields.parts import Ranks, verdict
from satgpu.fields.turns import about_the_axis, bank, draw_turns, turned_deg
from satgpu.fields.twins import gain_of_training
from satgpu.geometry import random_rotation, rotate_deg, uniform_on_sphere


def smooth(seed: int, l_max: int = 5, m_max: int = 99):
    """A callable field of random harmonics to degree ``l_max``, of orders up to ``m_max``."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.arange(-degree, degree + 1) for degree in range(l_max + 1)])
    a = torch.randn(len(order), generator=generator, dtype=torch.float64) * (order.abs() <= m_max)
    return lambda lonlat: (spherical_harmonics(lonlat, l_max + 1, "closed-form") @ a).numpy()


class Knowing:
    """An encoder with a dimension of its own for a field, correlated .5 with it."""

    name, provenance = "knowing", None

    def __init__(self, base: str, field):
        self.base, self.field = satgpu.load_encoder(base), field
        self.dim = self.base.dim + 1

    def __call__(self, lonlat_deg):
        value = torch.as_tensor(self.field(lonlat_deg))[:, None]
        noise = torch.sin(lonlat_deg @ torch.tensor([[91.7], [77.3]], dtype=torch.float64) * 1e3) * 2**0.5
        value = (value - value.mean()) / value.std()
        return torch.cat([self.base(lonlat_deg), 0.5 * value + 0.75**0.5 * noise], 1)


def test_coefficients_of_a_field_are_found_again_and_turn_with_it():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(49, 2, generator=generator, dtype=torch.float64)
    grid, area = gauss_legendre_grid(16)
    assert area.sum() == pytest.approx(4 * torch.pi)
    assert torch.allclose(coefficients(spherical_harmonics(grid, 7, "closed-form") @ a, 6), a, atol=1e-12)
    half_turn = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))[None]
    angle = torch.tensor([0.3, -2.0], dtype=torch.float64)
    rotations = torch.cat([random_rotation(generator, 3), about_the_axis(angle), half_turn])
    places = uniform_on_sphere(30, generator)
    turned = turned_coefficients(a, rotations)
    for index, rotation in enumerate(rotations):
        there = spherical_harmonics(rotate_deg(places, rotation), 7, "closed-form") @ a
        assert torch.allclose(spherical_harmonics(places, 7, "closed-form") @ turned[:, index], there, atol=1e-12)


def test_power_within_the_degrees_is_all_of_a_smooth_field():
    field = as_field(smooth(3, l_max=4))
    a, variance = field_coefficients(field)
    assert a.square().sum(0) / (4 * torch.pi) == pytest.approx(variance.numpy(), rel=1e-6)


def test_polar_turns_keep_latitudes_and_no_turn_keeps_places_bit_for_bit():
    places = uniform_on_sphere(50, torch.Generator().manual_seed(0))
    turns = draw_turns(3, 4, seed=1)
    turned = turned_deg(places, turns.rotations)
    assert torch.equal(turned[0], places)
    assert torch.allclose(turned[1:4, :, 1], places[:, 1].expand(3, -1))
    assert not torch.allclose(turned[4:, :, 1], places[:, 1].expand(4, -1), atol=1)


def test_the_bank_labels_a_quarter_of_the_places():
    places = uniform_on_sphere(400, torch.Generator().manual_seed(0))
    assert bank(places, 0, 5).mean(0).numpy() == pytest.approx(np.full(5, 0.25), abs=0.01)


def test_a_field_that_the_encoder_holds_is_known():
    field = smooth(5)
    found = satgpu.read_field(Knowing("sh-l3", field), field, n_labels=300, turns=19, draws=2)
    assert found.verdict is Known.KNOWS and found.p_polar == found.p_all == 0.05
    assert found.longitude > 0.1
    assert found.resolution + found.zonal + found.longitude == pytest.approx(found.skill, abs=1e-12)


def test_a_field_turned_at_random_is_no_evidence_and_its_share_is_predicted():
    found = satgpu.read_field("untrained-l5-w64-d64", smooth(7), n_labels=600, turns=19, draws=2)
    assert found.verdict is not Known.KNOWS
    assert found.predicted == pytest.approx(found.skill, abs=0.05)
    assert abs(found.longitude) < 0.1 and found.gain is None


def test_turns_of_places_of_a_field_given_on_a_part_of_the_earth():
    north = lambda p: np.where(p[:, 1] > 10, smooth(2)(p), np.nan)  # noqa: E731
    field = as_field(north, name="north")
    assert not field.everywhere
    found = satgpu.read_field("xyz", field, n_labels=200, turns=19, draws=1)
    assert found.verdict is Known.UNTESTED and np.isnan(found.skill_interval[0])
    assert field.draw(50, torch.Generator().manual_seed(0))[0][:, 1].min() > 10


def test_gain_of_training_is_nothing_for_another_seed_of_the_same():
    twins = [f"untrained-l6-w32-d32-seed{seed}" for seed in range(1, 5)]
    found = satgpu.read_field("untrained-l6-w32-d32", smooth(1), n_labels=300, turns=9, draws=3, twins=twins)
    for value, (low, high) in found.gain.values():
        assert low <= value <= high
    low, high = found.gain["longitude"][1]
    assert low < 0.03 and high > -0.03
    trained, twin = torch.tensor([[0.3] * 4, [0.5] * 4]), torch.tensor([[[0.2] * 4, [0.2] * 4]])
    value, (low, high) = gain_of_training(trained, twin)["longitude"]  # of one twin: over the draws alone
    assert value == pytest.approx(0.2) and high - value == pytest.approx(12.706 * 0.1, rel=1e-3)


@pytest.mark.parametrize(
    ("polar", "every", "plain", "spread", "longitude", "says"),
    [
        (0.01, 0.01, 0.01, 0.02, 0.2, Known.KNOWS),
        (0.01, 0.01, 0.01, 0.02, 0.02, Known.NO_EVIDENCE),
        (0.01, 0.30, 0.01, 0.02, 0.2, Known.NO_EVIDENCE),
        (0.40, 0.30, 0.01, 0.02, 0.2, Known.ZONAL),
        (0.01, 0.01, 0.01, 1e-9, 0.2, Known.UNTESTED),
        (float("nan"), float("nan"), float("nan"), 0.02, 0.2, Known.UNTESTED),
        (0.01, float("nan"), float("nan"), 0.02, 0.2, Known.KNOWS),
    ],
)
def test_verdicts(polar, every, plain, spread, longitude, says):
    assert verdict(Ranks(polar, 0.5, every, 0.5, plain, spread), longitude) is says


def test_macro_f1_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    true, named = torch.randint(0, 4, (2, 200), generator=generator)
    assert macro_f1(true, named) == pytest.approx(metrics.f1_score(true, named, average="macro"))


def test_words_and_few_whole_numbers_are_classes_and_the_rest_numbers():
    places = uniform_on_sphere(30, torch.Generator().manual_seed(0))
    words = np.array(["b", "a", None] * 10, dtype=object)
    field = as_field((places, words))
    assert field.classes == ("a", "b") and field.left_out == {"missing value": 10} and len(field.values) == 20
    assert as_field((places, np.arange(30) % 3)).n_columns == 3
    assert as_field((places, np.arange(30) / 7)).task == "regression"
    assert as_field((places, np.arange(30) % 3), task="regression").classes == ()


@pytest.mark.parametrize(
    ("thing", "task", "message"),
    [
        ("lnad", "auto", "did you mean 'land'"),
        (3, "auto", "a field is a name"),
        ((np.zeros((20, 2)), np.ones(20)), "auto", "one value only"),
        ((np.zeros((2, 2)), np.ones(2)), "auto", "at least 10"),
        ((np.zeros((20, 2)), np.array(list("ab") * 10)), "regression", "no number in the column"),
        ((np.zeros((20, 2)), np.ones(3)), "auto", "wanted"),
        ("land", "ranking", "unknown task"),
    ],
)
def test_what_is_no_field_is_told_in_a_line(thing, task, message):
    with pytest.raises(satgpu.UserError, match=message):
        as_field(thing, task)


def test_a_missing_package_is_told_with_its_line(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(satgpu.UserError, match=r"pip install 'satgpu\[land\]'"):
        sources.load("land")


@pytest.mark.parametrize(
    ("split", "reader", "message"), [("block", "linear", "unknown split"), ("random", "tree", "unknown reader")]
)
def test_unknown_choices(split, reader, message):
    with pytest.raises(satgpu.UserError, match=message):
        satgpu.read_field("xyz", smooth(0), n_labels=20, split=split, reader=reader, turns=1, draws=1)
