"""The encoders at a glance: for the README, the command line and the docs."""

from satgpu.encoders import geoclip
from satgpu.encoders.hub import SATCLIP_NAMES, HubFile
from satgpu.encoders.mini import LICENCE, MINI_NAMES
from satgpu.encoders.plugins import plugin_names

COLUMNS = ("name", "dimension", "trained", "licence", "source")


def describe_encoders() -> list[dict[str, str]]:
    """One row per kind of encoder, all values as text; the installed plug-ins last."""
    rows = [(name, "256", "yes", "MIT", f"hub `{HubFile.of_satclip(name).repo}`") for name in SATCLIP_NAMES]
    rows += [(name, "256", "yes", LICENCE, "this package, taught by one picture") for name in MINI_NAMES]
    rows += [
        ("`path/to/satclip.ckpt`, `.safetensors`", "from the weights", "yes", "not stated", "your file"),
        ("geoclip", "512", "yes", geoclip.LICENCE, "package `geoclip`, else hub `" + geoclip.HUB_FILE.repo + "`"),
        ("untrained-lN[-wN][-dN][-layersN][-seedN][-closedform]", "256", "no", "none needed", "seeded random weights"),
        ("sh-lN[-closedform]", "N²", "no", "none needed", "spherical harmonics alone"),
        ("xyz", "3", "no", "none needed", "unit vectors"),
        ("rff-Nkm[-Nkm…][-dN][-seedN]", "256", "no", "none needed", "plane waves of stated wavelengths"),
        ("`path/to/table.csv`, `.npz`, `.parquet` [?within_km=N]", "from the table", "yours", "yours", "your file"),
    ]
    rows += [
        (name, "its own", "its own", "its own", "plug-in, entry point `satgpu.encoders`") for name in plugin_names()
    ]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def encoders_markdown() -> str:
    """:func:`describe_encoders` as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "| " + " | ".join("---" for _ in COLUMNS) + " |"]
    for row in describe_encoders():
        name = row["name"] if row["name"].startswith("`") else f"`{row['name']}`"
        lines.append("| " + " | ".join([name, *(row[column] for column in COLUMNS[1:])]) + " |")
    return "\n".join(lines)
