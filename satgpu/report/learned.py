"""How much of an advantage is learned: the untrained twins, and labels that cannot be learned."""

import numpy as np

from .section import Section
from .view import RunView
from .words import count, points_interval


def learned_section(view: RunView) -> Section:
    """How much of the advantage an untrained encoder has already."""
    title, recompute = (
        "How much of it is learned",
        (
            "satgpu.analysis.paired_differences for the pair and for the untrained pair, by=['scale_km'], "
            "over experiment == 'sweet_spot'"
        ),
    )
    if not view.pair:
        return Section(title)
    if all(spec.startswith("untrained") for spec in view.pair):
        return Section(
            title,
            [
                (
                    "Nothing here is learned: both encoders of the pair carry seeded random weights, so every "
                    "difference above comes from the harmonics and the architecture alone."
                )
            ],
            recompute,
        )
    if not view.untrained_pair:
        return Section(
            title, ["Not known from this run: no untrained encoders of the same L ran beside the pair."], recompute
        )
    return Section(
        title, [*_share_without_training(view), *_learned_by_encoder(view), *_chance_controls(view)], recompute
    )


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
    excess = shuffled.assign(excess=shuffled["test_accuracy"] - shuffled["chance"])
    (row,) = view.means(excess.assign(all="all"), ["all"], "excess").to_dict("records")
    return [
        (
            f"With shuffled labels the probes score {points_interval(row['mean'], row['low'], row['high'])} "
            f"above chance, over {count(len(shuffled), 'probe')}: {_at_chance(row)}."
        )
    ]


def _at_chance(row: dict) -> str:
    if not np.isfinite(row["low"]):
        return "one replicate, so undecided"
    return (
        "at chance, as they must be"
        if row["low"] <= 0 <= row["high"]
        else "NOT at chance: something leaks from the training rows into the test rows"
    )
