"""Cut at any moment, a run loses nothing that was finished, and its continuation changes no number."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study import run_study, write_config

from satgpu.run.durable import read_lines
from satgpu.run.rows import ProbeRow, columns

ROOT = Path(__file__).parent.parent
KILLS = 20
TABLES = ("results.csv", "predictions.csv", "training_curves.csv", "similarity.csv")


def _forkserver():
    """Processes that start with everything imported: real ones, killed for real, without seconds of start each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["satgpu.study.pipeline", "satgpu.cli", "study"])
    return context


def _run_in_process(config, out, resume):
    from satgpu.cli import run_command

    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the life of this process
    words = ["--config", str(config), "--device", "cpu", "--offline", "--no-report", "--out", str(out)]
    os._exit(run_command(words + ["--resume"] * resume))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    scales = [float(km) for km in range(1000, 3000, 200)]
    sweet_spot = {"scales_km": scales, "n_points": 1500, "map_scales_km": [1000.0, 2000.0]}
    experiments = ["sweet_spot", "similarity", "boundaries"]
    folder = tmp_path_factory.mktemp("config")
    probes = {"hidden_layer_sizes": [16], "max_iter": 40}
    return write_config(folder, sweet_spot=sweet_spot, experiments=experiments, probes=probes, replicates=3)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, config):
    return run_study(config, tmp_path_factory.mktemp("whole") / "run")


def _assert_equal_tables(one, two):
    for name in TABLES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_a_run_killed_twenty_times_ends_with_the_same_bytes(tmp_path, config, uninterrupted):
    context, moments = _forkserver(), random.Random(0)
    kills, folders, finished_before = 0, 0, 0
    out = tmp_path / "0"
    while kills < KILLS:
        process = context.Process(target=_run_in_process, args=(config, out, (out / "config.yaml").exists()))
        process.start()
        # early kills hit the folder's making, later ones the training
        process.join(timeout=moments.uniform(0.02, 0.5))
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            rows = read_lines(out / "results.csv", columns(ProbeRow))
            assert len(rows) >= finished_before, "a kill lost finished rows"
            finished_before = len(rows)
        else:  # it came to its end between kills: a new folder for the rest of them
            assert process.exitcode == 0
            _assert_equal_tables(uninterrupted, out)
            folders, finished_before = folders + 1, 0
            out = tmp_path / str(folders)
    run_study(config, out, resume=(out / "config.yaml").exists())
    _assert_equal_tables(uninterrupted, out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_within_five_seconds_with_the_resume_command(tmp_path, config, uninterrupted, number):
    out = tmp_path / "run"
    words = [sys.executable, str(ROOT / "scripts/run_all.py"), "--config", str(config), "--device", "cpu", "--offline"]
    process = subprocess.Popen(
        [*words, "--out", str(out), "--replicates", "400"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    results = out / "results.csv"
    deadline = time.monotonic() + 90
    while not (results.exists() and results.stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    asked = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert time.monotonic() - asked < 5
    assert process.returncode == 128 + number
    assert "Continue with" in error and "--resume" in error and f"--out {out}" in error and "Traceback" not in error
    assert len(read_lines(results, columns(ProbeRow))) > 5
    assert results.read_bytes().endswith(b"\n")


def test_two_runs_on_one_folder_the_second_is_refused(tmp_path, config):
    context, out = _forkserver(), tmp_path / "run"
    first = context.Process(target=_run_in_process, args=(config, out, False))
    first.start()
    while not (out / "config.yaml").exists() and first.is_alive():
        time.sleep(0.01)
    second = context.Process(target=_run_in_process, args=(config, out, True))
    second.start()
    second.join(60)
    was_running = first.is_alive()
    first.kill()
    first.join()
    assert was_running and second.exitcode == 2
