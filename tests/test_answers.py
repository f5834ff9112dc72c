"""Each question answered once: what is planted comes back, and nothing is decided that the rows can't decide."""

import sys

import numpy as np
import pandas as pd
import pytest
import synthetic

import satgpu.report.figures
from satgpu.answers import convergence, questions, resolution, sweet_spot
from satgpu.answers.across_runs import encoder_differences
from satgpu.answers.published import beside, load_published, published_answers, published_run
from satgpu.answers.questions import answer_run
from satgpu.answers.tables import differences
from satgpu.answers.types import Answer, Estimate, Source, Verdict
from satgpu.report.contents import contents_of
from satgpu.run.read import Run

UNTRAINED_PAIR = (
    synthetic.Planted("untrained-l10", 1400.0, "compared", False, 10),
    synthetic.Planted("untrained-l40", 560.0, "compared", False, 40),
    synthetic.XYZ,
)


def make(encoders=synthetic.ENCODERS, replicates=5, protocol="geodesic", **options) -> Run:
    """A run of synthetic tables."""
    results = synthetic.make_results(replicates, protocol=protocol, encoders=encoders, **options)
    similarity = synthetic.make_similarity(protocol=protocol, encoders=encoders)
    environment = synthetic.make_environment(encoders, replicates, protocol)
    return Run(results, similarity, environment=environment, name="run")


def answered(run: Run) -> dict[str, Answer]:
    return {answer.id: answer for answer in answer_run(run)}


@pytest.fixture(scope="module")
def run():
    return make()


@pytest.fixture(scope="module")
def answers(run):
    return answered(run)


def test_no_question_fails(answers):
    assert [answer.values for name, answer in answers.items() if name.endswith(".error")] == []


def test_peak_is_among_the_scales_that_may_be_it(run, answers):
    peak = answers["sweet_spot.peak"]
    truth = {
        km: synthetic.planted_skill(synthetic.L40, km) - synthetic.planted_skill(synthetic.L10, km)
        for km in range(300, 925, 25)
    }
    assert peak.verdict is Verdict.SUPPORTED and peak.values["scale"].value in sweet_spot.the_peak(run).possible_km
    assert max(truth, key=truth.get) in sweet_spot.the_peak(run).possible_km


def test_the_notebooks_sentences_are_judged_where_satclip_itself_was_read(answers):
    assert answers["sweet_spot.global"].verdict is Verdict.CONTRADICTED
    assert answers["sweet_spot.global"].claim == "For global tasks: use L=10"


def test_a_stand_in_judges_no_sentence_about_satclip_and_says_what_it_did():
    found = answered(make(UNTRAINED_PAIR, 3, experiments=("sweet_spot", "boundaries")))
    printed = [answer for answer in found.values() if answer.source is Source.NOTEBOOK]
    assert printed and {answer.verdict for answer in printed} == {Verdict.UNDECIDED}
    assert isinstance(found["sweet_spot.global"].values["most"], Estimate)
    assert found["learned.nothing"].verdict is Verdict.SUPPORTED


def test_one_replicate_decides_nothing():
    found = answered(make(synthetic.ENCODERS[:2], 1, experiments=("sweet_spot", "region_size", "resolution")))
    tested = [answer for answer in found.values() if answer.question not in ("learned", "similarity")]
    assert {answer.verdict for answer in tested} == {Verdict.UNDECIDED}
    assert not found["sweet_spot.peak"].values["gain"].has_interval


def test_share_of_the_advantage_that_needs_no_learning_is_measured(answers):
    scales = range(300, 925, 25)
    bare, full = (
        np.mean([synthetic.planted_skill(b, km) - synthetic.planted_skill(a, km) for km in scales])
        for a, b in ((synthetic.UNTRAINED_L10, synthetic.UNTRAINED_L40), (synthetic.L10, synthetic.L40))
    )
    share = answers["learned.advantage"].values["share"]
    assert share.value == pytest.approx(bare / full, abs=0.04) and bare / full in share


def test_both_encoders_are_set_beside_their_own_twin(answers):
    for name in ("satclip-vit16-l10", "satclip-vit16-l40"):
        assert answers[f"learned.{name}"].verdict is Verdict.SUPPORTED


