"""report.html: one file, no network, that answers from disk."""

import base64
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from .contents import Contents
from .sheet import Picture

LARGEST_SVG = 400_000  # bytes


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
    data: str  # where its numbers lie, relative to the page; "" where it has none


def html_page(contents: Contents, pictures: dict[str, tuple[dict[str, Picture], dict[str, Picture]]]) -> str:
    """The page as one string.

    Args:
        contents: what it says.
        pictures: per protocol its figures by name, wide and narrow.
    """
    environment = Environment(
        loader=PackageLoader("satgpu.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = {
        protocol: {name: embed(picture, narrow[name], f"_{protocol}" if i else "") for name, picture in wide.items()}
        for i, (protocol, (wide, narrow)) in enumerate(pictures.items())
    }
    template = environment.get_template("report.html.jinja")
    return template.render(page=contents, run=contents.parts[0].run, figures=figures)


def embed(wide: Picture, narrow: Picture, suffix: str) -> Embedded:
    """Both drawings, to be chosen by the width of the screen, and where ``Picture.save`` put the numbers."""
    width, height = (round(100 * side) for side in wide.figure.get_size_inches())
    words = (wide.name, wide.title, wide.alt, wide.caption)
    data = f"figures/{wide.name}{suffix}.csv" if len(wide.data) else ""
    return Embedded(*words, data_uri(wide), data_uri(narrow), (width, height), data)


def data_uri(picture: Picture) -> str:
    """The drawing inside a URI: vectors, or pixels where vectors would be larger (maps with their coastlines)."""
    kind, content = ("svg+xml", picture.svg) if len(picture.svg) < LARGEST_SVG else ("png", picture.png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
