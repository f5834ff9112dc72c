"""The transfer function: against closed forms and straightforward regressions, and its refusals."""

import matplotlib
import numpy as np
import pytest
import torch

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.geometry import uniform_on_sphere, unit_vectors
from satgpu.readouts.degrees import half_wavelength_km
from satgpu.readouts.harmonic_fields import degree_of_targets
from satgpu.readouts.linear import ceiling_curve, linear_curve
from satgpu.readouts.transfer import transfer_function

matplotlib.use("agg")
SMALL = {"n_labels": 300, "n_test": 200, "l_max": 8, "replicates": 2}


def _sh(legendre_polys):
    return lambda lonlat_deg: spherical_harmonics(lonlat_deg, legendre_polys, "closed-form")


def _g(seed=0):
    return torch.Generator().manual_seed(seed)


def _mix(lonlat_deg):
    return _sh(6)(lonlat_deg) @ torch.randn(36, 20, generator=_g(3), dtype=torch.float64)


def test_share_equals_a_straightforward_regression_with_the_same_penalties():
    places, test = uniform_on_sphere(300, _g(1)), uniform_on_sphere(200, _g(2))
    curve = linear_curve(_mix(places), _mix(test), places, test, 8, 0.0, _g())
    Z, Z_test = _mix(places), _mix(test)
    scale = Z.std(0, correction=0)
    Z_test, Z = (Z_test - Z.mean(0)) / scale, (Z - Z.mean(0)) / scale
    Y, Y_test = (spherical_harmonics(p, 9, "closed-form")[:, 1:] for p in (places, test))
    degree = degree_of_targets(1, 8)
    largest = torch.linalg.eigvalsh(Z.T @ Z)[-1]
    for one in range(1, 9):
        F, F_test = Y[:, degree == one], Y_test[:, degree == one]
        alpha = curve.penalty.relative[one - 1] * largest
        weights = torch.linalg.solve(Z.T @ Z + alpha * torch.eye(20, dtype=torch.float64), Z.T @ (F - F.mean(0)))
        error = (F_test - F.mean(0) - Z_test @ weights).square().sum()
        assert curve.share[one - 1] == pytest.approx(
            1 - float(error / (F_test - F_test.mean(0)).square().sum()), abs=1e-9
        )
        residual = F - F.mean(0) - Z @ torch.linalg.lstsq(Z, F - F.mean(0)).solution
        ratio = float(residual.square().sum() / (F - F.mean(0)).square().sum())
        assert curve.ceiling[one - 1] == pytest.approx(1 - ratio * 299 / (299 - 20), abs=1e-9)


def test_ceiling_is_invariant_to_every_invertible_linear_map():
    places = uniform_on_sphere(400, _g(1))
    Z = _mix(places)
    harsh = torch.randn(20, 20, generator=_g(5), dtype=torch.float64) @ torch.diag(torch.logspace(0, 4, 20).double())
    plain, rank = ceiling_curve(Z, places, 8)
    mapped, rank_mapped = ceiling_curve(Z @ harsh + 10, places, 8)
    assert rank == rank_mapped == 20
    assert (plain - mapped).abs().max() < 1e-6


def test_harmonics_read_what_the_theory_of_their_labels_says():
    curve = transfer_function(_sh(8), n_labels=1500, l_max=12, replicates=2, n_test=1000)
    assert curve.share[:7] == pytest.approx(1 - 0.1 * 64 / (1500 - 64), abs=2e-3)
    assert np.abs(curve.share[8:]).max() < 0.01
    assert curve.capacity == pytest.approx(63, abs=1.5) and curve.ceiling_capacity == pytest.approx(63, abs=2)
    assert curve.rank == 63 and curve.dim == 64 and abs(curve.beyond_l_max) < 2
    assert curve.plateau == pytest.approx(0.995, abs=2e-3)
    assert curve.cutoff_km == pytest.approx(half_wavelength_km(7.5), rel=0.01)
    assert curve.runs[0][2] and any("1 of 64 dimensions dropped" in note for note in curve.notes)


