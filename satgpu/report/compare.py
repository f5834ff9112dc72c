"""Several runs side by side: their resolutions, their paired differences, and one overlay figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from satgpu.errors import UserError

from .compare_tables import encoder_differences, run_differences
from .headline import effective_resolution, headline
from .sheet import Picture, close_sheet, open_sheet
from .style import COMPARED_COLOURS, COMPARED_LINES, COMPARED_MARKERS, INK, RC, log_km_axis, percent_axis, say_empty
from .summary import markdown_table
from .view import RunView, open_views
from .words import count, points_interval


def compare_runs(folders: Sequence[Path], out: Path) -> list[Path]:
    """Set runs beside each other.

    Args:
        folders: two or more run folders.
        out: folder for the comparison, made if need be.

    Returns:
        The files written: ``resolutions.csv``, ``differences.csv`` (the pair's,
        run against run), ``encoder_differences.csv`` (encoder against encoder
        across runs of one seed), ``comparison.md``, ``comparison.png``, ``.svg``.

    Raises:
        UserError: fewer than two runs, or a folder without results.
    """
    if len(folders) < 2:
        raise UserError(f"comparing needs at least two run folders; got {len(folders)}")
    out = Path(out)
    views = _named([view for folder in folders for view in open_views(Path(folder))])
    out.mkdir(parents=True, exist_ok=True)
    resolutions = pd.concat(
        [effective_resolution(view).assign(run=name) for name, view in views.items()], ignore_index=True
    )
    resolutions.insert(0, "run", resolutions.pop("run"))
    differences = run_differences(views)
    resolutions.to_csv(out / "resolutions.csv", index=False)
    differences.to_csv(out / "differences.csv", index=False)
    encoders = encoder_differences(views)
    encoders.to_csv(out / "encoder_differences.csv", index=False)
    (out / "comparison.md").write_text(_markdown(views, differences, encoders), encoding="utf-8")
    with rc_context(RC):
        pictures = draw_comparison(views).save(out)
    return [
        *(out / name for name in ("resolutions.csv", "differences.csv", "encoder_differences.csv", "comparison.md")),
        *pictures,
    ]


def _named(views: Sequence[RunView]) -> dict[str, RunView]:
    """Names that tell the runs apart: folder, protocol where one folder holds two, a number where names repeat."""
    named: dict[str, RunView] = {}
    for view in views:
        several = sum(other.name == view.name and other.tables is view.tables for other in views) > 1
        name = f"{view.name} ({view.protocol})" if several else view.name
        named[name if name not in named else f"{name} #{len(named) + 1}"] = view
    return named


def _markdown(views: dict[str, RunView], differences: pd.DataFrame, encoders: pd.DataFrame) -> str:
    """The tables and each run's notice."""
    lines = ["# Runs compared", ""]
    for name, view in views.items():
        lines += [f"- **{name}**: {view.footer}" + (f" · {view.notice}" if view.notice else "")]
    resolutions = pd.concat(
        [headline(view).assign(run=name) for name, view in views.items()], ignore_index=True
    ).fillna("–")
    resolutions.insert(0, "run", resolutions.pop("run"))
    lines += ["", "## Effective resolution", "", *markdown_table(resolutions), ""]
    if len(differences):
        shown = pd.DataFrame(
            {
                "experiment": differences["experiment"],
                "run": differences["run"],
                "pair": differences["pair"],
                "difference": [points_interval(*row) for row in differences[["difference", "low", "high"]].to_numpy()],
                "minus the first run": [
                    "–" if not np.isfinite(row[0]) else points_interval(*row)
                    for row in differences[["minus_first_run", "minus_first_low", "minus_first_high"]].to_numpy()
                ],
                "verdict": differences["verdict"],
            }
        )
        lines += ["## Differences of the pair, averaged over each experiment", "", *markdown_table(shown), ""]
    lines += ["## Encoders across runs, paired by their draws", ""]
    if encoders.empty:
        return "\n".join(
            [
                *lines,
                "No task was drawn alike in two runs: they differ in seed or protocol, or compare the same encoders.",
                "",
            ]
        )
    shown = encoders[["experiment", "first", "second", "verdict"]].assign(
        difference=[points_interval(*row) for row in encoders[["difference", "low", "high"]].to_numpy()]
    )
    lines += [*markdown_table(shown[["experiment", "first", "second", "difference", "verdict"]]), ""]
    return "\n".join(lines)


def draw_comparison(views: dict[str, RunView]) -> Picture:
    """Overlay: sweet-spot accuracy of every compared encoder of every run, and the pair's difference."""
    title = "Runs compared: sweet spot"
    figure, axes = open_sheet(2, narrow=False)
    handles = [handle for i, (name, view) in enumerate(views.items()) for handle in _overlay(axes, i, name, view)]
    if handles:
        scales = pd.concat([view.rows("sweet_spot")["scale_km"] for view in views.values()])
        percent_axis(axes[0], "test accuracy")
        axes[1].axhline(0, color=INK, linewidth=1)
        axes[1].set_ylabel("second minus first of each pair\n(percentage points)")
        for panel in axes:
            log_km_axis(panel, scales, "cell size (km)")
    else:
        for panel in axes:
            say_empty(panel, "no run holds the sweet spot")
    footer = " · ".join(
        f"{name}: {view.protocol}, {count(view.replicates, 'replicate')}" for name, view in views.items()
    )
    notices = [f"{name}: {view.notice}" for name, view in views.items() if view.notice]
    close_sheet(figure, title, handles, footer, "; ".join(notices) or None)
    return Picture("comparison", figure, title, "Sweet-spot accuracy and difference of each run.")


def _overlay(axes: Sequence[Axes], i: int, name: str, view: RunView) -> list[Line2D]:
    """One run's curves in its own colour, a line style per encoder; returns the legend entries."""
    colour, marker = COMPARED_COLOURS[i % 6], COMPARED_MARKERS[i % 6]
    means, handles = view.means(view.rows("sweet_spot"), ["encoder", "scale_km"]), []
    for k, spec in enumerate(view.compared[:6]):
        curve = means[means["encoder"] == spec]
        if curve.empty:
            continue
        look = {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linestyle": COMPARED_LINES[k % 3],
            "markerfacecolor": colour if k else "white",
        }
        axes[0].fill_between(curve["scale_km"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
        axes[0].plot(curve["scale_km"], curve["mean"], **look)
        handles.append(Line2D([], [], label=f"{name}: {view.label(spec)}", **look))
    table = view.differences(view.rows("sweet_spot"), ["scale_km"]).drop(columns="verdict").astype(float)
    axes[1].fill_between(
        table["scale_km"], 100 * table["low"], 100 * table["high"], color=colour, alpha=0.15, linewidth=0
    )
    axes[1].plot(table["scale_km"], 100 * table["difference"], color=colour, marker=marker, markersize=4)
    return handles
