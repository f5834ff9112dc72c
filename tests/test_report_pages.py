"""Sentences, tables on the screen, TensorBoard, and runs compared."""

import io

import pandas as pd
import pytest
import synthetic
from report_run import NOTICE, STAND_INS, make_run
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from satgpu.answers import paired_differences, read_run, summarise
from satgpu.errors import UserError
from satgpu.report import compare_runs, print_tables
from satgpu.report.boundaries import draw_boundaries
from satgpu.report.contents import contents_of
from satgpu.report.findings import region_section
from satgpu.report.headline import effective_resolution, headline
from satgpu.report.learned import learned_section
from satgpu.report.summary import summary_markdown
from satgpu.report.tensorboard import write_events
from satgpu.report.trust import notebook_conclusions, reliability
from satgpu.report.view import open_views
from satgpu.report.words import km_interval, points_interval


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """SatCLIP's names with untrained twins beside them."""
    return make_run(tmp_path_factory.mktemp("runs") / "trained", replicates=4)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "single", STAND_INS, 1, notice=NOTICE)


def rows_of(folder, experiment):
    table = read_run(folder).results
    return table[(table["experiment"] == experiment) & (table["probe"] == "mlp") & (table["labels"] == "field")]


def test_how_much_is_learned_sets_the_untrained_pair_beside_the_trained(trained):
    section = learned_section(open_views(trained)[0])
    untrained = paired_differences(rows_of(trained, "sweet_spot"), "untrained-l10", "untrained-l40", by=[])
    assert points_interval(*untrained.iloc[0][["difference", "low", "high"]]) in section.sentences[0]
    assert "% of it" in section.sentences[0] and any("shuffled labels" in sentence for sentence in section.sentences)


def test_an_untrained_pair_learned_nothing_and_has_its_shuffled_labels_checked(single):
    first, second = learned_section(open_views(single)[0]).sentences
    assert first.startswith("Nothing here is learned: both encoders of the pair carry seeded random weights")
    assert second.startswith("With shuffled labels the probes score") and "one replicate, so undecided" in second


def test_without_untrained_twins_the_share_is_not_known(tmp_path):
    folder = make_run(tmp_path / "run", synthetic.ENCODERS[:2], 2, experiments=("sweet_spot",))
    assert "Not known from this run" in learned_section(open_views(folder)[0]).sentences[0]


def test_one_replicate_decides_nothing(single):
    view = open_views(single)[0]
    assert all("undecided, one replicate" in sentence for sentence in region_section(view).sentences)
    text = summary_markdown(contents_of([view]))
    assert "One replicate has no intervals" in text and "L=40 leads in 0, L=10 in 0" in text


def test_headline_words_agree_with_the_numbers(trained):
    view = open_views(trained)[0]
    words, numbers = headline(view).set_index("encoder"), effective_resolution(view)
    row = numbers[(numbers["encoder"] == "satclip-vit16-l40") & (numbers["sampling"] == "local_caps")].iloc[0]
    assert words.loc["SatCLIP ViT16 L=40", "probes in local caps"] == km_interval(row["value"], row["low"], row["high"])
    assert words.loc["xyz (coordinates)", "probes on the globe"] == "not reached by 2500 km"
    assert words.loc["1-nearest neighbour", "half similarity"] == "–"


def test_caps_of_one_scale_count_as_one_region(trained):
    folder_rows = open_views(trained)[0]
    table = folder_rows.tables.results
    table.loc[table["sampling"] == "local_caps", "region"] = [
        f"cap-{i % 2}" for i in range((table["sampling"] == "local_caps").sum())
    ]
    found = folder_rows.probe_resolutions
    assert not found.duplicated(["encoder", "probe", "sampling"]).any()


def test_failures_are_named(tmp_path):
    folder = make_run(tmp_path / "run", STAND_INS, 2, experiments=("sweet_spot",), failed=7)
    text = " ".join(reliability(open_views(folder)[0]))
    assert "Failed (no score): 7 of" in text or "Failed (no score): 6 of" in text
    assert "untrained L=10, checkerboard 300 km, replicate 0 (non-finite loss at epoch 3)" in text and "more." in text


def test_the_notebooks_conclusions_are_judged_by_its_own_numbers_too(single):
    contents = contents_of(open_views(single))
    table = notebook_conclusions({part.view.protocol: part.claims for part in contents.parts}).set_index("statement")
    assert table.loc["For regression: use L=10", "published numbers"] == "undecided"
    assert list(table.columns) == ["published numbers", "geodesic protocol"]


def test_nothing_but_similarity_still_makes_a_summary(tmp_path):
    folder = make_run(tmp_path / "run", STAND_INS, 1, experiments=("similarity",))
    text = summary_markdown(contents_of(open_views(folder)))
    assert "No probe was trained" in text and "## Embedding discrimination" in text


def test_tensorboard_reads_back_what_was_written(trained, tmp_path):
    view = open_views(trained)[0]
    picture = [draw_boundaries(view)]
    for _ in range(2):
        write_events([view], {"geodesic": picture}, "# All of it", tmp_path)
    root = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0, "tensors": 0}).Reload()
    assert (
        root.Tags()["images"] == ["geodesic/boundary_sharpness"]
        and len(root.Images("geodesic/boundary_sharpness")) == 1
    )
    assert root.Tensors("summary/text_summary")[0].tensor_proto.string_val[0] == b"# All of it"
    own = EventAccumulator(str(tmp_path / "geodesic-satclip-vit16-l40"), size_guidance={"scalars": 0}).Reload()
    scalars = own.Scalars("sweet_spot/test_accuracy")
    rows = rows_of(trained, "sweet_spot")
    means = summarise(rows[rows["encoder"] == "satclip-vit16-l40"], ["scale_km"])
    assert [event.step for event in scalars] == [int(km) for km in means["scale_km"]]
    assert [event.value for event in scalars] == pytest.approx(list(means["mean"]), rel=1e-6)
    assert own.Scalars("training/sweet_spot/loss_q50") and "_hparams_/session_start_info" in own.Tags()[
        "tensors"
    ] + list(own.summary_metadata)


def test_event_files_do_not_grow_with_the_number_of_probes(tmp_path):
    sizes = []
    for replicates in (2, 12):
        view = open_views(
            make_run(tmp_path / f"run{replicates}", STAND_INS, replicates, experiments=("sweet_spot", "patterns"))
        )[0]
        sizes.append(
            sum(
                path.stat().st_size
                for path in write_events([view], {"geodesic": []}, "", tmp_path / f"events{replicates}")
            )
        )
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
        "Embedding similarity",
        "Effective resolution",
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
