"""The figures of a run, one file each: ``draw(run, answers, narrow) -> Picture | None``, found by the file's name.

``run`` holds the rows of one protocol and ``answers`` all answers about it;
``None`` means that there is nothing to draw. A figure draws tables of
estimates from ``satgpu.answers`` and computes none.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import pandas as pd
from matplotlib import rc_context

from satgpu.answers.questions import questions
from satgpu.answers.types import Answer
from satgpu.run.read import Run

from ..sheet import Picture, close_figure, open_sheet
from ..style import RC, say_empty

Draw = Callable[[Run, Sequence[Answer], bool], Picture | None]
# In the order in which people look for them; files that are not named here come after, by name.
ORDER = ("transfer", "map", "fields", "resolution", "world_map", "scale_region", "similarity", "sweet_spot")


def question_of(figure: str) -> str:
    """The question whose figure it is: its own name, unless its file says otherwise."""
    return getattr(import_module(f"{__name__}.{figure}"), "QUESTION", figure)


@cache
def figures() -> dict[str, Draw]:
    """Figure to its function, in the order of a page."""
    modules = {info.name: import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)}
    drawn = {name: module.draw for name, module in modules.items() if hasattr(module, "draw")}
    order = {name: place for place, name in enumerate(ORDER)}
    return dict(sorted(drawn.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def draw_figures(run: Run, answers: Sequence[Answer], narrow: bool = False) -> dict[str, Picture]:
    """Every figure that the run has data for, by name.

    Args:
        run: the rows of one protocol.
        answers: as ``satgpu.answers.answer_run`` gives them.
        narrow: panels stacked, for a phone.
    """
    own = [answer for answer in answers if answer.protocol == run.protocol]
    with rc_context(RC):
        pictures = {name: _drawn(name, draw, run, own, narrow) for name, draw in figures().items()}
    return {name: picture for name, picture in pictures.items() if picture is not None}


def figure_data(figure: str, run: Run) -> pd.DataFrame:
    """What a figure shows, as a table: ``data(run)`` of its file, else ``table(run)`` of its question's answers."""
    file, answers = import_module(f"{__name__}.{figure}"), questions().get(question_of(figure))
    source = getattr(file, "data", None) or getattr(answers, "table", None)
    return pd.DataFrame() if source is None else source(run)


def _drawn(name: str, draw: Draw, run: Run, answers: Sequence[Answer], narrow: bool) -> Picture | None:
    """A figure that fails is named in its place and stops no other."""
    try:
        picture = draw(run, answers, narrow)
        return picture and replace(picture, data=figure_data(name, run))
    except Exception as error:
        figure, (axes,) = open_sheet(1, narrow, height_in=1.5)
        words = " ".join(f"not drawn: {type(error).__name__}: {error}".split())
        say_empty(axes, words)
        close_figure(figure, name, [], run)
        return Picture(name, figure, name, words)
