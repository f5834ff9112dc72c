"""How far to trust a run: claims with their verdicts, probes in trouble, and the published numbers beside it."""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from satgpu.answers.claims import CLAIM_COLUMNS, judge_claims, judge_published
from satgpu.answers.convergence import TROUBLES, convergence_table, effect_of_leaving_out, named_troubles

from .view import EXPERIMENT_TITLES, RunView
from .words import count, listing, pattern_label, points, points_interval

MOST_NAMED = 5


def reliability(view: RunView) -> list[str]:
    """Probes that did not converge, learned nothing, failed or were starved: counted, named, and their weight."""
    table = convergence_table(view.results)
    total = int(table["n_probes"].sum())
    if not total:
        return ["No probe was trained under this protocol."]
    sentences = []
    for kind, meaning in TROUBLES.items():
        n = int(table[kind].sum())
        where = _where(table, kind)
        sentences.append(f"{kind.replace('_', ' ').capitalize()} ({meaning}): {n:,} of {count(total, 'probe')}{where}.")
    sentences += _named(view, "failed") + _named(view, "unconverged")
    return sentences + _weight(view, "unconverged")


def _where(table: pd.DataFrame, kind: str) -> str:
    """The experiments that hold most of one trouble."""
    by = table.groupby("experiment")[kind].sum().sort_values(ascending=False)
    by = by[by > 0]
    return (
        f" ({listing(f'{n:,} in {EXPERIMENT_TITLES.get(name, name).lower()}' for name, n in by.head(4).items())})"
        if len(by)
        else ""
    )


def _named(view: RunView, kind: str) -> list[str]:
    """The first few probes with one trouble, by task."""
    rows = named_troubles(view.results, kind)
    if rows.empty:
        return []
    more = f" and {len(rows) - MOST_NAMED:,} more" if len(rows) > MOST_NAMED else ""
    return [
        f"{kind.capitalize()}: "
        + "; ".join(_probe_name(view, row) for row in rows.head(MOST_NAMED).to_dict("records"))
        + more
        + "."
    ]


def _probe_name(view: RunView, row: dict) -> str:
    """One probe: encoder, question, replicate, why."""
    size = row["scale_km"] if np.isfinite(row["scale_km"]) else row["width_km"]
    where = (
        ""
        if row["region"] in ("global", "")
        else f" in {row['region']}" + (f" {row['span_deg']:g}°" if np.isfinite(row["span_deg"]) else "")
    )
    why = row["failure"] or f"{row['stop_reason']} after {row['epochs']:g} epochs"
    kilometres = f" {size:g} km" if np.isfinite(size) else ""
    return (
        f"{view.label(row['encoder'])}, {pattern_label(row['pattern'])}{kilometres}{where}, replicate "
        f"{row['replicate']} ({why})"
    )


def _weight(view: RunView, kind: str) -> list[str]:
    """What leaving them out would change of the pair's mean difference."""
    if not view.pair or not set(view.pair) <= set(view.results["encoder"]):
        return []
    effect = effect_of_leaving_out(view.results[view.results["probe"] == "mlp"], *view.pair, kind=kind)
    effect = effect[effect["n_left_out"] > 0]
    return [_weight_words(view, kind, row) for row in effect.to_dict("records")]


def _weight_words(view: RunView, kind: str, row: dict) -> str:
    """One row of ``effect_of_leaving_out`` as a sentence."""
    first, second = view.pair_labels
    without = points_interval(row["difference_without"], row["low_without"], row["high_without"])
    change = (
        f"goes from {points(row['difference'])} to {without}"
        if row["n_left_out"] < row["n_pairs"]
        else "has no pair left"
    )
    return (
        f"Leaving out the {count(row['n_left_out'], 'pair')} of {row['n_pairs']:,} with a probe that is {kind}, "
        f"{second} minus {first} in {EXPERIMENT_TITLES[row['experiment']].lower()} {change}."
    )


