"""Tables of a run with the types they were written with, and what their rows have in common."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from satgpu.errors import UserError
from satgpu.run.rows import ProbeRow, SimilarityRow, added, columns, keys

# What tells one probe's task from another's, whichever encoder it is asked of.
TASK_COLUMNS = keys(ProbeRow, "task")
# What tells one kind of probe from another.
PROBE_COLUMNS = ("probe", "hidden_layer_sizes", "standardize")
STARVED_POINTS_PER_CELL = 5.0


def read_results(path: str | Path) -> pd.DataFrame:
    """The table of probes of a run: ``path`` is the run folder or the CSV itself."""
    return read_table(_inside(path, "results.csv"), ProbeRow)


def read_similarity(path: str | Path) -> pd.DataFrame:
    """The table of similarities of a run: ``path`` is the run folder or the CSV itself."""
    return read_table(_inside(path, "similarity.csv"), SimilarityRow)


def read_table(path: str | Path, row_type: type) -> pd.DataFrame:
    """A CSV of the rows of ``row_type``, with its columns and kinds; columns of later versions may be missing.

    Missing strings read as "", missing booleans as False, missing numbers as
    NaN (an integer column with a hole becomes float).

    Raises:
        UserError: no such file, not a table, or a column missing.
    """
    path = Path(path)
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[])
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give a run folder written by `satgpu run`") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not a readable table ({str(error).splitlines()[0]}); was the run cut short?"
        ) from None
    missing = [name for name in columns(row_type) if name not in text.columns]
    text = text.assign(**{name: "" for name in missing if name in added(row_type)})
    missing = [name for name in missing if name not in added(row_type)]
    if missing:
        raise UserError(
            f"{path}: missing column(s) {', '.join(missing[:5])}{' and others' if missing[5:] else ''};"
            " this table was not written by this version of satgpu"
        )
    return pd.DataFrame({name: _typed(text[name], kind, path) for name, kind in columns(row_type).items()})


def typed(table: pd.DataFrame, row_type: type = ProbeRow) -> pd.DataFrame:
    """A table of such rows as pandas reads it (``pd.read_csv("results.csv")``), with the kinds of ``row_type``.

    The one door for tables that come from outside: missing strings become "", missing booleans False.
    Columns that the row type does not know pass as they are; missing ones are not made up.
    """
    known = {name: kind for name, kind in columns(row_type).items() if name in table}
    wrong = {name: kind for name, kind in known.items() if kind in ("str", "bool") and not _is_of(table[name], kind)}
    fixed = {
        name: table[name].astype(object).fillna("").astype(str) if kind == "str" else table[name].astype(str) == "True"
        for name, kind in wrong.items()
    }
    return table.assign(**fixed)


def _is_of(column: pd.Series, kind: str) -> bool:
    return column.dtype == bool if kind == "bool" else column.map(type).eq(str).all()


def scored_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a results table from anywhere with real labels and a score: neither shuffled controls nor failures."""
    rows = typed(table)
    for column, wanted in (("labels", "field"), ("failure", "")):
        rows = rows[rows[column] == wanted] if column in rows else rows
    return rows


def is_starved(table: pd.DataFrame) -> pd.Series:
    """True where there were fewer than 5 training points per cell: too few to tell what the encoder holds."""
    return table["train_points_per_cell"] < STARVED_POINTS_PER_CELL


def _inside(path: str | Path, name: str) -> Path:
    path = Path(path)
    return path / name if path.is_dir() else path


def _typed(text: pd.Series, kind: str, path: Path) -> pd.Series:
    if kind == "str":
        return text
    if kind == "bool":
        return text == "True"
    try:
        numbers = pd.to_numeric(text.where(text != "", None))
    except ValueError as error:
        raise UserError(f"{path}: column {text.name}: {error}; a number was expected") from None
    whole = kind == "int" and numbers.notna().all()
    return numbers.astype("int64" if whole else "float64")


def read_or_empty(path: Path, row_type: type | None) -> pd.DataFrame:
    """``read_table``, or an empty table where there is no such file."""
    if row_type is None:  # a read-out that this version does not know
        return pd.DataFrame()
    return read_table(path, row_type) if path.exists() else pd.DataFrame({name: [] for name in columns(row_type)})
