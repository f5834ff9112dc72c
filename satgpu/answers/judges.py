"""Judges that several claims share: every cell within bounds, and all groups alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from satgpu.answers.evidence import contrast, corrected, estimate, points
from satgpu.answers.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED, Finding, within

ALIKE = 0.05  # accuracies that differ by less than 5 points are called alike


def each_cell(
    rows: pd.DataFrame, by: str | list[str], words: str, low: float = -np.inf, high: float = np.inf, keep=None
) -> Finding | None:
    """Every cell's difference must lie in [low, high]; the cells that break it most are named."""
    cells = {key: cell for key, cell in rows.groupby(by, sort=True) if keep is None or keep(key)}
    if not cells:
        return None
    confidence = corrected(len(cells))
    strict = {key: estimate(cell, confidence=confidence) for key, cell in cells.items()}
    broken = [key for key in cells if within(strict[key], low, high) == CONTRADICTED]
    # all must hold at once, so each needs only its own confidence (intersection-union test)
    held = [key for key in cells if within(estimate(cells[key]), low, high) == SUPPORTED]
    verdict = CONTRADICTED if broken else SUPPORTED if len(held) == len(cells) else UNDECIDED
    outside = sorted(broken or cells, key=lambda key: -_outside(strict[key].mean, low, high))[:3]
    label = "outside" if broken else "extremes"
    named = ", ".join(f"{_label(words, key)} {points(strict[key].mean)}" for key in outside)
    middle = f"{points(min(e.mean for e in strict.values()))} to {points(max(e.mean for e in strict.values()))}"
    counts = f"{len(held)} of {len(cells)} hold with their interval, {len(broken)} are contradicted"
    return Finding(verdict, f"{counts}; range {middle}; {label}: {named}{_note(rows)}")


def all_alike(rows: pd.DataFrame, what: str, at: list[str]) -> Finding | None:
    """Pairs of ``what`` at equal ``at`` must lie within 5 points of each other."""
    gaps = []
    cells = [group for _, group in rows.groupby(at, sort=True) if group[what].nunique() > 1]
    n_gaps = sum(len(list(combinations(cell[what].unique(), 2))) for cell in cells)
    for cell in cells:
        where = " ".join(f"{cell[name].iloc[0]:.0f}{'°' if name == 'span_deg' else ' km'}" for name in at)
        for a, b in combinations(sorted(cell[what].unique()), 2):
            sides = cell[cell[what] == a], cell[cell[what] == b]
            gaps.append(
                (where, a, b, contrast(*sides, corrected(n_gaps)), contrast(*sides), *map(mean_difference, sides))
            )
    if not gaps:
        return None
    broken = [gap for gap in gaps if within(gap[3], -ALIKE, ALIKE) == CONTRADICTED]
    alike = all(within(gap[4], -ALIKE, ALIKE) == SUPPORTED for gap in gaps)
    where, a, b, _, _, mean_a, mean_b = max(broken or gaps, key=lambda gap: abs(gap[3].mean))
    verdict = CONTRADICTED if broken else SUPPORTED if alike else UNDECIDED
    count = f"{len(broken)} of {len(gaps)} pairs differ by more than {100 * ALIKE:.0f} points"
    widest = f"widest at {where}: {plain(a)} {points(mean_a)}, {plain(b)} {points(mean_b)}"
    return Finding(verdict, f"{count}; {widest}{_note(rows)}")


def _outside(value: float, low: float, high: float) -> float:
    return max(low - value, value - high)


def _label(words: str, key: object) -> str:
    return plain(words.format(*(key if isinstance(key, tuple) else (key,))))


def plain(name: str) -> str:
    return str(name).replace("_", " ")


def mean_difference(rows: pd.DataFrame) -> float:
    return float(rows["difference"].mean())


def _note(rows: pd.DataFrame) -> str:
    return "" if rows["replicate"].nunique() > 1 else " (one replicate: the test set's error alone)"
