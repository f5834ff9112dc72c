"""Estimates decide by their whole interval, and never without one."""

import math

import pytest

from satgpu.answers.types import Answer, Estimate, Source, Unit, Verdict


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