def against_published(views: Sequence[RunView]) -> list[str]:
    """This run beside the notebook author's numbers, table by table, under the notebook protocol."""
    notebook = [view for view in views if view.protocol == "notebook"]
    if not notebook or notebook[0].published.empty:
        return []
    view, table = notebook[0], notebook[0].published
    sentences = [_kind_of_comparison(view)]
    for name, rows in table.groupby("table", sort=False):
        parts = [_closeness(view, name, encoder, own) for encoder, own in rows.groupby("encoder", sort=False)]
        sentences.append(f"{EXPERIMENT_TITLES[name]}, run minus published: {'; '.join(parts)}.")
    return sentences


def _kind_of_comparison(view: RunView) -> str:
    """Whether this is a reproduction or a different encoder on the same questions."""
    trained = {entry["name"]: entry.get("trained") for entry in view.encoders}
    names = listing(view.label(spec) for spec in view.pair)
    if all(spec.startswith("satclip-vit16") and trained.get(spec) for spec in view.pair):
        return (
            f"The published numbers came from SatCLIP ViT16 L=10 and L=40; this run used the same weights "
            f"({names}), points, labels and splits, so it is a reproduction."
        )
    return (
        f"The published numbers came from SatCLIP ViT16 L=10 and L=40 with trained weights; this run asked "
        f"the same questions (same points, labels and splits) of {names}. It is not a reproduction: what "
        f"agrees was there without that training, what differs is learned or is probe noise."
    )


def _closeness(view: RunView, name: str, encoder: str, rows: pd.DataFrame) -> str:
    """Mean and largest deviation from one published curve."""
    role = {
        "l10": view.pair_labels[0],
        "l40": view.pair_labels[1],
        "difference": f"{view.pair_labels[1]} minus {view.pair_labels[0]}",
    }[encoder]
    worst = rows.loc[rows["difference"].abs().idxmax()]
    key = next(
        column
        for column in ("scale_km", "distance_km", "width_km", "span_deg")
        if np.isfinite(worst[column]) and not (column == "scale_km" and name == "region_size")
    )
    unit = "°" if key == "span_deg" else " km"
    if name == "similarity":
        return (
            f"{role} {rows['difference'].mean():+.3f} on average, most at {worst[key]:g}{unit} "
            f"({worst['run']:.3f} against {worst['published']:.3f})"
        )
    return (
        f"{role} {points(rows['difference'].mean())} points on average, most at {worst[key]:g}{unit} "
        f"({points(worst['difference'])})"
    )


def claims(view: RunView) -> pd.DataFrame:
    """``judge_claims`` under the view's protocol, what this tool says first; empty without a pair."""
    if not view.pair:
        return pd.DataFrame(columns=list(CLAIM_COLUMNS))
    table = judge_claims(view.tables)
    for column in ("statement", "evidence"):
        table[column] = [_in_print(view, text) for text in table[column]]
    return table[table["protocol"] == view.protocol].sort_values(
        "source", key=lambda source: source == "notebook", kind="stable"
    )


def _in_print(view: RunView, text: str) -> str:
    """Encoder specs as the names they have everywhere else on the page."""
    for spec in sorted([*view.compared, *view.controls], key=len, reverse=True):
        text = (
            re.sub(rf"(?<![\w-]){re.escape(spec)}(?![\w-])", view.label(spec), text)
            if "-" in spec or "/" in spec
            else text
        )
    return text


def notebook_conclusions(judged: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The notebook's printed conclusions, judged by its own published numbers and by each protocol of this run.

    Args:
        judged: protocol to its table of claims.

    Returns:
        DataFrame[statement, published numbers, <protocol> protocol, ...]: verdicts, "–" where the run did not ask.
    """
    tables = {"published numbers": _published_verdicts()} | {
        f"{protocol} protocol": table for protocol, table in judged.items()
    }
    verdicts = pd.DataFrame(
        {name: table[table["source"] == "notebook"].set_index("claim_id")["verdict"] for name, table in tables.items()}
    )
    statements = tables["published numbers"].set_index("claim_id")["statement"]
    return (
        verdicts.reindex(statements.index)
        .fillna("–")
        .assign(statement=statements)[["statement", *tables]]
        .reset_index(drop=True)
    )


@lru_cache(maxsize=1)
def _published_verdicts() -> pd.DataFrame:
    """``judge_published``, which is the same for every run."""
    return judge_published()
