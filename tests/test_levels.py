"""Plateau, cut-off and runs of planted curves."""

import math

import numpy as np
import pytest

from satgpu.readouts import levels
from satgpu.readouts.degrees import degree_of_half_wavelength, half_wavelength_km


def _curve(*pieces):
    return np.concatenate([np.full(n, value) for n, value in pieces])


def _degrees(runs):
    return [tuple(round(degree_of_half_wavelength(km), 6) for km in run[:2]) for run in runs]


def test_two_bands_are_two_runs():
    share = _curve((5, 1.0), (9, 0.0), (6, 1.0), (20, 0.0))
    assert _degrees(levels.runs_km(share)) == [(1, 5.5), (14.5, 20.5)]


def test_nothing_is_interpolated_below_degree_five():
    assert _degrees(levels.runs_km(_curve((2, 1.0), (2, 0.0), (10, 0.0)))) == [(1, 2)]
    assert _degrees(levels.runs_km(_curve((2, 0.0), (2, 1.0), (10, 0.0)))) == [(3, 4)]


def test_cutoff_is_at_half_the_plateau_whatever_its_height():
    for height in (0.99, 0.51, 0.2):
        share = _curve((19, height), (20, 0.0))
        assert levels.plateau(share) == pytest.approx(height)
        assert levels.cutoff_degree(share) == pytest.approx(19.5)
        assert levels.cutoff_km(share) == pytest.approx(float(half_wavelength_km(19.5)))


def test_few_high_degrees_do_not_hide_the_plateau_behind_them():
    assert levels.cutoff_degree(_curve((2, 0.3), (37, 0.12), (10, 0.0))) == pytest.approx(39.5)
    assert levels.cutoff_degree(_curve((3, 1.0), (40, 0.01))) == 3


def test_a_curve_that_never_falls_and_one_that_is_noise():
    assert math.isinf(levels.cutoff_degree(_curve((30, 0.8)))) and levels.cutoff_km(_curve((30, 0.8))) == 0
    assert math.isnan(levels.plateau(_curve((30, 0.001)))) and math.isnan(levels.cutoff_km(_curve((30, -0.01))))


def test_a_run_is_firm_where_the_draws_pass():
    share = _curve((10, 0.6), (10, 0.0))
    steady = np.stack([share + 0.02, share - 0.02])
    assert levels.runs_km(share, steady)[0][2] is True
    steady[0, 4] = 0.4
    assert levels.runs_km(share, steady)[0][2] is False
    assert levels.runs_km(share)[0][2] is False


def test_interval_over_draws_is_students():
    mean, low, high = levels.interval_over_draws(np.array([[1.0], [2.0], [3.0]]))
    assert mean[0] == 2 and high[0] - 2 == pytest.approx(4.302653 / math.sqrt(3)) and low[0] < 2
    assert np.isnan(levels.interval_over_draws(np.ones((1, 3)))[1]).all()


def test_an_interval_of_a_cut_off_is_of_lengths():
    low, high = levels.cutoff_interval_km(np.array([900.0, 2000.0]))
    assert 0 < low < 900 and high > 2000
    assert levels.cutoff_interval_km(np.array([0.0, 700.0])) == (0.0, 700.0)
    assert all(np.isnan(levels.cutoff_interval_km(np.array([900.0]))))
