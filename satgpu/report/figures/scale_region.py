"""One heatmap per region: span by cell size."""

from collections.abc import Sequence

from satgpu.answers import scale_region
from satgpu.answers.types import Answer
from satgpu.run.read import Run
from satgpu.run.read_table import STARVED_POINTS_PER_CELL

from ..sheet import Picture, close_figure, open_sheet
from ..words import sentence
from .heatmap import UNDECIDED_PATCH, accuracy_only, colour_bar, count_title, draw_heatmap, in_order, winner_colours

NAME, PLAIN = "scale_region", "Scale and region: who is better where"
REGION_ORDER = ("Europe", "North America", "Asia")


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """A panel per region, its cells coloured by who leads."""
    rows = run.probes("scale_region", scored=False)
    if rows.empty:
        return None
    regions, table = in_order(rows["region"], REGION_ORDER), scale_region.table(run)
    figure, axes = open_sheet(len(regions), narrow, height_in=3.6, columns=min(3, len(regions)))
    if table.empty:
        return accuracy_only(run, figure, axes, scale_region.accuracies(run), "region", NAME, PLAIN)
    spans, scales = sorted(table["span_deg"].unique()), sorted(table["scale_km"].unique())
    labels, colours = [f"{span:g}°" for span in spans], winner_colours(run, table)
    starved = scale_region.starved(run)
    for panel, region in zip(axes, regions, strict=True):
        cells, few = table[table["region"] == region], starved.get(region)
        image = draw_heatmap(panel, cells, "span_deg", "scale_km", *colours, spans, scales, labels, few)
        panel.set_title(region)
        panel.set_xlabel("cell size (km)")
    axes[0].set_ylabel("span of the region (degrees)")
    colour_bar(figure, axes, image, run)
    title = count_title(run, table, "regions, spans and scales", PLAIN)
    close_figure(figure, title, [UNDECIDED_PATCH], run)
    caption = (
        "Numbers: percentage points. Hatched: not decided under the false-discovery control over all cells. "
        f"* fewer than {STARVED_POINTS_PER_CELL:g} training points per cell."
    )
    alt = " ".join(sentence(one) for one in answers if one.id in ("scale_region.cells", "scale_region.averages"))
    return Picture(NAME, figure, title, alt, caption)
