"""summary.md: the answers in words."""

from collections.abc import Iterable

import pandas as pd

from .contents import Contents, Line, Part, Section


def summary_markdown(contents: Contents) -> str:
    """The whole summary as Markdown."""
    lines = [f"# {contents.title}", ""]
    lines += [f"> **Notice.** {contents.notice}", ""] if contents.notice else []
    lines += [contents.how_sure, ""]
    several = len(contents.parts) > 1
    for part in contents.parts:
        lines += _part_lines(part, f" ({part.run.protocol} protocol)" if several else "")
    lines += ["## How to recompute", "", "`run = satgpu.answers.read_run(FOLDER).under(PROTOCOL)`, then:", ""]
    sections = {section.title: section for part in reversed(contents.parts) for section in part.sections}
    calls = {title: ", ".join(f"`{call}`" for call in section.recompute) for title, section in sections.items()}
    lines += items(f"{title}: {call}" for title, call in calls.items() if call)
    return "\n".join([*lines, "## Provenance", "", *items(contents.provenance)]).rstrip() + "\n"


def _part_lines(part: Part, mark: str) -> list[str]:
    """The opening, the table of resolutions, and one section per question, under one protocol."""
    lines = [f"## In short{mark}", "", *items(map(_words, part.short))] if part.short else []
    if part.budget[1]:
        budget = pd.DataFrame(part.budget[1], columns=part.budget[0])
        lines += [f"## The budget in numbers{mark}", "", *markdown_table(budget), ""]
    for section in part.sections:
        lines += _section_lines(section, mark)
    header, rows = part.resolutions
    if rows:
        table = pd.DataFrame(rows, columns=header)
        lines += [f"## Resolutions side by side{mark}", "", *markdown_table(table), ""]
    return lines + ([f"Not run under this protocol: {', '.join(part.absent)}.", ""] if part.absent else [])


def _section_lines(section: Section, mark: str) -> list[str]:
    if not (section.own or section.printed):
        return []
    printed = [
        f"The notebook: “{one.claim}”. "
        + (f"Published: {one.published} " if one.published else "")
        + f"Here: {one.text} ({one.badge})"
        for one in section.printed
    ]
    return [f"## {section.title}{mark}", "", *items([*map(_words, section.own), *printed])]


def _words(one: Line) -> str:
    return f"{one.text} ({one.badge})" if one.badge else one.text


def items(sentences: Iterable[str]) -> list[str]:
    """A list in Markdown, with a blank line after; nothing for no sentence."""
    found = [f"- {sentence}" for sentence in sentences]
    return [*found, ""] if found else []


def markdown_table(table: pd.DataFrame) -> list[str]:
    """A GitHub table of a frame of strings."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in table.itertuples(index=False)]
    return [
        f"| {' | '.join(table.columns)} |",
        f"|{' --- |' * len(table.columns)}",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]
