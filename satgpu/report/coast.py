"""Distance to the coast of kept predictions: a resolution that needs no invented pattern.

How far from the coast must a place be for a probe to know land from ocean? The
answer is in kilometres, like every other resolution here, and no scale of a
label field went into it.
"""

import numpy as np
import pandas as pd

from satgpu.answers import mean_interval
from satgpu.answers.skill import crossing_km

EDGES_KM = (0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560)
HALF_WAY = 0.75  # between guessing on the coast, where either is as likely, and always right
FEWEST = 10  # points in a bin


def coast_distance_km(lonlat_deg: np.ndarray) -> np.ndarray | None:
    """Distance to the nearest coast of (n, 2) degrees, or None without the optional land mask.

    Imported inside, not above, because the mask is an extra and the geometry
    wing brings torch; everything else in a report needs neither.
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
    points = predictions[["lon_deg", "lat_deg"]].to_numpy(dtype=float)
    distance_km = coast_distance_km(points) if len(points) else None
    if distance_km is None:
        return pd.DataFrame(columns=["encoder", "replicate", "distance_km", "accuracy"])
    table = predictions[["encoder", "replicate"]].assign(
        bin=pd.cut(distance_km, EDGES_KM, include_lowest=True),
        away=np.maximum(distance_km, 1.0),
        right=(predictions["label"] == predictions["prediction"]).astype(float),
    )
    table["distance_km"] = table.groupby("bin", observed=True)["away"].transform("median")
    found = table.groupby(["encoder", "replicate", "distance_km"])["right"].agg(["mean", "size"]).reset_index()
    return found[found["size"] >= FEWEST].rename(columns={"mean": "accuracy"}).drop(columns="size")


def coast_resolution(shares: pd.DataFrame) -> pd.DataFrame:
    """How far off the coast a probe is right at 75 % of the places, for each encoder.

    Args:
        shares: as ``accuracy_by_distance`` gives them.

    Returns:
        DataFrame[encoder, distance_km, low, high, n_replicates]; encoders that
        cross in no replicate between the first and the last bin are left out.
    """
    rows = []
    for encoder, own in shares.groupby("encoder", sort=False):
        curves = [curve.sort_values("distance_km") for _, curve in own.groupby("replicate")]
        crossed = np.array(
            [crossing_km(c["distance_km"].to_numpy(), c["accuracy"].to_numpy(), HALF_WAY) for c in curves]
        )
        crossed = crossed[(crossed > 0) & np.isfinite(crossed)]
        if len(crossed):
            interval = mean_interval(crossed)
            rows.append((encoder, interval.mean, interval.low, interval.high, interval.n))
    return pd.DataFrame(rows, columns=["encoder", "distance_km", "low", "high", "n_replicates"])
