"""summary.md: the notebook's last section, every number computed from this run."""

from collections.abc import Sequence

import pandas as pd

from .contents import Contents, Part
from .words import count


def summary_markdown(contents: Contents) -> str:
    """The whole summary as Markdown."""
    lines = [f"# {contents.title}", ""]
    if contents.notice:
        lines += [f"> **Notice.** {contents.notice}", ""]
    several = len(contents.parts) > 1
    for part in contents.parts:
        lines += _part_lines(part, f" ({part.view.protocol} protocol)" if several else "")
    lines += ["## Against the published numbers", "", *_items(contents.published)]
    lines += ["The notebook's printed conclusions, judged by the numbers its author published and by this run:", ""]
    lines += [*markdown_table(contents.conclusions), "", "## How to recompute", "", *_recompute(contents.parts), ""]
    return "\n".join([*lines, "## Provenance", "", *_items(contents.provenance)]).rstrip() + "\n"


def _part_lines(part: Part, mark: str) -> list[str]:
    """Answers, headline table, findings, claims and reliability under one protocol."""
    view = part.view
    intervals = (
        "Brackets are 95 % bootstrap intervals over replicates"
        if view.replicates > 1
        else "One replicate has no intervals, so no difference is decided"
    )
    lines = [
        f"{view.protocol.capitalize()} protocol, {count(view.replicates, 'replicate')}. {intervals}.",
        "",
        f"## In short{mark}",
        "",
    ]
    lines += _items([f"**{question}** {' '.join(sentences)}" for question, sentences in part.answers])
    if len(part.headline):
        lines += [f"## Effective resolution{mark}", "", *markdown_table(part.headline), "", *_items(part.notes)]
    for section in part.sections:
        lines += [f"## {section.title}{mark}", "", *_items(section.sentences)]
    if len(part.claims):
        lines += [f"## Claims{mark}", "", *markdown_table(part.claims[["verdict", "statement", "evidence"]]), ""]
    lines += [f"## How far to trust it{mark}", "", *_items(part.reliability)]
    return lines + ([f"Not run under this protocol: {', '.join(part.absent)}.", ""] if part.absent else [])


def _items(sentences: Sequence[str]) -> list[str]:
    return [*(f"- {sentence}" for sentence in sentences), ""] if sentences else []


def markdown_table(table: pd.DataFrame) -> list[str]:
    """A GitHub table of a frame of strings."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in table.itertuples(index=False)]
    return [
        f"| {' | '.join(table.columns)} |",
        f"|{' --- |' * len(table.columns)}",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def _recompute(parts: Sequence[Part]) -> list[str]:
    """One line per section: the function that gives its numbers back."""
    lines = [
        (
            "`run = satgpu.answers.read_run(FOLDER)`; below, `results` is `run.results` with one protocol's "
            "rows, `probe == 'mlp'` and `labels == 'field'`; `similarity` is `run.similarity`; functions are "
            "those of `satgpu.answers`."
        ),
        "",
        (
            "- Effective resolution: `probe_resolution(results)` and `kernel_resolutions(similarity)`; all "
            "rows in `effective_resolution.csv`"
        ),
    ]
    named = {section.title: section.recompute for part in parts for section in part.sections if section.recompute}
    named |= {
        "Claims": "judge_claims(run)",
        "Published": "compare_with_published(run)",
        "Probes in trouble": "convergence_table(results)",
    }
    return lines + [f"- {title}: `{call}`" for title, call in named.items()]
