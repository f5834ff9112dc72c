"""Two encoders paired by task and replicate, and laid out as arrays of cells and replicates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from satgpu.answers.learning import is_stuck
from satgpu.errors import UserError, unknown_choice
from satgpu.run.read_table import PROBE_COLUMNS, TASK_COLUMNS, check_pair, typed

# Factors along which neighbouring cells ask nearly the same, the first that is there.
ORDERED_COLUMNS = ("scale_km", "width_km", "span_deg")


def paired_rows(
    table: pd.DataFrame, first: str, second: str, by: Sequence[str], value: str = "test_accuracy"
) -> pd.DataFrame:
    """One row per task and replicate that both encoders have.

    Only probes of the same task (experiment, pattern, scale, region, sampling, labels), kind and replicate are
    paired. Shuffled labels are left out unless ``by`` names ``labels``.

    Returns:
        DataFrame[*keys, replicate, first, second, first_stuck, second_stuck, n_test, difference]; the stuck
        columns and ``n_test`` where the table can tell.

    Raises:
        UserError: an encoder or a column that the table doesn't hold.
    """
    table = typed(table, needs=["encoder", "replicate"])
    check_pair(table, first, second)
    for name in (*by, value):
        if name not in table:
            raise unknown_choice("column", name, table.columns)
        if name in ("encoder", "replicate"):
            raise UserError(f"by cannot hold {name!r}: pairs are of two encoders in one replicate; leave it out")
    if table[value].dtype.kind not in "fiub":
        raise UserError(f"value must name a column of numbers; got {value!r}")
    rows = table[table["encoder"].isin([first, second]) & table[value].notna()]
    if "labels" in rows and "labels" not in by:
        rows = rows[rows["labels"] == "field"]
    keys = [name for name in _identity(rows, first, second, by) if name in rows]
    wide = _side_by_side(rows, keys, value, first, second).dropna()
    if {"test_accuracy", "chance", "n_test"} <= set(rows):
        stuck = rows.assign(stuck=is_stuck(rows["test_accuracy"], rows["chance"], rows["n_test"]).astype(float))
        stuck = _side_by_side(stuck, keys, "stuck", first, second).add_suffix("_stuck")
        wide = wide.join(stuck == 1)
    if "n_test" in rows and "n_test" not in keys:
        wide = wide.join(rows.groupby(keys, dropna=False)["n_test"].min())
    return wide.reset_index().assign(difference=lambda pairs: pairs["second"] - pairs["first"])


def _side_by_side(rows: pd.DataFrame, keys: list[str], value: str, first: str, second: str) -> pd.DataFrame:
    """``value`` of both encoders in the columns ``first`` and ``second``."""
    wide = rows.groupby([*keys, "encoder"], dropna=False)[value].mean().unstack("encoder")
    wide = wide.reindex(columns=[first, second])
    wide.columns = pd.Index(["first", "second"])
    return wide


def _identity(rows: pd.DataFrame, first: str, second: str, by: Sequence[str]) -> list[str]:
    """Columns in which the two of a pair must agree."""
    same_kind = "probe" in rows and set(rows.loc[rows["encoder"] == first, "probe"]) == set(
        rows.loc[rows["encoder"] == second, "probe"]
    )
    probe = PROBE_COLUMNS if same_kind else ()  # nearest neighbours have no layers to agree in
    return list(dict.fromkeys([*by, *TASK_COLUMNS, *probe, "replicate"]))


@dataclass(frozen=True)
class PairedCells:
    """Pairs as arrays: K cells in the order of ``keys``, R replicates, NaN where a replicate lacks a cell.

    Arrays may have leading axes: tables of the same cells that have nothing to do with each other.

    Attributes:
        keys: one row per cell, the columns of ``by``.
        first_KR, second_KR: the values of the two encoders.
        stuck_KR: for each encoder, 1 where its probes had not learned, NaN where there is none.
        rounding_K: variance of a difference that comes of the steps of 1/n_test in two accuracies.
        neighbours_KK: True between cells next to each other in scale and alike in all else; None without a scale.
        replicates: the numbers of the replicates.
    """

    keys: pd.DataFrame
    first_KR: np.ndarray
    second_KR: np.ndarray
    stuck_KR: tuple[np.ndarray, np.ndarray]
    rounding_K: np.ndarray
    neighbours_KK: np.ndarray | None
    replicates: np.ndarray

    @property
    def difference_KR(self) -> np.ndarray:
        """Second less first."""
        return self.second_KR - self.first_KR

    def only(self, use_KR: np.ndarray) -> "PairedCells":
        """The same cells with some of the pairs."""
        kept = [np.where(use_KR, values, np.nan) for values in (self.first_KR, self.second_KR, *self.stuck_KR)]
        return replace(self, first_KR=kept[0], second_KR=kept[1], stuck_KR=(kept[2], kept[3]))


def paired_cells(
    table: pd.DataFrame, first: str, second: str, by: Sequence[str], value: str = "test_accuracy"
) -> PairedCells:
    """The pairs of ``paired_rows``, those of one cell and replicate averaged: the replicate is what is drawn anew.

    An accuracy over m test points is a whole number of steps of 1/m, and a difference of two carries the rounding
    of both: a variance of 2/(12 m²), less where several pairs are averaged.
    """
    by = list(by)
    pairs = paired_rows(table, first, second, by, value)
    if pairs.empty:
        raise UserError(f"{first} and {second} have no probe of the same task and replicate; give one table of both")
    n_test = pairs["n_test"].clip(lower=1) if "n_test" in pairs else np.inf
    stuck = {name: pairs[name].astype(float) if name in pairs else 0.0 for name in ("first_stuck", "second_stuck")}
    pairs = pairs.assign(cell="all", rounding=1 / (6 * n_test**2), **stuck)
    groups = pairs.groupby([*(by or ["cell"]), "replicate"], dropna=False, sort=True)
    cells = groups[["first", "second", "first_stuck", "second_stuck"]].mean()
    cells["rounding"] = groups["rounding"].sum() / groups.size() ** 2
    wide = cells.unstack("replicate")
    keys = wide.index.to_frame(index=False)[by]
    arrays = {name: wide[name].to_numpy(dtype=float) for name in cells}
    stuck_KR = tuple(
        np.where(np.isnan(arrays[name]), np.nan, arrays[name] == 1) for name in ("first_stuck", "second_stuck")
    )
    rounding_K = np.nanmean(arrays["rounding"], axis=1)
    replicates = wide["first"].columns.to_numpy()
    return PairedCells(
        keys, arrays["first"], arrays["second"], stuck_KR, rounding_K, neighbouring_cells(keys), replicates
    )


def neighbouring_cells(keys: pd.DataFrame) -> np.ndarray | None:
    """(K, K) True between cells next to each other in scale (or width, or span) and alike in every other column."""
    ordered = next((name for name in ORDERED_COLUMNS if name in keys), None)
    if ordered is None:
        return None
    others = [name for name in keys if name != ordered]
    line = keys.groupby(others, dropna=False, sort=False).ngroup().to_numpy() if others else np.zeros(len(keys), int)
    order = np.lexsort((keys[ordered].to_numpy(), line))
    together = order[:-1][line[order[:-1]] == line[order[1:]]], order[1:][line[order[:-1]] == line[order[1:]]]
    neighbours = np.zeros((len(keys), len(keys)), dtype=bool)
    neighbours[together] = True
    return neighbours | neighbours.T
