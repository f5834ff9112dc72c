"""Tables read back as they were written, and unreadable ones refused in one line."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import synthetic

import satgpu
from satgpu.answers import (
    Run,
    is_starved,
    kernel_resolutions,
    probe_resolution,
    read_results,
    read_run,
    read_similarity,
)
from satgpu.errors import UserError
from satgpu.run.read_table import typed
from satgpu.run.rows import TABLES, ProbeRow, SimilarityRow, added, columns, keys


@pytest.fixture(scope="module")
def results():
    return synthetic.make_results(replicates=2, experiments=("sweet_spot", "boundaries"))


def write_run(folder, results):
    results.to_csv(folder / "results.csv", index=False)
    synthetic.make_similarity(places=2).to_csv(folder / "similarity.csv", index=False)
    (folder / "environment.json").write_text(json.dumps(synthetic.make_environment()))
    (folder / "config.yaml").write_text("seed: 42\n")


def test_results_come_back_with_the_types_they_were_written_with(tmp_path, results):
    results.to_csv(tmp_path / "results.csv", index=False)
    pd.testing.assert_frame_equal(read_results(tmp_path), results)


def test_run_comes_back_whole(tmp_path, results):
    write_run(tmp_path, results)
    run = read_run(tmp_path)
    assert len(run.results) == len(results)
    assert run.config == {"seed": 42}
    assert run.pair == ("satclip-vit16-l10", "satclip-vit16-l40")
    assert run.training_curves.empty
    assert len(read_similarity(tmp_path)) == len(run.similarity)


def test_missing_numbers_are_nan_and_missing_words_empty(tmp_path, results):
    holed = results.astype(object)
    holed.loc[0, ["probe_seed", "failure", "converged", "test_accuracy"]] = ""
    holed.to_csv(tmp_path / "results.csv", index=False)
    row = read_results(tmp_path / "results.csv").iloc[0]
    assert pd.isna(row["probe_seed"]) and pd.isna(row["test_accuracy"])
    assert row["failure"] == "" and not row["converged"]


def test_pair_falls_back_on_the_roles_in_the_table(results):
    tables = Run(results)
    assert tables.pair == ("satclip-vit16-l10", "satclip-vit16-l40")


def test_a_run_of_one_encoder_has_no_pair(results):
    alone = Run(results[results["encoder"] == "satclip-vit16-l10"])
    assert alone.pair is None and alone.labels == ("SatCLIP ViT16 L=10", "")


def test_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"results.csv: no such file; give a run folder"):
        read_results(tmp_path / "results.csv")


def test_empty_table_is_refused(tmp_path):
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(UserError, match=r"not a readable table .* was the run cut short"):
        read_results(tmp_path)


def test_missing_column_is_named(tmp_path, results):
    results.drop(columns="ceiling").to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(UserError, match=r"missing column\(s\) ceiling"):
        read_results(tmp_path)


def test_words_where_numbers_belong_are_refused(tmp_path, results):
    results.astype({"chance": "object"}).assign(chance="half").to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(UserError, match=r"column chance: .*a number was expected"):
        read_results(tmp_path)


def test_broken_environment_is_refused(tmp_path, results):
    write_run(tmp_path, results)
    (tmp_path / "environment.json").write_text('{"seed": ')
    with pytest.raises(UserError, match=r"environment.json: not valid JSON"):
        read_run(tmp_path)


def test_probes_are_picked_by_name_and_never_failed_nor_shuffled_unasked(results):
    broken = results.copy()
    broken.loc[0, "failure"] = "one class only in training rows"
    run = Run(broken)
    rows = run.probes("sweet_spot")
    assert all(set(rows[name]) == {value} for name, value in (("labels", "field"), ("probe", "mlp")))
    assert len(run.probes(None, labels=None, probe=None, scored=False)) == len(results)
    assert len(run.probes(None, labels=None, probe=None)) == len(results) - 1
    assert set(run.probes("sweet_spot", labels="shuffled")["labels"]) == {"shuffled"}
    assert set(run.probes("sweet_spot", probe="nearest-neighbour")["encoder"]) == {"coordinates"}


def test_a_run_is_seen_one_protocol_at_a_time(results):
    both = Run(pd.concat([results, results.assign(protocol="notebook")]))
    assert both.protocols == ["geodesic", "notebook"] and both.under("notebook").protocols == ["notebook"]
    assert both.under("notebook") is both.under("notebook") and len(both.under("notebook").results) == len(results)


def test_twins_are_a_column_and_in_older_tables_the_control_of_equal_L(results):
    twins = {"satclip-vit16-l10": "untrained-l10", "satclip-vit16-l40": "untrained-l40"}
    assert Run(results).twins == twins
    assert Run(results.assign(twin=""), environment=synthetic.make_environment()).twins == twins
    assert Run(results[results["encoder"].isin(twins)]).twins == {}


def test_an_encoder_is_not_compared_with_itself(results):
    twice = [{"name": "satclip-vit16-l10", "role": "compared"}] * 2
    assert Run(results, environment={"encoders": twice}).compared[:1] == ["satclip-vit16-l10"]
    assert Run(results, environment={"encoders": twice}).pair != ("satclip-vit16-l10",) * 2


def test_fewer_than_five_points_a_cell_is_starved(results):
    rows = results.assign(train_points_per_cell=[4.9, 5.0] * (len(results) // 2) + [5.0] * (len(results) % 2))
    assert is_starved(rows).iloc[:2].tolist() == [True, False]


@pytest.mark.parametrize(("config", "threshold"), [("", 0.5), ("seed: 1", 0.5), ("resolution: {threshold: 0.7}", 0.7)])
def test_the_skill_threshold_is_the_runs_option(config, threshold):
    empty = pd.DataFrame()
    assert Run(empty, config_text=config).skill_threshold == threshold


def test_a_broken_configuration_is_told():
    empty = pd.DataFrame()
    with pytest.raises(UserError, match=r"config\.yaml of this run cannot be read"):
        Run(empty, config_text="resolution: {threshold: high}").skill_threshold  # noqa: B018


def test_a_table_as_pandas_reads_it_gets_the_kinds_of_its_rows(tmp_path, results):
    results.to_csv(tmp_path / "results.csv", index=False)
    raw = pd.read_csv(tmp_path / "results.csv")
    assert raw["failure"].isna().all()
    pd.testing.assert_frame_equal(probe_resolution(raw), probe_resolution(results))
    names, by = ("satclip-vit16-l10", "satclip-vit16-l40"), ["experiment", "scale_km"]
    pd.testing.assert_frame_equal(satgpu.compare(raw, *names, by=by), satgpu.compare(results, *names, by=by))
    synthetic.make_similarity(places=2).to_csv(tmp_path / "similarity.csv", index=False)
    similarity = pd.read_csv(tmp_path / "similarity.csv")
    pd.testing.assert_frame_equal(kernel_resolutions(similarity), kernel_resolutions(read_similarity(tmp_path)))
    assert (typed(raw)["failure"] == "").all() and typed(raw)["converged"].dtype == bool


def test_analysis_reads_tables_without_torch():
    program = "import sys, satgpu.answers; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_table_names_its_rows_by_a_task_first():
    assert set(TABLES) >= {"results", "readouts", "similarity", "predictions", "probe_curves"}
    for name, row_type in TABLES.items():
        assert next(iter(columns(row_type))) == "task_id", name


def test_keys_tell_tasks_readers_and_places_apart():
    assert keys(ProbeRow, "reader") == ("encoder", "probe", "hidden_layer_sizes", "standardize")
    table = synthetic.make_results(replicates=2)
    assert not table.duplicated([*keys(ProbeRow, "task"), *keys(ProbeRow, "reader"), "replicate"]).any()
    table = synthetic.make_similarity()
    unit = [*keys(SimilarityRow, "reader"), *keys(SimilarityRow, "place"), "protocol"]
    assert not table.duplicated(unit).any()


def test_tables_of_the_first_version_read_with_their_later_columns_empty(tmp_path):
    for name, read, row_type, table in (
        ("results.csv", read_results, ProbeRow, synthetic.make_results(1, experiments=("boundaries",))),
        ("similarity.csv", read_similarity, SimilarityRow, synthetic.make_similarity(places=2)),
    ):
        assert added(row_type) >= {"twin"}
        table.drop(columns=list(added(row_type))).to_csv(tmp_path / name, index=False)
        again = read(tmp_path)
        assert list(again.columns) == list(columns(row_type)) and set(again["twin"]) == {""}
        pd.testing.assert_series_equal(again["encoder"], table["encoder"])
