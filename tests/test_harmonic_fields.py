"""Random fields of a harmonic degree: their variance, their covariance, their scale."""

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre

from satgpu.encoders import harmonics
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.geometry import unit_vectors
from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.readouts import degrees
from satgpu.readouts import harmonic_fields as hf

PLACES = uniform_on_sphere(40, torch.Generator().manual_seed(1))


def _g(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("variant", ["analytic", "closed-form"])
@pytest.mark.parametrize("block", [1, 40])
def test_harmonics_in_blocks_are_the_same_bit_for_bit(variant, block):
    blocks = torch.cat([values for _, _, values in harmonics.harmonics_in_blocks(PLACES, 12, variant, block)], 1)
    assert torch.equal(blocks, spherical_harmonics(PLACES, 12, variant))


def test_harmonics_of_a_degree_have_the_covariance_of_legendre():
    cosine = (unit_vectors(PLACES) @ unit_vectors(PLACES).T).numpy()
    for first, last, values in hf.harmonics_in_blocks(PLACES, 9, block=30):
        degrees = hf.degree_of_targets(first, last)
        for degree in range(first, last + 1):
            Y = values[:, degrees == degree].numpy()
            np.testing.assert_allclose(Y @ Y.T / (2 * degree + 1), eval_legendre(degree, cosine), atol=1e-11)


def test_blocks_hold_whole_degrees_and_all_of_them():
    blocks = [(first, last, values.shape[1]) for first, last, values in hf.harmonics_in_blocks(PLACES, 30, block=100)]
    assert [b[0] for b in blocks[1:]] == [b[1] + 1 for b in blocks[:-1]] and blocks[-1][1] == 30
    assert sum(b[2] for b in blocks) == 31**2 - 1
    assert all(width <= 100 or first == last for first, last, width in blocks)


def test_single_fields_and_composites_have_variance_one():
    single = hf.single_degree_fields(PLACES, 6, 4000, _g()).view(40, 6, 4000)
    assert (single.square().mean((0, 2)) - 1).abs().max() < 0.05
    composite = hf.composite_fields(PLACES, hf.prior_power("power-law", 6), 4000, _g())
    assert abs(composite.square().mean() - 1) < 0.05


def test_sums_by_degree():
    sums = hf.sum_by_degree(torch.ones(2, 5 + 7 + 9), 2, 4)
    assert sums.tolist() == [[5, 7, 9]] * 2


def test_priors_add_up_to_one_and_the_power_law_falls_as_the_square():
    power = hf.prior_power("power-law", 10)
    assert power.sum() == pytest.approx(1) and power[0] / power[1] == pytest.approx(4)
    assert np.ptp(hf.prior_power("flat", 10)) == 0
    with pytest.raises(UserError, match="unknown prior 'white'"):
        hf.prior_power("white", 10)
    with pytest.raises(UserError, match="not negative"):
        hf.composite_fields(PLACES, [1, -1], 1, _g())


def test_scale_of_a_degree_and_back():
    for degree in (1, 7, 64):
        assert degrees.degree_of_half_wavelength(float(degrees.half_wavelength_km(degree))) == pytest.approx(degree)
