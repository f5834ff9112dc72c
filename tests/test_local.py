"""The local transfer function and the resolution map; encoders of known local detail are in the gate (test_gate.py)."""

import math

import matplotlib
import numpy as np
import pytest
import torch

import satgpu
from satgpu.errors import UserError
from satgpu.readouts.caps import Cap, CapDesign, Embedding, cap_shares
from satgpu.readouts.edges import BEARINGS_DEG, SHARE_COLUMNS, anisotropy, bands_km, fine_edge_km
from satgpu.validation.gate_local import stretched_east_west

matplotlib.use("agg")
QUICK = {"n_labels": 300, "n_test": 150, "draws": 1, "other_cells": (), "noise_free": False}


def test_ratio_of_edges_hardly_depends_on_cells_and_tolerance():
    edges = [
        satgpu.local_transfer(
            satgpu.load_encoder(f"untrained-l{polys}", device="cpu"),
            [(10, 30)],
            (50.0, 100.0, 200.0, 400.0, 800.0),
            other_cells=(16.0,),
            n_labels=400,
            n_test=150,
            draws=1,
        ).edges()
        for polys in (10, 40)
    ]
    assert len(edges[0]) == 3
    ratio = edges[0]["fine_km"] / edges[1]["fine_km"]
    assert ratio.between(2.0, 2.6).all()


def test_shares_do_not_move_with_offset_scale_or_neighbours():
    def moved(lonlat_deg):
        plain = stretched_east_west(lonlat_deg)
        return (plain + 10) * torch.logspace(-3, 3, plain.shape[1], dtype=torch.float64)

    caps = [Cap((lon, 0.0), 400.0, 36.0, 0.01, seed) for seed, lon in enumerate((0.0, 10.0))]
    plain, design = Embedding(stretched_east_west), CapDesign(200, 100)
    together = cap_shares(plain, caps, design)
    torch.testing.assert_close(cap_shares(Embedding(moved), caps, design), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(cap_shares(plain, caps[1:], design), together[1:], atol=1e-9, rtol=0)


def test_bands_are_never_joined_across_a_gap_and_open_ends_say_so():
    scales = [25, 50, 100, 200, 400]
    assert bands_km(scales, [0.9, 0.9, 0.1, 0.1, 0.9]) == [
        (0.0, pytest.approx(70.7, abs=0.1)),
        (pytest.approx(282.8, abs=0.1), np.inf),
    ]
    assert bands_km(scales, [0.1] * 5) == [] and math.isnan(fine_edge_km(scales, [0.1] * 5))
    assert fine_edge_km(scales, [0.2, 0.2, 0.2, 0.8, 0.9]) == pytest.approx(100 * math.sqrt(2))


def test_anisotropy_of_an_ellipse_is_exact_at_any_bearing():
    angle = np.radians(BEARINGS_DEG - 30)
    ratio, bearing = anisotropy(100 * np.hypot(np.cos(angle), 3 * np.sin(angle)))
    assert (ratio, bearing) == (pytest.approx(3), pytest.approx(30))


def test_edges_lie_between_scales_a_sixth_of_an_octave_apart():
    shares = satgpu.local_transfer(stretched_east_west, [(0, 0)], **QUICK).shares
    scale, share = np.sort(shares["scale_km"]), shares.sort_values("scale_km")["share"].to_numpy()
    at = int(np.flatnonzero(np.diff(share >= 0.5))[0])
    assert np.log2(scale[at + 1] / scale[at]) <= 1 / 6


def test_map_has_a_tidy_table_intervals_and_a_picture(monkeypatch):
    monkeypatch.setattr("satgpu.readouts.world.coastlines", list)  # reading the land mask takes seconds
    quick = {"n_labels": 300, "n_test": 60, "scales_km": (100.0, 400.0, 800.0)}
    calls = []
    result = satgpu.resolution_map(stretched_east_west, 9, progress=lambda *caps: calls.append(caps), **quick)
    assert len(result.table) == 9 and calls[-1][0] == calls[-1][1] == len(result.local.shares)
    read = result.table[result.table["fine_km"] > 0]
    assert (read["low"] < read["fine_km"]).all() and (read["fine_km"] < read["high"]).all()
    assert read["relative"].median() == pytest.approx(1, abs=0.3)
    assert "places" in str(result)
    axes = result.plot()
    assert axes.get_title().startswith("stretched_east_west")
    matplotlib.pyplot.close(axes.figure)


def test_table_has_one_row_per_direction():
    result = satgpu.local_transfer(stretched_east_west, [(0, 0)], (200.0, 400.0), **QUICK)
    table = result.table()
    assert len(table) == len(result.shares) * len(SHARE_COLUMNS)
    assert table.groupby("scale_km")["share"].mean().to_numpy() == pytest.approx(
        result.shares.set_index("scale_km")["share"].to_numpy()
    )
    assert "36 cells" in str(result)
    axes = result.plot()
    np.testing.assert_allclose(axes.lines[1].get_xydata(), result.shares[["scale_km", "share"]])
    edge = result.edges()["fine_km"].iloc[0]
    dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    assert dots == ([[edge]] if edge > 0 else [])
    matplotlib.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scales_km": (100.0, 1600.0)}, "up to 800 km"),
        ({"scales_km": (100.0,)}, "two cell sizes"),
        ({"places": [(10.0, 95.0)]}, "longitude comes first"),
        ({"places": torch.empty(0, 2)}, "one or more"),
        ({"tolerance": -0.1}, "tolerance is -0.1"),
        ({"cells": 1.0}, "4 to 400 cells"),
        ({"n_labels": 20}, "50 labels or more"),
        ({"n_test": 2}, "20 test places"),
        ({"noise": -1.0}, "0 or more"),
        ({"draws": (1, 2)}, "one for each of the 1 places"),
        ({"encoder": lambda lonlat: torch.ones(len(lonlat), 3)}, "the same everywhere"),
        ({"encoder": lambda lonlat: torch.rand(len(lonlat), 3)}, "other numbers the second time"),
        ({"encoder": lambda lonlat: lonlat[1:]}, "places must give"),
        ({"encoder": lambda lonlat: lonlat.where(lonlat > 0, torch.nan)}, "NaN or infinit"),
    ],
)
def test_bad_input_is_told_in_one_line(change, words):
    wanted = {"encoder": stretched_east_west, "places": [(0.0, 0.0)]} | change
    with pytest.raises(UserError) as error:
        satgpu.local_transfer(**wanted)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_map_of_few_places_is_refused():
    with pytest.raises(UserError, match="8 places or more"):
        satgpu.resolution_map(stretched_east_west, 3)
