"""Accuracy and paired difference by cell size of the global checkerboard."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from satgpu.answers import sweet_spot
from satgpu.answers.learned import untrained_differences
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import FAINT, INK, QUIET, log_km_axis
from ..words import sentence
from .curves import (
    UNDECIDED_HANDLE,
    accuracy_axis,
    difference_axis,
    ends_in_words,
    no_scores,
    plot_difference,
    plot_means,
)

NAME, PLAIN = "sweet_spot_fine", "Checkerboard accuracy by cell size, whole globe"


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Left the accuracies, right who is ahead, with the scales that may be the peak shaded."""
    if run.probes("sweet_spot", scored=False).empty:
        return None
    figure, axes = open_sheet(2 if run.pair else 1, narrow)
    means, told = sweet_spot.accuracies(run), {answer.id: answer for answer in answers}
    if means.empty:
        return no_scores(run, figure, axes, NAME, PLAIN)
    handles = plot_means(axes[0], run, means, "scale_km")
    accuracy_axis(axes[0], run.probes("sweet_spot"), means)
    log_km_axis(axes[0], means["scale_km"], "cell size (km)")
    title, alt = PLAIN, ends_in_words(run, means, "scale_km", "km cells")
    if "sweet_spot.peak" in told:
        handles += _difference_panel(axes[1], run)
        peak = told["sweet_spot.peak"]
        title = _title(peak) if peak.verdict == "supported" else PLAIN
        alt += " " + sentence(peak)
    close_figure(figure, title, handles, run)
    caption = (
        "Left: test accuracy of MLP probes. Right: difference paired by replicate, filled where the false-discovery "
        "control over all scales decides."
    )
    return Picture(NAME, figure, title, alt, caption if run.pair else "Test accuracy of MLP probes.")


def _title(peak: Answer) -> str:
    gain, names = peak.values["gain"], peak.values
    return f"{names['second']} leads {names['first']} by up to {100 * gain.value:.0f} points; peak at {names['may_be']}"


def _difference_panel(axes: Axes, run: Run) -> list:
    """The pair, and beside it the same difference without training."""
    first, second = run.labels
    table, twins = sweet_spot.table(run), untrained_differences(run, "sweet_spot", ("scale_km",))
    handles = [plot_difference(axes, table, "scale_km", INK, f"{second} minus {first}")]
    if len(twins):
        style = {"marker": "s", "hollow": True}
        handles.append(plot_difference(axes, twins, "scale_km", QUIET, "the same, untrained controls", **style))
    possible = sweet_spot.the_peak(run).possible_km
    if len(possible) > 1:
        axes.axvspan(min(possible), max(possible), color=FAINT, alpha=0.6, linewidth=0, zorder=0)
        handles.append(Patch(color=FAINT, label="scales that may be the peak"))
    difference_axis(axes, first, second)
    log_km_axis(axes, table["scale_km"], "cell size (km)")
    return [*handles, UNDECIDED_HANDLE]
