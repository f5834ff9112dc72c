"""Several runs side by side: their resolutions, their paired differences, and one overlay figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.lines import Line2D

from satgpu.errors import UserError

from .headline import effective_resolution, headline
from .sheet import Picture, close_sheet, open_sheet
from .style import COMPARED_COLOURS, COMPARED_LINES, COMPARED_MARKERS, INK, RC, log_km_axis, percent_axis, say_empty
from .summary import markdown_table
from .view import RunView, open_views
from .words import points, points_interval


def compare_runs(folders: Sequence[Path], out: Path) -> list[Path]:
    """Set runs beside each other.

    Args:
        folders: two or more run folders.
        out: folder for the comparison, made if need be.

    Returns:
        The files written: ``resolutions.csv``, ``differences.csv``,
        ``comparison.md``, ``comparison.png`` and ``comparison.svg``.

    Raises:
        UserError: fewer than two runs, or a folder without results.
    """
    if len(folders) < 2:
        raise UserError(f"comparing needs at least two run folders; got {len(folders)}")
    out = Path(out)
    views = _named([view for folder in folders for view in open_views(Path(folder))])
    out.mkdir(parents=True, exist_ok=True)
    resolutions = pd.concat([effective_resolution(view).assign(run=name) for name, view in views.items()], ignore_index=True)
    resolutions.insert(0, "run", resolutions.pop("run"))
    differences = run_differences(views)
    resolutions.to_csv(out / "resolutions.csv", index=False)
    differences.to_csv(out / "differences.csv", index=False)
    (out / "comparison.md").write_text(_markdown(views, differences), encoding="utf-8")
    with rc_context(RC):
        pictures = draw_comparison(views).save(out)
    return [out / "resolutions.csv", out / "differences.csv", out / "comparison.md", *pictures]


def _named(views: Sequence[RunView]) -> dict[str, RunView]:
    """Names that tell the runs apart: folder, protocol where one folder holds two, a number where names repeat."""
    named: dict[str, RunView] = {}
    for view in views:
        several = sum(other.name == view.name and other.tables is view.tables for other in views) > 1
        name = f"{view.name} ({view.protocol})" if several else view.name
        named[name if name not in named else f"{name} #{len(named) + 1}"] = view
    return named


def run_differences(views: dict[str, RunView]) -> pd.DataFrame:
    """The pair's mean difference in every experiment of every run, and run against run.

    Runs have their own draws, so run minus run is not paired: its interval is
    that of two independent means.

    Returns:
        DataFrame[experiment, run, pair, difference, low, high, n_replicates,
        minus_first_run, minus_first_low, minus_first_high, verdict].
    """
    rows = []
    for name, view in views.items():
        for experiment in ("sweet_spot", "region_size", "patterns", "scale_region", "boundaries", "resolution", "coastline"):
            table = view.differences(view.rows(experiment), [])
            for row in table.to_dict("records"):
                rows.append({"experiment": experiment, "run": name, "pair": " minus ".join(reversed(view.pair_labels)), **{k: row[k] for k in ("difference", "low", "high", "n_replicates")}})
    columns = ["experiment", "run", "pair", "difference", "low", "high", "n_replicates", "minus_first_run", "minus_first_low", "minus_first_high", "verdict"]
    if not rows:
        return pd.DataFrame(columns=columns)
    table = pd.DataFrame(rows)
    parts = [_against_first(group) for _, group in table.groupby("experiment", sort=False)]
    return pd.concat(parts, ignore_index=True)[columns]


def _against_first(group: pd.DataFrame) -> pd.DataFrame:
    """Each run's difference minus the first run's, half-widths added in quadrature."""
    first = group.iloc[0]
    change = group["difference"] - first["difference"]
    down = np.hypot(group["difference"] - group["low"], first["high"] - first["difference"])
    up = np.hypot(group["high"] - group["difference"], first["difference"] - first["low"])
    low, high = change - down, change + up
    verdict = np.select([low > 0, high < 0], ["larger", "smaller"], "undecided")
    own = np.arange(len(group)) == 0
    return group.assign(
        minus_first_run=change.where(~own), minus_first_low=low.where(~own), minus_first_high=high.where(~own), verdict=np.where(own, "", verdict)
    )


def _markdown(views: dict[str, RunView], differences: pd.DataFrame) -> str:
    """Both tables and each run's notice."""
    lines = ["# Runs compared", ""]
    for name, view in views.items():
        lines += [f"- **{name}**: {view.footer}" + (f" · {view.notice}" if view.notice else "")]
    resolutions = pd.concat([headline(view).assign(run=name) for name, view in views.items()], ignore_index=True).fillna("–")
    resolutions.insert(0, "run", resolutions.pop("run"))
    lines += ["", "## Effective resolution", "", *markdown_table(resolutions), ""]
    if len(differences):
        shown = pd.DataFrame({
            "experiment": differences["experiment"], "run": differences["run"], "pair": differences["pair"],
            "difference": [points_interval(*row) for row in differences[["difference", "low", "high"]].to_numpy()],
            "minus the first run": ["–" if not np.isfinite(row[0]) else f"{points(row[0])} [{points(row[1])}, {points(row[2])}]" for row in differences[["minus_first_run", "minus_first_low", "minus_first_high"]].to_numpy()],
            "verdict": differences["verdict"],
        })
        lines += ["## Differences of the pair, averaged over each experiment", "", *markdown_table(shown), ""]
    return "\n".join(lines)


