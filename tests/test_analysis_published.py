"""The published numbers are carried along, and a run is set beside them row by row."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from satgpu.answers import RunTables, compare_with_published, load_published
from satgpu.answers.published import published_pairs, published_similarity


def run_tables(protocol="notebook", replicates=1, places=1, **options):
    results = synthetic.make_results(replicates, protocol=protocol, **options)
    similarity = synthetic.make_similarity(protocol=protocol, places=places)
    return RunTables(results, similarity, pd.DataFrame(), synthetic.make_environment(protocol=protocol))


def test_published_tables_are_tidy_and_whole():
    tables = load_published()
    sizes = {name: len(table) for name, table in tables.items()}
    assert sizes == {
        "sweet_spot": 50,
        "region_size": 16,
        "patterns": 50,
        "scale_region": 90,
        "boundaries": 12,
        "similarity": 30,
    }
    sweet = tables["sweet_spot"].set_index(["scale_km", "encoder"])["value"]
    assert sweet[675.0, "l40"] - sweet[675.0, "l10"] == pytest.approx(0.162)
    assert tables["similarity"].query("distance_km == 500 and encoder == 'l40'")["value"].item() == 0.5386
    assert set(tables["scale_region"]["encoder"]) == {"difference"}


def test_run_stands_beside_every_published_value():
    table = compare_with_published(run_tables())
    assert table.groupby("table").size().to_dict() == {
        "sweet_spot": 50,
        "region_size": 16,
        "patterns": 50,
        "scale_region": 90,
        "boundaries": 12,
        "similarity": 30,
    }
    assert np.allclose(table["difference"], table["run"] - table["published"])
    assert table["low"].isna().all()  # one replicate, one place
    assert set(table.loc[table["encoder"] == "l10", "run_encoder"]) == {"satclip-vit16-l10"}


def test_values_are_matched_by_their_keys():
    tables = run_tables()
    table = compare_with_published(tables)
    row = table.query("table == 'patterns' and pattern == 'vertical_stripes' and scale_km == 800 and encoder == 'l40'")
    rows = tables.results.query("experiment == 'patterns' and pattern == 'vertical_stripes' and scale_km == 800")
    rows = rows[rows["encoder"] == "satclip-vit16-l40"]
    assert row["published"].item() == 0.707
    assert row["run"].item() == rows["test_accuracy"].item()
    continent = table.query("table == 'scale_region' and region == 'Asia' and span_deg == 25 and scale_km == 500")
    assert continent["published"].item() == -0.004 and len(continent) == 1


def test_replicates_give_intervals_and_density_series_is_left_out():
    table = compare_with_published(run_tables("geodesic", replicates=3, places=6))
    assert table["low"].notna().all() and set(table["protocol"]) == {"geodesic"}
    assert (table["table"] == "region_size").sum() == 16


def test_run_without_the_experiments_has_nothing_to_compare():
    tables = run_tables(experiments=("resolution",))
    empty = RunTables(tables.results, tables.similarity.iloc[:0], tables.training_curves, tables.environment)
    table = compare_with_published(empty)
    assert table.empty and "published" in table.columns


def test_published_pairs_carry_the_error_of_their_test_sets():
    pairs = published_pairs()
    assert (pairs["error"] > 0.004).all() and (pairs["error"] < 0.03).all()
    assert set(pairs["replicate"]) == {0}
    best = pairs[pairs["experiment"] == "sweet_spot"].set_index("scale_km").loc[675.0]
    assert best["error"] == pytest.approx(np.sqrt((0.503 * 0.497 + 0.665 * 0.335) / 1800))
    assert set(pairs.loc[pairs["experiment"] == "region_size", "scale_km"]) == {500.0}


def test_published_similarity_is_one_place():
    table = published_similarity()
    assert set(table["place"]) == {0}
    assert table.set_index("distance_km").loc[500.0, "second_error"] == pytest.approx(0.1952 / np.sqrt(200))
