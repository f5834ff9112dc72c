"""Encoders of known resolution get it back, by kernel and by probes; scripts/planted_truth.py is the large check."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from satgpu.geometry import (
    EARTH_RADIUS_KM,
    destination_deg,
    great_circle_km,
    lonlat_deg_from_unit,
    uniform_on_sphere,
)
from satgpu.readouts.circles import CircleDesign
from satgpu.validation.planted import CellCodes, CoordinatesAndNoise, HarmonicMix, JitteredCoordinates
from satgpu.validation.studies import (
    cells_case,
    designed_kernel,
    drawn_kernel,
    harmonic_analysis,
    harmonics_case,
    jitter_case,
    kernel_studies,
    probe_studies,
    summarise_studies,
)

SMALL = CircleDesign(circles=16, points=128, near_pairs=32)


def places(n, seed=0):
    return uniform_on_sphere(n, torch.Generator().manual_seed(seed))


def pairs_at(km, n=4000, seed=0):
    """n uniform places and, from each, one place ``km`` on at a uniform bearing."""
    generator = torch.Generator().manual_seed(seed)
    here = uniform_on_sphere(n, generator)
    return here, destination_deg(here, 2 * torch.pi * torch.rand(n, generator=generator, dtype=torch.float64), km)


@pytest.mark.parametrize(
    ("encoder", "km"),
    [
        (HarmonicMix.flat(10, dim=512), 1000.0),
        (CellCodes(1000, dim=512), 400.0),
        (CellCodes(1000, dim=512), 1100.0),
        (CoordinatesAndNoise(1000, waves=512), 1200.0),
    ],
    ids=["harmonics", "cells", "beyond a cell", "noise"],
)
def test_planted_kernel_is_the_mean_cosine(encoder, km):
    here, there = pairs_at(km, 8000)
    measured = torch.cosine_similarity(encoder(here), encoder(there), dim=1).mean().item()
    assert measured == pytest.approx(float(encoder.kernel(np.array([km]))[0]), abs=0.03)


def test_waves_as_drawn_have_their_own_kernel():
    encoder = CoordinatesAndNoise(1000, waves=8, seed=1)
    here, there = pairs_at(1500.0, 60000)
    measured = torch.cosine_similarity(encoder(here), encoder(there), dim=1).mean().item()
    assert measured == pytest.approx(float(encoder.kernel_as_drawn(np.array([1500.0]))[0]), abs=0.005)


def test_closed_form_power_adds_up():
    assert CoordinatesAndNoise(500).power.sum() == pytest.approx(1.0)
    assert HarmonicMix.flat(20).power.sum() == pytest.approx(1.0)


def test_harmonic_analysis_finds_the_power_that_was_put_in():
    encoder = HarmonicMix([0.2, 0.0, 0.5, 0.0, 0.0, 0.3], dim=1024)
    assert harmonic_analysis(encoder, 12)[:6] == pytest.approx(encoder.power, abs=0.03)
    assert harmonic_analysis(encoder, 12).sum() == pytest.approx(1.0, abs=1e-3)


def test_cells_tile_the_sphere_at_their_size():
    encoder = CellCodes(500)
    cell = encoder.cell_of(places(200_000))
    counts = torch.bincount(cell)
    area_km2 = 4 * np.pi * EARTH_RADIUS_KM**2 / len(counts)
    assert np.sqrt(area_km2) == pytest.approx(500, rel=0.02)
    assert (counts.double() / counts.double().mean()).quantile(0.9) < 1.35


def test_jitter_moves_places_by_its_length_and_the_same_way_each_time():
    encoder = JitteredCoordinates(100, 2000)
    points = places(500)
    assert torch.equal(encoder(points), encoder(points))
    # at a wavelength of 40000 km the phases give the displacement back
    near = JitteredCoordinates(100, 2 * np.pi * EARTH_RADIUS_KM, waves=64)
    waves = near._waves
    phase = torch.atan2(near(points)[:, 64:], near(points)[:, :64])
    moved = torch.linalg.lstsq(waves, phase.T).solution.T
    offset = great_circle_km(points, lonlat_deg_from_unit(moved))
    assert offset.mean().item() == pytest.approx(100 * np.sqrt(np.pi / 2), rel=0.1)


@pytest.mark.parametrize(
    ("make", "trials"),
    [
        (lambda seed: HarmonicMix.flat(10, seed=seed), 5),
        (lambda seed: CellCodes(2500, seed=seed), 5),
        (lambda seed: CoordinatesAndNoise(2000, seed=seed), 5),
    ],
    ids=["harmonics", "cells", "noise"],
)
def test_kernel_gives_back_the_planted_resolution(make, trials):
    studies = kernel_studies(make, trials, SMALL)
    table = summarise_studies(studies).set_index("measure")
    assert (studies["estimate"] / studies["designed"] - 1).abs().median() < 0.08
    assert table["ratio"].between(0.85, 1.15).all()
    assert (table["within_15_percent"] >= 0.6).all()
    assert studies["drawn"].between(studies["low"], studies["high"]).mean() >= 0.8  # of 10 answers, 95 % claimed


def test_drawn_and_designed_truth_are_near():
    for encoder in (HarmonicMix.flat(8), CoordinatesAndNoise(2000), CellCodes(2000)):
        designed, drawn = designed_kernel(encoder), drawn_kernel(encoder)
        for measure, value in designed.items():
            assert drawn[measure] == pytest.approx(value, rel=0.1)


@pytest.mark.parametrize("make_case", [cells_case, jitter_case, harmonics_case])
def test_probes_give_back_the_planted_resolution(make_case):
    case = make_case()
    smaller = replace(case, fields=2, n_points=min(case.n_points, 4000), scales=case.scales[1:5])
    study = probe_studies(smaller, trials=1, replicates=3).iloc[0]
    assert study["estimate"] == pytest.approx(case.truth_km, rel=0.15)
    assert study["low"] < study["estimate"] < study["high"] < 1.4 * case.truth_km


def test_best_readers_are_where_they_should_be():
    assert cells_case(400).truth_km == pytest.approx(400, rel=0.05)  # stripes as wide as the cells
    # the first harmonic alone: (4/π)(2/π) exp(-(πσ/s)²/2) = 1/2
    first_harmonic = np.pi * 125 / np.sqrt(-2 * np.log(0.5 * np.pi**2 / 8))
    assert jitter_case(125, cells_per_cap=400).truth_km == pytest.approx(first_harmonic, rel=0.05)
    assert 0.8 < harmonics_case(10).truth_km / (np.pi * EARTH_RADIUS_KM / 10) < 1.05


def test_summary_counts_what_is_covered():
    studies = pd.DataFrame(
        [
            ["kernel", "a", "l90", 0, 10.0, 11.0, 10.5, 10.2, 11.5],
            ["kernel", "a", "l90", 1, 10.0, 11.0, 12.5, 11.5, 13.0],
        ],
        columns=["method", "encoder", "measure", "trial", "designed", "drawn", "estimate", "low", "high"],
    )
    row = summarise_studies(studies).iloc[0]
    assert (row["trials"], row["covers_designed"], row["covers_drawn"], row["within_15_percent"]) == (2, 0.0, 0.5, 0.5)
