"""Intervals cover the truth as often as they claim, also for three replicates."""

import numpy as np
import pandas as pd
import pytest

from satgpu.answers import mean_interval, summarise
from satgpu.answers.types import Unit
from satgpu.readouts.bootstrap import deviation_weights, widening


def coverage(n_replicates: int, n_studies: int = 2000) -> float:
    """Share of studies whose interval holds the truth, 0."""
    values = np.random.default_rng(n_replicates).standard_normal((n_studies, n_replicates))
    table = pd.DataFrame(
        {
            "study": np.repeat(np.arange(n_studies), n_replicates),
            "replicate": np.tile(np.arange(n_replicates), n_studies),
            "test_accuracy": values.ravel(),
        }
    )
    summary = summarise(table, ["study"])
    return ((summary["low"] <= 0) & (summary["high"] >= 0)).mean()


@pytest.mark.parametrize("n_replicates", [3, 5, 32])
def test_intervals_cover_as_often_as_they_claim(n_replicates):
    # 2000 cells: the standard error of the share is half a point; pooled at a capped weight, cells that are all
    # alike cover a little more often
    assert 0.94 <= coverage(n_replicates) <= 0.98


def test_plain_percentile_bootstrap_is_too_narrow_for_three_replicates():
    values = np.random.default_rng(0).standard_normal((2000, 3))
    centred = values - values.mean(axis=1, keepdims=True)
    plain = values.mean(axis=1, keepdims=True) + centred @ (deviation_weights(3) / widening(3)).T
    low, high = np.quantile(plain, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.8


def test_one_replicate_has_a_mean_and_no_interval():
    interval = mean_interval([0.6])
    assert interval.value == 0.6 and interval.n == 1
    assert np.isnan(interval.low) and np.isnan(interval.high)
    assert 0.6 not in interval


def test_missing_replicates_are_left_out():
    interval = mean_interval([0.6, np.nan, 0.62])
    assert interval.n == 2 and interval.value == pytest.approx(0.61)
    assert mean_interval([np.nan]).n == 0


def test_equal_replicates_have_an_interval_of_no_width():
    interval = mean_interval([0.5, 0.5, 0.5])
    assert (interval.low, interval.high) == (0.5, 0.5)
    assert 0.5 in interval


def test_higher_confidence_is_wider_and_rounding_bounds_the_width_from_below():
    values = [0.61, 0.64, 0.60, 0.66]
    narrow, wide = mean_interval(values, 0.8), mean_interval(values, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    equal = mean_interval([0.5, 0.5, 0.5], rounding=1 / (6 * 100**2), unit=Unit.SHARE)
    assert equal.high - equal.low == pytest.approx(2 * 4.3027 * np.sqrt(1 / 6 / 3) / 100, rel=1e-4)
    assert equal.unit is Unit.SHARE


def test_summary_averages_within_a_replicate_first():
    table = pd.DataFrame(
        {
            "encoder": ["a"] * 4,
            "replicate": [0, 0, 0, 1],
            "test_accuracy": [0.5, 0.6, 0.7, 0.8],
        }
    )
    row = summarise(table, ["encoder"]).iloc[0]
    assert row["mean"] == pytest.approx(0.7)  # of 0.6 and 0.8, not of four rows
    assert row["n_replicates"] == 2


def test_summary_of_few_groups_is_near_the_interval_of_each():
    draw = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "encoder": np.repeat(["a", "b", "c"], [4, 4, 2]),
            "replicate": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1],
            "test_accuracy": draw.random(10),
        }
    )
    alone = summarise(table[table["encoder"] == "a"], ["encoder"]).iloc[0]
    own = mean_interval(table.loc[table["encoder"] == "a", "test_accuracy"].to_numpy())
    assert (alone["mean"], alone["low"], alone["high"]) == pytest.approx((own.value, own.low, own.high))
    together = summarise(table, ["encoder"]).iloc[0]  # three groups count for half a degree of freedom
    assert (together["low"], together["high"]) == pytest.approx((own.low, own.high), abs=0.1)


def test_groups_with_missing_keys_are_kept():
    table = pd.DataFrame({"scale_km": [np.nan, np.nan], "replicate": [0, 1], "test_accuracy": [0.4, 0.6]})
    assert len(summarise(table, ["scale_km"])) == 1
