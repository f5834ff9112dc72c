"""A resolution card as Markdown, for the page of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from satgpu.answers.types import Censoring, Estimate, Unit
from satgpu.run.names import encoder_label

from .words import km_text, text

SHOWN_DEGREES = (1, 2, 3, 5, 8, 10, 15, 20, 30, 36, 45, 64)
_NUMBERS = {
    "held": "numbers held, down to {finest} km",
    "beyond": "numbers held, finer still",
    "read": "numbers read with {n:,} labels",
    "read_over_seeds": "the same over seeds of the weights",
    "plateau": "plateau of the share read",
    "cutoff": "cut-off: half the plateau at",
    "local_km": "finest scale around the median place",
}
_PARTS = ("skill", "resolution", "zonal", "longitude")


def estimate(given: Mapping[str, Any]) -> Estimate:
    """A number of a card, as an answer has it."""
    value, low, high = (float("nan") if given[name] is None else given[name] for name in ("value", "low", "high"))
    return Estimate(value, low, high, given["n"], Unit(given["unit"]), Censoring(given["censored"]))


def in_words(card: Mapping[str, Any]) -> dict[str, str]:
    """What was measured, in a few words each, to the number with its interval."""
    summary, config = card["summary"], card["config"]["transfer"]
    facts = {"finest": km_text(summary["curve"]["scale_km"][-1]), "n": max(config["n_labels"])}
    words = {name.format(**facts): text(estimate(summary[key])) for key, name in _NUMBERS.items() if key in summary}
    return words | {"pass bands: half or more is read at": bands(summary["pass_bands_km"])}


def bands(found: list[list]) -> str:
    """Runs of scales of which half or more is read, coarse to fine."""
    words = [f"{km_text(a)} to {km_text(b)} km" if a != b else f"{km_text(a)} km alone" for a, b, _ in found]
    return ", ".join(words) or "none"


def card_markdown(card: Mapping[str, Any], file_name: str) -> str:
    """The page: what was measured, the numbers, the curve, real fields, and how to check it."""
    encoder, summary = card["encoder"], card["summary"]
    lines = [f"# Resolution card: {encoder_label(encoder['name'])}", ""]
    lines += [f"{_setting(card)}", "", *_table(("measure", "value"), in_words(card).items())]
    lines += ["", *(f"Note: {note}." for note in summary["notes"]), "", *_curve_table(summary["curve"])]
    if card["rows"].get("fields"):
        lines += ["", *_fields_table(card["rows"]["fields"])]
    made = ", ".join(f"{name} {version}" for name, version in card["made_by"].items())
    facts = {
        "weights": f"sha256 `{encoder['sha256'] or 'none: no weights'}`",
        "source": ", ".join(str(encoder[k]) for k in ("source", "revision", "licence") if encoder[k]) or "unknown",
        "made by": made,
        "digest of the card": f"`{card['digest']}`",
    }
    lines += ["", *_table(("provenance", ""), facts.items())]
    check = f"satgpu card --check {file_name}"
    lines += ["", f"Check it, with a row measured again from the weights: `{check}`", ""]
    return "\n".join(lines)


def _setting(card: Mapping[str, Any]) -> str:
    """What the numbers hold for."""
    options, places = card["config"]["transfer"], len(card["rows"].get("map", []))
    draws, trained = card["config"]["replicates"], "trained" if card["encoder"]["trained"] else "untrained"
    words = (
        f"{card['encoder']['dim']} numbers a place, {trained} weights. Random fields of one harmonic degree, 1 to"
        f" {options['l_max']}, read linearly from {max(options['n_labels']):,} labels with noise of"
        f" {options['noise']:g} of the field's variance; {draws} draws of places, seed {card['config']['seed']}."
        " A scale is half a wavelength. Brackets are 95 % intervals over draws of places."
    )
    if not places:
        return words
    map_ = card["config"]["map"]
    return (
        f"{words} Around {places} places: {map_['n_labels']} labels in a cap of {map_['cells']:g} cells, embedding"
        f" noise of {map_['tolerance']:g}; its brackets are nine places in ten."
    )


def _curve_table(curve: Mapping[str, list]) -> list[str]:
    """The two curves at some degrees."""
    rows = []
    for i, degree in enumerate(curve["degree"]):
        if degree in SHOWN_DEGREES:
            share = Estimate(*(_number(curve[name][i]) for name in ("share", "low", "high")), n=2, unit=Unit.SHARE)
            held = f"{100 * curve['ceiling'][i]:.1f} %"
            rows.append((str(degree), f"{km_text(curve['scale_km'][i])} km", text(share), held))
    return _table(("harmonic degree", "scale", "read", "held"), rows)


def _fields_table(rows: list[Mapping[str, Any]]) -> list[str]:
    """Skill on real fields and its parts."""
    cells = []
    for row in rows:
        parts = [
            Estimate(*(_number(row.get(f"{part}{end}")) for end in ("", "_low", "_high")), n=2, unit=Unit.SHARE)
            for part in _PARTS
        ]
        about = ", ".join(str(row[name]) for name in ("reader", "split") if row.get(name))
        cells.append((f"{row['field']} ({about})", *map(text, parts), row.get("verdict", "")))
    return _table(("field", *_PARTS, "verdict"), cells)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _table(head: tuple[str, ...], rows) -> list[str]:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines]
