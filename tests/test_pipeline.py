"""A whole run: what its folder holds, that it repeats, and that bad input leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study import run_study, write_config

from satgpu.answers import read_results
from satgpu.cli import main, run_command
from satgpu.run.rows import ProbeRow, columns

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, config):
    return run_study(config, tmp_path_factory.mktemp("runs") / "first", report=True)


def test_a_run_leaves_every_file_it_promises(finished):
    names = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    assert names >= {
        "config.yaml", "environment.json", "results.csv", "similarity.csv", "training_curves.csv", "predictions.csv",
        "deep_dive_results.json", "summary.md", "report.html",
        "figures/sweet_spot_fine.png", "figures/region_size_effect.png",
        "figures/embedding_similarity.png", "figures/boundary_sharpness.png",
    }  # fmt: skip
    assert list((finished / "tensorboard").rglob("events.out.tfevents.*"))


def test_the_table_has_a_row_for_every_probe_of_the_plan(finished):
    rows = read_results(finished)
    # 2 replicates × (2 + 1 shuffled + 2 spans × 2 series + 2 widths) fields × (2 encoders, xyz, nearest neighbour)
    assert len(rows) == 2 * (2 + 1 + 4 + 2) * 4
    assert list(pd.read_csv(finished / "results.csv", nrows=0).columns) == list(columns(ProbeRow))
    assert set(rows["role"]) == {"compared", "control"}
    assert set(rows["encoder"]) == {"sh-l4", "sh-l8", "xyz", "coordinates"}
    assert rows["task_id"].is_unique and rows["task_id"].is_monotonic_increasing
    scored = rows[rows["failure"] == ""]
    assert scored["test_accuracy"].between(0, 1).all() and len(scored) > 60
    assert (rows.loc[rows["pattern"] == "boundary", "ceiling"] <= 1).all()


def test_one_probe_can_be_run_again_alone_from_its_row(finished):
    import torch

    from satgpu import load_encoder, make_labels
    from satgpu.geometry import random_rotation, uniform_in_box
    from satgpu.geometry.notebook import train_test_rows
    from satgpu.probes import ProbeGroup, ProbeOptions, train_probes

    row = (
        read_results(finished).query("experiment == 'sweet_spot' and encoder == 'sh-l8' and labels == 'field'").iloc[-1]
    )
    seeds = {name: int(row[name]) for name in ("points_seed", "label_seed", "split_seed", "probe_seed")}
    points = uniform_in_box(400, (-180, 180), (-60, 60), torch.Generator().manual_seed(seeds["points_seed"]))
    rotation = random_rotation(torch.Generator().manual_seed(seeds["label_seed"] ^ 1))
    labels = make_labels("checkerboard", points, row["scale_km"], rotation=rotation)
    train_rows, test_rows = train_test_rows(400, seed=seeds["split_seed"])
    group = ProbeGroup(
        X=load_encoder("sh-l8")(points).float(), Y=labels[None], train_rows=train_rows, test_rows=test_rows,
        split_seed=seeds["split_seed"], probe_seeds=torch.tensor([seeds["probe_seed"]]),
        task="classification", keys=[0],
    )  # fmt: skip
    results = []
    train_probes(
        [group], ProbeOptions(hidden_layer_sizes=(8,), max_iter=12, n_iter_no_change=3), on_result=results.append
    )
    assert results[0].test_score == row["test_accuracy"]
    assert results[0].n_iter == row["epochs"]


def test_the_same_command_gives_the_same_bytes(finished, config, tmp_path):
    again = run_study(config, tmp_path / "again")
    for name in ("results.csv", "similarity.csv", "predictions.csv", "training_curves.csv"):
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name


def test_summarize_rebuilds_the_report_from_the_tables(finished, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (
        "config.yaml",
        "environment.json",
        "results.csv",
        "similarity.csv",
        "training_curves.csv",
        "predictions.csv",
    ):
        shutil.copy(finished / name, copy / name)
    assert main(["summarize", str(copy)]) == 0
    assert (copy / "summary.md").read_text() == (finished / "summary.md").read_text()
    assert (copy / "figures/sweet_spot_fine.png").stat().st_size > 10_000


def test_environment_tells_where_the_encoders_come_from(finished):
    facts = json.loads((finished / "environment.json").read_text())
    assert [e["role"] for e in facts["encoders"]] == ["compared", "compared", "control"]
    assert facts["finished"] and facts["probes"] == 72 and facts["device"]["type"] == "cpu"
    assert "torch" in facts["versions"]


def test_resuming_a_finished_run_changes_nothing(finished, config):
    before = (finished / "results.csv").read_bytes()
    run_study(config, finished, resume=True)
    assert (finished / "results.csv").read_bytes() == before


def test_resuming_with_other_options_is_refused_naming_them(finished, config, capsys):
    before = (finished / "results.csv").read_bytes()
    words = ["--config", str(config), "--device", "cpu", "--offline", "--out", str(finished), "--resume", "--seed", "5"]
    assert run_command(words) == 2
    assert "seed: 42 -> 5" in capsys.readouterr().err
    assert (finished / "results.csv").read_bytes() == before


BAD = [
    (["--device", "cuda"], "sees no GPU; use --device cpu"),
    (["--device", "gpu"], "unknown device 'gpu'"),
    (["--encoders", "satclip-vit16-l10"], "satclip-vit16-l10"),
    (["--encoders", "no-such-encoder"], "no-such-encoder"),
    (["--encoders", "nowhere/model.ckpt"], "nowhere/model.ckpt"),
    (["--experiments", "sweet"], "unknown experiment 'sweet'"),
    (["--replicates", "0"], "replicates is 0"),
    (["--sweet_spot.scales_km", "[-1]"], "holds -1"),
    (["--flag"], "unknown option '--flag'"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_ends_with_status_2_one_line_and_nothing_written(tmp_path, capsys, monkeypatch, words, message):
    if "cuda" in words:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    out = tmp_path / "out"
    status = run_command(["--offline", "--out", str(out), *words])
    error = capsys.readouterr().err.strip()
    assert status == 2 and message in error and "\n" not in error
    assert not out.exists()


def test_an_occupied_folder_is_refused_and_kept(tmp_path, config, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run_command(["--config", str(config), "--offline", "--device", "cpu", "--out", str(tmp_path)]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["thesis.txt"]


def test_unknown_commands_and_no_command(capsys):
    assert main([]) == 2
    assert main(["sumarize"]) == 2
    assert "did you mean 'summarize'" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "extract-location" in capsys.readouterr().out


def test_rows_say_why_there_is_no_score(tmp_path):
    config = write_config(
        tmp_path,
        experiments=["sweet_spot", "region_size"],
        sweet_spot={"scales_km": [20000.0], "n_points": 60, "map_scales_km": []},
        region_size={"spans_deg": [0.5], "n_points": 6, "points_per_cell": 0.5},
    )
    rows = read_results(run_study(config, tmp_path / "out"))
    empty = rows[rows["sampling"] == "fixed_density"]
    assert (empty["failure"] != "").all() and empty["test_accuracy"].isna().all()
    assert set(empty["stop_reason"]) == {"not_trained"}
    assert not np.isinf(rows.select_dtypes("number").to_numpy()).any()


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, config, capsys):
    words = ["--config", str(config), "--offline", "--device", "cpu", "--out", str(tmp_path / "out"), "--dry-run"]
    assert run_command(words) == 0
    said = capsys.readouterr().out
    assert "sweet_spot" in said and "GFLOP/s" in said and "on 4 such devices" in said
    assert not (tmp_path / "out").exists()


def test_the_script_starts_as_the_readme_says(tmp_path):
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/run_all.py"), "--out", str(tmp_path), "--seed", "x"],
        capture_output=True, text=True, timeout=120, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("satgpu: error:") and "Traceback" not in done.stderr


def test_a_table_that_lacks_the_points_is_refused_before_anything_is_written(tmp_path, config, capsys):
    (tmp_path / "mine.csv").write_text("lon,lat,a,b\n0,0,1,2\n10,10,3,4\n")
    words = ["--config", str(config), "--offline", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert run_command([*words, "--encoders", "xyz", str(tmp_path / "mine.csv")]) == 2
    assert "mine: 400 of 400 points have no embedding" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_encoder_of_nan_costs_its_own_rows_only(tmp_path, monkeypatch):
    import torch

    from satgpu import as_encoder
    from satgpu.study import pipeline

    def nan_in_the_south(lonlat):
        return torch.where(lonlat[:, 1:] < -30, torch.nan, 1.0) * lonlat

    real = pipeline.load_encoder
    broken = as_encoder(nan_in_the_south, "broken")
    monkeypatch.setattr(
        pipeline, "load_encoder", lambda spec, **more: broken if spec == "broken" else real(spec, **more)
    )
    config = write_config(tmp_path, encoders=["xyz", "broken"], experiments=["sweet_spot", "similarity"])
    rows = read_results(run_study(config, tmp_path / "out"))
    failed = rows[rows["encoder"] == "broken"]
    assert set(failed["failure"]) == {"non-finite inputs"} and failed["test_accuracy"].isna().all()
    assert (rows.loc[rows["encoder"] == "xyz", "failure"] == "").all()


def test_two_encoders_of_one_name_are_refused(tmp_path, config, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.csv").write_text("lon,lat,e0,e1\n0,0,1,2\n10,10,3,4\n")
    words = ["--config", str(config), "--offline", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert run_command([*words, "--encoders", str(tmp_path / "a/mine.csv"), str(tmp_path / "b/mine.csv")]) == 2
    assert "two of the encoders are called 'mine'; rename one of the files" in capsys.readouterr().err
