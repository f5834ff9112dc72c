"""The notebook author's results with SatCLIP's real weights, and a run set beside them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

from satgpu.answers.differences import paired_rows
from satgpu.answers.intervals import summarise
from satgpu.readouts.kernel import similarity_curve
from satgpu.run.read import Run

# Test rows behind every accuracy: 30 % of the points that the notebook drew.
N_TEST = {"sweet_spot": 1800, "region_size": 1200, "patterns": 1800, "scale_region": 900, "boundaries": 1500}
KEY_COLUMNS = ("pattern", "region", "span_deg", "scale_km", "width_km", "distance_km")
_KEYS = {
    "sweet_spot": ["scale_km"],
    "region_size": ["span_deg"],
    "patterns": ["pattern", "scale_km"],
    "scale_region": ["region", "span_deg", "scale_km"],
    "boundaries": ["width_km"],
    "similarity": ["distance_km"],
}
_RENAMED = {"center": "region", "region_deg": "span_deg"}
RING_POINTS = 200  # behind every published similarity


def load_published() -> dict[str, pd.DataFrame]:
    """The published tables, tidy: one row per key and encoder.

    Returns:
        dict of sweet_spot, region_size, patterns, scale_region, boundaries and
        similarity; DataFrame[*keys, encoder, value, std], encoder "l10" or "l40",
        or "difference" where only that was published (scale_region). ``value`` is
        an accuracy, a difference of two, or a cosine similarity; ``std`` its
        spread over points, for the similarity only.
    """
    return {name: _tidy(name, _read(name)) for name in _KEYS}


def compare_with_published(tables: Run) -> pd.DataFrame:
    """The run beside the published numbers, one row per published value that the run has too.

    The run's compared pair plays L=10 and L=40. Only the notebook protocol asks
    what the author asked; other protocols' rows show what a change of geometry does.

    Returns:
        DataFrame[protocol, table, pattern, region, span_deg, scale_km, width_km,
        distance_km, encoder, run_encoder, published, run, low, high, difference]:
        ``difference`` is run minus published, low and high the interval of ``run``
        (NaN without replicates).
    """
    published = load_published()
    first, second = tables.compared_pair
    found = []
    for protocol in sorted(set(tables.results["protocol"]) | set(tables.similarity["protocol"])):
        for name, expected in published.items():
            measured = _measured(name, tables, protocol, first, second)
            if len(measured):
                merged = expected.rename(columns={"value": "published"}).merge(measured, on=[*_KEYS[name], "encoder"])
                found.append(merged.assign(protocol=protocol, table=name))
    columns = [
        "protocol",
        "table",
        *KEY_COLUMNS,
        "encoder",
        "run_encoder",
        "published",
        "run",
        "low",
        "high",
        "difference",
    ]
    if not found:
        return pd.DataFrame(columns=columns)
    together = pd.concat(found, ignore_index=True)
    together["difference"] = together["run"] - together["published"]
    return together.reindex(columns=columns)


def published_pairs() -> pd.DataFrame:
    """The published accuracies in the form of ``satgpu.answers.evidence``: one replicate, errors of the test set."""
    parts = []
    for name in N_TEST:
        table = _read(name).assign(experiment=name, sampling="fixed_points", task="classification", replicate=0)
        table["difference"] = table["diff"] if name == "scale_region" else table["l40"] - table["l10"]
        table["error"] = _difference_error(table, N_TEST[name])
        parts.append(table.rename(columns={"l10": "first", "l40": "second"}))
    pairs = pd.concat(parts, ignore_index=True)
    is_board = pairs["experiment"].isin(["sweet_spot", "region_size", "scale_region"])
    pairs["pattern"] = (
        pairs["pattern"].where(~is_board, "checkerboard").where(pairs["experiment"] != "boundaries", "boundary")
    )
    pairs["scale_km"] = pairs["scale_km"].where(pairs["experiment"] != "region_size", 500.0)
    return pairs


def published_similarity() -> pd.DataFrame:
    """[distance_km, place, first, second, first_error, second_error] of the one published place."""
    table = _read("similarity")
    return pd.DataFrame(
        {
            "distance_km": table["distance_km"].astype(float),
            "place": 0,
            "first": table["l10_sim_mean"],
            "second": table["l40_sim_mean"],
            "first_error": table["l10_sim_std"] / np.sqrt(RING_POINTS),
            "second_error": table["l40_sim_std"] / np.sqrt(RING_POINTS),
        }
    )


def _difference_error(table: pd.DataFrame, n_test: int) -> np.ndarray:
    """Binomial standard error of the difference of two accuracies, at its largest where they are not known."""
    if "l10" not in table:
        return np.full(len(table), np.sqrt(2 * 0.25 / n_test))
    return np.sqrt((table["l10"] * (1 - table["l10"]) + table["l40"] * (1 - table["l40"])) / n_test)


def _read(name: str) -> pd.DataFrame:
    with (files("satgpu.answers") / "published" / f"{name}.csv").open() as stream:
        table = pd.read_csv(stream).rename(columns=_RENAMED)
    return table.astype({key: float for key in _KEYS[name] if key.endswith(("_km", "_deg"))})


def _tidy(name: str, table: pd.DataFrame) -> pd.DataFrame:
    values = {"difference": "diff"} if name == "scale_region" else {"l10": "l10", "l40": "l40"}
    if name == "similarity":
        values = {"l10": "l10_sim_mean", "l40": "l40_sim_mean"}
    parts = []
    for encoder, column in values.items():
        std = table[f"{encoder}_sim_std"] if name == "similarity" else np.nan
        parts.append(table[_KEYS[name]].assign(encoder=encoder, value=table[column], std=std))
    return pd.concat(parts, ignore_index=True)


def _measured(name: str, tables: Run, protocol: str, first: str, second: str) -> pd.DataFrame:
    """[*keys, encoder, run_encoder, run, low, high] of the run's table of that name."""
    roles = {first: "l10", second: "l40"}
    if name == "similarity":
        similarity = tables.similarity
        curve = similarity_curve(similarity[(similarity["protocol"] == protocol) & similarity["encoder"].isin(roles)])
        curve = curve.rename(columns={"mean": "run", "encoder": "run_encoder"})
        return curve.assign(encoder=curve["run_encoder"].map(roles))[
            ["distance_km", "encoder", "run_encoder", "run", "low", "high"]
        ]
    results = tables.results
    rows = results[
        (results["experiment"] == name) & (results["protocol"] == protocol) & (results["sampling"] == "fixed_points")
    ]
    rows = rows[(rows["labels"] == "field") & rows["encoder"].isin(roles) & rows["test_accuracy"].notna()]
    if rows["encoder"].nunique() < 2:
        return pd.DataFrame()
    if name == "scale_region":
        pairs = paired_rows(rows, first, second, _KEYS[name])
        measured = summarise(pairs, _KEYS[name], "difference").assign(
            encoder="difference", run_encoder=f"{second} - {first}"
        )
    else:
        measured = summarise(rows, [*_KEYS[name], "encoder"]).rename(columns={"encoder": "run_encoder"})
        measured["encoder"] = measured["run_encoder"].map(roles)
    return measured.rename(columns={"mean": "run"}).drop(columns="n_replicates")
