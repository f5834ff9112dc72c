"""The budget in words and pictures, from planted tables: what the second encoder bought, and what it cost."""

import numpy as np
import pandas as pd
import pytest

from satgpu.answers import map as map_answers
from satgpu.answers import transfer
from satgpu.answers.transfer_curves import curve, labels_needed, numbers
from satgpu.readouts.degrees import half_wavelength_km
from satgpu.readouts.edges import SHARE_COLUMNS
from satgpu.report.figures import draw_figures
from satgpu.report.words import sentence, text
from satgpu.run.read import Run
from satgpu.run.rows import MapRow, ProbeRow, TransferRow, columns

HEAD = {"protocol": "geodesic", "trained": False, "noise": 0.1, "rank": 100, "dim": 100}
ROLES = {"untrained-l10": "compared", "untrained-l40": "compared", "coordinates": "control"}


def _shares(encoder, degree, n):
    """The first reads degrees up to 9 fully, the second up to 30 by a sixth, from 1000 labels on."""
    if encoder == "coordinates":
        return (degree < 5).astype(float)
    full = (degree < 10) * 1.0 if encoder == "untrained-l10" else (degree <= 30) / 6
    return full if n >= 1000 else 0.2 * full


@pytest.fixture(scope="module")
def run():
    rows, degree = [], np.arange(1, 41)
    for encoder, role in ROLES.items():
        reader = "coordinates" if encoder == "coordinates" else "linear"
        for n in (500, 1000, 4000):
            for replicate in range(3):
                for d, share in zip(degree, _shares(encoder, degree, n), strict=True):
                    facts = {"encoder": encoder, "role": role, "reader": reader, "n_labels": n, "replicate": replicate}
                    rows.append(TransferRow(**HEAD, **facts, degree=int(d), scale_km=float(half_wavelength_km(d)),
                                            share=share + 0.001 * replicate, ceiling=share, bound=1.0))  # fmt: skip
    maps = [
        row for encoder, edge in (("untrained-l10", 400.0), ("untrained-l40", 160.0)) for row in _map(encoder, edge)
    ]
    probes = pd.DataFrame({name: [] for name in columns(ProbeRow)})
    names = [
        {"name": n, "role": r, "trained": False, "legendre_polys": int(n[-2:])} for n, r in list(ROLES.items())[:2]
    ]
    environment = {"protocol": "geodesic", "encoders": names}
    table = pd.DataFrame([vars(r) for r in rows], columns=list(columns(TransferRow)))
    maps = pd.DataFrame([vars(r) for r in maps], columns=list(columns(MapRow)))
    return Run(results=probes, transfer=table, map=maps, environment=environment, name="planted")


def _map(encoder, edge_km):
    """Shares that cross one half at the edge, at nine places."""
    for place in range(9):
        for km in (50.0, 100.0, 200.0, 400.0, 800.0):
            share = float(np.clip(0.5 + np.log2(km / (edge_km * (1 + 0.01 * place))), 0, 1))
            directions = dict.fromkeys(SHARE_COLUMNS, share)
            head = {"protocol": "geodesic", "trained": False, "encoder": encoder, "role": "compared"}
            yield MapRow(**head, place=place, lon=40.0 * place - 160, lat=8.0 * place - 32, draw=0, cells=36.0,
                         tolerance=0.01, scale_km=km, share=share, **directions)  # fmt: skip


def test_first_sentences_say_what_was_bought_and_what_it_cost(run):
    told = {answer.id: answer for answer in transfer.answer(run)}
    bought, cost = told["transfer.bought"], told["transfer.cost"]
    assert bought.headline and bought.verdict == cost.verdict == "supported"
    assert bought.values["coarse"].value < 2000 and bought.values["b"].value == pytest.approx(1 / 6, abs=0.02)
    assert cost.values["fine"].value == pytest.approx(1900, rel=0.2) and cost.values["a"].value > 0.8
    assert "100 numbers" in sentence(told["transfer.budget"])


def test_capacity_is_the_sum_over_harmonics(run):
    found = numbers(curve(run, "untrained-l10"))
    assert found["held"].value == 99 and found["cutoff"].value == pytest.approx(half_wavelength_km(9.5), rel=0.02)


def test_labels_for_a_scale_are_censored_where_the_ladder_ends(run):
    needed = labels_needed(run).set_index(["encoder", "scale_km"])
    assert needed.loc[("untrained-l40", 2000.0), "censored"] == "at least"
    assert 500 < needed.loc[("untrained-l10", 2000.0), "labels"] <= 4000


def test_headline_table_has_a_row_an_encoder_and_one_for_no_encoder(run):
    header, rows = transfer.in_words(run, text)
    assert [row[0] for row in rows] == ["untrained L=10", "untrained L=40", "no encoder: coordinates alone"]
    assert all(len(row) == len(header) for row in rows)


def test_ratio_of_edges_is_paired_by_place(run):
    found, places = map_answers.ratio(run)
    assert places == 9 and found.value == pytest.approx(2.5, rel=0.1) and found.low > 2.2


def test_figures_are_drawn_wide_and_narrow(run, monkeypatch):
    monkeypatch.setattr("satgpu.readouts.world.coastlines", list)
    answers = [*transfer.answer(run), *map_answers.answer(run)]
    for narrow in (False, True):
        pictures = draw_figures(run, answers, narrow)
        assert {"transfer", "map"} <= set(pictures)
        assert pictures["transfer"].png[:4] == b"\x89PNG"


def test_a_run_without_rows_says_nothing():
    assert transfer.answer(Run(results=pd.DataFrame({name: [] for name in columns(ProbeRow)}))) == []
