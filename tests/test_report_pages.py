"""Sentences, tables on the screen, TensorBoard, and runs compared."""

import io
from types import SimpleNamespace

import pandas as pd
import pytest
import synthetic
import torch
from report_run import NOTICE, STAND_INS, make_run
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from satgpu.answers import answer_run, coastline, read_run, resolution
from satgpu.answers.means import means
from satgpu.errors import UserError
from satgpu.report import compare_runs, print_tables
from satgpu.report.contents import contents_of, resolutions
from satgpu.report.figures import boundaries
from satgpu.report.summary import summary_markdown
from satgpu.report.tensorboard import write_events
from satgpu.report.words import text
from satgpu.study.board import TrainingBoard


@pytest.fixture(autouse=True, scope="module")
def without_land_mask():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: None)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """SatCLIP's names with untrained twins beside them."""
    return make_run(tmp_path_factory.mktemp("runs") / "trained", replicates=4)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "single", STAND_INS, 1, notice=NOTICE)


def rows_of(folder, experiment):
    return read_run(folder).probes(experiment)


def summary_of(folder) -> str:
    run = read_run(folder)
    return summary_markdown(contents_of(run, answer_run(run), {}))


def test_one_replicate_decides_nothing(single):
    words = summary_of(single)
    assert "One replicate: there are no intervals" in words
    assert "L=40 leads in 0, L=10 in 0; 90 undecided" in words


def test_cells_of_the_table_agree_with_the_numbers(trained):
    run = read_run(trained)
    header, rows = resolutions(run)
    table = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    found = resolution.by_probes(run, "local_caps")["satclip-vit16-l40"]
    assert table["SatCLIP ViT16 L=40"]["probes in small caps"] == text(found)
    assert table["xyz (coordinates) (control)"]["probes over the globe"] == "not reached by 2500 km"
    assert table["1-nearest neighbour (control)"]["plain half similarity"] == "–"


def test_caps_of_one_scale_count_as_one_region(trained):
    run = read_run(trained)
    caps = run.results["sampling"] == "local_caps"
    run.results.loc[caps, "region"] = [f"cap-{i % 2}" for i in range(caps.sum())]
    assert not resolution.table(run).duplicated(["encoder", "probe", "sampling"]).any()


def test_failures_are_named(tmp_path):
    words = summary_of(make_run(tmp_path / "run", STAND_INS, 2, experiments=("sweet_spot",), failed=7))
    assert "Failed (no score): 7 of" in words or "Failed (no score): 6 of" in words
    assert "untrained L=10, checkerboard 300 km, replicate 0 (non-finite loss at epoch 3)" in words and "more." in words


def test_the_published_numbers_stand_beside_the_notebooks_sentences(single):
    run = read_run(single)
    part = contents_of(run, answer_run(run), {}).parts[0]
    printed = [line for section in part.sections for line in section.printed]
    assert printed and {line.badge for line in printed} == {"not judged"}
    (peak,) = [line for line in printed if line.claim.startswith("L=40's sweet spot")]
    assert "+16.2 points" in peak.published


def test_nothing_but_similarity_still_makes_a_summary(tmp_path):
    words = summary_of(make_run(tmp_path / "run", STAND_INS, 1, experiments=("similarity",)))
    assert "No probe was trained" in words and "## Similarity" in words


def test_tensorboard_reads_back_what_was_written(trained, tmp_path):
    run = read_run(trained)
    pictures = {"geodesic": {"boundaries": boundaries.draw(run, [])}}
    for _ in range(2):
        write_events({"geodesic": run}, pictures, "# All of it", tmp_path)
    root = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0, "tensors": 0}).Reload()
    name = "geodesic/boundary_sharpness"
    assert root.Tags()["images"] == [name] and len(root.Images(name)) == 1
    assert root.Tensors("summary/text_summary")[0].tensor_proto.string_val[0] == b"# All of it"
    own = EventAccumulator(str(tmp_path / "geodesic-satclip-vit16-l40"), size_guidance={"scalars": 0}).Reload()
    scalars = own.Scalars("sweet_spot/test_accuracy")
    rows = rows_of(trained, "sweet_spot")
    expected = means(rows[rows["encoder"] == "satclip-vit16-l40"], ["scale_km"])
    assert [event.step for event in scalars] == [int(km) for km in expected["scale_km"]]
    assert [event.value for event in scalars] == pytest.approx(list(expected["mean"]), rel=1e-6)
    tags = own.Tags()["tensors"] + list(own.summary_metadata)
    assert own.Scalars("training/sweet_spot/loss_q50") and "_hparams_/session_start_info" in tags


def test_event_files_do_not_grow_with_the_number_of_probes(tmp_path):
    sizes = []
    for replicates in (2, 12):
        folder = tmp_path / f"run{replicates}"
        run = read_run(make_run(folder, STAND_INS, replicates, experiments=("sweet_spot", "patterns")))
        files = write_events({"geodesic": run}, {}, "", tmp_path / f"events{replicates}")
        sizes.append(sum(path.stat().st_size for path in files))
    assert sizes[1] < 1.02 * sizes[0] < 200_000


