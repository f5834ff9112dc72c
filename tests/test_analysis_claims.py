"""Claims get the verdict that the numbers support, and never more."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from satgpu.answers import RunTables, judge_claims, judge_published
from satgpu.answers.evidence import contrast, corrected, estimate
from satgpu.answers.intervals import Interval
from satgpu.answers.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED, all_of, within

UNTRAINED_PAIR = (
    synthetic.Planted("untrained-l10", 1400.0, "compared", False, 10),
    synthetic.Planted("untrained-l40", 560.0, "compared", False, 40),
    synthetic.XYZ,
)


def judged(encoders=synthetic.ENCODERS, replicates=5, protocol="geodesic", places=24, **options):
    results = synthetic.make_results(replicates, protocol=protocol, encoders=encoders, **options)
    similarity = synthetic.make_similarity(protocol=protocol, encoders=encoders, places=places)
    environment = synthetic.make_environment(encoders, replicates, protocol)
    return judge_claims(RunTables(results, similarity, pd.DataFrame(), environment)).set_index("claim_id")


@pytest.fixture(scope="module")
def run():
    return judged()


@pytest.fixture(scope="module")
def published():
    return judge_published().set_index("claim_id")


@pytest.mark.parametrize(
    ("claim", "verdict", "number"),
    [
        ("region_gain", "contradicted", "10° +4.3 points"),
        ("smaller_regions", "contradicted", "30° region +30.9 points"),
        ("similarity_500", "contradicted", "L=40 0.54"),
        ("similarity_drop", "undecided", "1877 and 558 km"),
        ("patterns_alike", "contradicted", "horizontal stripes -13.4 points"),
        ("continents_alike", "contradicted", "Europe +30.4 points"),
        ("continent_gain", "contradicted", "0 of 36 hold"),
        ("use_second_within_continent", "undecided", "-0.4 points"),
        ("regression_use_first", "undecided", "no regression was run"),
        ("boundary_preference", "undecided", "-0.4 points"),
    ],
)
def test_printed_insights_are_judged_by_the_published_numbers(published, claim, verdict, number):
    assert published.loc[claim, "verdict"] == verdict
    assert number in published.loc[claim, "evidence"]


def test_nothing_is_supported_without_replicates(published):
    assert SUPPORTED not in set(published["verdict"])
    alone = judged(replicates=1, protocol="notebook", places=1)
    by_probes = alone.drop(index=["finer_kernel"])
    notebook = by_probes[by_probes["source"] == "notebook"]
    assert SUPPORTED not in set(notebook["verdict"])


def test_run_supports_what_was_planted(run):
    for claim in ("finer_kernel", "finer_probe_global", "finer_probe_local"):
        assert run.loc[claim, "verdict"] == "supported"
        assert "satclip-vit16-l40 is finer than satclip-vit16-l10" in run.loc[claim, "statement"]
    assert run.loc["use_second_within_continent", "verdict"] == "supported"
    assert run.loc["shuffled_at_chance", "verdict"] == "supported"


def test_probe_claims_say_which_probe_and_density(run):
    assert "MLP 128-64" in run.loc["finer_probe_local", "evidence"]
    assert "training points per cell" in run.loc["finer_probe_global", "evidence"]


def test_share_of_the_advantage_that_needs_no_learning_is_measured(run):
    truth = [
        np.mean([synthetic.planted_skill(b, km) - synthetic.planted_skill(a, km) for km in range(300, 925, 25)])
        for a, b in ((synthetic.UNTRAINED_L10, synthetic.UNTRAINED_L40), (synthetic.L10, synthetic.L40))
    ]
    share = 100 * truth[0] / truth[1]
    words = run.loc["advantage_learned", "statement"]
    found, low, high = (float(x) for x in pd.Series(words).str.extractall(r"(\d+)(?= %| to)")[0].iloc[:3])
    assert found == pytest.approx(share, abs=4) and low <= found <= high


def test_of_an_untrained_pair_nothing_is_learned():
    table = judged(UNTRAINED_PAIR, replicates=2, experiments=("sweet_spot",))
    assert table.loc["advantage_learned", "verdict"] == "supported"
    assert table.loc["advantage_learned", "statement"].startswith("Nothing in the advantage of untrained-l40")


def test_without_controls_what_is_learned_is_undecided():
    table = judged(synthetic.ENCODERS[:2], replicates=2, experiments=("sweet_spot",))
    assert table.loc["advantage_learned", "verdict"] == "undecided"
    assert "--controls" in table.loc["advantage_learned", "evidence"]
    assert "beats_xyz" not in table.index


def test_controls_are_compared_in_words(run):
    assert "read more than the coordinates alone" in run.loc["beats_xyz", "statement"]
    assert "read less than the nearest neighbour" in run.loc["beats_nearest", "statement"]


def test_equal_encoders_are_undecided():
    twins = (
        synthetic.Planted("a", 700.0, legendre_polys=20),
        synthetic.Planted("b", 700.0, legendre_polys=20),
    )
    table = judged(twins, replicates=3)
    for claim in ("finer_probe_global", "finer_probe_local", "finer_kernel"):
        assert table.loc[claim, "verdict"] == "undecided", claim


def test_shuffled_labels_that_are_read_contradict():
    results = synthetic.make_results(5, experiments=("sweet_spot",))
    leak = results["labels"] == "shuffled"
    results.loc[leak, "test_accuracy"] += 0.1
    tables = RunTables(results, synthetic.make_similarity(places=2), pd.DataFrame(), synthetic.make_environment())
    assert judge_claims(tables).set_index("claim_id").loc["shuffled_at_chance", "verdict"] == "contradicted"


def test_claims_about_experiments_that_were_not_run_are_left_out():
    table = judged(replicates=2, experiments=("boundaries",), encoders=synthetic.ENCODERS[:2])
    assert "sweet_spot_peak" not in table.index and "finer_probe_local" not in table.index
    assert "boundary_preference" in table.index


def test_both_protocols_are_judged():
    results = pd.concat(
        [synthetic.make_results(2, protocol=p, experiments=("sweet_spot",)) for p in ("notebook", "geodesic")]
    )
    tables = RunTables(results, synthetic.make_similarity(places=2), pd.DataFrame(), synthetic.make_environment())
    table = judge_claims(tables)
    assert list(dict.fromkeys(table["protocol"])) == ["geodesic", "notebook"]
    assert list(table.columns) == ["claim_id", "source", "protocol", "statement", "verdict", "evidence"]


def test_patterns_are_compared_at_equal_wavelength_too(run):
    assert "of 30 pairs" in run.loc["patterns_alike_wavelength", "evidence"]


def test_regression_is_judged_where_it_was_run(run):
    assert run.loc["regression_use_first", "verdict"] == "contradicted"
    assert "R²" in run.loc["regression_use_first", "evidence"]


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.2, 0.1, 0.3, 3), SUPPORTED),
        (Interval(0.2, 0.1, 0.3, 1), UNDECIDED),
        (Interval(0.5, 0.4, 0.6, 3), UNDECIDED),
        (Interval(0.9, 0.8, 1.0, 3), CONTRADICTED),
        (Interval(0.9, 0.8, 1.0, 1), CONTRADICTED),
        (Interval(-0.2, -0.3, -0.1, 3), CONTRADICTED),
        (Interval(0.2, np.nan, np.nan, 1), UNDECIDED),
        (Interval(np.nan, np.nan, np.nan, 0), UNDECIDED),
    ],
)
def test_verdict_follows_the_whole_interval(interval, verdict):
    assert within(interval, 0.0, 0.5) == verdict


def test_parts_that_must_all_hold():
    assert all_of([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert all_of([SUPPORTED, UNDECIDED]) == UNDECIDED
    assert all_of([SUPPORTED, UNDECIDED, CONTRADICTED]) == CONTRADICTED
    assert all_of([]) == UNDECIDED


def test_estimates_of_one_replicate_have_the_error_of_the_test_set():
    rows = pd.DataFrame({"replicate": [0, 0], "difference": [0.1, 0.3], "error": [0.03, 0.04]})
    found = estimate(rows)
    assert found.mean == pytest.approx(0.2) and found.n == 1
    assert found.high - found.mean == pytest.approx(1.96 * 0.025, rel=1e-3)
    gap = contrast(rows.iloc[:1], rows.iloc[1:])
    assert gap.mean == pytest.approx(-0.2) and gap.high - gap.mean == pytest.approx(1.96 * 0.05, rel=1e-3)


def test_many_comparisons_need_more_confidence_each():
    assert corrected(1) == 0.95 and corrected(10) == pytest.approx(0.995)
