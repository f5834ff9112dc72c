"""Probes that never learned are told by their test accuracy, and counted apart from the skill of the others."""

import numpy as np
import pandas as pd
import pytest
import synthetic
from test_answers_compare import noisy, table_of

from satgpu.answers.learning import design_effect, is_stuck, luck_p, scale_kernel, stuck_rate, two_parts
from satgpu.answers.means import learned_differences, means

SCALES = pd.DataFrame({"scale_km": np.arange(300.0, 925, 25)})


def test_probes_are_stuck_by_their_test_accuracy():
    assert is_stuck(np.array([0.503, 0.60]), 0.5, 900).tolist() == [True, False]
    assert is_stuck(0.71, 0.70, 300) and not is_stuck(np.nan, 0.5, 900)


def test_stuck_rate_undoes_the_choice_of_cells_where_some_probe_learned():
    stuck = (np.random.default_rng(9).random((20_000, 3)) < 0.3).astype(float)
    stuck[:5000] = 1  # beyond the encoder: says nothing of luck
    assert stuck_rate(stuck).item() == pytest.approx(0.3, abs=0.01)
    stuck[5000:12_000, 2] = np.nan  # two replicates in some cells
    assert stuck_rate(stuck).item() == pytest.approx(0.3, abs=0.01)
    assert stuck_rate(np.zeros((4, 3))).item() == 0
    assert luck_p(np.ones((4, 3)))[0] == 0  # nothing learned anywhere: no luck is seen


def test_counts_are_pooled_over_near_scales_of_the_same_kind():
    keys = pd.DataFrame({"region": list("AAAB"), "scale_km": [400.0, 420.0, 800.0, 400.0]})
    kernel = scale_kernel(keys)
    assert kernel[0].round(2).tolist() == [1.0, 0.89, 0.0, 0.0]
    assert (scale_kernel(keys[["region"]]) == np.eye(4)).all()
    assert scale_kernel(keys, replicates=48)[0, 1] < scale_kernel(keys)[0, 1]


def test_two_parts_add_up_to_the_mean():
    draw = np.random.default_rng(0)
    kernel = scale_kernel(SCALES)
    stuck = (draw.random((25, 8)) < 0.2).astype(float)
    values = np.where(stuck == 1, 0.5, 0.9 + 0.01 * draw.standard_normal((25, 8)))
    parts = two_parts(values, stuck, np.full(25, 0.5), kernel)
    low, high = parts.mean_interval()
    assert np.nanmean(parts.p_learned) == pytest.approx(0.8, abs=0.05)
    assert np.nanmean(parts.skill.mean) == pytest.approx(0.9, abs=0.005) and parts.near.all()
    assert (low < 0.5 + 0.4 * 0.8).mean() > 0.9 and (high > 0.5 + 0.4 * 0.8).mean() > 0.9
    none = two_parts(values, np.zeros((25, 8)), np.full(25, 0.5), kernel)
    assert not none.near.any() and (none.p_learned_interval()[1] == 1).all()


def test_stuck_probes_that_come_together_count_for_less():
    draw = np.random.default_rng(1)
    kernel = scale_kernel(SCALES)
    apart = (draw.random((400, 25, 8)) < 0.2).astype(float)
    together = np.broadcast_to(draw.random((400, 1, 8)) < 0.2, (400, 25, 8)).astype(float)
    assert design_effect(apart, kernel).mean() < 1.15
    assert design_effect(together, kernel).mean() > 3
    assert design_effect(np.zeros((25, 3)), kernel).item() == 1


def test_means_tell_learning_from_skill():
    base = 0.85 + 0.01 * np.random.default_rng(2).standard_normal((25, 3))
    mixed = base.copy()
    mixed[[4, 6, 7], [0, 1, 2]] = 0.5
    table = means(table_of({"a": mixed}), ["scale_km"])
    plain = means(table_of({"a": base}), ["scale_km"])
    row, far = table.iloc[4], table.iloc[24]
    assert row["mean"] == pytest.approx(mixed[4].mean()) and row["low"] < row["mean"] < row["high"]
    assert row["skill_mean"] == pytest.approx(mixed[4, 1:].mean()) and row["learned"] < 0.95
    assert far["learned_high"] == 1 and far["high"] - far["low"] < 0.1
    assert (plain["high"] - plain["low"]).max() < 0.1 and plain["skill_mean"].equals(plain["mean"])


def test_means_of_other_values_have_one_part():
    results = synthetic.make_results(experiments=("patterns",))
    regression = results[results["task"] == "regression"]
    table = means(regression, ["encoder", "scale_km"], "test_r2")
    assert table["learned"].isna().all() and (table["low"] < table["high"]).all()
    assert means(regression[regression["replicate"] == 0], ["encoder"], "test_r2")["low"].isna().all()


def test_learned_differences_leave_out_pairs_with_a_stuck_probe():
    table = noisy(0.05)
    unlucky = (table["encoder"] == "a") & (table["scale_km"] == 500) & (table["replicate"] == 1)
    table.loc[unlucky, "test_accuracy"] = 0.5
    found = learned_differences(table, "a", "b").set_index("scale_km")
    assert found.loc[500, "mixed"] and found["mixed"].sum() == 1 and found.loc[500, "n_learned"] == 2
    assert found.loc[500, "first_learned"] == pytest.approx(2 / 3) and found.loc[500, "second_learned"] == 1
    assert found.loc[500, "skill_difference"] == pytest.approx(0.05, abs=0.04)
