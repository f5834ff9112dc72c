"""What a page says, in the order in which it says it; summary and HTML page render the same contents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from satgpu.answers import transfer
from satgpu.answers.compare import POOLED
from satgpu.answers.published import published_answers
from satgpu.answers.questions import questions
from satgpu.answers.resolution import headline
from satgpu.answers.sentences import listing, plain
from satgpu.answers.tables import NEAREST, difference, learned_difference, mean, means
from satgpu.answers.types import Answer, Estimate, Source, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

from .figures import question_of
from .sheet import Picture
from .words import count, percent, sentence, text

Words = tuple[list[str], list[list[str]]]  # a table's header and rows


@dataclass(frozen=True)
class Line:
    """One answer in words.

    Attributes:
        text: the sentence with its numbers.
        badge: the verdict; "" where nothing was tested, "not judged" where a stand-in was read in place of SatCLIP.
        claim: the notebook's own words, where it is a sentence of the notebook's.
        published: what its author's own tables give for the same sentence.
    """

    text: str
    badge: str
    claim: str = ""
    published: str = ""


@dataclass(frozen=True)
class Section:
    """One question: title, satgpu's lines, the notebook's, figures, calls that give the numbers again, all cells."""

    name: str
    title: str
    own: list[Line]
    printed: list[Line]
    figures: list[str]
    recompute: list[str]
    cells: tuple[list[str], list[list[str]]]


@dataclass(frozen=True)
class Part:
    """One protocol's share of a page.

    Attributes:
        run: the rows of the protocol.
        short: the lines that open the part.
        budget: header and rows of the headline table, in words.
        resolutions: header and rows of the table of resolutions, in words.
        sections: one per question.
        absent: questions that this run has no rows for.
    """

    run: Run
    short: list[Line]
    budget: tuple[list[str], list[list[str]]]
    resolutions: tuple[list[str], list[list[str]]]
    sections: list[Section]
    absent: list[str]


@dataclass(frozen=True)
class Contents:
    """A whole page: its title, one part per protocol, and what concerns them together."""

    title: str
    notice: str
    how_sure: str
    parts: list[Part]
    provenance: list[str]
    config: str


def contents_of(run: Run, answers: Sequence[Answer], pictures: dict[str, dict[str, Picture]]) -> Contents:
    """Everything that summary and page say.

    Args:
        run: all protocols.
        answers: as ``answer_run`` gives them.
        pictures: protocol to figure to picture.
    """
    parts = [_part(run.under(protocol), answers, pictures.get(protocol, {})) for protocol in run.protocols]
    return Contents(page_title(run), run.notice, how_sure(run), parts, provenance(run), run.config_text)


def line(answer: Answer, run: Run) -> Line:
    """An answer in words, with the published numbers beside a sentence of the notebook's."""
    tested = answer.p is not None or answer.verdict is not Verdict.UNDECIDED
    badge = str(answer.verdict) if tested or answer.source is Source.NOTEBOOK else ""
    badge = badge if answer.source is Source.SATGPU or run.is_satclip else "not judged"
    return Line(sentence(answer), badge, answer.claim, _published(answer))


def _published(answer: Answer) -> str:
    if answer.source is not Source.NOTEBOOK:
        return ""
    return next((sentence(one) for one in published_answers() if one.id == answer.id), "")


def _part(run: Run, answers: Sequence[Answer], pictures: dict[str, Picture]) -> Part:
    own = [answer for answer in answers if answer.protocol == run.protocol]
    asked = questions()
    names = [*asked, *(name for name in map(question_of, pictures) if name not in asked)]
    sections = [_section(run, name, own, pictures) for name in dict.fromkeys(names)]
    sections = [section for section in sections if section.own or section.printed or section.figures]
    absent = [module.TITLE.partition(":")[0] for name, module in asked.items() if _lacks(run, name, module)]
    opening = [line(one, run) for one in own if one.headline]
    budget = named_where_it_fails(transfer.in_words)(run, text)
    return Part(run, opening, budget, resolutions(run), sections, absent)


def _lacks(run: Run, name: str, module) -> bool:
    """An experiment that was not run; questions that span experiments are never absent."""
    return (hasattr(module, "FACTORS") or name in ("similarity", "resolution")) and name not in run.experiments()


def _section(run: Run, name: str, answers: Sequence[Answer], pictures: dict[str, Picture]) -> Section:
    own = [answer for answer in answers if answer.question == name]
    title = questions()[name].TITLE if name in questions() else name
    lines = [line(answer, run) for answer in own]
    shown = [figure for figure in pictures if question_of(figure) == name]
    calls = list(dict.fromkeys(answer.recompute for answer in own if answer.recompute))
    has_cells = hasattr(questions().get(name), "FACTORS") and name in run.experiments()
    told = getattr(questions().get(name), "cells", None)
    table = told(run, text) if told else cells(run, name) if has_cells else ([], [])
    return Section(name, title, [x for x in lines if not x.claim], [x for x in lines if x.claim], shown, calls, table)