def draw_comparison(views: dict[str, RunView]) -> Picture:
    """Overlay: sweet-spot accuracy of every compared encoder of every run, and the pair's difference."""
    figure, axes = open_sheet(2, narrow=False)
    handles, drawn = [], False
    for i, (name, view) in enumerate(views.items()):
        colour, marker = COMPARED_COLOURS[i % 6], COMPARED_MARKERS[i % 6]
        for k, spec in enumerate(view.compared[:6]):
            means = view.means(view.rows("sweet_spot"), ["encoder", "scale_km"])
            curve = means[means["encoder"] == spec]
            if len(curve):
                drawn = True
                axes[0].fill_between(curve["scale_km"], curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
                axes[0].plot(curve["scale_km"], curve["mean"], color=colour, marker=marker, markersize=4, linestyle=COMPARED_LINES[k % 3], markerfacecolor=colour if k else "white")
                handles.append(Line2D([], [], color=colour, marker=marker, markersize=4, linestyle=COMPARED_LINES[k % 3], markerfacecolor=colour if k else "white", label=f"{name}: {view.label(spec)}"))
        table = view.differences(view.rows("sweet_spot"), ["scale_km"])
        axes[1].fill_between(table["scale_km"], 100 * table["low"].astype(float), 100 * table["high"].astype(float), color=colour, alpha=0.15, linewidth=0)
        axes[1].plot(table["scale_km"], 100 * table["difference"], color=colour, marker=marker, markersize=4)
    title = "Runs compared: sweet spot"
    notices = [f"{name}: {view.notice}" for name, view in views.items() if view.notice]
    if drawn:
        scales = pd.concat([view.rows("sweet_spot")["scale_km"] for view in views.values()])
        percent_axis(axes[0], "test accuracy")
        axes[1].axhline(0, color=INK, linewidth=1)
        axes[1].set_ylabel("second minus first of each pair\n(percentage points)")
        for panel in axes:
            log_km_axis(panel, scales, "cell size (km)")
    else:
        for panel in axes:
            say_empty(panel, "no run holds the sweet spot")
    footer = " · ".join(f"{name}: {view.protocol}, {view.replicates} replicates" for name, view in views.items())
    close_sheet(figure, title, handles, footer, "; ".join(notices) or None)
    return Picture("comparison", figure, title, "Sweet-spot accuracy and difference of each run.")
