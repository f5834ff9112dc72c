"""The rules behind verdicts keep to their thresholds on tables of a known truth, and the counts would tell if not."""

from dataclasses import replace

import numpy as np
import pytest

from satgpu.study.looks import THREE_LOOKS
from satgpu.validation.simulated import Tables, half_learned, verdicts
from satgpu.validation.thresholds import all_cases, markdown_table, measure

CASES = {case.name: case for case in all_cases(THREE_LOOKS)}
HELD = [
    *("normal, R 2, 25 cells", "normal, R 3, 90 cells", "normal, R 1, 90 cells", "correlated, R 3, 90 cells"),
    *("exponential, R 3, 25 cells", "lognormal of skewness 3.3, R 3, 90 cells", "15 % of probes stuck, R 3, 90 cells"),
    *("6 points in half of 90 cells, R 3", "6 points, one sixth of 90 cells saturated, R 3"),
    *("looks at 3, 6, 12, normal, 90 cells", "the same looks, 3 points in half of 90 cells"),
    *("mean of R 3, 25 cells", "mean of R 5, 25 cells", "mean of R 32, 25 cells"),
    *("peak of 0 points, a flat curve, R 3", "peak of 15 points, narrow, R 5"),
    "19 sentences, true ones in 2 of 4 questions",
]
TELLING = [name for name, case in CASES.items() if case.contrast]


@pytest.mark.parametrize("name", HELD)
def test_the_rule_keeps_to_its_thresholds(name):
    for found in measure(CASES[name], 400):
        assert found.holds, found


@pytest.mark.parametrize("name", TELLING)
def test_another_rule_or_a_table_beyond_the_rule_is_told(name):
    slow = "mean" in name and "stuck" in name
    for found in measure(CASES[name], 40 if slow else 400):
        assert found.holds, found


def test_a_mean_where_probes_never_learn_is_covered_also_in_cells_where_none_did():
    case = CASES["mean, stuck below some 450 km, R 3"]
    (found,) = measure(case, 60)
    assert found.holds and case.asked["coverage"][0] == 0.94
    width = half_learned(3, lambda scale_km: (scale_km < 320) * 1.0)(50, np.random.default_rng(0))["width"]
    assert width.mean() < 0.12  # beyond the neighbours' reach the interval is narrow again


def test_a_rule_that_misses_its_threshold_is_told():
    wrong = replace(CASES["normal, R 3, 25 cells"], count=verdicts(Tables(25, 3, gain=0.05)))
    findings = measure(wrong, 40)
    assert not findings[1].holds or not findings[0].holds
    assert "**no**" in list(markdown_table([findings]))[-1]
