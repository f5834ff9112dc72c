"""Spectrum and half-similarity distance of kernels in closed form; nothing lost between table and answer."""

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy.special import eval_legendre, ive

from satgpu.answers import kernel_resolutions, kernel_spectrum, resolution_from_kernel, similarity_curve
from satgpu.earth import HALF_TURN_KM
from satgpu.errors import UserError
from satgpu.readouts.kernel import first_crossing, half_crossing_km
from satgpu.readouts.spectrum import (
    cumulative_power,
    degree_below_which,
    degrees_up_to,
)

KM = np.concatenate([[0], 78.2 / np.sqrt(2) ** np.arange(12, 0, -1), np.linspace(0, HALF_TURN_KM, 257)[1:]])
GAMMA = KM / 6371.0088


@pytest.fixture(scope="module")
def similarity():
    return synthetic.make_similarity()


def test_single_degrees_come_back_alone():
    degrees = np.arange(61)
    for degree in (0, 1, 7, 60):
        cumulative = cumulative_power(KM, eval_legendre(degree, np.cos(GAMMA))[None], degrees)[0]
        assert cumulative == pytest.approx(np.where(degrees >= degree, 1.0, 0.0), abs=2e-3)


def test_spectrum_of_a_gaussian_bump_is_the_bessel_functions():
    kappa, degrees = 400.0, np.arange(101)
    k = np.exp(kappa * (np.cos(GAMMA) - 1))
    power = (2 * degrees + 1) * ive(degrees + 0.5, kappa) * np.sqrt(np.pi / (2 * kappa))
    assert cumulative_power(KM, k[None], degrees)[0] == pytest.approx(np.cumsum(power), abs=1e-4)


def test_detail_finer_than_the_step_is_seen():
    # a quarter of the kernel falls within 10 km, as GeoCLIP's does; the step is 78 km
    fine, coarse = (6371.0 / 10) ** 2, (6371.0 / 1000) ** 2
    k = 0.25 * np.exp(fine * (np.cos(GAMMA) - 1)) + 0.75 * np.exp(coarse * (np.cos(GAMMA) - 1))
    degrees = degrees_up_to(4096)
    cumulative = cumulative_power(KM, k[None], degrees)
    assert cumulative[0, 100] == pytest.approx(0.75, abs=0.01)
    truth = np.sqrt(2 * fine * np.log(0.25 / 0.1))  # a Gaussian leaves exp(-l²/2κ) of its power above l
    assert degree_below_which(degrees, cumulative)[0] == pytest.approx(truth, rel=0.05)


def test_degree_is_read_between_whole_ones_and_ends_at_L():
    degrees = np.arange(10)
    flat = np.cumsum(2 * degrees + 1) / 100
    assert degree_below_which(degrees, flat[None])[0] == pytest.approx(9 + (0.9 - 0.81) / 0.19)
    assert degree_below_which(degrees, flat[None], share=1.0)[0] == pytest.approx(10)
    assert degree_below_which(degrees, 0.8 * flat[None])[0] == np.inf


def test_noise_in_the_spectrum_is_made_monotone_before_it_is_read():
    cumulative = np.array([[0.2, 0.95, 0.3, 0.6, 0.89, 0.91, 1.0]])
    assert degree_below_which(np.arange(7), cumulative)[0] > 4


def test_bins_cover_every_degree_once():
    degrees = degrees_up_to(4096)
    assert degrees[:257].tolist() == list(range(257)) and degrees[-1] == 4096
    assert (np.diff(degrees) > 0).all()
    assert degrees_up_to(100).tolist() == list(range(101))


def test_half_distance_is_interpolated_and_censored():
    km = np.array([100.0, 200.0, 400.0])
    k = np.array([[0.9, 0.5, 0.1], [0.4, 0.3, 0.2], [0.9, 0.8, 0.7]])
    assert half_crossing_km(km, k).tolist() == pytest.approx([200.0, 0.0, np.inf])
    assert first_crossing(km, k[:1], 0.7)[0] == pytest.approx(150.0)


def test_table_gives_back_the_planted_kernels(similarity):
    found = kernel_resolutions(similarity).set_index("encoder")
    for encoder in (synthetic.L10, synthetic.L40):
        row, L = found.loc[encoder.name], encoder.legendre_polys
        truth = L - 1 + (0.9 - ((L - 1) / L) ** 2) * L**2 / (2 * L - 1)  # p_l = (2l+1) / L²
        assert row["l90"] == pytest.approx(truth, rel=0.02)
        assert row["l90_low"] <= row["l90"] <= row["l90_high"]
        assert row["spectral_km"] == pytest.approx(HALF_TURN_KM / row["l90"])
        assert row["half_similarity_km"] == pytest.approx(1.417e4 / L, rel=0.04)
        assert row["n_places"] == 24


