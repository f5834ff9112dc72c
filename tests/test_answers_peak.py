"""The peak is not as high as the luckiest scale, and may lie wherever nothing tells it from the best."""

import numpy as np
import synthetic
from scipy import stats
from test_answers_compare import noisy

from satgpu.answers.peak import peak, peak_of
from satgpu.answers.types import Unit

FIRST, SECOND = "satclip-vit16-l10", "satclip-vit16-l40"


def test_peak_is_named_with_the_scales_it_cannot_be_told_from():
    found = peak(synthetic.make_results(replicates=5, experiments=("sweet_spot",)), FIRST, SECOND)
    gains = {
        km: 0.5 * (synthetic.planted_skill(synthetic.L40, km) - synthetic.planted_skill(synthetic.L10, km))
        for km in range(300, 925, 25)
    }
    best = max(gains, key=gains.get)
    assert {found.scale_km, best} <= set(found.possible_km) and 300 not in found.possible_km
    assert gains[best] in found.difference and found.difference.value in found.difference
    assert found.difference.n == 5 and found.difference.unit is Unit.POINTS


def test_the_height_is_read_on_the_replicate_left_out():
    curves = np.random.default_rng(0).standard_normal((6, 4))
    by_hand = np.mean([curves[np.delete(curves, r, 1).mean(1).argmax(), r] for r in range(4)])
    found = peak_of(curves)
    assert np.isclose(found.value, by_hand) and found.value < curves.mean(1).max()


def test_interval_and_set_use_the_quantiles_that_the_number_of_scales_asks_for():
    values = 0.02 * np.random.default_rng(1).standard_normal((2, 5))  # two cells: nothing is pooled, plain Student
    found, mean, se = peak_of(values), values.mean(1), values.std(1, ddof=1) / np.sqrt(5)
    assert np.isclose(found.low, min((mean - stats.t.ppf(1 - 0.025 / 2, 4) * se).max(), found.value))
    assert np.isclose(found.high, (mean + stats.t.ppf(0.975, 4) * se).max())
    gap = values[mean.argmax()] - values[mean.argmin()]
    within = gap.mean() <= stats.t.ppf(0.95, 4) * gap.std(ddof=1) / np.sqrt(5)
    assert found.possible_K.tolist() == np.where(np.arange(2) == mean.argmax(), True, within).tolist()


def test_peak_of_one_replicate_cannot_be_told_from_any_scale():
    found = peak(noisy(0.05, replicates=1), "a", "b")
    assert len(found.possible_km) == 25 and not found.difference.has_interval
    assert found.difference.value > 0.05  # the plain maximum: there is nothing to correct it by


def test_replicates_that_lack_a_scale_have_no_part_in_the_choice():
    curves = np.random.default_rng(2).standard_normal((6, 5))
    holed = curves.copy()
    holed[3, 4] = np.nan
    assert np.isclose(peak_of(holed).value, peak_of(curves[:, :4]).value)
