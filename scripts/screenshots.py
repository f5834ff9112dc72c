"""Screenshots of a run's report and of its TensorBoard in a headless browser. Installs nothing.

    python scripts/screenshots.py logs/NAME --out shots

Writes report_desktop.png, report_phone.png, report_print.pdf and tensorboard.png.
Where no browser is found it says so and exits 0.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
)
PHONE_WIDTH = 390
# A browser window is never narrower than about 500 px: a phone's width needs a frame inside it.
PHONE_PAGE = (
    '<!doctype html><body style="margin:0"><iframe src="{url}" '
    'style="border:0;width:{width}px;height:{height}px"></iframe>'
)


def find_browser() -> str | None:
    """Path of the first browser that is installed, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def capture(
    browser: str, url: str, target: Path, width: int, height: int, extra: tuple[str, ...] = (), timeout_s: float = 90
) -> Path:
    """Open ``url`` in a fresh profile and write a screenshot (or a PDF, by the suffix of ``target``).

    Raises:
        RuntimeError: the browser wrote nothing.
    """
    action = "--print-to-pdf" if target.suffix == ".pdf" else "--screenshot"
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            *FLAGS,
            *extra,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"{action}={target.resolve()}",
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if not target.exists() or target.stat().st_size == 0:
        raise RuntimeError(f"{browser} wrote no {target.name}: {done.stderr.strip()[-300:]}")
    return target


def shoot_report(browser: str, run_folder: Path, out: Path, height: int = 9000) -> list[Path]:
    """report.html at desktop width, at a phone's width, and printed."""
    url = (run_folder / "report.html").resolve().as_uri()
    frame = out / "phone_frame.html"
    frame.write_text(PHONE_PAGE.format(url=url, width=PHONE_WIDTH, height=height), encoding="utf-8")
    shots = [
        capture(browser, url, out / "report_desktop.png", 1200, height),
        capture(browser, frame.resolve().as_uri(), out / "report_phone.png", PHONE_WIDTH, height),
        capture(browser, url, out / "report_print.pdf", 1200, height, ("--no-pdf-header-footer",)),
    ]
    frame.unlink()
    return shots


@contextmanager
def tensorboard_server(logdir: Path, timeout_s: float = 60) -> Iterator[str]:
    """A TensorBoard on a free port of this machine; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(logdir),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--load_fast=false",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(f"{address}data/runs", server, timeout_s)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(address: str, server: subprocess.Popen, timeout_s: float) -> None:
    """Until the server lists runs."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.read().strip() not in (b"", b"[]"):
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    raise RuntimeError(f"TensorBoard did not list its runs at {address} within {timeout_s:g} s")


def shoot_tensorboard(browser: str, run_folder: Path, out: Path) -> list[Path]:
    """The time series and the text of a running TensorBoard."""
    waiting = ("--virtual-time-budget=30000",)
    with tensorboard_server(run_folder / "tensorboard") as address:
        return [
            capture(browser, f"{address}#{tab}", out / f"tensorboard_{tab}.png", 1400, 1600, waiting)
            for tab in ("scalars", "images", "text", "hparams")
        ]


def main(args: list[str] | None = None) -> int:
    """Take all screenshots; 0 also where there is no browser to take them with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder with report.html")
    parser.add_argument("--out", type=Path, default=None, help="where to write them (default: RUN/screenshots)")
    options = parser.parse_args(args)
    if not (options.run / "report.html").exists():
        parser.error(f"{options.run} holds no report.html; make it with: python scripts/summarize.py {options.run}")
    browser = find_browser()
    if browser is None:
        print(f"skipped: no browser found; looked for {', '.join(BROWSERS)}")
        return 0
    out = options.out or options.run / "screenshots"
    out.mkdir(parents=True, exist_ok=True)
    shots = shoot_report(browser, options.run, out)
    if (options.run / "tensorboard").is_dir():
        shots += shoot_tensorboard(browser, options.run, out)
    print("\n".join(str(path) for path in shots))
    return 0


if __name__ == "__main__":
    sys.exit(main())
