"""Rows: names, kinds and keys of every table come from one class each, and older tables still read."""

import pandas as pd
import synthetic

from satgpu.run.read_table import read_results, read_similarity
from satgpu.run.rows import TABLES, ProbeRow, SimilarityRow, added, columns, keys


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
