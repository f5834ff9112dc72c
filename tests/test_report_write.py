"""A whole report, written once from synthetic tables, and read back."""

import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import synthetic
from report_run import NOTICE, STAND_INS, make_run
from rich.console import Console

from satgpu.answers import coastline, read_run
from satgpu.errors import UserError
from satgpu.report import print_tables, write_report
from satgpu.report.figures import equal_earth

FIGURES = (
    "sweet_spot_fine",
    "region_size_effect",
    "pattern_complexity",
    "scale_region",
    "embedding_similarity",
    "boundary_sharpness",
    "resolution",
    "world_map",
    "coastline",
)


@pytest.fixture(scope="module")
def without_land_mask():
    """The land mask takes seconds to read; the maps have their own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_earth, "load_coastlines", list)
        patch.setattr(coastline, "coast_distance_km", lambda lonlat_deg: None)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, without_land_mask):
    """A run folder with its report, and the list of files that the writer returned."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "standin", STAND_INS, replicates=3, notice=NOTICE, failed=3)
    with (folder / "config.yaml").open("a") as config:
        config.write("note: <script>alert(1)</script>\n")
    return folder, write_report(folder)


@pytest.fixture(scope="module")
def page(run):
    return (run[0] / "report.html").read_text()


def test_every_promised_file_is_written_and_returned(run):
    folder, written = run
    assert all(path.exists() for path in written)
    names = {str(path.relative_to(folder)) for path in written}
    assert {f"figures/{name}.{form}" for name in FIGURES for form in ("png", "svg")} <= names
    assert {"summary.md", "report.html", "deep_dive_results.json", "effective_resolution.csv"} <= names
    assert any("events.out.tfevents" in name for name in names)


def test_every_figure_has_its_numbers_beside_it(run, page):
    folder, written = run
    for path in [path for path in written if path.suffix == ".svg"]:
        table = pd.read_csv(path.with_suffix(".csv"))
        assert len(table) and len(table.columns) > 1, path.name
        assert f'href="figures/{path.stem}.csv"' in page
    curve = pd.read_csv(folder / "figures" / "embedding_similarity.csv")
    shown = read_run(folder).similarity
    assert set(curve["distance_km"]) == set(shown.loc[shown["grid"] == "distances", "distance_km"])


def test_folds_open_for_print_and_dark_screens_have_colours_of_their_own(page):
    assert "::details-content" in page and "prefers-color-scheme: dark" in page
    assert page.count("<details>") == page.count("<summary>") > 5