def test_offset_scale_and_duplicates_move_nothing():
    plain = transfer_function(_mix, **SMALL)

    def odd(lonlat_deg):
        Z = _mix(lonlat_deg) * 1e4
        return torch.cat([Z[:, :1] * 1e6, Z[:, 1:], Z[:, 1:2]], 1) + 10 * Z.std()

    moved = transfer_function(odd, **SMALL)
    assert np.abs(moved.share - plain.share).max() < 0.01
    assert moved.rank == plain.rank == 20


def test_the_same_seed_gives_the_same_numbers_and_draws_differ():
    one, two = (transfer_function(_mix, **SMALL) for _ in range(2))
    assert np.array_equal(one.share_RL, two.share_RL)
    assert not np.array_equal(one.share_RL[0], one.share_RL[1])
    assert (one.low < one.share).all() and (one.share < one.high).all()


def test_table_and_words():
    curve = transfer_function(unit_vectors, **{**SMALL, "l_max": 3})
    assert list(curve.table().columns) == ["degree", "scale_km", "share", "low", "high", "ceiling"]
    assert "of 3" in str(curve) and "14153 to 14153 km" in str(curve)


def test_labels_that_suffice_by_count_but_not_by_gain_are_said():
    def thin(lonlat_deg):  # forty numbers spread over four hundred harmonics
        return _sh(20)(lonlat_deg) @ torch.randn(400, 40, generator=_g(3), dtype=torch.float64)

    curve = transfer_function(thin, n_labels=420, n_test=200, l_max=20, replicates=1)
    assert any("n-limited: twice the labels would raise" in note for note in curve.notes)
    plenty = transfer_function(_mix, n_labels=2000, n_test=200, l_max=8, replicates=1)
    assert not any(note.startswith("n-limited") for note in plenty.notes)


def test_too_few_labels_for_the_width_are_said_and_the_ceiling_is_measured_all_the_same():
    curve = transfer_function(_mix, **{**SMALL, "n_labels": 60})
    assert any(note.startswith("n-limited") for note in curve.notes)
    assert curve.ceiling_capacity == pytest.approx(20, abs=1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labels": 20}, "n_labels must be at least 50"),
        ({"noise": -1}, "noise is a share"),
        ({"l_max": 400}, "lower l_max or give more labels"),
        ({"reader": "magic"}, "unknown reader 'magic'"),
        ({"replicates": 0}, "replicates must be at least 1"),
        ({"n_test": 3}, "n_test must be at least 50"),
        ({"device": "mps"}, "can't compute in float64"),
    ],
)
def test_bad_arguments_are_refused_with_the_remedy(change, message):
    with pytest.raises(UserError, match=message):
        transfer_function(_mix, **{**SMALL, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: torch.full((len(p), 3), torch.nan), "NaN or infinite"),
        (lambda p: torch.ones(len(p), 3), "nothing is held"),
        (lambda p: torch.ones(3, 2), r"must give \(500, dim\)"),
        (lambda p: torch.randn(len(p), 3), "other numbers the second time"),
        ("satclip", "must be callable"),
    ],
)
def test_what_is_no_encoder_is_told_in_one_line(call, message):
    with pytest.raises(UserError, match=message) as error:
        transfer_function(call, **SMALL)
    assert "\n" not in str(error.value)


def test_a_transfer_function_draws_itself_and_beside_another():
    one, other = (transfer_function(encoder, **SMALL) for encoder in (_mix, unit_vectors))
    axes = other.plot(ax=one.plot())
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 8]
    for line, values in zip(drawn, (one.share, one.ceiling, other.share, other.ceiling), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([one.scale_km, values]))
    assert drawn[0].get_color() == drawn[1].get_color() != drawn[2].get_color() and axes.get_xscale() == "log"
    band = axes.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [one.low.min(), one.high.max()])
    matplotlib.pyplot.close(axes.figure)
