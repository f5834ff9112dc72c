"""World maps of the finest scale read around each place, relative to each encoder's own median place."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from satgpu.answers.map import median_edge, table
from satgpu.answers.types import Answer
from satgpu.readouts.world import add_colour_bar, coastlines, draw_resolution_map
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..words import number, sentence

NAME = "map"
CAPTION = (
    "Around each place plane waves are read from noisy labels in a cap of 36 cells; the edge is the cell size at which "
    "half is read. Colour: the edge relative to the encoder's median place. Bars lie along the bearing in which the "
    "finest detail is read, where it is at least 10 % finer than across. Kilometres hold for these cells, labels and "
    "tolerance alone; ratios hold for others too."
)


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """A map for every encoder, up to six."""
    if table(run).empty:
        return None
    measured = set(table(run)["encoder"])
    shown = [name for name in [*run.compared, *run.controls] if name in measured and _has_edges(run, name)][:6]
    if not shown:
        return None
    figure, axes = open_sheet(len(shown), narrow, height_in=2.7, columns=2)
    draw_maps(axes, run, shown)
    title = "How fine, where: the local edge around each place"
    close_figure(figure, title, [], run)
    alt = " ".join(sentence(answer) for answer in answers if answer.question == "map")
    return Picture(NAME, figure, title, alt, CAPTION + _coasts())


def draw_maps(axes: Sequence[Axes], run: Run, encoders: Sequence[str]) -> None:
    """One map a panel, one key of colours for all."""
    for panel, name in zip(axes, encoders, strict=False):
        rows = table(run)[table(run)["encoder"] == name]
        title = f"{encoder_label(name)}: {number(median_edge(run, name))} at the median place"
        draw_resolution_map(rows, panel, title, colour_bar=False)
    add_colour_bar(list(axes))


def _has_edges(run: Run, name: str) -> bool:
    return bool((table(run).loc[table(run)["encoder"] == name, "fine_km"] > 0).any())


def _coasts() -> str:
    return "" if coastlines() else " No coastlines: the optional land mask (satgpu[land]) is not installed."
