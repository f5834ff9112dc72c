"""Bounds from coordinates against the posterior by brute force, and readers that must not beat them."""

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.geometry import uniform_on_sphere, unit_vectors
from satgpu.readouts import readers
from satgpu.readouts.coordinates import composite_bound, degree_known_bound
from satgpu.readouts.embedding import CheckedEmbedding
from satgpu.readouts.harmonic_fields import prior_power
from satgpu.readouts.places import draw_places
from satgpu.readouts.readers import measured_degrees
from satgpu.readouts.transfer import transfer_function

SMALL = {"n_labels": 150, "n_test": 150, "l_max": 7, "replicates": 2}


def _g(seed=0):
    return torch.Generator().manual_seed(seed)


def _mix(lonlat_deg):
    return spherical_harmonics(lonlat_deg, 6, "closed-form") @ torch.randn(36, 20, generator=_g(3), dtype=torch.float64)


def _posterior_share(places, test, power, noise):
    def kernel(a, b):
        cosine = (unit_vectors(a) @ unit_vectors(b).T).numpy()
        return torch.tensor(sum(p * eval_legendre(i + 1, cosine) for i, p in enumerate(power)))

    K = kernel(places, places) + noise * torch.eye(len(places), dtype=torch.float64)
    k = kernel(test, places)
    return float((k @ torch.linalg.inv(K) * k).sum(1).mean())


@pytest.mark.parametrize("n", [20, 60], ids=["by-places", "by-harmonics"])
def test_composite_bound_is_one_less_the_mean_posterior_variance(n):
    places, test, power = uniform_on_sphere(n, _g(1)), uniform_on_sphere(8000, _g(2)), prior_power("flat", 5)
    share, by_degree = composite_bound(places, power, 0.1)
    assert share == pytest.approx(_posterior_share(places, test, power, 0.1), abs=0.01)
    assert float(by_degree @ torch.as_tensor(power)) == pytest.approx(share, abs=1e-12)


def test_degree_known_bound_is_the_posterior_of_the_legendre_kernel():
    places, test = uniform_on_sphere(30, _g(1)), uniform_on_sphere(8000, _g(2))
    bound = degree_known_bound(places, 4, 0.1)
    for degree in (1, 4):
        power = (np.arange(1, 5) == degree).astype(float)
        assert bound[degree - 1] == pytest.approx(_posterior_share(places, test, power, 0.1), abs=0.01)
        assert composite_bound(places, power, 0.1)[0] == pytest.approx(float(bound[degree - 1]), abs=1e-6)


def test_no_reader_beats_the_bounds_and_all_read_coarse_fields():
    coordinates = transfer_function(None, reader="coordinates", **SMALL)
    assert coordinates.name == "coordinates" and "bound" in coordinates.table()
    for reader in ("linear", "neighbours", "coordinates"):
        curve = transfer_function(_mix, reader=reader, **SMALL)
        assert (curve.share <= coordinates.bound + 0.03).all(), reader
        assert curve.share[1] > 0.3, reader
        assert all(curve.composite[p] <= coordinates.composite_bound[p] + 0.03 for p in curve.composite), reader


def test_mlps_read_the_same_noisy_fields():
    draw = draw_places(CheckedEmbedding(_mix), 250, 200, 0, 0, torch.device("cpu"))
    fields = readers.some_degrees(readers.draw_fields(draw, 2, 0.1, 2), np.array([1]))
    few = readers.Fields(fields.labels[:, :1], fields.truth[:, :1], fields.groups[:1], 2)
    share = readers.pooled_r2(few.truth, readers.read_by_mlps(draw, few, 0.1), few.groups)
    assert share.shape == (1,) and share[0] > 0.7


def test_degrees_an_mlp_skips_are_interpolated(monkeypatch):
    def half(draw, fields, noise):
        return fields.truth * (1 - fields.groups.clamp(max=9).double() / 10).sqrt()

    monkeypatch.setattr(readers, "read_by_mlps", half)
    curve = transfer_function(_mix, reader="mlp", **{**SMALL, "l_max": 9, "replicates": 1})
    assert (np.diff(curve.share) < 0).all() and np.isnan(curve.low).all() and len(curve.share) == 9


def test_an_mlp_reads_all_coarse_degrees_and_the_last():
    assert measured_degrees(3).tolist() == [1, 2, 3]
    degrees = measured_degrees(64)
    assert degrees[:6].tolist() == [1, 2, 3, 4, 5, 6] and degrees[-1] == 64 and len(degrees) < 25
