"""The tables that the notebook printed, on a terminal."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from satgpu.run.read import Run
from satgpu.run.rows import PredictionRow, columns

from .headline import headline
from .view import EXPERIMENT_TITLES, RunView
from .words import pattern_label, percent, points

_BY = {
    "sweet_spot": {"scale_km": "scale (km)"},
    "region_size": {"sampling": "sampling", "span_deg": "span (°)"},
    "patterns": {"pattern": "pattern", "scale_km": "scale (km)"},
    "scale_region": {"region": "region", "span_deg": "span (°)", "scale_km": "scale (km)"},
    "boundaries": {"width_km": "width (km)"},
    "coastline": {"pattern": "field"},
}


def print_tables(tables: Run, console: Console) -> None:
    """Print one table per experiment of the run, and the effective resolution last.

    Args:
        tables: as ``satgpu.answers.read_run`` gives them.
        console: where to.
    """
    for protocol in sorted(set(tables.results["protocol"]) | set(tables.similarity["protocol"])):
        view = RunView(tables, protocol, "", pd.DataFrame(columns=list(columns(PredictionRow))))
        if view.notice:
            console.print(view.notice, style="bold red", markup=False, highlight=False)
        for experiment, names in _BY.items():
            if view.present(experiment):
                console.print(experiment_table(view, experiment, names))
        if view.present("similarity"):
            console.print(similarity_table(view))
        resolutions = headline_table(view)
        if resolutions.row_count:
            console.print(resolutions)


def experiment_table(view: RunView, experiment: str, names: dict[str, str]) -> Table:
    """Accuracy of the pair, difference, interval and verdict; with one encoder its accuracy."""
    table = Table(
        title=f"{EXPERIMENT_TITLES[experiment]} ({view.protocol})",
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    first, second = view.pair_labels
    rows = view.rows(experiment)
    for heading in names.values():
        table.add_column(heading, justify="right")
    headings = [first, second, "Δ points", "95 % interval", "verdict"] if view.pair else [first, "95 % interval"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in _experiment_rows(view, rows, list(names)):
        table.add_row(*row)
    if not table.row_count:
        table.caption = "no probe of this experiment has a score"
    return table


def _experiment_rows(view: RunView, rows: pd.DataFrame, by: list[str]) -> list[list[str]]:
    """Cells as text, in the order the run planned them."""
    if not view.pair:
        means = view.means(rows[rows["encoder"].isin(view.compared)], by)
        return [
            [*_factors(r, by), percent(r["mean"]), f"{percent(r['low'])} to {percent(r['high'])}"]
            for r in means.to_dict("records")
        ]
    leads = {"first": view.pair_labels[0], "second": view.pair_labels[1], "undecided": "undecided"}
    return [
        [
            *_factors(r, by),
            percent(r["first_mean"]),
            percent(r["second_mean"]),
            points(r["difference"]),
            f"{points(r['low'])} to {points(r['high'])}",
            leads[r["verdict"]],
        ]
        for r in view.differences(rows, by).to_dict("records")
    ]


def _factors(row: dict, by: list[str]) -> list[str]:
    return [f"{row[name]:g}" if isinstance(row[name], (int, float)) else pattern_label(row[name]) for name in by]


def similarity_table(view: RunView) -> Table:
    """Mean cosine similarity and its spread at the notebook's distances."""
    table = Table(
        title=f"{EXPERIMENT_TITLES['similarity']} ({view.protocol})",
        title_justify="left",
        title_style="bold",
        header_style="bold",
    )
    rows = view.similarity[(view.similarity["grid"] == "distances") & view.similarity["encoder"].isin(view.compared)]
    table.add_column("distance (km)", justify="right")
    for spec in view.compared:
        table.add_column(view.label(spec), justify="right")
    means = rows.groupby(["distance_km", "encoder"])["similarity_mean"].mean().unstack()
    for distance, row in means.iterrows():
        table.add_row(f"{distance:g}", *(f"{row.get(spec, float('nan')):.4f}" for spec in view.compared))
    return table


def headline_table(view: RunView) -> Table:
    """Effective resolution of each encoder, measured both ways."""
    table = Table(
        title=f"Effective resolution ({view.protocol})", title_justify="left", title_style="bold", header_style="bold"
    )
    rows = headline(view)
    for heading in rows.columns:
        table.add_column(heading)
    for row in rows.itertuples(index=False):
        table.add_row(*(str(cell) for cell in row))
    return table
