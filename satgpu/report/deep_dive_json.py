"""deep_dive_results.json: the notebook's five lists under its own names, as means over replicates.

``l10`` and ``l40`` stand for the compared pair, whatever it is; with one
encoder ``l40`` and ``diff`` are null.
"""

import json
import math

from satgpu.answers import boundaries, patterns, region_size, scale_region, similarity, sweet_spot
from satgpu.answers.tables import means
from satgpu.run.read import Run

KM_PER_DEGREE = 111  # the notebook's
NAMES = {  # table, its columns by the notebook's names
    "sweet_spot": (sweet_spot, {"scale_km": "km"}),
    "region_size": (region_size, {"span_deg": "region_deg"}),
    "patterns": (patterns, {"pattern": "pattern", "scale_km": "scale_km"}),
    "boundaries": (boundaries, {"width_km": "width_km"}),
    "scale_region": (scale_region, {"region": "center", "span_deg": "region_deg", "scale_km": "scale_km"}),
}
VALUES = {"first_mean": "l10", "second_mean": "l40", "difference": "diff"}


def deep_dive_results(run: Run) -> dict[str, list[dict]]:
    """The notebook's five keys and field names, and ``scale_region`` beside them."""
    found = {name: _records(run, name) for name in NAMES} | {"similarity": similarity_records(run)}
    order = ("sweet_spot", "region_size", "patterns", "similarity", "boundaries", "scale_region")
    return {name: found[name] for name in order}


def write_json(run: Run, path) -> None:
    """Strict JSON: a missing number is null."""
    path.write_text(json.dumps(deep_dive_results(run), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def similarity_records(run: Run) -> list[dict]:
    """Mean and spread of plain similarity at the notebook's distances, over places and bearings together."""
    table = similarity.spread(run)
    records = []
    for distance, rows in table.groupby("distance_km", sort=True):
        rows, record = rows.set_index("encoder"), {"distance_km": _plain(distance)}
        pair = dict(zip(("l10", "l40"), [*run.compared[:2], None, None], strict=False))
        for column in ("mean", "std"):
            for key, name in pair.items():
                record[f"{key}_sim_{column}"] = _plain(rows.loc[name, column]) if name in rows.index else None
        records.append(record)
    return records


def _records(run: Run, name: str) -> list[dict]:
    """One record per cell: its factors, l10, l40, diff."""
    module, names = NAMES[name]
    if run.pair:
        table = module.table(run)
    else:
        table = means(run, name, tuple(module.FACTORS)).rename(columns={"mean": "first_mean"})
        table = table[table["encoder"].isin(run.compared)].assign(second_mean=math.nan, difference=math.nan)
    if name == "region_size" and len(table):
        table = table[table["sampling"] == "fixed_points"]
    return [_record(row, names | VALUES) for row in table.to_dict("records")]


def _record(row: dict, names: dict[str, str]) -> dict:
    record = {new: _plain(row[old]) for old, new in names.items()}
    if "region_deg" in record and "center" not in record:
        record = {"region_deg": record["region_deg"], "region_km": record["region_deg"] * KM_PER_DEGREE} | record
    return record


def _plain(value):
    """A JSON value: whole numbers as integers, missing ones as null."""
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) > 1 else number