def test_answer_of_one_encoder_is_the_row_of_the_table(similarity):
    rows = similarity[similarity["encoder"] == "satclip-vit16-l40"]
    alone = resolution_from_kernel(rows)
    row = kernel_resolutions(similarity).set_index("encoder").loc["satclip-vit16-l40"]
    assert alone.half_similarity_km == row["half_similarity_km"]
    assert alone.centred_l90_interval == (row["centred_l90_low"], row["centred_l90_high"])
    text = repr(alone)
    assert "satclip-vit16-l40" in text and "centred" in text and "km (" in text


def test_degrees_can_be_limited(similarity):
    rows = similarity[similarity["encoder"] == "satclip-vit16-l40"]
    assert resolution_from_kernel(rows, l_max=20).l90 < 20
    with pytest.raises(UserError, match=r"l_max must lie between 1 and 128, .*; got 500"):
        resolution_from_kernel(rows, l_max=500)


def test_rows_of_several_encoders_are_refused(similarity):
    with pytest.raises(UserError, match=r"rows of one encoder are wanted; got \['satclip"):
        resolution_from_kernel(similarity)


def test_table_without_quadrature_rows(similarity):
    distances = similarity[similarity["grid"] == "distances"]
    with pytest.raises(UserError, match="no rows with grid=quadrature"):
        resolution_from_kernel(distances)
    assert kernel_resolutions(distances).empty


def test_kernel_that_never_falls_to_one_half_has_no_half_distance(similarity):
    rows = similarity[similarity["encoder"] == "xyz"].copy()
    rows["similarity_mean"] = 0.8 + 0.2 * rows["similarity_mean"]
    found = resolution_from_kernel(rows)
    assert np.isinf(found.half_similarity_km) and "never" in repr(found)


def test_kernel_finer_than_the_nearest_sample_is_open_on_that_side(similarity):
    rows = similarity[similarity["encoder"] == "xyz"].copy()
    rows.loc[rows["distance_km"] > 0, "similarity_mean"] = 0.0
    found = resolution_from_kernel(rows)
    assert found.half_similarity_km == found.finest_km
    assert found.half_similarity_km_interval[0] == 0.0
    assert found.l90 == found.l_max and np.isinf(found.l90_interval[1]) and found.spectral_km_interval[0] == 0.0


def test_one_great_circle_has_no_interval(similarity):
    rows = similarity[(similarity["encoder"] == "xyz") & (similarity["place"] == 0)]
    found = resolution_from_kernel(rows)
    assert np.isfinite(found.l90) and np.isnan(found.l90_interval).all()


def test_powers_add_up_and_carry_intervals(similarity):
    table = kernel_spectrum(similarity)
    for _, spectrum in table.groupby("encoder"):
        assert (spectrum["power"] * spectrum["n_degrees"]).sum() == pytest.approx(1.0, abs=0.01)
        assert (spectrum["low"] <= spectrum["high"]).all()
        assert spectrum["l"].iloc[0] == 0
    at_39 = table[(table["encoder"] == "satclip-vit16-l40") & (table["l"] == 39)].iloc[0]
    assert at_39["power"] == pytest.approx(79 / 1600, rel=0.1)


def test_curve_has_quantiles_over_places(similarity):
    curve = similarity_curve(similarity)
    at = curve[(curve["encoder"] == "satclip-vit16-l40") & (curve["distance_km"] == 500)].iloc[0]
    assert at["low"] < at["mean"] < at["high"] and at["q10"] < at["q50"] < at["q90"]
    assert at["q90"] - at["q10"] > at["high"] - at["low"]  # places differ by more than their mean is uncertain
    one_place = similarity_curve(similarity[similarity["place"] == 0])
    assert one_place["low"].isna().all() and one_place["mean"].notna().all()
    assert similarity_curve(similarity.iloc[:0]).empty


def test_replicates_of_a_place_are_units_of_their_own(similarity):
    rows = similarity[similarity["encoder"] == "xyz"]
    twice = pd.concat([rows, rows.assign(replicate=1)])
    assert resolution_from_kernel(twice).n_places == 48
