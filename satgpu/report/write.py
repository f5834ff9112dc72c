"""write_report: everything a run folder shows, from its tables alone."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .deep_dive_json import write_json
from .figures import draw_figures
from .headline import effective_resolution
from .html import write_html
from .sheet import Picture
from .summary import summary_markdown, write_summary
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
    written = [path for i, view in enumerate(views) for path in _save_figures(pictures[view.protocol][0], folder / "figures", "" if i == 0 else f"_{view.protocol}")]
    written += _write_tables(views, folder)
    write_summary(views, folder / "summary.md")
    write_html(views, pictures, folder / "report.html")
    written += [folder / "summary.md", folder / "report.html"]
    if tensorboard:
        written += write_events(views, {view.protocol: pictures[view.protocol][0] for view in views}, summary_markdown(views), folder / "tensorboard")
    return written


def _save_figures(pictures: Sequence[Picture], folder: Path, suffix: str) -> list[Path]:
    """PNG and SVG of each figure; the second protocol's names carry a suffix."""
    return [path for picture in pictures for path in picture.save(folder, suffix=suffix)]


def _write_tables(views: Sequence[RunView], folder: Path) -> list[Path]:
    """The headline numbers as CSV, and the notebook's JSON of the leading protocol."""
    resolutions, results = folder / "effective_resolution.csv", folder / "deep_dive_results.json"
    pd.concat([effective_resolution(view) for view in views], ignore_index=True).to_csv(resolutions, index=False)
    write_json(views[0], results)
    return [resolutions, results]
