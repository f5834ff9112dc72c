"""Label budgets: the predicted n-curve against the measured one, labels at which a scale is read, labels saved."""

import math

import numpy as np
import pytest
import torch

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.readouts.budget import _crossings, _summary
from satgpu.readouts.degrees import half_wavelength_km
from satgpu.readouts.learning_curve import predicted_share
from satgpu.readouts.transfer import transfer_function
from satgpu.validation.gate_transfer import ridge_theory

LADDER = {"n_labels": [60, 120, 240, 480], "n_test": 300, "l_max": 7, "replicates": 3}


def _mix(lonlat_deg):
    generator = torch.Generator().manual_seed(3)
    return spherical_harmonics(lonlat_deg, 6, "closed-form") @ torch.randn(36, 20, generator=generator).double()


@pytest.fixture(scope="module")
def budget():
    return transfer_function(_mix, **LADDER)


@pytest.fixture(scope="module")
def coordinates():
    return transfer_function(None, reader="coordinates", **LADDER)


def test_prediction_from_unlabelled_places_is_near_what_labels_buy(budget):
    share = np.stack([curve.share for curve in budget.curves])
    assert np.abs(budget.predicted[1:] - share[1:]).max() < 0.06
    assert set(budget.table()) >= {"n_labels", "degree", "share", "predicted"} and len(budget.table()) == 4 * 7


def test_prediction_of_isotropic_dimensions_is_marchenko_and_pasturs():
    for n in (400, 2000):
        predicted = predicted_share(np.ones(200), np.full((200, 1), 1 / 200), np.array([n]), 0.1)[0, 0]
        assert predicted == pytest.approx(ridge_theory(200, n - 1, 0.1) - 1.1 / n, abs=2e-3)


def test_one_ladder_is_read_at_the_same_places_as_a_run_alone(budget):
    alone = transfer_function(_mix, **{**LADDER, "n_labels": 480})
    assert np.array_equal(alone.share_RL, budget.curves[-1].share_RL)
    assert [curve.n_labels for curve in budget.curves] == [60, 120, 240, 480]
    assert len({curve.ceiling_capacity for curve in budget.curves[:2]}) == 1


def test_labels_to_read_a_scale(budget):
    scale_km = float(half_wavelength_km(3))
    needed = budget.labels_to_read(scale_km, 0.4)
    assert needed.low < needed.n < needed.high < 480
    assert budget.labels_to_read(scale_km, 0.95) == budget.labels_to_read(float(half_wavelength_km(7)), 0.5)
    assert math.isinf(budget.labels_to_read(scale_km, 0.95).n)
    assert budget.labels_to_read_composite("flat", 0.3).n < 480
    with pytest.raises(UserError, match="outside the 1 to 7 measured"):
        budget.labels_to_read(100)


def test_crossings_are_interpolated_in_log_n_and_censored_at_both_ends():
    n = np.array([100, 200, 400])
    found = _crossings(n, np.array([[0.4, 0.6, 0.7], [0.6, 0.7, 0.8], [0.1, 0.2, 0.3]]), 0.5)
    assert found[0] == pytest.approx(100 * math.sqrt(2)) and found[1] == 100 and math.isinf(found[2])
    assert math.isinf(_summary(found, 100).high) and _summary(found, 100).low == 100
    assert _summary(np.array([100.0, 100.0]), 100).at_most and not _summary(found[:2], 100).at_most


def test_labels_saved_against_baseline_and_bound(budget, coordinates):
    table = budget.against(coordinates, [float(half_wavelength_km(d)) for d in (2, 4, 7)], 0.4)
    assert (table["bound"] <= table["labels"]).all() and (table["bound"] <= table["baseline"] + 1).all()
    assert table["saved"][0] <= 0 and table["saved"][2] == -math.inf
    with pytest.raises(UserError, match="reader 'coordinates'"):
        budget.against(budget, [3000])
    other = transfer_function(_mix, **{**LADDER, "noise": 0.2, "replicates": 1})
    with pytest.raises(UserError, match="the same seed, noise and labels"):
        other.against(coordinates, [3000])


def test_a_ladder_is_checked_as_a_number_is():
    with pytest.raises(UserError, match="at least 50, .* got 10"):
        transfer_function(_mix, **{**LADDER, "n_labels": [10, 100]})
    with pytest.raises(UserError, match="at least 50, .* got 0"):
        transfer_function(_mix, **{**LADDER, "n_labels": []})
