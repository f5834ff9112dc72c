"""Tables of docs/transfer.md: capacity, shares and ceilings of some encoders.

python scripts/transfer_tables.py [ENCODER ...] [--replicates 8] [--n-labels 6000] [--l-max 64]
"""

import argparse
import sys

from satgpu import load_encoder, transfer_function
from satgpu.readouts.transfer import TransferFunction

ENCODERS = [
    "sh-l20", "untrained-l5", "untrained-l10", "untrained-l20", "untrained-l40", "untrained-l80", "xyz", "geoclip",
]  # fmt: skip
DEGREES = [1, 5, 8, 10, 15, 20, 30, 36, 45, 60]


def main() -> None:
    """Measure and print; the table grows row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", default=ENCODERS)
    parser.add_argument("--replicates", type=int, default=8)
    parser.add_argument("--n-labels", type=int, default=6000)
    parser.add_argument("--l-max", type=int, default=64)
    options = parser.parse_args()
    curves = []
    for spec in options.encoders:
        encoder = load_encoder(spec, device="cpu")
        curves.append(transfer_function(encoder, options.n_labels, replicates=options.replicates, l_max=options.l_max))
        print(curves[-1], file=sys.stderr, flush=True)
    print(numbers_table(curves), curve_table(curves, "share"), curve_table(curves, "ceiling"), sep="\n\n")


def numbers_table(curves: list[TransferFunction]) -> str:
    """One row an encoder: what is held, what is read, at which scales."""
    lines = [
        "| encoder | rank of dim | held | finer | capacity | plateau | cut-off, km | half or more is read, km |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for c in curves:
        runs = "; ".join(f"{a:.0f} to {b:.0f}{'' if firm else ' (not firm)'}" for a, b, firm in c.runs) or "none"
        limited = " (n-limited)" if any(note.startswith("n-limited") for note in c.notes) else ""
        held = _with_interval(c.ceiling_capacity, c.ceiling_capacity_interval)
        read = _with_interval(c.capacity, c.capacity_interval)
        lines.append(
            f"| `{c.name}` | {c.rank} of {c.dim} | {held} | {c.beyond_l_max:.0f} | {read}{limited} |"
            f" {c.plateau:.2f} | {_cutoff(c)} | {runs} |"
        )
    return "\n".join(lines)


def curve_table(curves: list[TransferFunction], which: str) -> str:
    """One row an encoder: shares or ceilings at some degrees."""
    degrees = [d for d in DEGREES if d <= curves[0].degree[-1]]
    lines = [f"| {which} at l = | {' | '.join(map(str, degrees))} |", "| --- " * (len(degrees) + 1) + "|"]
    for c in curves:
        values = " | ".join(f"{getattr(c, which)[d - 1]:.2f}".replace("-0.00", "0.00") for d in degrees)
        lines.append(f"| `{c.name}` | {values} |")
    return "\n".join(lines)


def _cutoff(curve: TransferFunction) -> str:
    """In km; a share that doesn't fall within l_max ends finer than that."""
    if curve.cutoff_km == 0:
        return f"finer than {curve.scale_km[-1]:.0f}"
    return _with_interval(curve.cutoff_km, curve.cutoff_km_interval)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.0f} [{interval[0]:.0f}, {interval[1]:.0f}]"


if __name__ == "__main__":
    main()
