"""One part of what a run found: sentences, and the call that gives their numbers back."""

from dataclasses import dataclass, field

import pandas as pd

from .view import RunView
from .words import count


@dataclass(frozen=True)
class Section:
    """One part of the answer.

    Attributes:
        title: what it is about.
        sentences: the answer.
        recompute: the call that gives its numbers back from the run's tables.
        figure: name of the figure that shows it, if one does.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    recompute: str = ""
    figure: str = ""


def tally_words(view: RunView, table: pd.DataFrame, noun: str) -> str:
    """How many rows of a table of differences are decided, and for whom."""
    first, second = view.pair_labels
    tally = table["verdict"].value_counts()
    return (
        f"Of {count(len(table), noun)}, {second} leads in {tally.get('second', 0)}, {first} in "
        f"{tally.get('first', 0)}; {tally.get('undecided', 0)} undecided (false discovery rate 5 %)."
    )


def paired_call(experiment: str, *by: str, more: str = "") -> str:
    """The call that gives back the paired differences of an experiment."""
    call = f"satgpu.answers.paired_differences(results, first, second, by={list(by)})"
    return f"{call} over experiment == '{experiment}'{more}"
