"""Verdicts on tables of paired differences: the rule, its parts against slow references, and its edges."""

import io

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats

import satgpu
from satgpu.answers.compare import verdicts
from satgpu.answers.discoveries import benjamini_hochberg, control_discoveries, hierarchical_q
from satgpu.answers.moderated import moderated, prior
from satgpu.answers.pairs import neighbouring_cells, paired_rows
from satgpu.answers.tables import contrasts, difference
from satgpu.answers.types import Answer, Source, Unit, Verdict
from satgpu.errors import UserError

FIRST, SECOND = "satclip-vit16-l10", "satclip-vit16-l40"
COLUMNS = ["first_mean", "second_mean", "difference", "low", "high", "t", "df", "p", "q", "verdict", "n_replicates"]


def table_of(accuracies: dict[str, np.ndarray], n_test: int = 1800, **columns) -> pd.DataFrame:
    """Rows of results: (scales, replicates) of accuracies for each encoder."""
    rows = [
        {"encoder": name, "scale_km": 100.0 * (cell + 1), "replicate": replicate, "test_accuracy": value}
        for name, values in accuracies.items()
        for (cell, replicate), value in np.ndenumerate(values)
    ]
    return pd.DataFrame(rows).assign(labels="field", chance=0.5, n_test=n_test, **columns)


def noisy(gain: float, cells: int = 25, replicates: int = 3, noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed).standard_normal
    base = np.linspace(0.6, 0.9, cells)[:, None]
    shape = (cells, replicates)
    return table_of({"a": base + noise * draw(shape), "b": base + gain + noise * draw(shape)})


def test_the_moderated_t_is_smyths_with_a_trend_and_a_cap():
    draw = np.random.default_rng(1)
    values, x = 0.02 * draw.standard_normal((30, 3)) * np.exp(draw.standard_normal((30, 1))), draw.random(30)
    variance = values.var(axis=1, ddof=1)
    z = np.log(variance) - (-np.euler_gamma) + np.log(1.0)  # ψ(1) = -γ, two degrees of freedom
    slope, intercept = np.polyfit(x, z, 1)
    fit = intercept + slope * x
    extra = ((z - fit) ** 2).sum() / 28 - np.pi**2 / 6
    low, high = 0.01, 100.0  # trigamma falls: bisect
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if stats.loggamma(middle).var() > extra else (low, middle)
    prior_df = 2 * low
    from scipy.special import digamma

    prior_variance = np.exp(fit + digamma(prior_df / 2) - np.log(prior_df / 2))
    found_df, found_variance = prior(variance, np.full(30, 2.0), x, cap=np.inf)
    assert found_df.item() == pytest.approx(min(prior_df, 14)) and prior_df < 4
    assert found_variance == pytest.approx(prior_variance)
    se = np.sqrt((prior_df * prior_variance + 2 * variance) / (prior_df + 2) / 3)
    found = moderated(values, x, skewed=False)
    assert found.t == pytest.approx(values.mean(axis=1) / se)
    assert found.p == pytest.approx(2 * stats.t.sf(np.abs(values.mean(axis=1) / se), prior_df + 2))
    assert moderated(0.02 * draw.standard_normal((30, 3))).df == pytest.approx(np.full(30, 6.0))  # 2 + the cap


def test_tables_on_the_leading_axes_have_nothing_to_do_with_each_other():
    values = np.random.default_rng(2).exponential(size=(4, 30, 5))
    x = np.random.default_rng(3).random((4, 30))
    together, alone = moderated(values, x), moderated(values[2], x[2])
    assert together.p[2] == pytest.approx(alone.p, rel=1e-12)
    assert together.interval()[0][2] == pytest.approx(alone.interval()[0], rel=1e-12)


def test_an_interval_leaves_out_zero_where_p_is_below_five_percent():
    values = np.random.default_rng(4).exponential(size=(200, 30, 4)) - 0.6
    found = moderated(values)
    low, high = found.interval()
    assert np.array_equal((low > 0) | (high < 0), found.p < 0.05)
    assert np.abs(found.b).max() > 0.01  # the skewness was seen


def test_few_cells_pool_little_and_one_cell_is_plain_student():
    values = np.random.default_rng(5).standard_normal((1, 6))
    found = moderated(values, np.array([0.7]))
    assert found.p == pytest.approx([stats.ttest_1samp(values[0], 0).pvalue]) and found.df.item() == 5
    assert moderated(np.random.default_rng(6).standard_normal((6, 3))).df.max() <= 2 + 2


