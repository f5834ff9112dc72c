"""A study from Python: three lines, the same folder as the command line's, and shown in a notebook."""

import threading

import pytest
from study import TINY

import satgpu
from satgpu.errors import UserError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    options = {name: value for name, value in TINY.items() if name != "encoders"}
    options |= {"experiments": ["sweet_spot", "similarity"], "offline": True}
    out = tmp_path_factory.mktemp("study") / "run"
    made = satgpu.Study(encoders=TINY["encoders"], device="cpu", out=out, **options)
    failed = []

    def work():
        try:
            made.run(progress=False)
        except Exception as error:  # told in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=work)  # a notebook's kernel may run it in any thread
    thread.start()
    thread.join()
    assert not failed, failed
    return made


def test_results_are_attributes(study):
    assert set(study.results["encoder"]) >= set(TINY["encoders"])
    assert len(study.similarity) and study.tables.compared == TINY["encoders"]
    assert study.answers["sweet_spot.peak"].question == "sweet_spot" if len(study.answers) else True
    with pytest.raises(AttributeError, match="a study has no 'resluts'; it has run, answers"):
        _ = study.resluts


def test_everything_shows_itself_in_a_notebook(study):
    assert study.answers._repr_html_().startswith("<table>")
    assert "<svg" in next(iter(study.figures.values()))._repr_svg_()
    assert study.report._repr_html_().startswith("<iframe")
    assert study._repr_markdown_() == study.summary and study.summary.startswith("#")


def test_a_study_is_read_again_and_continued_from_its_folder(study):
    again = satgpu.Study(encoders=TINY["encoders"], out=study.path)
    assert again.results.equals(study.results)


def test_a_wrong_option_is_told_when_the_study_is_made():
    with pytest.raises(UserError, match="Study: unknown key 'replicats'; did you mean 'replicates'"):
        satgpu.Study(replicats=3)
    with pytest.raises(UserError, match="has not been run yet; call run"):
        _ = satgpu.Study(encoders=["sh-l4"]).results
