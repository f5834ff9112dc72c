"""report.html: one file, no network, that answers from disk."""

import base64
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from .contents import Contents
from .sheet import Picture

LARGEST_SVG = 400_000  # bytes
LEAD_FIGURES = {
    "world_map": "Where the probes are right and wrong",
    "scale_region": "Scale and region",
    "embedding_similarity": "Similarity against distance",
}


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


def html_page(contents: Contents, pictures: dict[str, tuple[list[Picture], list[Picture]]]) -> str:
    """The page as one string.

    Args:
        contents: what it says.
        pictures: per protocol its figures, wide and narrow.
    """
    environment = Environment(
        loader=PackageLoader("satgpu.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = {
        protocol: {one.name: embed(one, other) for one, other in zip(wide, narrow, strict=True)}
        for protocol, (wide, narrow) in pictures.items()
    }
    return environment.get_template("report.html.jinja").render(
        page=contents, run=contents.parts[0].view, figures=figures, lead_figures=LEAD_FIGURES
    )


def embed(wide: Picture, narrow: Picture) -> Embedded:
    """Both drawings, to be chosen by the width of the screen."""
    width, height = wide.figure.get_size_inches()
    return Embedded(
        wide.name,
        wide.title,
        wide.alt,
        wide.caption,
        data_uri(wide),
        data_uri(narrow),
        (round(100 * width), round(100 * height)),
    )


def data_uri(picture: Picture) -> str:
    """The drawing inside a URI: vectors, or pixels where vectors would be larger (maps with their coastlines)."""
    kind, content = ("svg+xml", picture.svg) if len(picture.svg) < LARGEST_SVG else ("png", picture.png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
