"""A run read back from its folder: typed tables, who was compared with whom, and the only place that picks rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import TypeVar

import pandas as pd
import yaml

from satgpu.errors import UserError
from satgpu.run.names import encoder_label, short_labels
from satgpu.run.read_table import read_or_empty, read_results, typed
from satgpu.run.rows import TABLES, CurveRow, PredictionRow

DEFAULT_THRESHOLD = 0.5
COORDINATES = "coordinates"  # what nearest neighbours read, in the column ``encoder``
READOUTS = ("transfer", "map", "fields")  # experiments whose rows are read-outs, in tables of their own
_BESIDE = ("similarity", *READOUTS, "field_residuals")


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that answers and report know about a run.

    Attributes:
        name: of its folder.
        results: one row per probe (``satgpu.run.rows.ProbeRow``).
        similarity: one row per encoder, place and distance; may be empty, as every table below.
        training_curves: quantiles of the loss by epoch.
        predictions: kept test predictions, one row per point.
        transfer, map, fields: one row per read-out.
        field_residuals: one row per place held back of a real field.
        environment: the content of ``environment.json``.
        config_text: the text of ``config.yaml``.
        given: experiment to a table of differences, for sources that hold no accuracies (published tables).
    """

    results: pd.DataFrame
    similarity: pd.DataFrame = field(default_factory=pd.DataFrame)
    training_curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    transfer: pd.DataFrame = field(default_factory=pd.DataFrame)
    map: pd.DataFrame = field(default_factory=pd.DataFrame)
    fields: pd.DataFrame = field(default_factory=pd.DataFrame)
    field_residuals: pd.DataFrame = field(default_factory=pd.DataFrame)
    environment: dict = field(default_factory=dict)
    config_text: str = ""
    name: str = ""
    given: dict[str, pd.DataFrame] = field(default_factory=dict)
    memo: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        for name, row_type in TABLES.items():
            if len(getattr(self, name, ())):  # tables may come straight from pandas
                object.__setattr__(self, name, typed(getattr(self, name), row_type))

    def probes(
        self,
        experiment: str | None,
        *,
        protocol: str | None = None,
        sampling: str | None = None,
        labels: str | None = "field",
        probe: str | None = "mlp",
        task: str | None = None,
        scored: bool = True,
    ) -> pd.DataFrame:
        """Rows of ``results``; None as a choice takes every value.

        Args:
            experiment: its name.
            protocol: "geodesic" or "notebook"; None where the run is of one protocol (``under``).
            sampling: as in the column.
            labels: "field" or "shuffled".
            probe: "mlp" or "nearest-neighbour".
            task: "classification" or "regression".
            scored: only probes that have a score; False takes failed ones too.
        """
        chosen = {"experiment": experiment, "protocol": protocol, "sampling": sampling, "labels": labels}
        rows = self.results
        for column, value in (chosen | {"probe": probe, "task": task}).items():
            rows = rows if value is None or rows.empty else rows[rows[column] == value]
        if not scored or rows.empty:
            return rows
        has_score = rows["test_accuracy"].notna() | rows["test_r2"].notna()
        return rows[(rows["failure"] == "") & has_score]

    def under(self, protocol: str) -> Run:
        """The rows of one protocol alone."""
        if self.protocols == [protocol]:
            return self
        if ("under", protocol) in self.memo:
            return self.memo["under", protocol]
        parts = {name: _of_protocol(getattr(self, name), protocol) for name in ("results", *_BESIDE)}
        if len(self.predictions):
            own = self.predictions["task_id"].str.startswith(f"{protocol}/")
            parts["predictions"] = self.predictions[own]
        self.memo["under", protocol] = replace(self, **parts, memo={})
        return self.memo["under", protocol]

    @cached_property
    def protocols(self) -> list[str]:
        """Protocols that the run has rows of, geodesic first; what it was asked for where it has no rows."""
        tables = (self.results, self.similarity, *(getattr(self, name) for name in READOUTS))
        found = {name for table in tables if "protocol" in table for name in table["protocol"]}
        return sorted(found, key=lambda name: (name != "geodesic", name)) or [
            str(self.environment.get("protocol", "geodesic"))
        ]

    @property
    def protocol(self) -> str:
        """The first protocol: the only one after ``under``."""
        return self.protocols[0]

    def experiments(self) -> set[str]:
        """Names of the experiments that the run has rows of."""
        probed = set(self.results["experiment"]) if len(self.results) else set()
        return probed | {name for name in ("similarity", *READOUTS) if len(getattr(self, name))}

    @cached_property
    def encoders(self) -> list[dict]:
        """Provenance of each encoder, from environment.json; from the tables where it is silent."""
        listed = list(self.environment.get("encoders") or [])
        known = {entry["name"] for entry in listed}
        probed = self.probes(None, labels=None, scored=False)
        tables = [table for table in (probed, self.similarity) if len(table)]
        for row in (pd.concat(tables).drop_duplicates("encoder") if tables else pd.DataFrame()).to_dict("records"):
            if row["encoder"] not in known:
                entry = {"name": row["encoder"], "sha256": row["encoder_sha256"], "role": row["role"]}
                polys = row.get("legendre_polys")
                polys = None if polys is None or pd.isna(polys) else int(polys)
                listed.append(entry | {"trained": bool(row["trained"]), "legendre_polys": polys})
        return listed

    @cached_property
    def compared(self) -> list[str]:
        """Encoders under comparison, in the order they were asked for."""
        return list(dict.fromkeys(entry["name"] for entry in self.encoders if entry.get("role") == "compared"))

    @cached_property
    def controls(self) -> list[str]:
        """Control encoders."""
        names = dict.fromkeys(entry["name"] for entry in self.encoders if entry.get("role") != "compared")
        return [name for name in names if name not in self.compared]

    @property
    def pair(self) -> tuple[str, str] | None:
        """The first two compared encoders: the first plays the notebook's L=10, the second its L=40."""
        return (self.compared[0], self.compared[1]) if len(self.compared) > 1 else None

    @property
    def labels(self) -> tuple[str, str]:
        """The pair by the shortest names that tell them apart, such as L=10 and L=40; one name with one encoder."""
        if self.pair:
            return short_labels(*self.pair)
        return (encoder_label(self.compared[0]) if self.compared else "", "")

    @cached_property
    def trained(self) -> dict[str, bool]:
        """Encoder to whether it carries learned weights."""
        return {entry["name"]: bool(entry.get("trained")) for entry in self.encoders}

    @cached_property
    def legendre(self) -> dict[str, int]:
        """Encoder to its number of Legendre polynomials L, where it has one."""
        return {entry["name"]: entry["legendre_polys"] for entry in self.encoders if entry.get("legendre_polys")}

    @cached_property
    def twins(self) -> dict[str, str]:
        """Encoder to its untrained twin: the column ``twin``; in tables without it, the control of equal L."""
        if "twin" in self.results and (self.results["twin"] != "").any():
            named = self.results.drop_duplicates("encoder")
            named = named[named["twin"].isin(set(self.results["encoder"]))]
            return dict(zip(named["encoder"], named["twin"], strict=True))
        untrained = {self.legendre[name]: name for name in reversed(self.controls) if self._is_untrained(name)}
        learned = [name for name in self.compared if self.trained[name] and self.legendre.get(name) in untrained]
        return {name: untrained[self.legendre[name]] for name in learned}

    def _is_untrained(self, name: str) -> bool:
        return name in self.legendre and not self.trained[name] and name.startswith("untrained")

    @property
    def is_satclip(self) -> bool:
        """Whether the pair is SatCLIP L=10 and L=40 with learned weights: the notebook speaks of no other."""
        wanted = zip(self.pair or (), ("l10", "l40"), strict=False)
        named = [name.startswith("satclip") and f"-{end}" in name and self.trained[name] for name, end in wanted]
        return len(named) == 2 and all(named)

    @property
    def notice(self) -> str:
        """What the run wants said, such as that untrained weights stand in."""
        return self.environment.get("notice") or ""

    @property
    def replicates(self) -> int:
        """How many replicates the rows hold."""
        tables = (self.results, self.transfer, self.fields)
        return next((int(table["replicate"].nunique()) for table in tables if len(table) and "replicate" in table), 0)

    @cached_property
    def config(self) -> dict:
        """The content of ``config.yaml``."""
        try:
            return yaml.safe_load(self.config_text) or {}
        except yaml.YAMLError as error:
            raise UserError(f"config.yaml of this run cannot be read ({type(error).__name__}); restore it") from None

    @property
    def looks(self) -> tuple[tuple[int, float], ...]:
        """(replicates, level) of each look at the growing table, planned before the first; () for one look at all."""
        return tuple((int(replicates), float(level)) for replicates, level in self.config.get("looks") or ())

    @property
    def skill_threshold(self) -> float:
        """The skill at which a scale counts as read: the run's option, 0.5 where its configuration doesn't say."""
        try:
            return float(self.config.get("resolution", {}).get("threshold", DEFAULT_THRESHOLD))
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(f"config.yaml of this run cannot be read ({type(error).__name__}); restore it") from None