def test_cells_of_no_variance_have_no_say_and_are_no_surer_than_rounding():
    values = 0.02 * np.random.default_rng(7).standard_normal((30, 3))
    saturated = np.concatenate([values, np.full((6, 3), 0.001)])
    rounding = 1 / (6 * 1800**2)
    apart = moderated(values, rounding_K=rounding, skewed=False)
    found = moderated(saturated, rounding_K=rounding, skewed=False)
    assert found.se[:30] == pytest.approx(apart.se)
    assert (found.se >= np.sqrt(rounding / 3)).all()


def test_compare_decides_what_three_replicates_can_tell():
    table = satgpu.compare(noisy(0.06), "a", "b", by=["scale_km"])
    assert list(table.columns) == ["scale_km", *COLUMNS]
    assert (table["verdict"] == "second").sum() >= 23 and not (table["verdict"] == "first").any()
    assert (table["low"] < table["difference"]).all() and (table["difference"] < table["high"]).all()
    assert table["scale_km"].is_monotonic_increasing and (table["n_replicates"] == 3).all()
    assert np.allclose(table["difference"], table["second_mean"] - table["first_mean"])
    swapped = satgpu.compare(noisy(0.06), "b", "a", by="scale_km")
    assert np.allclose(swapped["difference"], -table["difference"]) and np.allclose(swapped["low"], -table["high"])
    assert np.allclose(swapped["p"], table["p"]) and (swapped["verdict"] == "first").sum() >= 23
    assert (satgpu.compare(noisy(0.0), "a", "b")["verdict"] == "undecided").all()


def test_one_replicate_decides_nothing():
    table = satgpu.compare(noisy(0.3, replicates=1), "a", "b")
    assert (table["verdict"] == "undecided").all() and table[["low", "high", "t", "df", "p", "q"]].isna().all(axis=None)
    mixed = noisy(0.3)
    lone = satgpu.compare(mixed[(mixed["scale_km"] > 100) | (mixed["replicate"] == 0)], "a", "b").iloc[0]
    assert lone["verdict"] == "undecided" and lone["n_replicates"] == 1 and np.isnan(lone["p"])


def test_a_results_table_reads_the_same_typed_and_raw():
    results = synthetic.make_results(seed=3, replicates=3)
    results = results[results["experiment"] == "scale_region"]
    by = ["region", "span_deg", "scale_km"]
    typed = satgpu.compare(results, FIRST, SECOND, by=by)
    raw = satgpu.compare(pd.read_csv(io.StringIO(results.to_csv(index=False))), FIRST, SECOND, by=by)
    pd.testing.assert_frame_equal(typed, raw)
    assert len(typed) == 90 and set(typed["verdict"]) <= {"first", "second", "undecided"}
    assert len(satgpu.compare(results, FIRST, SECOND, by=[])) == 1


def test_unlucky_probes_do_not_decide_but_a_limit_of_resolution_does():
    draw = np.random.default_rng(8)
    a, b = (0.85 + 0.01 * draw.standard_normal((25, 3)) for _ in range(2))
    unlucky, limited = a.copy(), a.copy()
    unlucky[12] = 0.5
    unlucky[[1, 3, 5, 8, 10, 15, 17, 19, 21, 23], [0, 0, 1, 2, 1, 2, 2, 0, 0, 1]] = 0.5  # so probes do get stuck
    limited[:6] = 0.5
    luck = satgpu.compare(table_of({"a": unlucky, "b": b}), "a", "b").iloc[12]
    limit = satgpu.compare(table_of({"a": limited, "b": b}), "a", "b")
    assert luck["verdict"] == "undecided" and luck["difference"] > 0.3
    assert (limit["verdict"][:6] == "second").all()


def test_neighbours_are_alike_in_all_but_the_scale():
    keys = pd.DataFrame({"region": ["A", "B", "A", "A"], "scale_km": [400.0, 500.0, 600.0, 500.0]})
    neighbours = neighbouring_cells(keys)
    assert np.argwhere(neighbours).tolist() == [[0, 3], [2, 3], [3, 0], [3, 2]]
    assert neighbouring_cells(keys[["region"]]) is None


def test_contrasts_are_paired_by_replicate_and_share_their_variance():
    table = noisy(0.02, cells=30, replicates=4)
    shared = table["replicate"] * 0.05 * (table["encoder"] == "b")  # moves every cell of a replicate alike
    table["test_accuracy"] += shared + 0.1 * ((table["scale_km"] <= 1500) & (table["encoder"] == "b"))
    cells = [rows for _, rows in paired_rows(table, "a", "b", ["scale_km"]).groupby("scale_km")]
    found = contrasts(list(zip(cells[:15], cells[15:], strict=True)))
    gain = difference(found.iloc[0])
    assert gain.decided_above(0.03) and 0.1 in gain and gain.n == 4 and gain.unit is Unit.POINTS
    pivot = paired_rows(table, "a", "b", ["scale_km"]).pivot(index="scale_km", columns="replicate", values="difference")
    rounding = 2 / (6 * 1800**2)
    apart = moderated(pivot.to_numpy()[:15] - pivot.to_numpy()[15:], rounding_K=rounding)
    assert np.allclose(found["p"], apart.p) and (found["df"] > 3).all()
    alone = [tuple(rows[rows["replicate"] == 0] for rows in pair) for pair in zip(cells[:15], cells[15:], strict=True)]
    assert contrasts(alone)["p"].isna().all()