def test_without_untrained_twins_what_is_learned_is_not_known():
    assert "learned.unknown" in answered(make(synthetic.ENCODERS[:2], 2, experiments=("sweet_spot",)))


def test_a_question_that_fails_is_named_and_stops_no_other(run, monkeypatch):
    def broken(run):
        raise ValueError("no such number")

    monkeypatch.setattr(sweet_spot, "answer", broken)
    found = answered(Run(run.probes("sweet_spot"), environment=run.environment))
    assert found["sweet_spot.error"].values["error"] == "ValueError: no such number"
    assert "learned.advantage" in found


def test_both_protocols_are_answered_and_nothing_is_said_of_what_was_not_run():
    rows = [make(protocol=p, replicates=2, experiments=("sweet_spot",)).results for p in ("notebook", "geodesic")]
    found = answer_run(Run(pd.concat(rows), environment=synthetic.make_environment()))
    assert {answer.protocol for answer in found} == {"notebook", "geodesic"}
    assert {answer.question for answer in found} == {
        "sweet_spot",
        "learned",
        "controls",
        "convergence",
        "published",
    }


def test_what_was_planted_is_found(answers):
    supported = "scale_region.cells scale_region.use_second patterns.cells boundaries.cells similarity.faster "
    supported += "similarity.changes_faster controls.shuffled resolution.fixed_per_cell resolution.local_caps"
    assert {name: answers[name].verdict for name in supported.split()} == dict.fromkeys(
        supported.split(), Verdict.SUPPORTED
    )
    assert answers["patterns.use_first"].verdict is Verdict.CONTRADICTED
    assert answers["resolution.local_caps"].values["ratio"].high < 1


def test_the_controls_say_what_was_compared(answers):
    xyz = answers["controls.xyz.satclip-vit16-l40"]
    assert "compares probes" in xyz.statement and xyz.values["gain"].low > 0
    assert answers["controls.coordinates.satclip-vit16-l40"].values["gain"].high < 0


def test_shuffled_labels_that_are_read_contradict():
    results = synthetic.make_results(5, experiments=("sweet_spot",))
    results.loc[results["labels"] == "shuffled", "test_accuracy"] += 0.1
    assert answered(Run(results))["controls.shuffled"].verdict is Verdict.CONTRADICTED


def test_equal_encoders_are_undecided():
    twins = (synthetic.Planted("a", 700.0, legendre_polys=20), synthetic.Planted("b", 700.0, legendre_polys=20))
    found = answered(make(twins, 3, experiments=("sweet_spot", "region_size", "resolution", "boundaries")))
    own = [answer for answer in found.values() if answer.source is Source.SATGPU and answer.p is not None]
    decided = [answer.id for answer in own if answer.verdict is Verdict.SUPPORTED]
    assert len(own) > 10 and set(decided) <= {"controls.shuffled", "controls.coordinates.a", "controls.coordinates.b"}


def test_patterns_are_compared_at_equal_wavelength_too(answers):
    assert answers["patterns.equal_wavelength"].values["n"] == "30 pairs"


def test_spectral_extent_is_the_planted_number_of_harmonics(run):
    extents = resolution.headline(run)["centred spectral extent"]
    assert extents["satclip-vit16-l40"].value == pytest.approx(38, abs=1)
    half = resolution.headline(run)["centred half similarity"]
    assert half["satclip-vit16-l40"].high < half["satclip-vit16-l10"].low


def test_experiments_that_were_not_run_are_left_out():
    found = answered(make(replicates=2, experiments=("boundaries",), encoders=synthetic.ENCODERS[:2]))
    assert {answer.question for answer in found.values()} == {"boundaries", "similarity", "convergence"}


# Probes in trouble


def stuck(run: Run, n: int) -> Run:
    """``n`` probes of the first encoder that stopped at max_iter, at chance."""
    results = run.results.copy()
    rows = run.probes("sweet_spot")
    which = rows[rows["encoder"] == "satclip-vit16-l10"].sort_values("scale_km").index[-n:]
    results.loc[which, "converged"] = False
    results.loc[which, "stop_reason"] = "max_iter"
    results.loc[which, "test_accuracy"] = 0.5
    return Run(results)


