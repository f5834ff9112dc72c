"""Step 3 on real fields: those of the world by name and your own labels, read from each encoder."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from satgpu.encoders import Encoder, load_encoder, untrained_twin
from satgpu.errors import UserError
from satgpu.experiments.fields import Fields
from satgpu.fields import Field, FieldReading, as_field, missing, read_fields
from satgpu.fields.files import fields_of_file, is_file
from satgpu.fields.sources import SOURCES
from satgpu.fields.twins import untrained_twins
from satgpu.run.rows import FieldResidualRow, FieldRow, ReadoutRow
from satgpu.study.prepared import PreparedStudy, Reading
from satgpu.study.readouts import reads

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
    """Every field behind one name, from one compared encoder; a field of ``auto`` that isn't installed is told of once.

    Controls are read as twins: what training gave is the compared encoder's parts less theirs.
    """
    name, is_first = reading.task.part, reading.encoder is study.encoders[0]
    if reading.encoder.role != "compared":
        return []
    if reason := missing(name):
        return [FieldRow(**reading.head(), field=name, failure=reason)] if is_first else []
    found, notes = _named(name, options.task)
    device_type, twins = study.device.type, _twins(reading, options, study)
    readings = read_fields(
        [reading.encoder.encoder],
        found,
        [options.reader],
        n_labels=options.resolved("n_labels", device_type),
        split=options.split,
        turns=options.turns_of(all(field.everywhere for field in found), device_type),
        draws=options.resolved("draws", device_type),
        twins=twins or None,
        seed=reading.task.seed,
        device=study.device,
    )
    rows: list[ReadoutRow] = []
    for i, (field, one) in enumerate(zip(found, readings, strict=True)):
        told = [*(notes if is_first and i == 0 else []), *one.notes]
        rows.append(FieldRow(**reading.head() | _row(one, field, len(twins), told)))
        rows += _residuals(reading, one)
    return rows


def _residuals(reading: Reading, found: FieldReading) -> list[FieldResidualRow]:
    head = reading.head() | {"field": found.field}
    pairs = list(zip(found.places.tolist(), found.residual.tolist(), strict=True))[:_MOST_RESIDUALS]
    return [
        FieldResidualRow(**head, lon_deg=_short(lon), lat_deg=_short(lat), residual=_short(missed))
        for (lon, lat), missed in pairs
    ]


def _row(found: FieldReading, field: Field, n_twins: int, notes: Sequence[str]) -> dict[str, Any]:
    """The columns of a reading, as its own table has them."""
    row = found.table().iloc[0].to_dict()
    del row["encoder"], row["q"]  # q is over all fields of a run, and known when all are read
    source = SOURCES.get(field.name)
    row |= {"control": source is not None and source.control, "turns": found.turns, "draws": found.draws}
    row |= {"twins": n_twins, "rows_used": 0 if field.values is None else len(field.values)}
    row |= {"left_out": "; ".join(f"{n} {reason}" for reason, n in found.left_out.items())}
    row |= {"notes": "; ".join(notes)}
    return {name: _short(value) if isinstance(value, float) else value for name, value in row.items()}


def _twins(reading: Reading, options: Fields, study: PreparedStudy) -> list[Encoder]:
    """Untrained encoders of the architecture of a trained one; none where that isn't known.

    One alone is the run's own control of the encoder, whose first weights ``mini``'s training began from.
    """
    encoder, n = reading.encoder.encoder, options.resolved("twins", study.device.type)
    if not n or not encoder.provenance.trained:
        return []
    if n == 1 and (spec := untrained_twin(encoder)):
        return [load_encoder(spec, study.device)]
    try:
        return untrained_twins(encoder, max(n, 2), study.device)[:n]
    except UserError:
        return []


def _short(value: float) -> float:
    """Six digits: more would be noise."""
    return float(f"{value:.6g}")
