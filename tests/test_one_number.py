"""No number stands with two values: every page of a run takes the same estimates."""

import io
import json
import re
from html import unescape

import numpy as np
import pytest
from report_run import make_run
from rich.console import Console
from synthetic import ENCODERS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from satgpu.answers import answer_run, coastline, published_answers, read_run, resolution, sweet_spot
from satgpu.answers.questions import questions
from satgpu.answers.tables import difference, learned_difference
from satgpu.answers.types import Estimate
from satgpu.report import print_tables, write_report
from satgpu.report.figures import equal_earth
from satgpu.report.sheet import Picture
from satgpu.report.words import text

WITH_INTERVAL = re.compile(r"(?:l = )?[+-]?\d[\d.,]*(?: points| %| km|°)? \[[^\[\]]*\]")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_earth, "load_coastlines", list)
        patch.setattr(Picture, "svg", b"<svg/>")  # what is drawn has tests of its own
        patch.setattr(Picture, "png", b"")
        patch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: None)
        folder = make_run(tmp_path_factory.mktemp("runs") / "run", ENCODERS[:4], 3, "both")
        write_report(folder)
        yield folder


@pytest.fixture(scope="module")
def estimates(run_folder):
    """Every estimate of the answers, and every row of the tables that pages and figures draw."""
    run = read_run(run_folder)
    found = [value for one in (*answer_run(run), *published_answers()) for value in one.values.values()]
    for protocol in run.protocols:
        own = run.under(protocol)
        found += [value for column in resolution.headline(own).values() for value in column.values()]
        for module in questions().values():
            table = module.table(own) if hasattr(module, "FACTORS") and hasattr(module, "table") else None
            rows = table.to_dict("records") if table is not None else []
            found += [difference(row) for row in rows] + [learned_difference(row) for row in rows if row["mixed"]]
    return [value for value in found if isinstance(value, Estimate)]


def pages(folder) -> dict[str, str]:
    """What each page says, as plain words."""
    console = Console(width=400, record=True, file=io.StringIO())
    print_tables(read_run(folder), console)
    page = re.sub(r"<style>.*?</style>|data:image/[^\"]+", "", (folder / "report.html").read_text(), flags=re.S)
    board = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0, "images": 1}).Reload()
    words = board.Tensors("summary/text_summary")[0].tensor_proto.string_val[0].decode()
    return {
        "summary": (folder / "summary.md").read_text(),
        "page": unescape(re.sub(r"<[^>]+>", "", page)),
        "alt texts": unescape(" ".join(re.findall(r'alt="([^"]*)"', page))),
        "screen": console.export_text(),
        "TensorBoard": words,
    }


def test_every_interval_on_every_page_is_that_of_an_estimate(run_folder, estimates):
    known = {text(value) for value in estimates}
    for name, words in pages(run_folder).items():
        shown = {" ".join(found.split()) for found in WITH_INTERVAL.findall(words)}
        shown = {found for found in shown if not found.endswith("[]")}
        assert len(shown) > 20 or name == "screen", name
        assert shown <= known, (name, sorted(shown - known)[:5])


def test_equal_values_have_equal_intervals(estimates, run_folder):
    """The height of the peak may equal its cell's mean, but says that it was corrected for having been chosen."""
    run = read_run(run_folder)
    peaks = [sweet_spot.the_peak(run.under(protocol)).difference for protocol in run.protocols]
    estimates = [value for value in estimates if value not in peaks]
    intervals: dict[tuple, set] = {}
    for value in estimates:
        if value.n > 1 and np.isfinite(value.value) and not value.censored and value.value not in (0.0, 1.0):
            key = (float(f"{value.value:.12g}"), value.unit)
            intervals.setdefault(key, set()).add((f"{value.low:.9g}", f"{value.high:.9g}"))
    assert {key: found for key, found in intervals.items() if len(found) > 1} == {}


def test_the_notebooks_json_holds_the_differences_of_the_table(run_folder):
    run = read_run(run_folder).under("geodesic")
    rows = json.loads((run_folder / "deep_dive_results.json").read_text())["sweet_spot"]
    assert [row["diff"] for row in rows] == pytest.approx(sweet_spot.table(run)["difference"].tolist())
