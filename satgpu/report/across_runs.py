"""Several runs side by side: their resolutions, their paired differences, and one overlay figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from satgpu.answers import sweet_spot
from satgpu.answers.across_runs import encoder_differences, run_differences
from satgpu.answers.resolution import effective
from satgpu.answers.tables import difference
from satgpu.answers.types import Estimate, Unit
from satgpu.errors import UserError, refuse_repeats
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, read_run

from .contents import resolutions
from .sheet import Picture, close_sheet, footer, open_sheet
from .style import COMPARED_COLOURS, COMPARED_LINES, COMPARED_MARKERS, INK, RC, log_km_axis, percent_axis, say_empty
from .summary import markdown_table
from .words import count, text


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
        UserError: fewer than two runs, one of them twice, or a folder without results.
    """
    if len(folders) < 2:
        raise UserError(f"comparing needs at least two run folders; got {len(folders)}")
    refuse_repeats("the comparison", [str(Path(folder).resolve()) for folder in folders])
    out = Path(out)
    views = _named([run.under(protocol) for run in map(read_run, folders) for protocol in run.protocols])
    out.mkdir(parents=True, exist_ok=True)
    numbers = pd.concat([effective(run).assign(run=name) for name, run in views.items()], ignore_index=True)
    numbers.insert(0, "run", numbers.pop("run"))
    differences = run_differences(views)
    numbers.to_csv(out / "resolutions.csv", index=False)
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


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """Names that tell the runs apart: folder, protocol where one folder holds two, a number where names repeat."""
    named: dict[str, Run] = {}
    for run in runs:
        several = len({other.protocol for other in runs if other.name == run.name}) > 1
        name = f"{run.name} ({run.protocol})" if several else run.name
        named[name if name not in named else f"{name} #{len(named) + 1}"] = run
    return named


def _markdown(runs: dict[str, Run], differences: pd.DataFrame, encoders: pd.DataFrame) -> str:
    """The tables and each run's footer."""
    lines = ["# Runs compared", "", *(f"- **{name}**: {footer(run)}" for name, run in runs.items())]
    tables = []
    for name, run in runs.items():
        header, rows = resolutions(run)
        tables.append(pd.DataFrame(rows, columns=header).assign(run=name))
    together = pd.concat(tables, ignore_index=True).fillna("–")
    together.insert(0, "run", together.pop("run"))
    lines += ["", "## Resolutions", "", *markdown_table(together), ""]
    if len(differences):
        shown = differences[["experiment", "run", "pair"]].assign(
            difference=[text(difference(row)) for row in differences.to_dict("records")],
            minus_the_first_run=[_change(row) for row in differences.to_dict("records")],
            verdict=differences["verdict"],
        )
        shown.columns = [name.replace("_", " ") for name in shown.columns]
        lines += ["## Differences of the pair, averaged over each experiment", "", *markdown_table(shown), ""]
    lines += ["## Encoders across runs, paired by their draws", ""]
    if encoders.empty:
        words = "No task was drawn alike in two runs: they differ in seed or protocol, or compare the same encoders."
        return "\n".join([*lines, words, ""])
    shown = encoders[["experiment", "first", "second"]].assign(
        difference=[text(difference(row)) for row in encoders.to_dict("records")], verdict=encoders["verdict"]
    )
    return "\n".join([*lines, *markdown_table(shown), ""])


def _change(row: dict) -> str:
    numbers = [row[f"minus_first_{name}"] for name in ("run", "low", "high")]
    return text(Estimate(*numbers, row["n_replicates"], Unit.POINTS)) if np.isfinite(numbers[0]) else "–"


def draw_comparison(runs: dict[str, Run]) -> Picture:
    """Overlay: sweet-spot accuracy of every compared encoder of every run, and the pair's difference."""
    title = "Runs compared: sweet spot"
    figure, axes = open_sheet(2, narrow=False)
    handles = [handle for i, (name, run) in enumerate(runs.items()) for handle in _overlay(axes, i, name, run)]
    if handles:
        scales = pd.concat([run.probes("sweet_spot")["scale_km"] for run in runs.values()])
        percent_axis(axes[0], "test accuracy")
        axes[1].axhline(0, color=INK, linewidth=1)
        axes[1].set_ylabel("second minus first of each pair\n(percentage points)")
        for panel in axes:
            log_km_axis(panel, scales, "cell size (km)")
    else:
        for panel in axes:
            say_empty(panel, "no run holds the sweet spot")
    feet = [f"{name}: {run.protocol}, {count(run.replicates, 'replicate')}" for name, run in runs.items()]
    notices = [f"{name}: {run.notice}" for name, run in runs.items() if run.notice]
    close_sheet(figure, title, handles, " · ".join([*feet, *notices]))
    return Picture("comparison", figure, title, "Sweet-spot accuracy and difference of each run.")


def _overlay(axes: Sequence[Axes], i: int, name: str, run: Run) -> list[Line2D]:
    """One run's curves in its own colour, a line style per encoder; returns the legend entries."""
    colour, marker = COMPARED_COLOURS[i % 6], COMPARED_MARKERS[i % 6]
    means, handles = sweet_spot.accuracies(run), []
    for k, spec in enumerate(run.compared[:6]):
        curve = means[means["encoder"] == spec]
        if curve.empty:
            continue
        line = {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linestyle": COMPARED_LINES[k % 3],
            "markerfacecolor": colour if k else "white",
        }
        axes[0].fill_between(curve["scale_km"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
        axes[0].plot(curve["scale_km"], curve["mean"], **line)
        handles.append(Line2D([], [], label=f"{name}: {encoder_label(spec)}", **line))
    table = sweet_spot.table(run).drop(columns="verdict").astype(float)
    axes[1].fill_between(
        table["scale_km"], 100 * table["low"], 100 * table["high"], color=colour, alpha=0.15, linewidth=0
    )
    axes[1].plot(table["scale_km"], 100 * table["difference"], color=colour, marker=marker, markersize=4)
    return handles
