"""Encoders by the names that people read."""

import re
from pathlib import Path

# What stands in the place of an encoder's name in tables without being one.
READERS_OF_PLACES = {
    "coordinates": "1-nearest neighbour",
    "nearest-neighbour": "1-nearest neighbour",
    "shuffled": "shuffled labels",
}
_KNOWN = {"xyz": "xyz (coordinates)", "geoclip": "GeoCLIP"} | READERS_OF_PLACES


def encoder_label(spec: str) -> str:
    """A name to print for an encoder spec.

    >>> encoder_label("satclip-vit16-l40"), encoder_label("untrained-l10"), encoder_label("my/table.csv")
    ('SatCLIP ViT16 L=40', 'untrained L=10', 'table')
    """
    if spec in _KNOWN:
        return _KNOWN[spec]
    if match := re.fullmatch(r"satclip-(vit|resnet)(\d+)-l(\d+)", spec):
        tower = "ViT" if match[1] == "vit" else "ResNet"
        return f"SatCLIP {tower}{match[2]} L={match[3]}"
    if match := re.fullmatch(r"(untrained|sh|mini)-l(\d+)(.*)", spec):
        return f"{'harmonics' if match[1] == 'sh' else match[1]} L={match[2]}{match[3]}"
    return Path(spec).stem if re.search(r"[/\\]|\.(csv|npz|ckpt)$", spec) else spec


def short_labels(first: str, second: str) -> tuple[str, str]:
    """``("L=10", "L=40")`` for two encoders of one family, else their full labels."""
    labels = encoder_label(first), encoder_label(second)
    stems = [re.sub(r"L=\d+", "", label) for label in labels]
    if stems[0] == stems[1] and labels[0] != labels[1]:
        return tuple(re.search(r"L=\d+", label)[0] for label in labels)
    return labels
