"""Land or ocean, a real field: how well it is told, and how far off the coast a place must be.

The distance is in kilometres, like every other resolution here, and no scale of
a label field went into it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from satgpu.answers.sentences import listed, own
from satgpu.answers.skill import crossing_km
from satgpu.answers.tables import differences, mean, mean_table, means
from satgpu.answers.types import Answer, Estimate, Unit
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Land or ocean: a real field"
FACTORS = {"pattern": "field"}
EDGES_KM = (0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560)
HALF_WAY = 0.75  # between guessing on the coast, where either is as likely, and always right
FEWEST = 10  # points in a bin


def table(run: Run) -> pd.DataFrame:
    """Second less first."""
    return differences(run, "coastline", tuple(FACTORS))


def accuracies(run: Run) -> pd.DataFrame:
    """Accuracy of every encoder."""
    return means(run, "coastline")


def overlaps(run: Run) -> pd.DataFrame:
    """Intersection over union of land, of every encoder."""
    return means(run, "coastline", (), "test_iou")


@once
def chance(run: Run) -> float:
    """How often guessing the commoner of the two is right."""
    return float(run.probes("coastline")["chance"].mean())


def answer(run: Run) -> list[Answer]:
    """Accuracy and overlap of every encoder, and the distance to the coast at which three places in four are right."""
    scores = accuracies(run)
    if scores.empty:
        return []
    named = scores[scores["encoder"].isin([*run.compared, *run.controls])]
    words, values = listed((encoder_label(row["encoder"]), mean(row)) for row in named.to_dict("records"))
    statement = f"land is told from ocean at, of the test points: {words}; guessing is right at {{chance}}"
    values |= {"chance": Estimate(chance(run), n=0, unit=Unit.SHARE)}
    found = [own(run, "coastline.accuracy", statement, values, recompute="satgpu.answers.coastline.accuracies(run)")]
    off = resolutions(run)
    if len(off):
        items = ((encoder_label(row["encoder"]), _km(row)) for row in off.to_dict("records"))
        words, values = listed(items)
        statement = f"three places in four are right from this far off the coast: {words}"
        call = "satgpu.answers.coastline.resolutions(run)"
        found.append(own(run, "coastline.distance", statement, values, recompute=call))
    return found


def _km(row: dict) -> Estimate:
    return Estimate(row["mean"], row["low"], row["high"], int(row["n_replicates"]), Unit.KM)


@once
def shares(run: Run) -> pd.DataFrame:
    """``accuracy_by_distance`` of the kept predictions; empty without the optional land mask."""
    kept = run.predictions
    return accuracy_by_distance(kept[kept["experiment"] == "coastline"] if len(kept) else kept)


@once
def shares_by_distance(run: Run) -> pd.DataFrame:
    """[encoder, distance_km, mean, low, high, n_replicates]: share of right places by distance to the coast."""
    return mean_table(shares(run), ["encoder", "distance_km"], "accuracy")


def coast_distance_km(lonlat_deg: np.ndarray) -> np.ndarray | None:
    """Distance to the nearest coast of (n, 2) degrees, or None without the optional land mask.

    Imported inside, not above, because the mask is an extra and the geometry
    room brings torch; everything else in a report needs neither.
    """
    try:
        import torch

        from satgpu.geometry.land import distance_to_coast_km

        return distance_to_coast_km(torch.tensor(lonlat_deg)).numpy()
    except (ImportError, ValueError):
        return None


def accuracy_by_distance(predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of right test points by distance to the coast.

    Args:
        predictions: kept rows of the coastline experiment.

    Returns:
        DataFrame[encoder, replicate, distance_km, accuracy], empty without
        predictions or without the optional land mask; ``distance_km`` is the
        median of its bin over all encoders and replicates.
    """
    columns = ["encoder", "replicate", "distance_km", "accuracy"]
    points = predictions[["lon_deg", "lat_deg"]].to_numpy(dtype=float) if len(predictions) else np.empty((0, 2))
    distance_km = coast_distance_km(points) if len(points) else None
    if distance_km is None:
        return pd.DataFrame(columns=columns)
    table = predictions[["encoder", "replicate"]].assign(
        bin=pd.cut(distance_km, EDGES_KM, include_lowest=True),
        away=np.maximum(distance_km, 1.0),
        right=(predictions["label"] == predictions["prediction"]).astype(float),
    )
    table["distance_km"] = table.groupby("bin", observed=True)["away"].transform("median")
    found = table.groupby(["encoder", "replicate", "distance_km"])["right"].agg(["mean", "size"]).reset_index()
    return found[found["size"] >= FEWEST].rename(columns={"mean": "accuracy"}).drop(columns="size")


@once
def resolutions(run: Run) -> pd.DataFrame:
    """``coast_resolution`` of the run."""
    return coast_resolution(shares(run))


def coast_resolution(shares: pd.DataFrame) -> pd.DataFrame:
    """How far off the coast a probe is right at 75 % of the places, for each encoder.

    Args:
        shares: as ``accuracy_by_distance`` gives them.

    Returns:
        DataFrame[encoder, mean, low, high, n_replicates] in km; encoders that
        cross in no replicate between the first and the last bin are left out.
    """
    rows = []
    for (encoder, replicate), own_curve in shares.groupby(["encoder", "replicate"], sort=False):
        own_curve = own_curve.sort_values("distance_km")
        km = crossing_km(own_curve["distance_km"].to_numpy(), own_curve["accuracy"].to_numpy(), HALF_WAY)
        rows += [(encoder, replicate, km)] if 0 < km < np.inf else []
    crossed = pd.DataFrame(rows, columns=["encoder", "replicate", "crossing_km"])
    return mean_table(crossed, ["encoder"], "crossing_km")
