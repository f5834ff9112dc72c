"""What comes in from outside: a right value or one clear line; nothing lost, no traceback."""

import io
import os
import sys
from pathlib import Path

import pytest
from study import TINY, run_study, write_config

from satgpu.cli import main
from satgpu.errors import UserError
from satgpu.geometry import make_labels

ROOT = Path(__file__).parent.parent
NO_RUN = ROOT / "satgpu/answers/published/scale_region.csv"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run whose folder has a name that Rich's markup would eat."""
    folder = tmp_path_factory.mktemp("doors")
    return run_study(write_config(folder, experiments=["sweet_spot", "similarity"]), folder / "[v2]:smile:")


def printed(monkeypatch, encoding, *words):
    """Exit status of a command and what it prints to a stream of that encoding; figures are not drawn."""
    monkeypatch.setattr("satgpu.report.write_report", lambda folder: [])
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    status = main(list(words))
    stream.flush()
    return status, stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_are_printed_as_they_are_on_any_terminal(finished, monkeypatch, encoding):
    status, text = printed(monkeypatch, encoding, "summarize", str(finished))
    assert status == 0 and "[v2]:smile:/report.html" in text and "L=8 less L=4" in text


@pytest.mark.parametrize("words", [["--help"], ["summarize", "RUN"]])
def test_a_pipe_that_nobody_reads_ends_quietly(finished, monkeypatch, capsys, words):
    monkeypatch.setattr("satgpu.report.write_report", lambda folder: [])
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([str(finished) if word == "RUN" else word for word in words]) == 0
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["summarize"], "the following arguments are required: runs; see satgpu summarize --help"),
        (["summarize", "nowhere"], "nowhere: no such file"),
        (["summarize", "--ot", "x"], "--ot"),
        (["summarize", str(NO_RUN)], "missing column(s) task_id, experiment, protocol, encoder, role and others"),
        (["extract-location", "a"], "the following arguments are required: out"),
        (["gate", "nosuch"], "unknown encoder 'nosuch'"),
        (["gate", "--small", "xyz", "--out", "no/such/folder.md"], "no/such/folder.md: there is no such folder"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_in_one_line(capsys, words, message):
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and error.startswith("satgpu: error: ")


def test_a_plan_of_one_name_for_two_probes_is_refused_before_anything_is_written(tmp_path):
    centers = [["a,b", 0, 0], ["a_b", 90, 0]]
    config = write_config(tmp_path, experiments=["scale_region"], scale_region={"centers": centers, "n_points": 50})
    with pytest.raises(UserError, match="the plan holds 'geodesic/scale_region/a_b-15deg/.* twice; give each once"):
        run_study(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_region_that_the_notebook_cuts_away_is_told_before_anything_is_written(tmp_path):
    sizes = TINY["region_size"] | {"center_deg": [0.0, 85.0]}
    config = write_config(tmp_path, experiments=["region_size"], region_size=sizes, protocol="notebook")
    with pytest.raises(
        UserError, match=r"the notebook's 20° around \(0.0, 85.0\) lies beyond 60°S or 70°N; use geodesic"
    ):
        run_study(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_metres_are_asked_about(tmp_path):
    with pytest.raises(UserError, match="scale_km holds 500000 km; .* are these metres"):
        make_labels("checkerboard", [[0.0, 0.0]], 500_000)
