"""Probes not to be trusted are counted, named, and their effect on the answer is known."""

import numpy as np
import pytest
import synthetic

from satgpu.answers import convergence_table, effect_of_leaving_out, named_troubles

FIRST, SECOND = "satclip-vit16-l10", "satclip-vit16-l40"


@pytest.fixture()
def results():
    table = synthetic.make_results(replicates=3, experiments=("sweet_spot", "boundaries"))
    return table.assign(learned=True, converged=True, failure="")


def stuck(results, n):
    """``n`` probes of the first encoder that stopped at max_iter, at chance."""
    rows = results[
        (results["encoder"] == FIRST) & (results["experiment"] == "sweet_spot") & (results["labels"] == "field")
    ]
    which = rows.sort_values("scale_km").index[-n:]
    results.loc[which, ["converged", "learned"]] = False
    results.loc[which, "stop_reason"] = "max_iter"
    results.loc[which, "test_accuracy"] = 0.5
    return which


def test_troubles_are_counted_for_each_experiment_and_encoder(results):
    stuck(results, 4)
    results.loc[results.index[0], ["failure", "converged"]] = ["non-finite loss at epoch 3", False]
    table = convergence_table(results).set_index(["experiment", "encoder"])
    row = table.loc[("sweet_spot", FIRST)]
    assert (row["unconverged"], row["not_learned"], row["failed"]) == (4, 4, 1)
    assert row["n_probes"] == 3 * 28
    assert table.loc[("sweet_spot", SECOND), "unconverged"] == 0
    assert table.loc[("sweet_spot", SECOND), "starved"] > 0
    assert "coordinates" not in table.index.get_level_values("encoder")


def test_shuffled_labels_are_not_expected_to_be_learned(results):
    results.loc[results["labels"] == "shuffled", "learned"] = False
    assert convergence_table(results)["not_learned"].sum() == 0


def test_troubled_probes_are_named(results):
    which = stuck(results, 2)
    named = named_troubles(results, "unconverged")
    assert list(named["task_id"]) == list(results.loc[sorted(which), "task_id"])
    assert set(named["stop_reason"]) == {"max_iter"}


def test_leaving_stuck_probes_out_changes_the_difference_by_what_they_did_to_it(results):
    before = effect_of_leaving_out(results, FIRST, SECOND).set_index("experiment").loc["sweet_spot"]
    assert before["n_left_out"] == 0 and before["difference"] == before["difference_without"]
    stuck(results, 9)
    after = effect_of_leaving_out(results, FIRST, SECOND).set_index("experiment").loc["sweet_spot"]
    assert (after["n_pairs"], after["n_left_out"]) == (75, 9)
    assert after["difference"] > before["difference"]  # the first lost, so the second gained
    assert after["difference_without"] < after["difference"]
    assert after["low_without"] < after["difference_without"] < after["high_without"]


def test_nothing_left_has_no_difference(results):
    row = effect_of_leaving_out(results.assign(converged=False), FIRST, SECOND).iloc[0]
    assert row["n_left_out"] == row["n_pairs"] and np.isnan(row["difference_without"])


def test_experiments_without_the_pair_are_left_out(results):
    alone = results[(results["encoder"] != FIRST) | (results["experiment"] == "sweet_spot")]
    assert set(effect_of_leaving_out(alone, FIRST, SECOND)["experiment"]) == {"sweet_spot"}
