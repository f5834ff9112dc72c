"""deep_dive_results.json: the notebook's five lists under its own names, as means over replicates.

``l10`` and ``l40`` stand for the compared pair, whatever it is; with one
encoder ``l40`` and ``diff`` are null.
"""

import json
import math

import numpy as np
import pandas as pd

from .view import RunView

KM_PER_DEGREE = 111  # the notebook's


def deep_dive_results(view: RunView) -> dict[str, list[dict]]:
    """The notebook's five keys and field names, and ``scale_region`` beside them."""
    regions = view.rows("region_size")
    regions = regions[regions["sampling"] == "fixed_points"]
    return {
        "sweet_spot": _records(view, view.rows("sweet_spot"), {"scale_km": "km"}),
        "region_size": [
            {"region_deg": row["region_deg"], "region_km": row["region_deg"] * KM_PER_DEGREE, **row}
            for row in _records(view, regions, {"span_deg": "region_deg"})
        ],
        "patterns": _records(view, _classified(view.rows("patterns")), {"pattern": "pattern", "scale_km": "scale_km"}),
        "similarity": similarity_records(view),
        "boundaries": _records(view, view.rows("boundaries"), {"width_km": "width_km"}),
        "scale_region": _records(
            view, view.rows("scale_region"), {"region": "center", "span_deg": "region_deg", "scale_km": "scale_km"}
        ),
    }


def write_json(view: RunView, path) -> None:
    """Strict JSON: a missing number is null."""
    path.write_text(json.dumps(deep_dive_results(view), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def similarity_records(view: RunView) -> list[dict]:
    """Mean and spread of similarity at the notebook's distances, over places and bearings together."""
    rows = view.similarity[view.similarity["grid"] == "distances"]
    records = []
    for distance, group in rows.groupby("distance_km", sort=True):
        record = {"distance_km": _plain(distance)}
        for key, spec in zip(("l10", "l40"), [*view.compared[:2], None, None], strict=False):
            mean, spread = _pooled(group[group["encoder"] == spec])
            record |= {f"{key}_sim_mean": mean, f"{key}_sim_std": spread}
        records.append(
            {
                name: record[name]
                for name in ("distance_km", "l10_sim_mean", "l40_sim_mean", "l10_sim_std", "l40_sim_std")
            }
        )
    return records


def _pooled(rows: pd.DataFrame) -> tuple[float | None, float | None]:
    """Mean, and standard deviation of all points: that within places and that between them."""
    if rows.empty:
        return None, None
    variance = (rows["similarity_std"] ** 2).mean() + rows["similarity_mean"].var(ddof=0)
    return _plain(rows["similarity_mean"].mean()), _plain(np.sqrt(variance))


def _classified(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["task"] == "classification"]


def _records(view: RunView, rows: pd.DataFrame, names: dict[str, str]) -> list[dict]:
    """One record per row of factors: their values, l10, l40, diff."""
    by = list(names)
    if view.pair:
        table = view.differences(rows, by)
        values = {"first_mean": "l10", "second_mean": "l40", "difference": "diff"}
    else:
        table = view.means(rows[rows["encoder"].isin(view.compared)], by).assign(l40=np.nan, diff=np.nan)
        values = {"mean": "l10", "l40": "l40", "diff": "diff"}
    columns = names | values
    return [{new: _plain(row[old]) for old, new in columns.items()} for row in table.to_dict("records")]


def _plain(value):
    """A JSON value: whole numbers as integers, missing ones as null."""
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) > 1 else number
