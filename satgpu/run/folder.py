"""A run on disk: rows appended durably, whole files replaced atomically, one writer at a time.

A cut at any moment leaves whole rows only. Rows of one probe go to
``predictions.csv`` and ``training_curves`` before its line in ``results.csv``,
so a line there means that everything about the probe is on disk. Rows of a read-out
without probes go to its own table before its line in ``readouts.csv``, likewise.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from filelock import FileLock, Timeout

from satgpu.errors import UserError
from satgpu.run.durable import AppendTable, first_cell, merge_tables, read_lines, write_atomically
from satgpu.run.read_table import read_table
from satgpu.run.rows import TABLES, CurveRow, ProbeRow, columns


class RunFolder:
    """One run's folder, locked for as long as this object is open.

    Args:
        path: the folder.
        rank: this process among ``world_size`` that share the run.
        world_size: more than one: each process appends to a shard of its own.
    """

    def __init__(self, path: Path, rank: int = 0, world_size: int = 1):
        self.path, self.rank, self.world_size = Path(path), rank, world_size
        self._lock = FileLock(self.path / ".lock")
        self._tables: dict[str, AppendTable] = {}

    @classmethod
    def open_new(cls, path: Path, rank: int = 0, world_size: int = 1) -> "RunFolder":
        """A fresh folder; refuses one that holds anything."""
        path = Path(path)
        try:
            held = path.exists() and any(not _is_leftover(p) for p in path.iterdir())
            if held and rank == 0:
                raise UserError(f"{path} already holds a run; continue it with --resume, or choose another --out")
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot use {path} as a run folder: {error.strerror}; choose another --out") from error
        folder = cls(path, rank, world_size)
        folder._take_lock()
        return folder

    @classmethod
    def open_existing(cls, path: Path, rank: int = 0, world_size: int = 1) -> "RunFolder":
        """The folder of a run to be continued."""
        path = Path(path)
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} holds no run to continue (no config.yaml); leave out --resume to start one")
        folder = cls(path, rank, world_size)
        folder._take_lock()
        return folder

    def _take_lock(self) -> None:
        """The kernel frees this lock when its process dies, however it dies."""
        if self.rank != 0:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"{self.path} is in use by another satgpu process; wait for it or choose another --out"
            ) from error
        except OSError as error:
            raise UserError(f"cannot write in {self.path}: {error.strerror}; choose another --out") from error

    @property
    def shard(self) -> Path:
        """Where this process appends."""
        return self.path if self.world_size == 1 else self.path / "shards" / f"rank-{self.rank:04d}"

    def append(self, rows: Sequence[Any]) -> None:
        """Add rows of one class to its table."""
        if not rows:
            return
        row_type = type(rows[0])
        if row_type.table not in self._tables:
            self._tables[row_type.table] = AppendTable(self.shard / f"{row_type.table}.csv", columns(row_type))
        self._tables[row_type.table].append(rows)

    def sync(self) -> None:
        """Wait until all appended rows are on the medium."""
        for table in self._tables.values():
            table.sync()

    def close(self) -> None:
        """Close the tables and free the lock."""
        for table in self._tables.values():
            table.close()
        self._tables = {}
        self._lock.release()

    def merge(self) -> None:
        """Gather every shard's rows into one sorted file a table; shards are removed after."""
        for table in self._tables.values():
            table.close()
        self._tables = {}
        shards = sorted((self.path / "shards").glob("rank-*"))
        for name, row_type in TABLES.items():
            if not row_type.side:
                self._merge_table(name, shards, lambda task: True)
        finished = {task.encode() for task in self.finished_tasks()}
        for name, row_type in TABLES.items():
            if row_type.side:
                self._merge_table(name, shards, finished.__contains__)
        for shard in shards:
            for file in shard.iterdir():
                file.unlink()
            shard.rmdir()
        if shards:
            (self.path / "shards").rmdir()

    def _merge_table(self, name: str, shards: list[Path], keep: Callable[[bytes], bool]) -> None:
        paths = [folder / f"{name}.csv" for folder in (self.path, *shards)]
        if name == "results" or any(path.exists() for path in paths):
            merge_tables(paths, self.path / f"{name}.csv", columns(TABLES[name]), keep)

    def finished_tasks(self) -> set[str]:
        """Ids of the probes and read-outs that are all on disk; ``merge`` first where shards may lie about."""
        return {
            first_cell(line).decode()
            for name, row_type in TABLES.items()
            if not row_type.side
            for line in read_lines(self.path / f"{name}.csv", columns(row_type))
        }

    def read_results(self) -> pd.DataFrame:
        """The rows of all processes' probes so far."""
        paths = [self.path / "results.csv", *sorted((self.path / "shards").glob("rank-*/results.csv"))]
        tables = [read_table(path, ProbeRow) for path in paths if path.exists()]
        tables = tables or [pd.DataFrame(columns=list(columns(ProbeRow)))]
        return pd.concat(tables).drop_duplicates("task_id").sort_values("task_id", ignore_index=True)

    def finished_probes(self) -> int:
        """How many probes have a line in ``results.csv``."""
        return len(read_lines(self.path / "results.csv", columns(ProbeRow)))

    def fold_curves(self) -> None:
        """Turn the sampled probes' curves into ``training_curves.csv``: quantiles by experiment, encoder and epoch."""
        path = self.path / "probe_curves.csv"
        if not path.exists():
            return
        curves = pd.read_csv(path, dtype={"task_id": str, "experiment": str, "encoder": str})
        grouped = curves.groupby(["experiment", "encoder", "epoch"], sort=True)
        quantiles = grouped[["loss", "validation"]].quantile([0.1, 0.5, 0.9]).unstack()
        folded = pd.DataFrame({"n_probes": grouped.size()})
        for name in ("loss", "validation"):
            for q in (0.1, 0.5, 0.9):
                folded[f"{name}_q{round(q * 100)}"] = quantiles[(name, q)]
        folded = folded.reset_index()[list(columns(CurveRow))]
        text = folded.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        write_atomically(self.path / "training_curves.csv", text)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace ``config.yaml``."""
        write_atomically(self.path / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False))

    def write_environment(self, facts: Mapping[str, Any]) -> None:
        """Replace ``environment.json``."""
        write_atomically(self.path / "environment.json", json.dumps(facts, indent=2, allow_nan=False) + "\n")

    @staticmethod
    def read_environment(path: Path) -> dict[str, Any]:
        """The facts of the run in ``path``."""
        try:
            return json.loads((path / "environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path / 'environment.json'} cannot be read; start a new run in another folder") from error


def _is_leftover(path: Path) -> bool:
    """What a run leaves that was killed before it began: ``config.yaml``, written last, marks the beginning."""
    return path.name.startswith(".") or (path.name == "environment.json" and not (path.parent / "config.yaml").exists())