@pytest.fixture(scope="module")
def small():
    return make(replicates=3, experiments=("sweet_spot", "boundaries"))


def test_troubles_are_counted_and_named(small):
    troubled = stuck(small, 4)
    troubled.results.loc[troubled.results.index[0], ["failure", "converged"]] = ["non-finite loss at epoch 3", False]
    row = convergence.table(troubled).set_index(["experiment", "encoder"]).loc[("sweet_spot", "satclip-vit16-l10")]
    before = convergence.table(small).set_index(["experiment", "encoder"]).loc[("sweet_spot", "satclip-vit16-l10")]
    assert (row["unconverged"], row["failed"], row["n_probes"]) == (4, 1, 3 * 28)
    assert row["never_learned"] == before["never_learned"] + 4 - (before["never_learned"] > 0)
    assert set(convergence.named(troubled, "unconverged")["stop_reason"]) == {"max_iter"}
    assert "coordinates" not in set(convergence.table(troubled)["encoder"])


def test_shuffled_labels_are_not_expected_to_be_learned(small):
    rows = convergence.probes(small)
    assert not rows.loc[rows["labels"] == "shuffled", "never_learned"].any()


def test_leaving_stuck_probes_out_changes_the_difference_by_what_they_did_to_it(small):
    before = convergence.without(small, "unconverged").set_index("experiment").loc["sweet_spot"]
    assert before["n_left_out"] == 0 and before["difference"] == pytest.approx(before["difference_without"])
    after = convergence.without(stuck(small, 9), "unconverged").set_index("experiment").loc["sweet_spot"]
    assert (after["n_pairs"], after["n_left_out"]) == (75, 9)
    assert after["difference_without"] < after["difference"]  # the first lost, so the second gained


def test_nothing_left_has_no_difference(small):
    row = convergence.without(Run(small.results.assign(converged=False)), "unconverged").iloc[0]
    assert row["n_left_out"] == row["n_pairs"] and np.isnan(row["difference_without"])


# The published numbers


def test_published_tables_are_tidy_and_whole():
    sizes = {name: len(table) for name, table in load_published().items()}
    assert sizes == {
        "sweet_spot": 50,
        "region_size": 16,
        "patterns": 50,
        "scale_region": 90,
        "boundaries": 12,
        "similarity": 30,
    }


def test_the_authors_one_draw_decides_none_of_the_notebooks_sentences(answers):
    published = {answer.id: answer for answer in published_answers()}
    assert {answer.verdict for answer in published.values()} == {Verdict.UNDECIDED}
    assert published["region_size.gain"].values["least"].value == pytest.approx(0.043, abs=5e-4)
    assert published["sweet_spot.range"].values["scale"].value == 675
    assert published["patterns.best"].values["best"] == "checkerboard"
    assert published["scale_region.use_second"].values["least"].value == pytest.approx(-0.004)
    assert published["similarity.at_500"].values["at_second"].value == pytest.approx(0.54, abs=0.005)
    printed = {name for name, answer in answers.items() if answer.source is Source.NOTEBOOK}
    assert printed - set(published) == {"patterns.use_first"}  # the notebook ran no regression


def test_published_rows_carry_the_size_of_their_test_sets():
    rows = published_run().probes("sweet_spot")
    assert len(rows) == 50 and set(rows["n_test"]) == {1800} and set(rows["replicate"]) == {0}
    assert set(published_run().probes("region_size")["scale_km"]) == {500.0}


def test_a_run_is_set_beside_the_published_values_by_their_keys():
    run = make(synthetic.ENCODERS[:2], 1, "notebook")
    table = beside(run)
    assert np.allclose(table["difference"], table["run"] - table["published"])
    row = table.query("table == 'patterns' and pattern == 'vertical_stripes' and scale_km == 800 and encoder == 'l40'")
    rows = run.probes("patterns").query("pattern == 'vertical_stripes' and scale_km == 800")
    assert row["published"].item() == 0.707
    assert row["run"].item() == rows[rows["encoder"] == "satclip-vit16-l40"]["test_accuracy"].item()
    continent = table.query("table == 'scale_region' and region == 'Asia' and span_deg == 25 and scale_km == 500")
    assert continent["published"].item() == -0.004 and len(continent) == 1
    assert (table["table"] == "region_size").sum() == 16  # the density series is left out
    assert answered(run)["published.kind"].statement.endswith("a reproduction")


