"""``satgpu gate``: the rows on a screen, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from satgpu.errors import UserError
from satgpu.validation.gate import FULL, SMALL, Outcome, all_rows, markdown_table, run_gate

_PAGE = """# The gate

Any number called a resolution must survive this page before it is believed of an encoder that nobody planted.
A row says a truth known without the measurement: the closed form of a planted encoder, or a change that takes
nothing from what an encoder knows, so that nothing may move. Numbers are given as expected → measured. Rows called
*first version* or *first idea* send older measures through the same: where they say **no**, that measure moves although
the encoder knows what it knew. What the quantities are is in [transfer.md](transfer.md).

Made by `satgpu gate --out docs/gate.md`. `satgpu gate ENCODER` sends any encoder through the rows that can be asked
of it; `--small` is the size of the tests, seconds. More rows: a list `ROWS` in a module named in `gate.ROOMS`.

"""


def run_gate_command(specs: Sequence[str], small: bool, out: str, device: str, console: Console) -> int:
    """Measure the gate, of planted encoders or of those named; 0 where every row holds, 1 where one doesn't.

    Args:
        specs: encoders as ``load_encoder`` takes them; none for the planted truths.
        small: the size of the tests, seconds.
        out: a Markdown file for the table, "" for none.
        device: where encoders compute.
        console: to print to.
    """
    from satgpu.encoders import load_encoder

    if out and not Path(out).parent.is_dir():
        raise UserError(f"{out}: there is no such folder; make it, or choose another --out")
    size = SMALL if small else FULL
    parts, closed = [], 0
    for encoder in [load_encoder(spec, device=device) for spec in specs] or [None]:
        console.print(encoder.name if encoder else "planted encoders", style="bold")
        outcomes = []
        for outcome in run_gate(all_rows(), size, encoder):
            console.print(_line(outcome), highlight=False, markup=True)
            outcomes.append(outcome)
        closed += sum(not o.holds for o in outcomes if not o.row.former)
        parts.append(f"## {encoder.name if encoder else 'Planted encoders'}\n\n{markdown_table(outcomes)}\n")
    if out:
        Path(out).write_text(_PAGE + "\n".join(parts), encoding="utf-8")
        console.print(f"wrote {out}")
    console.print("every row holds" if not closed else f"{closed} rows don't hold")
    return 1 if closed else 0


def _line(outcome: Outcome) -> str:
    """One row of the screen."""
    sign = "[green]holds[/]" if outcome.holds else "[yellow]moves[/]" if outcome.row.former else "[red]FAILS[/]"
    off = f"off by {outcome.worst:.3g}, within {outcome.tolerance:g}"
    return f"  {sign}  {outcome.row.name}: {outcome.row.truth} ({off}; {outcome.seconds:.1f} s)"
