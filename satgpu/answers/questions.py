"""Every question asked of a run, one after the other, and one false-discovery control over all of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from satgpu.answers.discoveries import control_discoveries
from satgpu.answers.types import Answer, Source, Verdict
from satgpu.errors import UserError
from satgpu.run.read import Run

# As a page asks them; files that are not named here come after, by name.
ORDER = (
    "transfer",
    "map",
    "fields",
    "resolution",
    "sweet_spot",
    "world_map",
    "region_size",
    "patterns",
    "scale_region",
    "similarity",
    "boundaries",
    "coastline",
    "learned",
    "controls",
    "convergence",
    "published",
)


def answer_run(run: Run) -> list[Answer]:
    """The answers to every question under every protocol that the run has rows of.

    A question that fails is named in its place and stops no other. One false-discovery
    control runs over all of it, question by question and then over their sentences.
    """
    return control_discoveries([answer for protocol in run.protocols for answer in _answers(run.under(protocol))])


def _answers(run: Run) -> Iterator[Answer]:
    for name, module in questions().items():
        try:
            yield from module.answer(run)
        except Exception as error:
            words = f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else str(error)
            values = {"error": " ".join(words.split())}
            yield Answer(
                f"{name}.error", Source.SATGPU, run.protocol, Verdict.UNDECIDED, "not answered: {error}", values
            )


@cache
def questions() -> dict[str, ModuleType]:
    """Question to its file, in the order of a page: every file of this folder with an ``answer``."""
    import satgpu.answers as room

    names = [info.name for info in iter_modules(room.__path__)]
    modules = {name: import_module(f"satgpu.answers.{name}") for name in names}
    asked = {name: module for name, module in modules.items() if hasattr(module, "answer")}
    order = {name: place for place, name in enumerate(ORDER)}
    return dict(sorted(asked.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
