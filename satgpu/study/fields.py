"""Step 3 on real fields: those of the world by name and your own labels, read from each encoder."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from satgpu.encoders import Encoder
from satgpu.errors import UserError
from satgpu.experiments.fields import Fields
from satgpu.fields import Field, FieldReading, as_field, missing, read_field
from satgpu.fields.files import fields_of_file, is_file
from satgpu.fields.sources import SOURCES
from satgpu.fields.twins import untrained_twins
from satgpu.run.rows import FieldResidualRow, FieldRow, ReadoutRow
from satgpu.study.readouts import reads
from satgpu.study.prepared import PreparedStudy, Reading

_MOST_RESIDUALS = 1000  # places of a map


def check_fields(options: Fields) -> None:
    """Load every field that was asked for by name or file; those of ``auto`` may be missing.

    Raises:
        UserError: one can't be read; the message says why and what to do.
    """
    for name in options.names:
        if name != "auto":
            _named(name, options.task)


def _named(name: str, task: str) -> tuple[list[Field], list[str]]:
    """The fields behind a name or file, and why columns of the file were left out."""
    if not is_file(name):
        return [as_field(name, task)], []
    path = Path(name.partition("?")[0]).expanduser()
    changed_ns = path.stat().st_mtime_ns if path.exists() else 0
    return _of_file(name, task, changed_ns)


@functools.lru_cache(maxsize=16)
def _of_file(name: str, task: str, changed_ns: int) -> tuple[list[Field], list[str]]:
    return fields_of_file(name, task)


@reads("fields")
def fields(reading: Reading, options: Fields, study: PreparedStudy) -> list[ReadoutRow]:
    """Every field behind one name, from one encoder; a field of ``auto`` that isn't installed is told of once."""
    name, is_first = reading.task.part, reading.encoder is study.encoders[0]
    if reason := missing(name):
        return [FieldRow(**reading.head(), field=name, failure=reason)] if is_first else []
    found, notes = _named(name, options.task)
    rows: list[ReadoutRow] = []
    for i, field in enumerate(found):
        told = notes if is_first and i == 0 else []
        rows += _read(reading, field, options, study, told)
    return rows


def _read(reading: Reading, field: Field, options: Fields, study: PreparedStudy, notes: Sequence[str]) -> list[ReadoutRow]:
    """One row, and for a compared encoder those of its residuals."""
    twins = _twins(reading, options.twins, study)
    found = read_field(
        reading.encoder.encoder,
        field,
        n_labels=options.resolved("n_labels", study.device.type),
        reader=options.reader,
        split=options.split,
        turns=options.turns,
        draws=options.resolved("draws", study.device.type),
        twins=twins or None,
        seed=reading.task.seed,
        device=study.device,
    )
    row = _row(found, field, len(twins), [*notes, *found.notes])
    rows: list[ReadoutRow] = [FieldRow(**reading.head() | row)]
    if reading.encoder.role == "compared":
        pairs = zip(found.places.tolist(), found.residual.tolist(), strict=True)
        head = reading.head() | {"field": field.name}
        rows += [
            FieldResidualRow(**head, lon_deg=_short(lon), lat_deg=_short(lat), residual=_short(missed))
            for (lon, lat), missed in list(pairs)[:_MOST_RESIDUALS]
        ]
    return rows


def _row(found: FieldReading, field: Field, n_twins: int, notes: Sequence[str]) -> dict[str, Any]:
    """The columns of a reading, as its own table has them."""
    row = found.table().iloc[0].to_dict()
    del row["encoder"]
    source = SOURCES.get(field.name)
    row |= {"control": source is not None and source.control, "turns": found.turns, "draws": found.draws}
    row |= {"twins": n_twins, "rows_used": 0 if field.values is None else len(field.values)}
    row |= {"left_out": "; ".join(f"{n} {reason}" for reason, n in found.left_out.items())}
    row |= {"notes": "; ".join(notes)}
    return {name: _short(value) if isinstance(value, float) else value for name, value in row.items()}


def _twins(reading: Reading, n: int, study: PreparedStudy) -> list[Encoder]:
    """Untrained encoders of the architecture of a compared, trained one; none where that isn't known."""
    loaded = reading.encoder
    if not n or loaded.role != "compared" or not loaded.encoder.provenance.trained:
        return []
    try:
        return untrained_twins(loaded.encoder, n, study.device)
    except UserError:
        return []


def _short(value: float) -> float:
    """Six digits: more would be noise."""
    return float(f"{value:.6g}")
