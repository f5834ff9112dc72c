"""write_report: everything a run folder shows, from its tables alone."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .contents import contents_of
from .deep_dive_json import write_json
from .figures_old import draw_figures
from .headline import effective_resolution
from .html import html_page
from .sheet import Picture
from .summary import summary_markdown
from .tensorboard import write_events
from .view import RunView, open_views


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
    views = open_views(folder)
    pictures = {view.protocol: (draw_figures(view), draw_figures(view, narrow=True)) for view in views}
    written = [
        path
        for i, view in enumerate(views)
        for path in _save_figures(pictures[view.protocol][0], folder / "figures", "" if i == 0 else f"_{view.protocol}")
    ]
    written += _write_tables(views, folder)
    contents = contents_of(views)
    summary, page = folder / "summary.md", folder / "report.html"
    summary.write_text(summary_markdown(contents), encoding="utf-8")
    page.write_text(html_page(contents, pictures), encoding="utf-8")
    written += [summary, page]
    if tensorboard:
        written += write_events(
            views,
            {protocol: wide for protocol, (wide, _) in pictures.items()},
            summary_markdown(contents),
            folder / "tensorboard",
        )
    return written


def _save_figures(pictures: Sequence[Picture], folder: Path, suffix: str) -> list[Path]:
    """PNG and SVG of each figure; the second protocol's names carry a suffix."""
    return [path for picture in pictures for path in picture.save(folder, suffix)]


def _write_tables(views: Sequence[RunView], folder: Path) -> list[Path]:
    """The headline numbers as CSV, and the notebook's JSON of the leading protocol."""
    resolutions, results = folder / "effective_resolution.csv", folder / "deep_dive_results.json"
    pd.concat([effective_resolution(view) for view in views], ignore_index=True).to_csv(resolutions, index=False)
    write_json(views[0], results)
    return [resolutions, results]
