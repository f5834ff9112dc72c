"""Tables of a run with the types they were written with, and what their rows have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from satgpu.errors import UserError, unknown_choice
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


def typed(table: pd.DataFrame | str | Path, row_type: type = ProbeRow, needs: Iterable[str] = ()) -> pd.DataFrame:
    """A table of such rows as pandas reads it (``pd.read_csv("results.csv")``), with the kinds of ``row_type``.

    The one door for tables that come from outside: missing strings become "", missing booleans False.
    Columns that the row type does not know pass as they are; missing ones are not made up.

    Args:
        table: rows, or the path of their CSV or run folder.
        row_type: what the rows are.
        needs: columns that there must be.

    Raises:
        UserError: no table, a column missing, or words where numbers are wanted.
    """
    name = f"{row_type.table}.csv"
    if isinstance(table, str | Path):
        table = read_table(_inside(table, name), row_type)
    if not isinstance(table, pd.DataFrame):
        raise UserError(f"wanted rows of {name} as a pandas DataFrame, or its path; got {type(table).__name__}")
    missing = [column for column in dict.fromkeys(needs) if column not in table]
    if missing:
        raise UserError(f"the table lacks the column(s) {', '.join(missing[:5])}; give all columns of {name}")
    known = {column: kind for column, kind in columns(row_type).items() if column in table}
    wrong = {column: kind for column, kind in known.items() if not _is_of(table[column], kind)}
    return table.assign(**{column: _as_kind(table[column], kind) for column, kind in wrong.items()})


def _is_of(column: pd.Series, kind: str) -> bool:
    if kind in ("int", "float"):
        return column.dtype.kind in "fiu"
    if kind == "bool":
        return column.dtype == bool
    if isinstance(column.dtype, pd.StringDtype):
        return not column.isna().any()
    return column.map(type).eq(str).all()


def _as_kind(column: pd.Series, kind: str) -> pd.Series:
    if kind == "bool":
        return column.astype(str) == "True"
    if kind == "str":  # "8" beside gaps was read as 8.0
        is_number = column.dtype.kind in "fiu"
        words = column.map(lambda value: f"{value:.17g}" if is_number else str(value))
        return words.where(column.notna(), "").astype(str)
    try:
        return pd.to_numeric(column.replace("", None))
    except (ValueError, TypeError) as error:
        raise UserError(f"column {column.name!r} must hold numbers ({error})") from None


def scored_rows(table: pd.DataFrame | str | Path, needs: Iterable[str] = ()) -> pd.DataFrame:
    """Rows of a results table from anywhere with real labels and a score: neither shuffled controls nor failures."""
    rows = typed(table, ProbeRow, needs)
    for column, wanted in (("labels", "field"), ("failure", "")):
        rows = rows[rows[column] == wanted] if column in rows else rows
    return rows


def check_pair(rows: pd.DataFrame, first: str, second: str) -> None:
    """UserError unless these are two encoders of the table."""
    if first == second:
        raise UserError(f"{first!r} is compared with itself; name two encoders")
    for encoder in (first, second):
        if encoder not in set(rows["encoder"]):
            raise unknown_choice("encoder", encoder, set(rows["encoder"]))


def is_starved(table: pd.DataFrame) -> pd.Series:
    """True where there were fewer than 5 training points per cell: too few to tell what the encoder holds."""
    table = typed(table, needs=["train_points_per_cell"])
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
