"""Skill, and the resolution that probes reach: right, covered, censored and starved where it should be."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from satgpu.answers import probe_resolution, resolution_ratio, skill
from satgpu.answers.resolution import estimate
from satgpu.answers.skill import crossing_km
from satgpu.errors import UserError
from satgpu.report.words import text

ONE = synthetic.Planted("one", 500.0)


def study(seed=0, replicates=3, resolution_km=500.0, noise=0.02):
    """The global resolution experiment of one encoder of known resolution."""
    encoder = synthetic.Planted("one", resolution_km)
    rows = synthetic.make_results(replicates, seed, encoders=(encoder,), experiments=("resolution",), noise=noise)
    return rows[(rows["encoder"] == "one") & (rows["sampling"] == "fixed_per_cell")]


def resolution(table, **options):
    found = probe_resolution(table, **options)
    assert len(found) == 1
    return found.iloc[0]


def test_skill_is_zero_at_chance_and_one_at_the_ceiling():
    table = pd.DataFrame(
        {
            "test_accuracy": [0.6, 0.9, 0.75, np.nan, 0.5],
            "chance": [0.6, 0.6, 0.5, np.nan, 0.9],
            "ceiling": [0.9, 0.9, np.nan, np.nan, 0.9],
            "task": ["classification"] * 3 + ["regression", "classification"],
            "test_r2": [np.nan, np.nan, np.nan, 0.4, np.nan],
        }
    )
    assert skill(table).tolist()[:4] == pytest.approx([0.0, 1.0, 0.5, 0.4])
    assert np.isnan(skill(table).iloc[4])  # nothing to be read: the ceiling is chance


def test_crossing_is_interpolated_in_log_scale():
    assert crossing_km(np.array([100.0, 400.0]), np.array([0.25, 0.75]), 0.5) == pytest.approx(200.0)
    assert crossing_km(np.array([100.0, 400.0]), np.array([0.6, 0.75]), 0.5) == 0.0
    assert crossing_km(np.array([100.0, 400.0]), np.array([0.1, 0.2]), 0.5) == np.inf


def test_a_dip_in_the_curve_is_smoothed_over_not_crossed_twice():
    scales = np.array([100.0, 200.0, 400.0, 800.0])
    assert crossing_km(scales, np.array([0.0, 0.6, 0.4, 1.0]), 0.5) == pytest.approx(200.0)


@pytest.mark.parametrize(("replicates", "noise"), [(3, 0.02), (5, 0.03), (32, 0.03)])
def test_interval_covers_the_planted_resolution_as_often_as_it_claims(replicates, noise):
    covered = []
    for seed in range(60):
        found = resolution(study(seed, replicates, noise=noise))
        assert found["resolution_km"] == pytest.approx(500, rel=0.15)
        covered.append(found["low_km"] <= 500 <= found["high_km"])
    assert np.mean(covered) >= 0.88  # 95 % claimed; 60 studies know it to 3 points


def test_threshold_is_an_option():
    table = study(noise=0.0)
    truth = 500 * (0.25 / 0.75) ** (1 / synthetic.STEEPNESS)
    assert resolution(table, threshold=0.25)["resolution_km"] == pytest.approx(truth, rel=0.08)
    for bad in (0.0, 1.0, 1.5):
        with pytest.raises(UserError, match=rf"threshold must lie between 0 and 1, both left out; got {bad}"):
            probe_resolution(table, threshold=bad)


def test_finer_than_the_finest_scale_is_censored():
    found = resolution(study(resolution_km=30))
    assert found["censored"] == "finer than" and found["resolution_km"] == 100 and found["low_km"] == 0
    assert text(estimate(found)) == "finer than 100 km"


def test_never_reached_is_censored():
    found = resolution(study(resolution_km=9000))
    assert found["censored"] == "not reached by" and found["resolution_km"] == 2500 and np.isinf(found["high_km"])
    assert text(estimate(found)) == "not reached by 2500 km"


def test_bound_is_open_where_some_draws_do_not_cross():
    found = resolution(study(resolution_km=2450, noise=0.06))
    assert np.isinf(found["high_km"]) and np.isfinite(found["low_km"])


def test_crossing_among_starved_scales_leaves_the_fine_side_open():
    fine = resolution(study(resolution_km=120))
    assert fine["starved"] and fine["low_km"] == 0 and fine["high_km"] < 200
    assert "[open, " in text(estimate(fine))
    coarse = resolution(study(resolution_km=500))
    assert not coarse["starved"] and coarse["low_km"] > 0
    assert coarse["starved_up_to_km"] == 225


def test_one_replicate_has_no_interval():
    found = resolution(study(replicates=1))
    assert np.isnan(found["low_km"]) and np.isnan(found["high_km"])
    assert "no interval" in text(estimate(found))


def test_each_extent_density_probe_and_scaling_has_its_own_row():
    table = synthetic.make_results(replicates=2, encoders=(ONE,))
    standardised = table[table["encoder"] == "one"].assign(standardize=True)
    found = probe_resolution(pd.concat([table, standardised]))
    own = found[(found["encoder"] == "one") & (found["experiment"] == "resolution")]
    assert set(zip(own["sampling"], own["standardize"], strict=True)) == {
        (sampling, scaled) for sampling in ("fixed_per_cell", "local_caps") for scaled in (False, True)
    }
    assert set(found.loc[found["experiment"] == "scale_region", "span_deg"]) == {15, 25, 35, 45, 60, 90}
    assert "boundaries" not in set(found["experiment"])


def test_caps_at_all_places_are_one_extent_whatever_their_size():
    table = synthetic.make_results(replicates=2, encoders=(ONE,), experiments=("resolution",))
    caps = table[(table["sampling"] == "local_caps") & (table["encoder"] == "one")]
    moved = caps.assign(center_lon_deg=np.arange(len(caps), dtype=float), span_deg=caps["scale_km"] / 10)
    found = resolution(moved)
    assert found["region"] == "caps" and found["n_scales"] == len(synthetic.RESOLUTION_SCALES_KM)
    assert found["extent_km2_low"] < found["extent_km2_high"]


def test_nominal_resolution_stands_beside():
    table = synthetic.make_results(replicates=2, experiments=("resolution",))
    found = probe_resolution(table).set_index(["encoder", "sampling"])
    assert found.loc[("satclip-vit16-l40", "local_caps"), "nominal_km"] == pytest.approx(20015.09 / 40, rel=1e-4)
    assert np.isnan(found.loc[("xyz", "local_caps"), "nominal_km"])


def test_shuffled_labels_and_failed_probes_do_not_count():
    table = study()
    broken = table.iloc[:1].assign(failure="non-finite loss at epoch 3", test_accuracy=np.nan)
    shuffled = table.assign(labels="shuffled", test_accuracy=0.5)
    pd.testing.assert_frame_equal(probe_resolution(pd.concat([table, broken, shuffled])), probe_resolution(table))


def test_works_on_the_sweet_spot_too():
    table = synthetic.make_results(replicates=3, experiments=("sweet_spot",))
    found = probe_resolution(table).set_index("encoder")
    assert found.loc["satclip-vit16-l40", "resolution_km"] == pytest.approx(500, rel=0.1)
    assert found.loc["satclip-vit16-l10", "censored"] == "not reached by"


def pair(first_km, second_km, seed=0, replicates=3):
    encoders = (synthetic.Planted("first", first_km), synthetic.Planted("second", second_km))
    rows = synthetic.make_results(replicates, seed, encoders=encoders, experiments=("resolution",), noise=0.02)
    return rows[rows["sampling"] == "fixed_per_cell"]


def test_ratio_of_two_resolutions_is_covered():
    found = [resolution_ratio(pair(800.0, 500.0, seed), "first", "second") for seed in range(30)]
    assert np.median([ratio.value for ratio in found]) == pytest.approx(500 / 800, rel=0.08)
    assert np.mean([ratio.low <= 500 / 800 <= ratio.high for ratio in found]) >= 0.85
    assert all(ratio.high < 1 for ratio in found)


def test_ratio_tells_starved_encoders_apart():
    table = pair(200.0, 130.0)
    assert probe_resolution(table).query("probe == 'mlp'")["starved"].all()
    assert resolution_ratio(table, "first", "second").high < 1


def test_ratio_of_equals_holds_one_and_of_one_replicate_has_no_interval():
    held = [1.0 in resolution_ratio(pair(500.0, 500.0, seed), "first", "second") for seed in range(20)]
    assert np.mean(held) >= 0.8
    assert np.isnan(resolution_ratio(pair(800.0, 500.0, replicates=1), "first", "second").low)