def named_where_it_fails(table: Callable[..., Words]) -> Callable[..., Words]:
    """For header and rows in words: a table that fails is named in its place and stops no other."""

    @wraps(table)
    def guarded(*args: Any) -> Words:
        try:
            return table(*args)
        except Exception as error:
            return ["not computed"], [[" ".join(f"{type(error).__name__}: {error}".split())]]

    return guarded


@named_where_it_fails
def resolutions(run: Run) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of resolutions: one row per encoder, "–" where a measure is missing."""
    columns = headline(run)
    if not columns:
        return [], []
    measured = {name for found in columns.values() for name in found}
    known = [name for name in [*run.compared, *run.controls, NEAREST] if name in measured]
    rows = [[_named(run, name), *(_cell(found.get(name)) for found in columns.values())] for name in known]
    return ["encoder", *columns], rows


def _named(run: Run, name: str) -> str:
    return encoder_label(name) + ("" if name in run.compared else " (control)")


def _cell(estimate: Estimate | None) -> str:
    return "–" if estimate is None else text(estimate)


@named_where_it_fails
def cells(run: Run, name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of an experiment's table of differences, in words; with one encoder of its accuracies."""
    module, (first, second) = questions()[name], run.labels
    factors = module.FACTORS
    if not run.pair:
        table = means(run, name, tuple(factors))
        own = table[table["encoder"].isin(run.compared)].to_dict("records") if len(table) else []
        return [*factors.values(), first], [[*_factors(row, factors), text(mean(row))] for row in own]
    rows = module.table(run).to_dict("records")
    leads = {"first": first, "second": second, "undecided": "undecided"}
    words = [
        [
            *_factors(row, factors),
            percent(row["first_mean"]),
            percent(row["second_mean"]),
            text(difference(row)),
            leads[row["verdict"]],
            text(learned_difference(row)) if row["mixed"] is True and row["n_learned"] else "",
        ]
        for row in rows
    ]
    header = [*factors.values(), first, second, f"{second} less {first}", "ahead", "of those that learned"]
    if any(row[-1] for row in words):
        return header, words
    return header[:-1], [row[:-1] for row in words]


def _factors(row: dict, by: dict[str, str]) -> list[str]:
    return [f"{row[name]:g}" if isinstance(row[name], (int, float)) else plain(row[name]) for name in by]


def page_title(run: Run) -> str:
    """The question, asked of this run's encoders."""
    verb = "does" if len(run.compared) == 1 else "do"
    return f"How fine a spatial detail {verb} {listing(encoder_label(name) for name in run.compared)} tell apart?"


def how_sure(run: Run) -> str:
    """What the intervals and verdicts of the whole page rest on."""
    if run.replicates < 2:
        return "One replicate: there are no intervals over probes, so that no difference of them is decided."
    looks = ", ".join(f"{replicates} (level {level:g})" for replicates, level in run.looks[:-1] and run.looks)
    return (
        f"{count(run.replicates, 'replicate')}. Brackets are 95 % intervals. Tables of differences: {POOLED} Over all "
        "sentences of this page the false discovery rate is held at 5 %, question by question and then within each. "
        "The rule is too sure where skewness alternates in sign between cells, and where groups of cells differ in "
        "variance for another reason than accuracy."
    ) + (f" Looks at the growing table, planned before the first probe: {looks} replicates." if looks else "")


def provenance(run: Run) -> list[str]:
    """Who computed this, with which weights, on what."""
    environment = run.environment
    device = environment.get("device") or {}
    versions = ", ".join(f"{name} {version}" for name, version in (environment.get("versions") or {}).items())
    facts = {
        "command": environment.get("command"),
        "seed": environment.get("seed"),
        "device": ", ".join(f"{key} {value}" for key, value in device.items()) if isinstance(device, dict) else device,
        "versions": versions,
        "git commit": environment.get("git_commit"),
        "started": environment.get("started"),
        "finished": environment.get("finished"),
    }
    known = [f"{name}: {value}" for name, value in facts.items() if value not in (None, "")]
    return [_weights(entry) for entry in run.encoders] + known


def _weights(entry: dict) -> str:
    """One encoder's provenance."""
    facts = [f"{key} {entry[key]}" for key in ("source", "revision", "licence") if entry.get(key)]
    weights = {True: "trained", False: "untrained"}.get(entry.get("trained"), "training unknown")
    digest = f", sha256 {str(entry['sha256'])[:12]}…" if entry.get("sha256") else ""
    role = entry.get("role", "role unknown")
    return f"{entry['name']} ({role}, {weights}): {', '.join(facts) or 'source unknown'}{digest}"
