"""summary.md: the notebook's last section, every number computed from this run."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .trust import against_published, claims, notebook_conclusions, reliability
from .answers import short_answers
from .findings import absent_experiments, resolution_notes, sections
from .headline import headline
from .view import RunView
from .words import count


def write_summary(views: Sequence[RunView], path: Path) -> None:
    """Write the summary of every protocol of a run."""
    path.write_text(summary_markdown(views), encoding="utf-8")


def summary_markdown(views: Sequence[RunView]) -> str:
    """The whole summary as Markdown."""
    first = views[0]
    lines = [f"# {page_title(first)}", ""]
    if first.notice:
        lines += [f"> **Notice.** {first.notice}", ""]
    for view in views:
        lines += _protocol_part(view, several=len(views) > 1)
    lines += ["## Against the published numbers", "", *_items(against_published(views)), *markdown_table(notebook_conclusions(views)), ""]
    lines += ["## How to recompute", "", *_recompute(views), "", "## Provenance", "", *_items(provenance(first))]
    return "\n".join(lines).rstrip() + "\n"


def page_title(view: RunView) -> str:
    """The question, asked of this run's encoders."""
    names = [view.label(spec) for spec in view.compared]
    who = " and ".join(names) if len(names) <= 2 else f"{', '.join(names[:-1])} and {names[-1]}"
    verb = "does" if len(names) == 1 else "do"
    return f"How fine a spatial detail {verb} {who} tell apart?"


def _protocol_part(view: RunView, several: bool) -> list[str]:
    """Headline, answers, claims and reliability under one protocol."""
    mark = f" ({view.protocol} protocol)" if several else ""
    intervals = "Intervals are 95 % bootstrap intervals over replicates" if view.replicates > 1 else "One replicate has no intervals, so no difference is decided"
    lines = [f"{view.protocol.capitalize()} protocol, {count(view.replicates, 'replicate')}. {intervals}.", "", f"## In short{mark}", ""]
    lines += _items([f"**{question}** {answer}" for question, answer in short_answers(view)])
    table = headline(view)
    if len(table):
        lines += [f"## Effective resolution{mark}", "", *markdown_table(table), "", *_items(resolution_notes(view))]
    for section in sections(view):
        lines += [f"## {section.title}{mark}", "", *_items(section.sentences)]
    found = claims(view)
    if len(found):
        lines += [f"## Claims{mark}", "", *markdown_table(found[["verdict", "statement", "evidence"]]), ""]
    lines += [f"## How far to trust it{mark}", "", *_items(reliability(view))]
    if absent := absent_experiments(view):
        lines += [f"Not run under this protocol: {', '.join(absent)}.", ""]
    return lines


def _items(sentences: Sequence[str]) -> list[str]:
    return [*(f"- {sentence}" for sentence in sentences), ""] if sentences else []


def markdown_table(table: pd.DataFrame) -> list[str]:
    """A GitHub table of a frame of strings."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in table.itertuples(index=False)]
    return [f"| {' | '.join(table.columns)} |", f"|{' --- |' * len(table.columns)}", *(f"| {' | '.join(row)} |" for row in cells)]


def _recompute(views: Sequence[RunView]) -> list[str]:
    """One line per section: the function that gives its numbers back."""
    lines = [
        "`from satgpu.analysis import *`, `run = read_run(FOLDER)`; `results` is `run.results` with one protocol's rows, `probe == 'mlp'` and `labels == 'field'`, `similarity` is `run.similarity`.",
        "",
        "- Effective resolution: `satgpu.analysis.probe_resolution(results)` and `satgpu.analysis.kernel.kernel_resolutions(similarity)`",
    ]
    named = {section.title: section.recompute for view in views for section in sections(view) if section.recompute}
    return lines + [f"- {title}: `{call}`" for title, call in named.items()]


def provenance(view: RunView) -> list[str]:
    """Who computed this, with which weights, on what."""
    environment = view.tables.environment
    lines = []
    for entry in view.encoders:
        facts = [f"{key} {entry[key]}" for key in ("source", "revision", "licence") if entry.get(key)]
        weights = {True: "trained", False: "untrained"}.get(entry.get("trained"), "unknown training")
        digest = f", sha256 {str(entry['sha256'])[:12]}…" if entry.get("sha256") else ""
        lines.append(f"`{entry['name']}` ({entry.get('role', 'unknown role')}, {weights}): {', '.join(facts) or 'source unknown'}{digest}")
    device = environment.get("device") or {}
    versions = ", ".join(f"{name} {version}" for name, version in (environment.get("versions") or {}).items())
    facts = {"command": environment.get("command"), "seed": environment.get("seed"), "device": device.get("name") if isinstance(device, dict) else device,
             "versions": versions, "git commit": environment.get("git_commit"), "finished": environment.get("finished")}
    return lines + [f"{name}: {value}" for name, value in facts.items() if value not in (None, "")]
