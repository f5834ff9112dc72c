"""How much of an advantage is learned: the untrained twins, and labels that cannot be learned."""

import numpy as np

from .section import Section, paired_call
from .view import RunView
from .words import count, points_interval

TITLE = "How much of it is learned"
UNTRAINED_PAIR = (
    "Nothing here is learned: both encoders of the pair carry seeded random weights, so every difference above "
    "comes from the harmonics and the architecture alone."
)
NO_TWINS = "Not known from this run: no untrained encoders of the same L ran beside the pair."


def learned_section(view: RunView) -> Section:
    """How much of the advantage an untrained encoder has already, and whether chance stays chance."""
    if not view.pair:
        return Section(TITLE)
    if all(spec.startswith("untrained") for spec in view.pair):
        answer = [UNTRAINED_PAIR]
    elif view.untrained_pair:
        answer = [*_share_without_training(view), *_learned_by_encoder(view)]
    else:
        answer = [NO_TWINS]
    recompute = paired_call("sweet_spot", more=", for the pair and for the untrained pair")
    return Section(TITLE, answer + _chance_controls(view), recompute)


def _share_without_training(view: RunView) -> list[str]:
    """The pair's average difference beside that of its untrained twins, and where the pair peaks."""
    rows = view.rows("sweet_spot")
    trained, untrained = view.differences(rows, []), view.differences(rows, [], view.untrained_pair)
    if trained.empty or untrained.empty:
        return []
    (a,), (b,) = trained.to_dict("records"), untrained.to_dict("records")
    first, second = view.pair_labels
    share = (
        f" That is {100 * b['difference'] / a['difference']:.0f} % of it."
        if np.isfinite(a["low"]) and a["low"] > 0 and b["low"] > 0
        else ""
    )
    return [
        f"Averaged over the sweet spot, {second} leads {first} by "
        f"{points_interval(a['difference'], a['low'], a['high'])}; "
        f"the untrained pair of the same L has {points_interval(b['difference'], b['low'], b['high'])} already.{share}"
    ]


def _learned_by_encoder(view: RunView) -> list[str]:
    """Trained minus untrained of the same L."""
    sentences = []
    for spec, twin in zip(view.pair, view.untrained_pair, strict=False):
        table = view.differences(view.rows("sweet_spot"), [], (twin, spec))
        if len(table):
            row = table.iloc[0]
            verdict = {"second": "training helps", "first": "training hurts"}.get(row["verdict"], "undecided")
            sentences.append(
                f"{view.label(spec)} minus its untrained twin: "
                f"{points_interval(row['difference'], row['low'], row['high'])} ({verdict})."
            )
    return sentences


def _chance_controls(view: RunView) -> list[str]:
    """Shuffled labels must stay at chance."""
    shuffled = view.shuffled()
    if shuffled["test_accuracy"].notna().sum() == 0:
        return []
    excess = shuffled.assign(excess=shuffled["test_accuracy"] - shuffled["chance"], all="all")
    (row,) = view.means(excess, ["all"], "excess").to_dict("records")
    value = points_interval(row["mean"], row["low"], row["high"])
    probes = count(len(shuffled), "probe")
    return [f"With shuffled labels the probes score {value} above chance, over {probes}: {_at_chance(row)}."]


def _at_chance(row: dict) -> str:
    if not np.isfinite(row["low"]):
        return "one replicate, so undecided"
    return (
        "at chance, as they must be"
        if row["low"] <= 0 <= row["high"]
        else "NOT at chance: something leaks from the training rows into the test rows"
    )
