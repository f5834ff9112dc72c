"""write_report: everything a run folder shows, from its tables alone."""

from pathlib import Path

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
    written += _write_tables(views, folder)
    contents = contents_of(run, answers, wide)
    summary, page = folder / "summary.md", folder / "report.html"
    summary.write_text(summary_markdown(contents), encoding="utf-8")
    pictures = {protocol: (wide[protocol], narrow[protocol]) for protocol in views}
    page.write_text(html_page(contents, pictures), encoding="utf-8")
    written += [summary, page]
    if tensorboard:
        written += write_events(views, wide, summary_markdown(contents), folder / "tensorboard")
    return written


def _save(pictures: dict[str, Picture], folder: Path, place: int, protocol: str) -> list[Path]:
    """PNG and SVG of each figure; the second protocol's names carry a suffix."""
    suffix = f"_{protocol}" if place else ""
    return [path for picture in pictures.values() for path in picture.save(folder, suffix)]


def _write_tables(views: dict[str, Run], folder: Path) -> list[Path]:
    """The resolutions as CSV, and the notebook's JSON of the leading protocol."""
    resolutions, results = folder / "effective_resolution.csv", folder / "deep_dive_results.json"
    pd.concat([effective(view) for view in views.values()], ignore_index=True).to_csv(resolutions, index=False)
    write_json(next(iter(views.values())), results)
    return [resolutions, results]