def test_screen_tables_hold_the_notebooks_numbers(single):
    console = Console(width=200, record=True, file=io.StringIO())
    print_tables(read_run(single), console)
    text = console.export_text()
    for title in (
        "Sweet spot",
        "Region size",
        "Patterns",
        "Scale and region",
        "Boundaries",
        "Plain similarity by distance",
        "Resolutions",
    ):
        assert title in text
    rows = rows_of(single, "sweet_spot")
    accuracy = rows[(rows["encoder"] == "untrained-l40") & (rows["scale_km"] == 600)]["test_accuracy"].iloc[0]
    assert NOTICE in text and f"{100 * accuracy:.1f} %" in text


def test_runs_are_set_side_by_side(trained, single, tmp_path):
    written = compare_runs([trained, single], tmp_path / "out")
    assert {path.name for path in written} == {
        "resolutions.csv",
        "differences.csv",
        "encoder_differences.csv",
        "comparison.md",
        "comparison.png",
        "comparison.svg",
    }
    resolutions, differences = (pd.read_csv(tmp_path / "out" / name) for name in ("resolutions.csv", "differences.csv"))
    assert set(resolutions["run"]) == {"trained", "single"} == set(differences["run"])
    own = differences[(differences["run"] == "single") & (differences["experiment"] == "patterns")].iloc[0]
    assert own["verdict"] == "undecided"  # one replicate has no interval
    assert NOTICE in (tmp_path / "out" / "comparison.md").read_text()


def test_two_runs_of_different_truth_are_told_apart(tmp_path):
    finer = (synthetic.L10, synthetic.Planted("satclip-vit16-l40", 300.0, legendre_polys=40))
    a = make_run(tmp_path / "a", synthetic.ENCODERS[:2], 4, experiments=("sweet_spot",))
    b = make_run(tmp_path / "b", finer, 4, experiments=("sweet_spot",), seed=1)
    compare_runs([a, b], tmp_path / "out")
    differences = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert differences.loc[differences["run"] == "b", "verdict"].iloc[0] == "larger"


def test_encoders_of_two_runs_are_paired_where_the_draws_are_the_same(tmp_path):
    a = make_run(tmp_path / "a", synthetic.ENCODERS[:1], 3, experiments=("sweet_spot",))
    b = make_run(tmp_path / "b", synthetic.ENCODERS[1:2], 3, experiments=("sweet_spot",))
    compare_runs([a, b], tmp_path / "out")
    (found,) = pd.read_csv(tmp_path / "out" / "encoder_differences.csv").to_dict("records")
    assert (found["first"], found["second"]) == ("a: satclip-vit16-l10", "b: satclip-vit16-l40")
    expected = rows_of(b, "sweet_spot")["test_accuracy"].mean() - rows_of(a, "sweet_spot")["test_accuracy"].mean()
    assert (
        found["difference"] == pytest.approx(expected) and found["n_replicates"] == 3 and found["verdict"] == "second"
    )


def test_runs_of_other_draws_are_not_paired(tmp_path):
    a = make_run(tmp_path / "a", synthetic.ENCODERS[:1], 2, experiments=("boundaries",))
    b = make_run(tmp_path / "b", synthetic.ENCODERS[1:2], 2, "notebook", experiments=("boundaries",))
    compare_runs([a, b], tmp_path / "out")
    assert "No task was drawn alike" in (tmp_path / "out" / "comparison.md").read_text()


def test_comparing_needs_two_runs(trained, tmp_path):
    with pytest.raises(UserError, match="comparing needs at least two run folders; got 1"):
        compare_runs([trained], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tensorboard_grows_while_the_run_goes_and_the_report_leaves_it_alone(tmp_path, trained):
    board = TrainingBoard(tmp_path, every_s=0.0)
    with board:
        for i in range(3):
            curve = torch.linspace(0.7, 0.3, 5)
            result = SimpleNamespace(loss_curve=curve, validation_score=0.6 + 0.1 * i, test_score=0.5 + 0.1 * i)
            board.add("sweet_spot", "a", result)
    write_events({"geodesic": read_run(trained)}, {}, "", tmp_path)
    own = EventAccumulator(str(tmp_path / "training")).Reload()
    assert [event.value for event in own.Scalars("run/probes_finished")] == [1, 2, 3]
    assert [event.value for event in own.Scalars("test_score/sweet_spot/a")] == pytest.approx([0.5, 0.6, 0.7])
    assert own.Scalars("training/loss_q50")[0].value == pytest.approx(0.3)


def test_a_run_without_probes_writes_no_empty_curve(tmp_path):
    with TrainingBoard(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
