"""The transfer function and the map as parts of a study: rows as the functions give them, resumed to the byte."""

import numpy as np
import pandas as pd
import pytest
import torch
from study import run_study, write_config

import satgpu
from satgpu.errors import UserError
from satgpu.experiments.map import Map
from satgpu.experiments.transfer import Transfer
from satgpu.readouts.edges import edges

SMALL = {
    "encoders": ["sh-l4", "untrained-l4-w16"],
    "experiments": ["transfer", "map"],
    "transfer": {
        "n_labels": [80, 300],
        "n_test": 100,
        "l_max": 6,
        "mlp_degrees": [1, 5],
        "mlp_labels": 200,
        "coordinates_labels": [80],
        "twin_seeds": 2,
    },
    "map": {"places": 8, "n_labels": 60, "scales_km": [200.0, 800.0]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    return run_study(write_config(folder, **SMALL), folder / "run")


def test_rows_are_those_of_the_function_with_the_same_seed(run):
    table = pd.read_csv(run / "transfer.csv", keep_default_na=False, na_values=[""])
    rows = table[(table["encoder"] == "sh-l4") & (table["reader"] == "linear") & (table["n_labels"] == 300)]
    single = rows[rows["prior"] == "degree"].pivot(index="replicate", columns="degree", values="share")
    encoder = satgpu.load_encoder("sh-l4", device="cpu")
    curve = satgpu.transfer_function(encoder, 300, l_max=6, replicates=2, seed=42, n_test=100)
    np.testing.assert_allclose(single.to_numpy(), curve.share_RL, atol=2e-5)
    assert set(rows["prior"]) == {"degree", "power-law", "flat"}


def test_every_reader_has_its_rows(run):
    table = pd.read_csv(run / "transfer.csv", keep_default_na=False, na_values=[""])
    assert set(table["reader"]) == {"linear", "mlp", "coordinates"}
    places = table[table["reader"] == "coordinates"]
    assert set(places["encoder"]) == {"coordinates"} and places["bound"].notna().all()
    assert set(table.loc[table["reader"] == "mlp", "degree"]) == {1, 5}
    assert set(table.loc[table["weights_seed"] == 1, "encoder"]) == {"untrained-l4-w16"}


def test_map_rows_give_edges(run):
    table = pd.read_csv(run / "map.csv")
    assert set(table["encoder"]) == {"sh-l4", "untrained-l4-w16", "xyz"}
    assert len(edges(table[table["encoder"] == "sh-l4"])) == 8


def test_resumed_run_has_the_same_bytes(run, tmp_path):
    before = {name: (run / f"{name}.csv").read_bytes() for name in ("transfer", "map", "readouts")}
    done = run / "readouts.csv"
    lines = done.read_text().splitlines(keepends=True)
    done.write_text("".join(lines[: len(lines) // 2]))  # half of the read-outs count as not done
    run_study(write_config(tmp_path, **SMALL), run, resume=True)
    assert before == {name: (run / f"{name}.csv").read_bytes() for name in before}


def test_read_outs_side_by_side_write_the_bytes_of_one_after_the_other(run, tmp_path):
    before = torch.get_num_threads()
    wide = 1 if before > 1 else 2  # whichever the other run was not
    torch.set_num_threads(wide)
    try:
        other = run_study(write_config(tmp_path, **SMALL), tmp_path / "run")
        assert torch.get_num_threads() == wide
    finally:
        torch.set_num_threads(before)
    for name in ("transfer", "map"):
        assert (other / f"{name}.csv").read_bytes() == (run / f"{name}.csv").read_bytes()


@pytest.mark.parametrize(
    ("part", "options", "words"),
    [
        (Transfer, {"n_labels": (500, 100)}, "ascending"),
        (Transfer, {"n_labels": (20, 100)}, "50 or more"),
        (Transfer, {"noise": -0.1}, "0 or more"),
        (Transfer, {"n_labels": (60, 100)}, "at most n_labels"),
        (Map, {"places": 4}, "8 places or more"),
        (Map, {"cells": 0.0}, "must be positive"),
    ],
)
def test_bad_options_are_told(part, options, words):
    with pytest.raises(UserError, match=words):
        part(**options)
