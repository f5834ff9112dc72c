"""The examples of README and docs do what they say, at smaller sizes, and the site builds without a warning."""

import functools
import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas
import pytest
import torch

import satgpu
from satgpu.experiments import EXPERIMENTS
from satgpu.run.rows import TABLES
from satgpu.study.config import parse_run
from satgpu.study.readouts import READERS

matplotlib.use("agg")
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Names that a page takes for the reader's own, and sizes that a test has no time for.
GIVEN = {
    "million_points": torch.zeros(3, 2),
    "lonlat_deg": torch.randn(60, 2) * 20,
    "house_price": torch.randn(60),
    "my_model": lambda lonlat_deg: lonlat_deg[:, 1] / 90,
    "pandas": pandas,
    "satgpu": satgpu,
}
SMALLER = {"6000": "400", "4200": "280", "geoclip": "untrained-l4", "mini-l40": "untrained-l5",
           "untrained-l40": "untrained-l6", "untrained-l10": "untrained-l4"}  # fmt: skip
SIZES = {
    "transfer_function": {"n_labels": 200, "l_max": 16, "replicates": 2, "n_test": 100},
    "read_field": {"n_labels": 80, "turns": 19, "draws": 2},
    "read_fields": {"n_labels": 80, "turns": 19, "draws": 2},
    "field_budget": {"n_labels": (60, 120), "draws": 2},
    "resolution_map": {"n_places": 8, "n_labels": 60, "n_test": 40},
    "local_transfer": {"n_labels": 60, "n_test": 40, "draws": 1},
}


def blocks(page, language):
    """The fenced blocks of a page in one language; "" for those that name none."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def smaller(function, sizes):
    """The function at the sizes of a test, whatever the page asks for; ladders keep their number of steps."""

    @functools.wraps(function)
    def small(*args, **options):
        given = dict(sizes)
        if isinstance(options.get("n_labels"), (list, tuple)):
            given["n_labels"] = [60 + 30 * i for i in range(len(options["n_labels"]))]
        return function(*args, **(options | given))

    return small


@pytest.fixture
def small_world(monkeypatch, tmp_path):
    """Small sizes, a folder of its own, and registries as they were before."""
    monkeypatch.chdir(tmp_path)
    for name, sizes in SIZES.items():
        monkeypatch.setattr(satgpu, name, smaller(getattr(satgpu, name), sizes), raising=False)
    registries = {id(found): (found, dict(found)) for found in (EXPERIMENTS, TABLES, READERS)}
    yield
    for found, before in registries.values():
        found.clear()
        found.update(before)
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page, small_world, capsys):
    names = dict(GIVEN, __name__="page")
    for code in blocks(page, "python"):
        for old, new in SMALLER.items():
            code = re.sub(rf"(?<![\w.-]){old}(?![\w-])", new, code)
        exec(compile(code, str(page), "exec"), names)  # noqa: S102  our own pages
    if page.name == "contributing.md":
        assert set(names["study"].results["experiment"]) == {"bands"}
        norms = pandas.read_csv("bands_and_norms/norms.csv")
        assert norms.groupby("encoder").size().to_dict() == {"sh-l4": 8, "sh-l8": 8}
        assert names["curve"].dim == 6 and names["found"].verdict == "cannot be tested"


def test_the_notebook_runs_in_small_with_every_cell_shown(tmp_path):
    """In a process of its own: a kernel is one anyway, and its libraries warn of what isn't ours."""
    code = (
        "import sys, nbformat, nbclient\n"
        "book = nbformat.read(sys.argv[1], 4)\n"
        "nbclient.NotebookClient(book, timeout=200, resources={'metadata': {'path': '.'}}).execute()\n"
        "nbformat.write(book, 'out.ipynb')"
    )
    command = [sys.executable, "-c", code, str(ROOT / "docs/deep_dive.ipynb")]
    settings = os.environ | {"SATGPU_NOTEBOOK": "small", "PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=230, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    shown = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))
    kinds = [set(out.get("data", ())) for cell in shown["cells"] for out in cell.get("outputs", ())]
    assert sum("image/svg+xml" in kind for kind in kinds) == 2 and any("image/png" in kind for kind in kinds)
    assert any("text/html" in kind for kind in kinds) and any("text/markdown" in kind for kind in kinds)
    stored = json.loads((ROOT / "docs/deep_dive.ipynb").read_text(encoding="utf-8"))
    assert [cell["source"] for cell in stored["cells"]] == [cell["source"] for cell in shown["cells"]]
    assert sum(bool(cell.get("outputs")) for cell in stored["cells"]) >= 5  # it is read with its outputs


def test_every_command_that_runs_a_study_parses():
    lines = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    commands = [re.search(r"(?:satgpu run|scripts/run_all\.py)\b([^#&]*)", line) for line in lines]
    commands = [shlex.split(found[1]) for found in commands if found and "--resume" not in found[1]]
    assert len(commands) > 8
    for words in commands:
        words = [word.replace("configs/", "").removesuffix(".yaml") for word in words]
        parse_run(words, "satgpu run")


def test_every_page_is_in_the_table_of_contents():
    listed = " ".join(re.findall(r"```\{toctree\}\n(.*?)```", (ROOT / "docs/index.md").read_text(), re.DOTALL)).split()
    assert {page.stem for page in PAGES[1:]} - {"index"} <= set(listed)


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="the extra satgpu[docs] is not installed")
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path / "site")]
    built = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    assert "transfer_function" in (tmp_path / "site/api.html").read_text(encoding="utf-8")
