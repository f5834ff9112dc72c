"""Land or ocean: a real field, and accuracy against distance to the coast."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .coast import HALF_WAY
from .curves import plot_means
from .sheet import Picture, close_sheet, open_sheet
from .style import NEAREST, QUIET, log_km_axis, percent_axis, reference_line, say_empty
from .view import RunView
from .words import listing, percent, percent_interval

NAMES = {"test_accuracy": "accuracy", "test_iou": "IoU of land"}


def draw_coastline(view: RunView, narrow: bool = False) -> Picture:
    """Accuracy and IoU of every encoder, and accuracy by distance to the coast."""
    title = "Land or ocean: a real field"
    rows = view.rows("coastline")
    figure, axes = open_sheet(2, narrow, widths=(1.25, 1))
    if rows["test_accuracy"].notna().sum() == 0:
        for panel in axes:
            say_empty(panel, "no probe of this experiment\nhas a score: see the failures\nlisted in summary.md")
        close_sheet(figure, title, [], view.footer, view.notice)
        return Picture("coastline", figure, title, "No probe of this experiment has a score.")
    words = _scores_panel(axes[0], view, rows)
    handles = _distance_panel(axes[1], view)
    close_sheet(figure, title, handles, view.footer, view.notice)
    return Picture(
        "coastline",
        figure,
        title,
        words,
        (
            "Right: share of test points classified right, by great-circle distance to the nearest coast; "
            "half way lies between guessing and always right."
        ),
    )


def _scores_panel(axes: Axes, view: RunView, rows: pd.DataFrame) -> str:
    """Accuracy and IoU of each encoder with their intervals, the numbers beside; returns them in words."""
    nearest = view.nearest("coastline").assign(encoder=NEAREST)
    both = pd.concat([rows, nearest]) if len(nearest) else rows
    means = {value: view.means(both, ["encoder"], value).set_index("encoder") for value in NAMES}
    specs = [spec for spec in [*view.compared, *view.controls, NEAREST] if spec in means["test_accuracy"].index]
    for i, spec in enumerate(specs):
        numbers = []
        for offset, marker, (_value, table) in zip((-0.12, 0.12), ("o", "D"), means.items(), strict=True):
            if spec in table.index:
                _score(axes, view.looks[spec], table.loc[spec], i + offset, marker)
                numbers.append(f"{100 * table.loc[spec, 'mean']:.1f} %")
        axes.text(1.02, i, " / ".join(numbers), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    chance = rows["chance"].mean()
    axes.axvline(chance, color=QUIET, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    axes.text(chance, -0.62, "chance ", fontsize=8, ha="right", va="top", color=QUIET)
    axes.set_yticks(range(len(specs)), [view.looks[spec].label for spec in specs])
    axes.set_ylim(len(specs) - 0.4, -0.7)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("● accuracy   ◆ IoU of land   (95 % intervals)")
    axes.grid(axis="y", visible=False)
    accuracy = means["test_accuracy"]
    words = [
        f"{view.label(s)} {percent_interval(*accuracy.loc[s, ['mean', 'low', 'high']])}"
        for s in specs
        if s in view.compared
    ]
    return f"Accuracy of telling land from ocean: {listing(words)}; chance {percent(chance)}."


def _score(axes: Axes, look, row: pd.Series, y: float, marker: str) -> None:
    """One dot and its interval."""
    if np.isfinite(row["low"]):
        axes.hlines(y, row["low"], row["high"], color=look.colour, linewidth=2.4, alpha=0.6)
    axes.plot(
        row["mean"],
        y,
        marker=marker,
        color=look.colour,
        markersize=6,
        markerfacecolor="white" if look.hollow else look.colour,
        linestyle="",
    )


def _distance_panel(axes: Axes, view: RunView) -> list:
    """One line per encoder whose predictions were kept, and the level that a resolution is read at."""
    shares = view.coast_shares
    if shares.empty:
        say_empty(
            axes,
            "accuracy by distance to the coast\nneeds kept predictions and the\nland mask: pip install 'satgpu[land]'",
        )
        return []
    handles = plot_means(axes, view, view.means(shares, ["encoder", "distance_km"], "accuracy"), "distance_km")
    percent_axis(axes, "test points right")
    axes.set_ylim(max(axes.get_ylim()[0], shares["accuracy"].min() - 0.06), 1.03)
    reference_line(axes, HALF_WAY, "half way")
    log_km_axis(axes, shares["distance_km"], "distance to the coast (km)")
    return handles
