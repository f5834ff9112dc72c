"""Means of replicates and their intervals; how often those cover is in test_statistics.py."""

import math

import numpy as np
import pandas as pd
import pytest

from satgpu.answers import mean_interval
from satgpu.answers.means import means
from satgpu.answers.types import Answer, Estimate, Source, Unit, Verdict


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


def test_rows_of_a_replicate_are_averaged_first():
    table = pd.DataFrame({"encoder": ["a"] * 4, "replicate": [0, 0, 0, 1], "test_accuracy": [0.5, 0.6, 0.7, 0.8]})
    row = means(table, ["encoder"]).iloc[0]
    assert row["mean"] == pytest.approx(0.7)  # of 0.6 and 0.8, not of four rows
    assert row["n_replicates"] == 2


def test_few_cells_are_near_the_interval_of_each():
    draw = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "encoder": np.repeat(["a", "b", "c"], [4, 4, 2]),
            "replicate": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1],
            "test_accuracy": draw.random(10),
        }
    )
    alone = means(table[table["encoder"] == "a"], ["encoder"]).iloc[0]
    own = mean_interval(table.loc[table["encoder"] == "a", "test_accuracy"].to_numpy())
    ends = [alone[name] for name in ("mean", "low", "high")]
    assert ends == pytest.approx([own.value, own.low, own.high])
    together = means(table, ["encoder"]).iloc[0]  # three groups count for half a degree of freedom
    assert (together["low"], together["high"]) == pytest.approx((own.low, own.high), abs=0.1)


def test_cells_with_missing_keys_are_kept():
    table = pd.DataFrame({"scale_km": [np.nan, np.nan], "replicate": [0, 1], "test_accuracy": [0.4, 0.6]})
    assert len(means(table, ["scale_km"])) == 1


def test_an_estimate_decides_by_its_whole_interval():
    estimate = Estimate(0.62, 0.58, 0.66, n=3, unit=Unit.SHARE)
    assert estimate.decided_above(0.5) and not estimate.decided_above(0.6)
    assert estimate.decided_below(0.7) and not estimate.decided_below(0.6)
    assert 0.6 in estimate and 0.7 not in estimate


def test_one_replicate_decides_nothing():
    estimate = Estimate(0.9)
    assert not estimate.has_interval and math.isnan(estimate.low)
    assert not estimate.decided_above(0.5) and not estimate.decided_below(1.0)
    assert 0.9 not in estimate


def test_answers_are_frozen_and_their_words_read_as_text():
    answer = Answer("sweet_spot.peak", Source.SATGPU, "geodesic", Verdict.SUPPORTED, "{second} leads")
    assert answer.question == "sweet_spot"
    assert f"{answer.verdict}" == "supported" == answer.verdict and f"{Unit.KM2}" == "km²"
    with pytest.raises(AttributeError):
        answer.verdict = Verdict.UNDECIDED
