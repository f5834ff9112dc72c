"""Each question answered once: what is planted comes back, and nothing is decided that the rows can't decide."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from satgpu.answers import questions, sweet_spot
from satgpu.answers.questions import answer_run
from satgpu.answers.types import Answer, Estimate, Source, Verdict
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
    assert [name for name in answers if name.endswith(".failed")] == []


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
    found = answered(make(UNTRAINED_PAIR))
    printed = [answer for answer in found.values() if answer.source is Source.NOTEBOOK]
    assert printed and {answer.verdict for answer in printed} == {Verdict.UNDECIDED}
    assert isinstance(found["sweet_spot.global"].values["most"], Estimate)
    assert found["learned.nothing"].verdict is Verdict.SUPPORTED


def test_one_replicate_decides_nothing():
    found = answered(make(replicates=1, encoders=synthetic.ENCODERS[:2]))
    tested = [answer for answer in found.values() if answer.question != "learned"]
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


def test_without_untrained_twins_what_is_learned_is_not_known():
    assert "learned.unknown" in answered(make(synthetic.ENCODERS[:2], 2, experiments=("sweet_spot",)))


def test_a_question_that_fails_is_named_and_stops_no_other(run, monkeypatch):
    def broken(run):
        raise ValueError("no such number")

    monkeypatch.setattr(sweet_spot, "answer", broken)
    found = answered(Run(run.results, environment=run.environment))
    assert found["sweet_spot.failed"].values["error"] == "ValueError: no such number"
    assert "learned.advantage" in found


def test_both_protocols_are_answered_and_nothing_is_said_of_what_was_not_run():
    rows = [make(protocol=p, replicates=2, experiments=("sweet_spot",)).results for p in ("notebook", "geodesic")]
    found = answer_run(Run(pd.concat(rows), environment=synthetic.make_environment()))
    assert {answer.protocol for answer in found} == {"notebook", "geodesic"}
    assert {answer.question for answer in found} == {"sweet_spot", "learned"}


def test_questions_are_found_by_their_files():
    assert list(questions.questions())[0] == "sweet_spot" and "types" not in questions.questions()
