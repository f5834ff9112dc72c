"""The screenshot script: skips with a reason where there is no browser, works where there is one."""

import subprocess
import sys
from pathlib import Path

import pytest
from report_run import NOTICE, STAND_INS, make_run

from satgpu.report import write_report

SCRIPT = Path(__file__).parents[1] / "scripts" / "screenshots.py"


def shoot(*args, path=None) -> subprocess.CompletedProcess:
    """Run the script as a person does."""
    environment = {"PATH": path} if path is not None else None
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(
        tmp_path_factory.mktemp("runs") / "run", STAND_INS, 2, experiments=("boundaries", "similarity"), notice=NOTICE
    )
    write_report(folder)
    return folder


def test_without_a_browser_it_skips_and_says_why(run, tmp_path):
    done = shoot(run, path=str(tmp_path))
    assert done.returncode == 0 and done.stdout.startswith("skipped: no browser found; looked for chromium")


def test_a_folder_without_a_report_is_an_error(tmp_path):
    done = shoot(tmp_path)
    assert done.returncode == 2 and "holds no report.html; make it with: python scripts/summarize.py" in done.stderr


@pytest.mark.slow
def test_report_and_tensorboard_open_in_a_real_browser(run, tmp_path):
    done = shoot(run, "--out", tmp_path / "shots")
    if done.stdout.startswith("skipped"):
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    names = {path.name: path.stat().st_size for path in (tmp_path / "shots").iterdir()}
    assert set(names) == {
        "report_desktop.png",
        "report_phone.png",
        "report_print.pdf",
        *(f"tensorboard_{tab}.png" for tab in ("scalars", "images", "text", "hparams")),
    }
    assert min(names.values()) > 20_000  # an empty page is smaller
