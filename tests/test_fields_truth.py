"""Small versions of what scripts/fields_truth.py measures: planted knowledge is found, none is made up."""

import pytest
import torch

import satgpu
from satgpu.fields import Field, Known, read_fields
from satgpu.validation import real_fields as truth

FEW = {"n_labels": 150, "turns": 19}


def held(rows):
    rows = list(rows)
    assert rows
    return {row.point: row for row in rows}


def test_nulls_are_rarely_rare_and_zonal_ones_only_among_all_turns():
    """Points 1 and 2."""
    for kind, encoder in (("isotropic", "sh-l6"), ("thresholded", "untrained-l5-w64-d64")):
        p = truth.null_p([encoder], kind, 16, **FEW)
        assert len(p) == 16
        assert (p[["p_polar", "p_all"]] <= 0.05).to_numpy().mean() <= 0.10
        assert 0.35 < p["p_polar"].mean() < 0.65
    p = truth.null_p(["untrained-l10-w64-d64"], "zonal", 16, **FEW)
    assert (p["p_polar"] <= 0.05).mean() <= 0.10
    assert (p["p_all_plain"] <= 0.05).mean() > 2 * (p["p_all"] <= 0.05).mean()


def test_masks_and_fields_on_land_are_nulls_too(monkeypatch):
    """Points 1 and 3."""
    north = lambda lonlat_deg: lonlat_deg[:, 1] + 30 * torch.sin(lonlat_deg[:, 0] / 20) > 10  # noqa: E731
    monkeypatch.setattr(truth, "is_land", north)
    p = truth.null_p(["untrained-l5-w64-d64"], "mask", 10, **FEW)
    assert (p["p_polar"] <= 0.05).mean() <= 0.2
    p = truth.null_p(["untrained-l5-w64-d64"], "isotropic", 10, on_land=True, n_labels=100, turns=19)
    assert (p[["p_polar", "p_all"]] <= 0.05).to_numpy().mean() <= 0.2


def test_what_is_planted_is_found_and_by_how_much():
    """Point 4: a dimension of its own gains what arithmetic says, and nothing is known without it."""
    nulls = truth.Nulls("isotropic", 1, 0)
    nulls.a[:64] = 0  # degrees 8 to 12 only: many numbers, so that its turns are read alike
    field, base = nulls.fields()[0], satgpu.load_encoder("untrained-l10-w64-d64")
    options = {"n_labels": 1000, "turns": 19, "draws": 2}
    without = read_fields([base], [field], **options)[0]
    planted = [truth.Planted(base, field, mixed) for mixed in (0.0, 0.02)]
    own, mixed = read_fields(planted, [field], **options)
    for found in (own, mixed):
        assert found.verdict is Known.KNOWS and found.p_polar == found.p_all == 0.05
    assert without.verdict is not Known.KNOWS
    assert own.skill - without.skill == pytest.approx(truth.gain_of_a_dimension(without.skill), abs=0.03)
    rows = held(truth._planted(base, field, without, options))
    assert all(row.holds for row in rows.values()) and len(rows) == 3
    assert truth.coarse_knowledge(**options).holds


def test_untrained_encoders_read_what_is_predicted_and_know_no_control(monkeypatch):
    """Points 5 and 6."""
    monkeypatch.setattr(truth, "as_field", lambda name: truth.Nulls("isotropic", 1, int(name)).fields()[0])
    rows = list(truth.prediction(["1", "2"], ["sh-l8", "untrained-l5"], n_labels=1500))
    assert len(rows) == 5 and all(row.holds for row in rows)
    monkeypatch.setattr(truth, "missing", lambda name: "not here")
    monkeypatch.setattr(truth, "is_land", lambda lonlat_deg: lonlat_deg[:, 1] > 10)
    assert all(row.holds for row in truth.negative_controls(["untrained-l10-w64-d64"], draws=1, **FEW))


def test_splits_are_read_and_ranked(monkeypatch):
    """Point 7."""
    pytest.importorskip("healpix")
    nulls = truth.Nulls("isotropic", 1, 0)
    nulls.a[49:] = 0
    field = nulls.fields()[0]
    knowing = truth.Planted(satgpu.load_encoder("sh-l3"), Field("f", "regression", (), field.call, True), 1.0)
    knowing.name = "knowing"
    found = list(truth.splits(["untrained-l10-w64-d64", knowing], field, n_labels=150, turns=1, draws=1))
    rows = held(truth.of_splits(found, "knowing"))
    assert len(rows) == 4 and rows["7 all splits"].holds
    assert rows["7 blocks-2000km-buffer-1000km"].holds


def test_what_does_not_change_under_turns_cannot_be_tested(monkeypatch):
    """Point 8."""
    monkeypatch.setattr(truth, "is_land", lambda lonlat_deg: lonlat_deg[:, 1] > 10)
    rows = list(truth.not_to_be_tested(draws=1, **FEW))
    assert len(rows) == 2 and all(row.holds for row in rows)
