"""The tables that the notebook printed, on a terminal."""

from rich.console import Console
from rich.table import Table

from satgpu.answers import similarity
from satgpu.answers.questions import answer_run, questions
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from .contents import Words, cells, line, named_where_it_fails, resolutions


def print_tables(run: Run, console: Console) -> None:
    """Print the opening answers, one table per experiment of the run, and the resolutions last."""
    if run.notice:
        console.print(run.notice, style="yellow", highlight=False)
    answers = answer_run(run)
    for protocol in run.protocols:
        own = run.under(protocol)
        for name, module in questions().items():
            if hasattr(module, "FACTORS") and name in run.experiments() and len(own.probes(name, scored=False)):
                console.print(experiment_table(own, name))
        title, (header, rows) = f"Plain similarity by distance ({protocol})", similarities(own)
        if rows:
            console.print(_filled(title, header, rows, 0))
        header, rows = resolutions(own)
        if rows:
            console.print(_filled(f"Resolutions ({protocol})", header, rows))
        for answer in answers:
            if answer.headline and answer.protocol == protocol:
                one = line(answer, own)
                console.print(f"{one.text} {f'({one.badge})' if one.badge else ''}", highlight=False)


def _filled(title: str, header: list[str], rows: list[list[str]], left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for i, heading in enumerate(header):
        table.add_column(heading, justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*row)
    return table


def experiment_table(run: Run, name: str) -> Table:
    """Accuracy of the pair, difference with interval, and verdict; with one encoder its accuracy."""
    header, rows = cells(run, name)
    table = _filled(f"{questions()[name].TITLE} ({run.protocol})", header, rows, 0)
    table.caption = None if rows else "no probe of this experiment has a score"
    return table


@named_where_it_fails
def similarities(run: Run) -> Words:
    """Mean cosine similarity at the notebook's distances, plain as it printed it."""
    if not len(similarity.curve(run)):
        return [], []
    wide = similarity.curve(run).pivot_table(index="distance_km", columns="encoder", values="mean")
    header = ["distance (km)", *(encoder_label(name) for name in run.compared)]
    rows = [
        [f"{km:g}", *(f"{row.get(name, float('nan')):.4f}" for name in run.compared)] for km, row in wide.iterrows()
    ]
    return header, rows
