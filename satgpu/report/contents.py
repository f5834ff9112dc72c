"""What a page says of one protocol of a run, computed once for the summary and the HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from .answers import short_answers
from .findings import absent_experiments, resolution_notes, sections
from .headline import headline
from .section import Section
from .trust import against_published, claims, notebook_conclusions, reliability
from .view import RunView
from .words import listing


@dataclass(frozen=True)
class Part:
    """One protocol's share of a page.

    Attributes:
        view: whose it is.
        answers: the four questions with their sentences.
        headline: effective resolution of each encoder, in words.
        notes: what the headline numbers mean and belong to.
        sections: the findings.
        claims: DataFrame[claim_id, source, protocol, statement, verdict, evidence].
        reliability: sentences about probes in trouble.
        absent: experiments that were not run.
    """

    view: RunView
    answers: list[tuple[str, list[str]]]
    headline: pd.DataFrame
    notes: list[str]
    sections: list[Section]
    claims: pd.DataFrame
    reliability: list[str]
    absent: list[str]


@dataclass(frozen=True)
class Contents:
    """A whole page: its title, one part per protocol, and what concerns them together.

    Attributes:
        published: sentences about the run beside the published numbers.
        conclusions: the notebook's conclusions with a verdict per source of evidence.
    """

    title: str
    notice: str | None
    parts: list[Part]
    published: list[str]
    conclusions: pd.DataFrame
    provenance: list[str]
    config: str


def contents_of(views: Sequence[RunView]) -> Contents:
    """Everything the summary and the HTML page say, in words and tables of words."""
    parts = [_part(view) for view in views]
    first = views[0]
    return Contents(
        title=page_title(first),
        notice=first.notice,
        parts=parts,
        published=against_published(views),
        conclusions=notebook_conclusions({part.view.protocol: part.claims for part in parts}),
        provenance=provenance(first),
        config=first.tables.config_text,
    )


def _part(view: RunView) -> Part:
    return Part(
        view,
        short_answers(view),
        headline(view),
        resolution_notes(view),
        sections(view),
        claims(view),
        reliability(view),
        absent_experiments(view),
    )


def page_title(view: RunView) -> str:
    """The question, asked of this run's encoders."""
    verb = "does" if len(view.compared) == 1 else "do"
    return f"How fine a spatial detail {verb} {listing(view.label(spec) for spec in view.compared)} tell apart?"


def provenance(view: RunView) -> list[str]:
    """Who computed this, with which weights, on what."""
    environment = view.tables.environment
    lines = [_weights(entry) for entry in view.encoders]
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
    return lines + [f"{name}: {value}" for name, value in facts.items() if value not in (None, "")]


def _weights(entry: dict) -> str:
    """One encoder's provenance."""
    facts = [f"{key} {entry[key]}" for key in ("source", "revision", "licence") if entry.get(key)]
    weights = {True: "trained", False: "untrained"}.get(entry.get("trained"), "training unknown")
    digest = f", sha256 {str(entry['sha256'])[:12]}…" if entry.get("sha256") else ""
    return (
        f"{entry['name']} ({entry.get('role', 'role unknown')}, {weights}): "
        f"{', '.join(facts) or 'source unknown'}{digest}"
    )
