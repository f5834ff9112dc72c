"""Several processes on one study: the merged table is a single process's, whoever dies on the way."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study import run_study, write_config

ROOT = Path(__file__).parent.parent
SCRIPT = str(ROOT / "scripts/run_all.py")
TABLES = ("results.csv", "predictions.csv", "training_curves.csv", "similarity.csv")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Two looks, so that what is done after the first depends on the rows of all processes."""
    looks = {"replicates": "auto", "looks": [[2, 0.02], [3, 0.03]]}
    return write_config(tmp_path_factory.mktemp("config"), **looks)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, config):
    return run_study(config, tmp_path_factory.mktemp("alone") / "run")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _words(config, out, *more):
    return ["--config", str(config), "--device", "cpu", "--offline", "--no-report", "--out", str(out), *more]


def _torchrun(config, out, processes, *launch):
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *launch,
        f"--nproc_per_node={processes}",
        SCRIPT,
        *_words(config, out),
    ]


def _finish(*commands):
    started = [
        subprocess.Popen(c, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for c in commands
    ]
    for process in started:
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said


def _assert_equal_tables(one, two):
    for name in TABLES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert not (two / "shards").exists()


def test_two_processes_through_torchrun_write_the_table_of_one(tmp_path, config, alone):
    _finish(_torchrun(config, tmp_path / "run", 2, f"--master_port={_free_port()}"))
    _assert_equal_tables(alone, tmp_path / "run")


def test_four_processes_through_the_devices_option_write_the_table_of_one(tmp_path, config, alone):
    _finish([sys.executable, SCRIPT, *_words(config, tmp_path / "run", "--devices", "4")])
    _assert_equal_tables(alone, tmp_path / "run")


def test_two_nodes_on_loopback_write_the_table_of_one(tmp_path, config, alone):
    port = _free_port()
    nodes = ["--nnodes=2", "--master_addr=127.0.0.1", f"--master_port={port}"]
    _finish(*(_torchrun(config, tmp_path / "run", 1, *nodes, f"--node_rank={rank}") for rank in range(2)))
    _assert_equal_tables(alone, tmp_path / "run")


def test_a_dead_rank_is_told_and_its_shard_can_be_finished_by_one_process(tmp_path, config, alone):
    out = tmp_path / "run"
    shared = ENVIRONMENT | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": str(_free_port()), "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}
    ranks = [
        subprocess.Popen(
            [sys.executable, SCRIPT, *_words(config, out)],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    shard = out / "shards/rank-0001/results.csv"
    deadline = time.monotonic() + 90
    while not (shard.exists() and shard.stat().st_size > 1500) and time.monotonic() < deadline:
        time.sleep(0.01)
    ranks[1].kill()
    _, error = ranks[0].communicate(timeout=60)
    ranks[1].communicate()
    assert ranks[0].returncode == 2 and "another process of this run" in error and "--resume" in error
    assert shard.exists()
    run_study(config, out, resume=True)
    _assert_equal_tables(alone, out)
