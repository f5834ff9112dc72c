"""The run on disk: one writer, shards that merge into one sorted table."""

import json
import multiprocessing

import pandas as pd
import pytest

from satgpu.errors import UserError
from satgpu.run.folder import RunFolder
from satgpu.run.rows import ProbeCurveRow, ProbeRow, columns


def test_a_folder_with_anything_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="already holds a run; continue it with --resume"):
        RunFolder.open_new(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_resuming_where_no_run_is_says_so(tmp_path):
    with pytest.raises(UserError, match="holds no run to continue"):
        RunFolder.open_existing(tmp_path)


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --out"):
        RunFolder.open_new(tmp_path / "file")


def _hold(path, ready, leave):
    folder = RunFolder.open_new(path)
    folder.write_config({"seed": 1})
    ready.set()
    leave.wait(30)


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "run", ready, leave))
    holder.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UserError, match="in use by another satgpu process"):
            RunFolder.open_existing(tmp_path / "run")
    finally:
        holder.kill()
        holder.join()
    RunFolder.open_existing(tmp_path / "run").close()


def _rows(*names):
    shared = {"experiment": "x", "protocol": "geodesic", "encoder": "e", "role": "compared", "trained": True}
    shared |= {"replicate": 0, "probe": "mlp", "pattern": "checkerboard", "task": "classification"}
    return [ProbeRow(task_id=name, test_accuracy=1 / 3, **shared) for name in names]


def test_shards_of_two_ranks_merge_into_what_one_process_writes(tmp_path):
    one = RunFolder.open_new(tmp_path / "one")
    one.append(_rows("c", "a", "d", "b"))
    one.merge()
    two = [RunFolder.open_new(tmp_path / "two", rank, 2) for rank in range(2)]
    two[0].append(_rows("d", "a"))
    two[1].append(_rows("b", "c", "c"))
    two[1].close()
    two[0].merge()
    assert (tmp_path / "one/results.csv").read_bytes() == (tmp_path / "two/results.csv").read_bytes()
    assert not (tmp_path / "two/shards").exists()
    assert two[0].finished_tasks() == {"a", "b", "c", "d"}


def test_numbers_survive_the_merge_to_the_last_digit(tmp_path):
    folder = RunFolder.open_new(tmp_path / "run")
    folder.append(_rows("a"))
    folder.merge()
    folder.merge()
    stored = pd.read_csv(tmp_path / "run/results.csv", dtype=str)
    assert float(stored["test_accuracy"][0]) == 1 / 3
    assert list(stored.columns) == list(columns(ProbeRow))


def test_rows_of_unfinished_probes_are_dropped_from_the_side_tables(tmp_path):
    folder = RunFolder.open_new(tmp_path / "run")
    curve = {"experiment": "x", "encoder": "e", "loss": 0.5, "validation": 0.5}
    folder.append([ProbeCurveRow(task_id="cut", epoch=1, **curve)])
    folder.append([ProbeCurveRow(task_id="a", epoch=epoch, **curve) for epoch in (1, 2)])
    folder.append(_rows("a"))
    folder.merge()
    curves = pd.read_csv(tmp_path / "run/probe_curves.csv")
    assert list(curves["task_id"]) == ["a", "a"] and list(curves["epoch"]) == [1, 2]
    folder.fold_curves()
    folded = pd.read_csv(tmp_path / "run/training_curves.csv")
    assert list(folded["n_probes"]) == [1, 1]


def test_environment_is_strict_json(tmp_path):
    folder = RunFolder.open_new(tmp_path / "run")
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_environment({"x": float("nan")})
    folder.write_environment({"x": 1})
    assert json.loads((tmp_path / "run/environment.json").read_text()) == {"x": 1}


def test_a_lost_environment_is_told(tmp_path):
    with pytest.raises(UserError, match=r"environment\.json cannot be read"):
        RunFolder.read_environment(tmp_path)
