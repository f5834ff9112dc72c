"""Differences are paired, and few replicates decide little."""

import numpy as np
import pytest
import synthetic
from scipy import stats

from satgpu.answers import paired_differences, peak
from satgpu.errors import UserError

FIRST, SECOND = "satclip-vit16-l10", "satclip-vit16-l40"


@pytest.fixture(scope="module")
def results():
    return synthetic.make_results(replicates=5)


def sweet_spot(results):
    return results[results["experiment"] == "sweet_spot"]


def test_difference_is_second_less_first_with_its_means(results):
    table = paired_differences(sweet_spot(results), FIRST, SECOND, ["scale_km"])
    assert list(table["scale_km"]) == list(range(300, 925, 25))
    assert np.allclose(table["difference"], table["second_mean"] - table["first_mean"])
    assert (table["verdict"] == "second").all()
    swapped = paired_differences(sweet_spot(results), SECOND, FIRST, ["scale_km"])
    assert np.allclose(swapped["difference"], -table["difference"])
    assert (swapped["verdict"] == "first").all()


def test_p_values_are_those_of_the_paired_t_test(results):
    rows = sweet_spot(results)
    table = paired_differences(rows, FIRST, SECOND, ["scale_km"]).set_index("scale_km")
    at = rows[(rows["scale_km"] == 500) & (rows["labels"] == "field")].set_index("replicate").sort_index()
    pair = [at.loc[at["encoder"] == name, "test_accuracy"] for name in (SECOND, FIRST)]
    assert table.loc[500, "p_value"] == pytest.approx(stats.ttest_rel(*pair).pvalue)


def test_q_values_are_benjamini_and_hochbergs(results):
    table = paired_differences(sweet_spot(results), FIRST, SECOND, ["scale_km"])
    assert np.allclose(table["q_value"], stats.false_discovery_control(table["p_value"]))
    assert (table["q_value"] >= table["p_value"]).all()


def test_equal_encoders_are_told_apart_no_more_often_than_claimed():
    twins = (synthetic.Planted("a", 600.0), synthetic.Planted("b", 600.0))
    found = []
    for seed in range(40):
        rows = synthetic.make_results(replicates=3, seed=seed, encoders=twins, experiments=("sweet_spot",))
        found.append((paired_differences(rows, "a", "b", ["scale_km"])["verdict"] != "undecided").any())
    assert np.mean(found) <= 0.15  # 5 % of tables, within the error of 40


def test_shuffled_labels_are_left_out_unless_asked_for(results):
    rows = sweet_spot(results)
    table = paired_differences(rows, FIRST, SECOND, ["scale_km"]).set_index("scale_km")
    only_field = paired_differences(rows[rows["labels"] == "field"], FIRST, SECOND, ["scale_km"]).set_index("scale_km")
    assert table.loc[300, "difference"] == only_field.loc[300, "difference"]
    by_labels = paired_differences(rows, FIRST, SECOND, ["labels"]).set_index("labels")
    assert by_labels.loc["shuffled", "verdict"] == "undecided"


def test_one_replicate_decides_nothing():
    rows = synthetic.make_results(replicates=1, experiments=("sweet_spot",))
    table = paired_differences(rows, FIRST, SECOND, ["scale_km"])
    assert set(table["verdict"]) == {"undecided"}
    assert table[["low", "high", "p_value", "q_value"]].isna().all().all()


def test_replicates_missing_on_one_side_are_not_paired(results):
    rows = sweet_spot(results)
    without = rows.drop(rows[(rows["encoder"] == FIRST) & (rows["replicate"] == 0)].index)
    table = paired_differences(without, FIRST, SECOND, ["scale_km"])
    assert set(table["n_replicates"]) == {4}


def test_encoders_are_compared_with_nearest_neighbours_too(results):
    table = paired_differences(sweet_spot(results), "coordinates", SECOND, ["scale_km"])
    assert len(table) == 25 and set(table["n_replicates"]) == {5}


def test_no_key_gives_one_row(results):
    assert len(paired_differences(sweet_spot(results), FIRST, SECOND, [])) == 1


def test_identical_replicates_are_decided_without_a_division_by_zero():
    rows = synthetic.make_results(replicates=3, experiments=("sweet_spot",), noise=0.0)
    table = paired_differences(rows, FIRST, SECOND, ["scale_km"])
    assert (table["p_value"] < 1e-5).all() and (table["verdict"] == "second").all()
    assert (table["low"] < table["difference"]).all() and (table["difference"] < table["high"]).all()


def test_two_small_test_sets_that_agree_by_chance_decide_nothing():
    rows = synthetic.make_results(replicates=2, experiments=("sweet_spot",), noise=0.0)
    table = paired_differences(rows.assign(n_test=14), FIRST, SECOND, ["scale_km"])
    assert (table["verdict"] == "undecided").all()
    assert (table["high"] - table["low"] > 2 / 14).all()


def test_unknown_encoder_is_named_with_a_guess(results):
    with pytest.raises(UserError, match=r"unknown encoder 'satclip-vit16-l41'; .*did you mean 'satclip-vit16-l40'"):
        paired_differences(results, FIRST, "satclip-vit16-l41", ["scale_km"])


def test_peak_is_named_with_the_scales_it_cannot_be_told_from(results):
    found = peak(sweet_spot(results), FIRST, SECOND)
    truth = {
        km: synthetic.planted_skill(synthetic.L40, km) - synthetic.planted_skill(synthetic.L10, km)
        for km in range(300, 925, 25)
    }
    best = max(truth, key=truth.get)
    assert found.scale_km in found.indistinguishable_km
    assert best in found.indistinguishable_km
    assert 300 not in found.indistinguishable_km
    assert found.low < found.difference < found.high and found.n_replicates == 5


def test_peak_of_one_replicate_cannot_be_told_from_any_scale():
    rows = synthetic.make_results(replicates=1, experiments=("sweet_spot",))
    found = peak(rows, FIRST, SECOND)
    assert len(found.indistinguishable_km) == 25
    assert np.isnan(found.low)