def test_an_empty_table_gives_an_empty_one():
    assert list(satgpu.compare(noisy(0).iloc[:0], "a", "b").columns) == ["scale_km", *COLUMNS]


def test_what_the_table_lacks_is_named():
    with pytest.raises(UserError, match="unknown encoder 'c'; choose from a, b"):
        satgpu.compare(noisy(0), "a", "c")
    with pytest.raises(UserError, match=r"unknown column 'scale'; choose from .*did you mean 'scale_km'"):
        satgpu.compare(noisy(0), "a", "b", by=["scale"])
    table = noisy(0)
    apart = table[(table["encoder"] == "a") == (table["replicate"] == 0)]
    with pytest.raises(UserError, match="no probe of the same task and replicate"):
        satgpu.compare(apart, "a", "b")


def test_q_values_are_scipys_and_skip_missing_ones():
    p = np.random.default_rng(10).random((5, 30))
    assert np.allclose(benjamini_hochberg(p), stats.false_discovery_control(p, axis=-1))
    assert np.allclose(benjamini_hochberg(np.append(p[0], np.nan))[:-1], benjamini_hochberg(p[0]))
    assert np.isnan(benjamini_hochberg(np.array([np.nan])))
    assert verdicts(np.array([1, -1, 1]), np.array([0.01, 0.01, np.nan])).tolist() == ["second", "first", "undecided"]


def reference_discoveries(p: list[float], family: list[str], level: float) -> list[bool]:
    """Benjamini and Bogomolov step by step."""
    names = sorted(set(family))
    simes = [min(stats.false_discovery_control([x for x, f in zip(p, family, strict=True) if f == n])) for n in names]
    chosen = [n for n, q in zip(names, stats.false_discovery_control(simes), strict=True) if q <= level]
    found = dict.fromkeys(range(len(p)), False)
    for name in chosen:
        where = [i for i, f in enumerate(family) if f == name]
        q = stats.false_discovery_control([p[i] for i in where])
        found |= {i: q_of <= level * len(chosen) / len(names) for i, q_of in zip(where, q, strict=True)}
    return [bool(found[i]) for i in range(len(p))]


def test_hierarchical_q_is_the_least_level_at_which_a_sentence_is_found():
    draw = np.random.default_rng(11)
    for _ in range(50):
        p = draw.random(12) ** draw.integers(1, 6, size=12)
        family = draw.choice(["peak", "region", "patterns", "twin"], size=12).tolist()
        q = hierarchical_q(p, family)
        for level in (0.01, 0.05, 0.2):
            assert (q <= level).tolist() == reference_discoveries(p.tolist(), family, level)


def test_false_discoveries_are_held_over_the_sentences_of_a_report():
    draw = np.random.default_rng(12)
    shares, false_reports = [], []
    for study in range(1000):
        true = np.repeat([True, False, False, False, False, False], [3, 3, 6, 2, 1, 4])
        if study % 2:
            true[:] = False
        p = np.where(true, draw.random(19) ** 12, draw.random(19))
        family = np.repeat(list("aabbcd"), [3, 3, 6, 2, 1, 4])
        found = hierarchical_q(p, family) < 0.05
        per_family = [(found & ~true)[family == f].sum() / found[family == f].sum() for f in set(family[found])]
        (false_reports if study % 2 else shares).append(np.mean(per_family) if per_family else 0.0)
    assert np.mean(shares) <= 0.05 and np.mean(np.array(false_reports) > 0) <= 0.065  # 500 reports: 1 point of error


def test_sentences_of_a_report_that_do_not_survive_its_length_are_undecided():
    def sentence(name: str, p: float | None) -> Answer:
        return Answer(name, Source.SATGPU, "geodesic", Verdict.SUPPORTED, "", p=p)

    ps = {"peak.gain": 0.001, "region.trend": 0.04, "patterns.order": 0.3, "twin.fact": None}
    answers = [sentence(name, p) for name, p in ps.items()]
    kept = [Verdict.SUPPORTED, Verdict.UNDECIDED, Verdict.UNDECIDED, Verdict.SUPPORTED]
    controlled = control_discoveries(answers)
    assert [answer.verdict for answer in controlled] == kept
    assert [answer.id for answer in controlled] == [answer.id for answer in answers]
