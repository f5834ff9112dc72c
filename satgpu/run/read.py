"""A run's tables, read back from its folder with the types they were written with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from satgpu.errors import UserError
from satgpu.run.rows import CurveRow, ProbeRow, SimilarityRow, added, columns, keys

# What tells one probe's task from another's, whichever encoder it is asked of.
TASK_COLUMNS = keys(ProbeRow, "task")
# What tells one kind of probe from another.
PROBE_COLUMNS = ("probe", "hidden_layer_sizes", "standardize")
STARVED_POINTS_PER_CELL = 5.0
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class RunTables:
    """Everything the analysis and the report know about a run.

    Attributes:
        results: one row per probe (``satgpu.run.rows.ProbeRow``).
        similarity: one row per encoder, place and distance; may be empty.
        training_curves: quantiles of the loss by epoch; may be empty.
        environment: the content of ``environment.json``.
        config: the text of ``config.yaml``.
    """

    results: pd.DataFrame
    similarity: pd.DataFrame
    training_curves: pd.DataFrame
    environment: dict
    config: str = ""

    @property
    def skill_threshold(self) -> float:
        """The skill at which a scale counts as read: the run's option, 0.5 where its configuration doesn't say."""
        try:
            config = yaml.safe_load(self.config) or {}
            return float(config.get("resolution", {}).get("threshold", DEFAULT_THRESHOLD))
        except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
            raise UserError(
                f"config.yaml of this run cannot be read ({error.__class__.__name__}); restore it"
            ) from error

    @property
    def compared_pair(self) -> tuple[str, str]:
        """The first two compared encoders: the first plays the notebook's L=10, the second its L=40."""
        compared = [e["name"] for e in self.environment.get("encoders", []) if e.get("role") == "compared"]
        if len(compared) < 2:
            compared = list(dict.fromkeys(self.results.loc[self.results["role"] == "compared", "encoder"]))
        if len(compared) < 2:
            raise UserError(
                f"this run compares {len(compared)} encoder(s), {compared}; a comparison needs two: "
                "run with --encoders A B"
            )
        return compared[0], compared[1]


def read_run(folder: str | Path) -> RunTables:
    """All tables of a run folder; a missing similarity or curves table reads as an empty one.

    Raises:
        UserError: no results in the folder, or a table that lacks columns.
    """
    folder = Path(folder)
    environment = folder / "environment.json"
    config = folder / "config.yaml"
    return RunTables(
        results=read_results(folder),
        similarity=_read_or_empty(folder / "similarity.csv", SimilarityRow),
        training_curves=_read_or_empty(folder / "training_curves.csv", CurveRow),
        environment=_read_json(environment) if environment.exists() else {},
        config=config.read_text(encoding="utf-8") if config.exists() else "",
    )


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
            f"{path}: missing column(s) {', '.join(missing)}; this table was not written by this version of satgpu"
        )
    return pd.DataFrame({name: _typed(text[name], kind, path) for name, kind in columns(row_type).items()})


def field_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with real labels and a score: neither shuffled controls nor failed probes."""
    return table[(table["labels"] == "field") & (table["failure"] == "")]


def is_starved(table: pd.DataFrame) -> pd.Series:
    """True where there were fewer than 5 training points per cell: too few to tell what the encoder holds."""
    return table["train_points_per_cell"] < STARVED_POINTS_PER_CELL


def _inside(path: str | Path, name: str) -> Path:
    path = Path(path)
    return path / name if path.is_dir() else path


def _read_or_empty(path: Path, row_type: type) -> pd.DataFrame:
    return read_table(path, row_type) if path.exists() else pd.DataFrame({name: [] for name in columns(row_type)})


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); was the run cut short?") from None


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