T = TypeVar("T")


def once(table: Callable[..., T]) -> Callable[..., T]:
    """For a function of a run (and of plain values): computed once a run, however many ask for it."""

    @wraps(table)
    def remembered(run: Run, *args) -> T:
        key = (table.__module__, table.__qualname__, args)
        if key not in run.memo:
            run.memo[key] = table(run, *args)
        return run.memo[key]

    return remembered


def read_run(folder: str | Path) -> Run:
    """All tables of a run folder; a missing table but results.csv reads as an empty one.

    Raises:
        UserError: no results in the folder, or a table that lacks columns.
    """
    folder = Path(folder)
    environment, config = folder / "environment.json", folder / "config.yaml"
    return Run(
        results=read_results(folder),
        training_curves=read_or_empty(folder / "training_curves.csv", CurveRow),
        predictions=read_or_empty(folder / "predictions.csv", PredictionRow),
        **{name: read_or_empty(folder / f"{name}.csv", TABLES.get(name)) for name in _BESIDE},
        environment=_read_json(environment) if environment.exists() else {},
        config_text=config.read_text(encoding="utf-8") if config.exists() else "",
        name=folder.resolve().name,
    )


def _of_protocol(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    return table[table["protocol"] == protocol] if "protocol" in table else table


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); was the run cut short?") from None
