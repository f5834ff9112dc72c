"""report.html: one file, no network, that answers from disk."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from .answers import short_answers
from .findings import absent_experiments, resolution_notes, sections
from .headline import headline
from .sheet import Picture, write_figure
from .summary import page_title, provenance
from .trust import against_published, claims, notebook_conclusions, reliability
from .view import RunView

LEAD_FIGURES = ("resolution", "world_map", "scale_region", "embedding_similarity")


@dataclass(frozen=True)
class Embedded:
    """A figure inside the page: wide and narrow drawings as data URIs, and its words."""

    name: str
    title: str
    alt: str
    caption: str
    wide: str
    narrow: str
    size: tuple[int, int]


def write_html(views: Sequence[RunView], pictures: dict[str, tuple[list[Picture], list[Picture]]], path: Path) -> None:
    """Write the page.

    Args:
        views: the run's protocols, the first of them leads.
        pictures: per protocol its figures, wide and narrow.
        path: where to.
    """
    environment = Environment(loader=PackageLoader("satgpu.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("report.html.jinja").render(
        title=page_title(views[0]),
        notice=views[0].notice,
        run=views[0],
        parts=[_part(view, *pictures[view.protocol]) for view in views],
        published=against_published(views),
        conclusions=notebook_conclusions(views),
        provenance=provenance(views[0]),
        config=views[0].tables.config,
    )
    path.write_text(page, encoding="utf-8")


def _part(view: RunView, wide: list[Picture], narrow: list[Picture]) -> dict:
    """What the page says under one protocol."""
    figures = {one.name: embed(one, other) for one, other in zip(wide, narrow, strict=True)}
    return {
        "view": view,
        "answers": short_answers(view),
        "headline": headline(view),
        "notes": resolution_notes(view),
        "lead": [figures[name] for name in LEAD_FIGURES if name in figures],
        "more": [figure for name, figure in figures.items() if name not in (*LEAD_FIGURES, "published")],
        "published": figures.get("published"),
        "sections": sections(view),
        "claims": claims(view),
        "reliability": reliability(view),
        "absent": absent_experiments(view),
    }


def embed(wide: Picture, narrow: Picture) -> Embedded:
    """Both drawings as SVG data URIs: sharp on any screen and on paper."""
    width, height = wide.figure.get_size_inches()
    return Embedded(wide.name, wide.title, wide.alt, wide.caption, data_uri(wide), data_uri(narrow), (round(100 * width), round(100 * height)))


def data_uri(picture: Picture) -> str:
    """``data:image/svg+xml;base64,...``."""
    stream = io.BytesIO()
    write_figure(picture.figure, (stream, "svg"))
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
