"""Which of two encoders reads better, and in which cells of a table: the one rule behind every verdict."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from satgpu.answers.discoveries import FALSE_DISCOVERY_RATE, benjamini_hochberg
from satgpu.answers.learning import luck_p
from satgpu.answers.moderated import Moderated, moderated
from satgpu.answers.pairs import PairedCells, paired_cells
from satgpu.run.read_table import typed

FIRST, SECOND, UNDECIDED = "first", "second", "undecided"
COLUMNS = (
    *("first_mean", "second_mean", "difference", "low", "high"),
    *("t", "df", "p", "q", "verdict", "n_replicates"),
)
POOLED = (
    "Student's t of paired replicates; variances and skewness pooled over the cells of the table, "
    "q-values of Benjamini and Hochberg over them."
)  # what a page says of any table of differences


def compare(
    table: pd.DataFrame,
    first: str,
    second: str,
    by: Sequence[str] = ("scale_km",),
    value: str = "test_accuracy",
    looks: Sequence[tuple[int, float]] = (),
) -> pd.DataFrame:
    """``second`` less ``first`` in every cell of ``by``, paired by replicate, with a verdict that holds over the table.

    Variances are pooled over the cells, with a trend in accuracy and for at most four degrees of freedom; the
    skewness that the cells share is taken out (``satgpu.answers.moderated``). Where all probes of an encoder in a
    cell never learned and its neighbours did, p is not below the chance of that (``satgpu.answers.learning``).
    The false discovery rate is held over the cells. One replicate decides nothing.

    Args:
        table: rows of results.csv, as ``satgpu.answers.read_results`` or ``pandas.read_csv`` give them.
        first, second: names in the column ``encoder``.
        by: columns that make a cell; no column makes one cell of everything.
        value: column that is compared.
        looks: (replicates, level) of each look at the growing table, planned before the first (``satgpu.study.looks``).
            Each cell is judged by its replicates below the number of the look at which it was decided; q is
            multiplied by 0.05 / level, so that 0.05 remains the mark. None: one look at all rows.

    Returns:
        DataFrame[the columns of ``by``, first_mean, second_mean, difference, low, high, t, df, p, q, verdict,
        n_replicates], in the
        order of ``by``. Accuracies as shares of one; low and high bound the difference with 95 % in each cell; t,
        df, p, q, low and high are NaN for a cell of one replicate. verdict is "second" or "first", whichever is
        ahead, where q < 0.05, else "undecided".

    Raises:
        UserError: an encoder or a column that the table doesn't hold, or no pair of like probes.
    """
    by = [by] if isinstance(by, str) else list(by)
    table = typed(table)
    if table.empty:
        return pd.DataFrame({name: [] for name in (*by, *COLUMNS)})
    cells = paired_cells(table, first, second, by, value)
    found = judge(cells, looks)
    found["verdict"] = verdicts(found["difference"], found["q"])
    return cells.keys.assign(**{name: found[name] for name in COLUMNS})


def judge(cells: PairedCells, looks: Sequence[tuple[int, float]] = ()) -> dict[str, np.ndarray]:
    """The numbers of ``compare`` for one table of cells or, on leading axes (..., K, R), for many at once."""
    if not looks:
        return _judged(cells)
    there_KR = ~np.isnan(cells.difference_KR)
    up_to_K, decided = np.zeros(there_KR.shape[:-1]), np.zeros(there_KR.shape[:-1], dtype=bool)
    found: dict[str, np.ndarray] = {}
    for replicates, level in looks:
        fresh_KR = there_KR & (cells.replicates >= up_to_K[..., None]) & (cells.replicates < replicates)
        grown = (fresh_KR.any(-1) & ~decided).any(-1, keepdims=True)  # a table without news is not looked at again
        if found and not grown.any():
            continue
        goes_on = ~decided & (grown | (not found))
        up_to_K = np.where(goes_on, replicates, up_to_K)
        now = _judged(cells.only(cells.replicates < up_to_K[..., None]), level)
        found = {name: np.where(goes_on, now[name], found[name]) if found else now[name] for name in now}
        decided |= goes_on & (now["q"] < FALSE_DISCOVERY_RATE)
    return found


def _judged(cells: PairedCells, level: float = FALSE_DISCOVERY_RATE) -> dict[str, np.ndarray]:
    """The same at one look."""
    found = moderated_cells(cells)
    p = np.maximum(found.p, np.maximum(*(luck_p(stuck, cells.neighbours_KK) for stuck in cells.stuck_KR)))
    q = np.minimum(benjamini_hochberg(p) * (FALSE_DISCOVERY_RATE / level), 1.0)
    low, high = found.interval()
    means = {"first_mean": _mean(cells.first_KR), "second_mean": _mean(cells.second_KR), "difference": found.mean}
    test = {"t": found.t, "df": np.where(found.n > 1, found.df, np.nan), "p": p, "q": q}
    return means | {"low": low, "high": high} | test | {"n_replicates": found.n}


def moderated_cells(cells: PairedCells) -> Moderated:
    """The differences of a table: their variance depends on the accuracy, and is no less than that of rounding."""
    return moderated(cells.difference_KR, _mean((cells.first_KR + cells.second_KR) / 2), cells.rounding_K)


def _mean(values_KR: np.ndarray) -> np.ndarray:
    """Over the replicates that a cell has; NaN where it has none."""
    n = (~np.isnan(values_KR)).sum(-1)
    return np.where(n > 0, np.nansum(values_KR, axis=-1) / np.maximum(n, 1), np.nan)


def verdicts(difference: np.ndarray, q: np.ndarray, level: float = FALSE_DISCOVERY_RATE) -> np.ndarray:
    """"second", "first" or "undecided" for each cell."""
    return np.where(q < level, np.where(difference > 0, SECOND, FIRST), UNDECIDED).astype(object)
