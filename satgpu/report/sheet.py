"""The page a figure is drawn on: title, legend, panels, and the footer that says what run it is.

Heights of title, legend and footer are counted in inches and added to those of
the panels, so nothing overlaps whatever the length of a notice.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from .style import INK, QUIET, RC
from .words import count

DPI = 150
WIDE_IN, NARROW_IN = 10.0, 4.6
_LINE_IN = {"title": 0.25, "legend": 0.185, "foot": 0.165}
_CHARS_PER_IN = {"title": 8.7, "legend": 13.4, "foot": 14.5}


@dataclass(frozen=True)
class Picture:
    """One finished figure.

    Attributes:
        name: file name without suffix.
        figure: the drawing.
        title: what it shows, or what it finds where the replicates support it.
        alt: the numbers in words, for those who do not see it.
        caption: how to read it and where its numbers come from.
        data: its numbers as a table; empty where it has none.
    """

    name: str
    figure: Figure
    title: str
    alt: str
    caption: str = ""
    data: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)

    @cached_property
    def png(self) -> bytes:
        """The drawing at 150 dots per inch; the same run gives the same bytes."""
        stream = io.BytesIO()
        with rc_context(RC):
            _lay_out(self.figure)
            self.figure.set_dpi(DPI)
            FigureCanvasAgg(self.figure).print_png(stream, metadata={"Software": None})
        return stream.getvalue()

    @cached_property
    def svg(self) -> bytes:
        """The drawing as vectors, letters as outlines, without a date."""
        stream = io.StringIO()
        with rc_context(RC):
            _lay_out(self.figure)
            FigureCanvasSVG(self.figure).print_svg(stream, metadata={"Date": None})
        return stream.getvalue().encode("utf-8")

    def save(self, folder: Path, suffix: str = "") -> list[Path]:
        """Write ``folder/name<suffix>.png`` and ``.svg``, and ``.csv`` where it has numbers."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}{suffix}.{form}" for form in ("png", "svg")]
        for path, content in zip(paths, (self.png, self.svg), strict=True):
            path.write_bytes(content)
        if len(self.data):
            paths.append(folder / f"{self.name}{suffix}.csv")
            self.data.to_csv(paths[-1], index=False, float_format="%.6g", lineterminator="\n")
        return paths


def _lay_out(figure: Figure) -> None:
    """Settle the panels once; every format is then a single pass of drawing (``savefig`` makes two)."""
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
        for axes in figure.axes:  # the solver's last bit varies, and ends up in the names of SVG clip paths
            axes.set_position([round(side, 6) for side in axes.get_position(original=True).bounds])


def open_sheet(
    n_panels: int,
    narrow: bool,
    height_in: float = 3.7,
    widths: Sequence[float] | None = None,
    columns: int | None = None,
):
    """A figure and its panels: side by side when wide, stacked when narrow.

    Args:
        n_panels: how many panels.
        narrow: the version for a phone.
        height_in: height of one row of panels, in inches.
        widths: relative widths of the panels in a row.
        columns: panels in a row of the wide version; all of them by default.

    Returns:
        (figure, list of axes).
    """
    columns = 1 if narrow else min(columns or n_panels, n_panels)
    rows = int(np.ceil(n_panels / columns))
    figure = Figure(figsize=(NARROW_IN if narrow else WIDE_IN, height_in * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns, width_ratios=widths if widths and columns == n_panels else None)
    axes = [figure.add_subplot(grid[i // columns, i % columns]) for i in range(n_panels)]
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06, wspace=0.03, hspace=0.05)
    return figure, axes


def footer(run: Run) -> str:
    """The line under every figure: whose rows it shows, and in small what stands in for what."""
    replicates = count(run.replicates, "replicate")
    bands = "intervals: 95 %" if run.replicates > 1 else "one replicate, so no intervals"
    names = ", ".join(encoder_label(spec) for spec in run.compared[:6])
    facts = [f"{run.protocol} protocol", replicates, bands, f"encoders: {names}", f"run {run.name}", run.notice]
    return " · ".join(fact for fact in facts if fact)


def close_figure(figure: Figure, title: str, handles: Sequence, run: Run) -> Figure:
    """``close_sheet`` with the run's footer."""
    return close_sheet(figure, title, handles, footer(run))


def wrap(text: str, width_in: float, kind: str) -> list[str]:
    """Lines of ``text`` that fit a width in inches."""
    return textwrap.wrap(text, max(20, int(width_in * _CHARS_PER_IN[kind]))) or [""]


def _legend_columns(handles, width_in: float) -> int:
    """The fewest columns that keep the legend within the width and as low as it can be."""
    lengths = [len(handle.get_label()) / _CHARS_PER_IN["legend"] + 0.72 for handle in handles]
    for rows in range(1, len(handles) + 1):
        columns = int(np.ceil(len(handles) / rows))
        # Matplotlib fills column by column, and the first columns take what is left over.
        splits = np.array_split(np.arange(len(handles)), columns)
        if sum(max(lengths[i] for i in split) for split in splits) < width_in:
            return columns
    return 1


def close_sheet(figure: Figure, title: str, handles: Sequence, foot_text: str) -> Figure:
    """Put title and legend above the panels, the footer below, and make room for them."""
    width, body = figure.get_size_inches()
    titles, feet = wrap(title, width, "title"), wrap(foot_text, width, "foot")
    columns = _legend_columns(handles, width) if handles else 1
    legend_rows = int(np.ceil(len(handles) / columns)) if handles else 0
    head = 0.12 + len(titles) * _LINE_IN["title"] + legend_rows * _LINE_IN["legend"] + (0.08 if handles else 0)
    foot = 0.08 + len(feet) * _LINE_IN["foot"]
    total = body + head + foot
    figure.set_size_inches(width, total)
    figure.get_layout_engine().set(rect=(0.004, foot / total, 0.99, body / total))
    _write_lines(figure, titles, 0.1, "title", fontsize=12.5, fontweight="bold", color=INK)
    if handles:
        top = 1 - (0.1 + len(titles) * _LINE_IN["title"]) / total
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.1 / width, top),
            ncols=columns,
            borderaxespad=0,
            borderpad=0.2,
            handlelength=2.6,
            columnspacing=1.4,
            handletextpad=0.5,
            labelspacing=0.35,
        )
    _write_lines(figure, feet, total - foot + 0.04, "foot", fontsize=7.5, color=QUIET)
    return figure


def _write_lines(figure: Figure, lines: Sequence[str], start_in: float, kind: str, **options) -> None:
    """Lines of text from ``start_in`` inches below the top edge."""
    width, height = figure.get_size_inches()
    for i, line in enumerate(lines):
        y = 1 - (start_in + i * _LINE_IN[kind]) / height
        figure.text(0.1 / width, y, line, ha="left", va="top", **options)
