"""write_report: everything a run folder shows, from its tables alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from satgpu.answers.questions import answer_run
from satgpu.answers.resolution import effective
from satgpu.run.read import Run, read_run

from .contents import contents_of
from .deep_dive_json import write_json
from .figures import draw_figures
from .html import html_page
from .sheet import Picture
from .summary import summary_markdown
from .tensorboard import write_events


def write_report(run_folder: Path, tensorboard: bool = True) -> list[Path]:
    """Draw and write everything that is read of a run: no GPU, weights or network.

    Args:
        run_folder: a folder with at least ``results.csv``.
        tensorboard: write event files too, into ``run_folder/tensorboard``.

    Returns:
        The files written: figures (PNG and SVG), ``effective_resolution.csv``,
        ``deep_dive_results.json``, ``summary.md``, ``report.html``, events.

    Raises:
        UserError: the folder holds no results, or a table lacks columns.
    """
    folder = Path(run_folder)
    run = read_run(folder)
    answers, views = answer_run(run), {protocol: run.under(protocol) for protocol in run.protocols}
    wide = {protocol: draw_figures(view, answers) for protocol, view in views.items()}
    narrow = {protocol: draw_figures(view, answers, narrow=True) for protocol, view in views.items()}
    written = [path for i, name in enumerate(views) for path in _save(wide[name], folder / "figures", i, name)]
    failed: list[str] = []
    written += _written("effective_resolution.csv", failed, _write_resolutions, views, folder)
    written += _written("deep_dive_results.json", failed, _write_results, views, folder)
    contents = contents_of(run, answers, wide)
    if tensorboard:
        written += _written("tensorboard", failed, write_events, views, wide, summary_markdown(contents), folder)
    contents = replace(contents, provenance=[*contents.provenance, *failed])
    summary, page = folder / "summary.md", folder / "report.html"
    summary.write_text(summary_markdown(contents), encoding="utf-8")
    pictures = {protocol: (wide[protocol], narrow[protocol]) for protocol in views}
    page.write_text(html_page(contents, pictures), encoding="utf-8")
    return [*written, summary, page]


def _save(pictures: dict[str, Picture], folder: Path, place: int, protocol: str) -> list[Path]:
    """PNG and SVG of each figure; the second protocol's names carry a suffix."""
    suffix = f"_{protocol}" if place else ""
    return [path for picture in pictures.values() for path in picture.save(folder, suffix)]


def _written(name: str, failed: list[str], write: Callable[..., list[Path]], *args: Any) -> list[Path]:
    """The files that ``write(*args[:-1], folder / name)`` writes; one that fails is named and stops no other."""
    *given, folder = args
    try:
        return write(*given, folder / name)
    except Exception as error:
        failed.append(" ".join(f"{name} not written: {type(error).__name__}: {error}".split()))
        return []


def _write_resolutions(views: dict[str, Run], path: Path) -> list[Path]:
    pd.concat([effective(view) for view in views.values()], ignore_index=True).to_csv(path, index=False)
    return [path]


def _write_results(views: dict[str, Run], path: Path) -> list[Path]:
    """The notebook's JSON of the leading protocol."""
    write_json(next(iter(views.values())), path)
    return [path]