def test_encoders_of_runs_are_paired_where_their_draws_are_the_same():
    encoders = {"a": synthetic.L10, "b": synthetic.L40}
    runs = {name: make((encoder,), 3, experiments=("sweet_spot",)) for name, encoder in encoders.items()}
    (row,) = encoder_differences(runs).to_dict("records")
    assert row["verdict"] == "second" and row["n_replicates"] == 3


def test_later_looks_at_undecided_cells_leave_averages_and_decided_cells_alone():
    more = make(replicates=6, experiments=("sweet_spot",))
    late = (more.results["replicate"] >= 3) & (more.results["scale_km"] > 500)  # decided at the first look
    looks = "looks: [[3, 0.005], [6, 0.014]]"
    grown, first = (
        Run(more.results[~late], config_text=looks),
        Run(more.results.query("replicate < 3"), config_text=looks),
    )
    cells, before = sweet_spot.table(grown).set_index("scale_km"), sweet_spot.table(first).set_index("scale_km")
    assert set(cells["n_replicates"]) <= {3, 6} and (cells.loc[525:, "n_replicates"] == 3).all()
    assert (before.loc[525:, "verdict"] == "second").all() and (cells["verdict"] == "second").all()
    assert differences(grown, "sweet_spot", ()).equals(differences(first, "sweet_spot", ()))


def test_one_scale_repeated_names_and_a_lone_encoder_break_nothing():
    some = ("sweet_spot", "region_size", "patterns", "resolution")
    one = make(replicates=2, experiments=some)
    rows = one.results[one.results["scale_km"].isin([500.0]) | one.results["scale_km"].isna()]
    alone = make(synthetic.ENCODERS[:1], 1, experiments=some)
    for run in (Run(rows), Run(pd.concat([rows, rows])), alone):
        assert [one.values for name, one in answered(run).items() if name.endswith(".error")] == []
    assert sweet_spot.table(alone).empty


def test_questions_are_found_by_their_files():
    names = list(questions.questions())
    assert names.index("resolution") < names.index("sweet_spot") < names.index("learned") and "types" not in names


DUMMY_ANSWER = """
from satgpu.answers.sentences import own
from satgpu.answers.tables import given

TITLE = "Shape: how many rows there are"


def answer(run):
    return [own(run, "shape.rows", "there are {n} rows", {"n": given(len(run.results), "")}, headline=True)]
"""
DUMMY_FIGURE = """
from satgpu.report.sheet import Picture, close_figure, open_sheet


def draw(run, answers, narrow=False):
    figure, (axes,) = open_sheet(1, narrow)
    axes.plot([1, 2], [3, 4])
    close_figure(figure, "Shape", [], run)
    return Picture("shape", figure, "Shape", "two points")
"""


@pytest.fixture()
def dummy_question(tmp_path, monkeypatch):
    """An answer file and a figure file, put where both kinds are looked for."""
    for package, text in ((satgpu.answers, DUMMY_ANSWER), (satgpu.report.figures, DUMMY_FIGURE)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "shape.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    for found in (questions.questions, satgpu.report.figures.figures):
        found.cache_clear()
    yield
    for package in (satgpu.answers, satgpu.report.figures):
        sys.modules.pop(f"{package.__name__}.shape", None)
        delattr(package, "shape")
    for found in (questions.questions, satgpu.report.figures.figures):
        found.cache_clear()


def test_a_new_question_is_an_answer_file_and_if_wanted_a_figure(dummy_question):
    run = make(synthetic.ENCODERS[:2], 2, experiments=("boundaries",))
    found = answer_run(run)
    contents = contents_of(run, found, {run.protocol: satgpu.report.figures.draw_figures(run, found)})
    (section,) = [section for section in contents.parts[0].sections if section.name == "shape"]
    assert section.own[0].text == f"There are {len(run.results):,} rows." and section.figures == ["shape"]
    assert contents.parts[0].short[-1] == section.own[0]