def test_json_has_the_notebooks_keys_and_fields(run):
    results = json.loads(
        (run[0] / "deep_dive_results.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    fields = {name: list(rows[0]) for name, rows in results.items()}
    assert fields == {
        "sweet_spot": ["km", "l10", "l40", "diff"],
        "region_size": ["region_deg", "region_km", "l10", "l40", "diff"],
        "patterns": ["pattern", "scale_km", "l10", "l40", "diff"],
        "similarity": ["distance_km", "l10_sim_mean", "l40_sim_mean", "l10_sim_std", "l40_sim_std"],
        "boundaries": ["width_km", "l10", "l40", "diff"],
        "scale_region": ["center", "region_deg", "scale_km", "l10", "l40", "diff"],
    }
    assert [len(rows) for rows in results.values()] == [25, 8, 25, 15, 6, 90]
    assert results["region_size"][0]["region_km"] == 1110


def test_json_holds_means_over_replicates(run):
    results = json.loads((run[0] / "deep_dive_results.json").read_text())
    table = read_run(run[0]).results
    rows = table[
        (table["experiment"] == "boundaries") & (table["encoder"] == "untrained-l40") & (table["width_km"] == 500)
    ]
    (found,) = [row for row in results["boundaries"] if row["width_km"] == 500]
    assert found["l40"] == pytest.approx(rows["test_accuracy"].mean())
    assert found["diff"] == pytest.approx(found["l40"] - found["l10"])


def test_page_needs_no_network_and_no_script(page):
    without_data = re.sub(r"data:image/[^\"]+", "", page)
    assert not re.search(r"(src|href|srcset)=\"(?!\")[^\"]*\b(https?:|//)", without_data)
    assert "<script" not in without_data and "@import" not in without_data and "url(" not in without_data
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in without_data


def test_page_says_the_notice_the_protocol_and_the_configuration(page):
    assert NOTICE in page and "<strong>geodesic</strong>" in page and "replicates: 3" in page
    assert "<title>How fine a spatial detail do untrained L=10 and untrained L=40 tell apart?" in page


def test_every_figure_on_the_page_has_numbers_in_its_alt_text_and_a_narrow_drawing(page):
    images = re.findall(r"<img[^>]*alt=\"([^\"]*)\"", page)
    assert len(images) == len(FIGURES) == page.count("<source media=")
    assert all(len(re.findall(r"\d", alt)) >= 4 for alt in images), [alt for alt in images if not re.search(r"\d", alt)]


class Balance(HTMLParser):
    """Collects ids, and elements that are closed out of order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.faults = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" else []
        if tag not in ("meta", "source", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))


def test_page_is_well_formed_and_its_links_lead_somewhere(run, page):
    balance = Balance()
    balance.feed(page)
    assert balance.open == [] and balance.faults == []
    assert len(set(balance.ids)) == len(balance.ids)
    inside = {link.removeprefix("#") for link in balance.links if link.startswith("#")}
    assert inside and inside <= set(balance.ids)
    assert all((run[0] / link).is_file() for link in balance.links if not link.startswith("#"))


def test_questions_stand_in_one_order_with_their_figures(page):
    sections = re.findall(r"<h2 id=\"(\w+)\"", page)
    order = ["resolution", "sweet_spot", "region_size", "patterns", "scale_region", "similarity", "boundaries"]
    assert [name for name in sections if name in order] == order
    assert page.index('id="in-short"') < page.index('id="resolution"') < page.index('id="figure-resolution"')


def test_summary_starts_with_the_notice_and_counts_failures(run):
    summary = (run[0] / "summary.md").read_text()
    assert summary.index(NOTICE) < summary.index("## In short") < summary.index("## Resolution of probes")
    assert "Failed (no score): 3 of" in summary
    assert "non-finite loss at epoch 3" in summary


def test_summary_numbers_come_back_from_the_table(run):
    table = read_run(run[0]).results
    rows = table[(table["experiment"] == "coastline") & (table["probe"] == "mlp")]
    mean = rows[rows["encoder"] == "untrained-l40"]["test_accuracy"].mean()
    assert f"untrained L=40 {100 * mean:.1f} %" in (run[0] / "summary.md").read_text()


def test_writing_again_gives_the_same_bytes_and_no_second_event_file(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", STAND_INS, 2, experiments=("boundaries", "coastline"))
    stable = [path for path in write_report(folder) if "tfevents" not in path.name]
    before = {path: path.read_bytes() for path in stable}
    again = write_report(folder)
    assert [path for path in again if "tfevents" not in path.name] == stable
    assert [path.name for path, content in before.items() if path.read_bytes() != content] == []
    assert len(list((folder / "tensorboard").rglob("events.*"))) == sum("tfevents" in path.name for path in again)


def test_a_folder_without_results_is_told_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"results.csv: no such file; give a run folder"):
        write_report(tmp_path)


def test_tensorboard_can_be_left_out(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", STAND_INS, 1, experiments=("boundaries",))
    written = write_report(folder, tensorboard=False)
    assert not (folder / "tensorboard").exists()
    assert [path.name for path in written if path.suffix == ".png"] == ["boundary_sharpness.png"]
    assert "Not run under this protocol: " in (folder / "summary.md").read_text()


def test_one_encoder_has_null_for_the_other(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", STAND_INS[:1], 1, experiments=("sweet_spot", "similarity"))
    write_report(folder, tensorboard=False)
    results = json.loads((folder / "deep_dive_results.json").read_text())
    assert results["sweet_spot"][0]["l40"] is None and 0.4 < results["sweet_spot"][0]["l10"] < 1
    assert results["similarity"][0]["l40_sim_mean"] is None


def test_two_protocols_stand_side_by_side(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", synthetic.ENCODERS[:2], 2, "both", experiments=("boundaries",))
    names = {path.name for path in write_report(folder, tensorboard=False)}
    assert {"boundary_sharpness.png", "boundary_sharpness_notebook.png", "published_notebook.png"} <= names
    page = (folder / "report.html").read_text()
    assert 'id="boundaries"' in page and 'id="notebook-boundaries"' in page
    assert "splits: a reproduction" in page


def test_results_alone_are_enough(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", replicates=2, experiments=("sweet_spot",))
    for name in ("environment.json", "config.yaml", "similarity.csv", "training_curves.csv", "predictions.csv"):
        (folder / name).unlink()
    write_report(folder)
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("# How fine a spatial detail do SatCLIP ViT16 L=10 and SatCLIP ViT16 L=40 tell apart?")
    assert "of their untrained twins" in summary
    assert "The run folder holds no <code>config.yaml</code>" in (folder / "report.html").read_text()


def test_tables_of_the_first_version_are_still_read(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", replicates=2, experiments=("sweet_spot", "similarity"))
    for name, later in (("results", ["twin"]), ("similarity", ["twin", "task_id"])):
        table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        table.drop(columns=later).to_csv(folder / f"{name}.csv", index=False)
    write_report(folder, tensorboard=False)
    words = (folder / "summary.md").read_text()
    assert "of their untrained twins" in words and "not answered" not in words


def test_tables_of_headers_alone_say_that_nothing_was_run(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", STAND_INS, 1, experiments=("boundaries", "similarity"))
    for name in ("results", "similarity", "predictions", "training_curves"):
        path = folder / f"{name}.csv"
        path.write_text(path.read_text().split("\n")[0] + "\n")
    write_report(folder)
    summary = (folder / "summary.md").read_text()
    assert "No probe was trained under this protocol" in summary and "Land or ocean" in summary.partition("Not run")[2]


def test_a_run_of_failures_alone_still_has_its_page_and_says_so(tmp_path, without_land_mask):
    folder = make_run(tmp_path / "run", STAND_INS, 1, experiments=("sweet_spot", "boundaries"), failed=10**6)
    names = {path.name for path in write_report(folder)}
    assert {"sweet_spot_fine.png", "boundary_sharpness.png"} <= names
    console = Console(width=150, record=True, file=io.StringIO())
    print_tables(read_run(folder), console)
    assert "no probe of this experiment has a score" in console.export_text()


def test_report_imports_neither_torch_nor_pyplot():
    code = (
        "import satgpu.report, sys; print([m for m in ('torch', 'lightning', 'matplotlib.pyplot', "
        "'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_effective_resolution_csv_finds_what_was_planted(run):
    table = np.genfromtxt(run[0] / "effective_resolution.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    probe = [row for row in table if row["encoder"] == "untrained-l40" and row["measure"] == "probe"]
    assert {row["sampling"] for row in probe} == {"fixed_per_cell", "local_caps"}
    assert all(row["low"] < row["value"] < row["high"] and 400 < row["value"] < 600 for row in probe)
