"""The four questions a reader comes with, each answered in a sentence or two."""

from .headline import effective_resolution
from .learned import learned_section
from .view import RunView
from .words import count, km_interval, listing, sentence


def short_answers(view: RunView) -> list[tuple[str, list[str]]]:
    """(question, sentences) pairs, in the order they are asked; those a run cannot answer are left out."""
    second = view.pair_labels[1] if view.pair else ""
    asked = [
        ("What is each encoder's effective resolution?", _resolutions(view)),
        (f"Where is {second} better, and by how much?", _where_better(view)),
        ("How much of that is learned?", _learned(view)),
        ("How sure are we?", _how_sure(view)),
    ]
    return [(question, answer) for question, answer in asked if answer]


def _resolutions(view: RunView) -> list[str]:
    """One number from the embedding and one from the probes, per compared encoder."""
    table = effective_resolution(view)
    phrases = []
    for spec in view.compared:
        own = table[table["encoder"] == spec]
        parts = [
            _number(own[own["measure"] == "spectral"], "by the spectrum of its embedding"),
            _number(own[own["sampling"] == "fixed_per_cell"], "by probes on the globe"),
            _number(own[own["sampling"] == "local_caps"], "by probes in local caps"),
        ]
        parts = [part for part in parts if part]
        if parts:
            phrases.append(f"{view.label(spec)}: {listing(parts)}.")
    return phrases


def _number(rows, how: str) -> str:
    if rows.empty:
        return ""
    row = rows.iloc[0]
    starved = ", starved of points," if row["starved"] is True and not row["censored"] else ""
    return f"{km_interval(row['value'], row['low'], row['high'], row['censored'])}{starved} {how}"


def _where_better(view: RunView) -> list[str]:
    """The peak, and the tally of the scale × region table."""
    if not view.pair:
        return []
    first, second = view.pair_labels
    phrases = [sentence(answer) for answer in view.answers if answer.id == "sweet_spot.peak"]
    for experiment, by, noun in (
        ("scale_region", ["region", "span_deg", "scale_km"], "combinations of region, span and scale"),
        ("patterns", ["pattern", "scale_km"], "patterns and scales"),
    ):
        rows = view.rows(experiment)
        table = view.differences(rows[rows["task"] == "classification"], by)
        if len(table):
            tally = table["verdict"].value_counts()
            phrases.append(
                f"Over {len(table)} {noun}, {second} is better in {tally.get('second', 0)}, {first} in "
                f"{tally.get('first', 0)}, undecided {tally.get('undecided', 0)}."
            )
    return phrases


def _learned(view: RunView) -> list[str]:
    return learned_section(view).sentences[:1]


def _how_sure(view: RunView) -> list[str]:
    """Replicates, and the share of probes in trouble."""
    mlp = view.results[view.results["probe"] == "mlp"]
    if mlp.empty:
        return []
    replicates = (
        (
            f"{count(view.replicates, 'replicate')}; every interval is a 95 % bootstrap over them, and "
            f"comparisons in one table share a 5 % false discovery rate."
        )
        if view.replicates > 1
        else "One replicate: there are no intervals, so no difference is decided."
    )
    unsettled, failed = int((~mlp["converged"] & (mlp["failure"] == "")).sum()), int((mlp["failure"] != "").sum())
    return [replicates, f"Of {count(len(mlp), 'probe')}, {unsettled:,} did not converge and {failed:,} failed."]
