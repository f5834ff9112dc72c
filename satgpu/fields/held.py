"""What is missed at the places held back: near labels and far from them, and whether near places are missed alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from satgpu.fields.field import class_index
from satgpu.fields.splits import Places, nearest_km
from satgpu.geometry import unit_vectors
from satgpu.readouts.levels import interval_over_draws

_MORAN_NEIGHBOURS = 8


@dataclass(frozen=True)
class HeldOut:
    """The places held back in one draw, M of them.

    Args:
        lonlat_deg: (M, 2).
        nearest_km: (M,) to the nearest place learned from.
        residual: (M,) value less prediction; for classes 1 less the true class's share.
        missed, total: (M,) squared error, and squared distance from the mean of the labels, over all classes.
        right, macro_f1: share of places whose class is named, and the mean F1 of the classes; NaN for numbers.
        morans_i, morans_z: see :func:`morans_i`.
    """

    lonlat_deg: Tensor
    nearest_km: Tensor
    residual: Tensor
    missed: Tensor
    total: Tensor
    right: float
    macro_f1: float
    morans_i: float
    morans_z: float


def held_out(predicted: Tensor, places: Places) -> HeldOut:
    """What was missed by predictions (M, C) of the field as it lies."""
    predicted, n = predicted.cpu(), places.n_labels
    truth, labels = places.targets[n:], places.targets[:n]
    error = truth - predicted
    squares = error.square().sum(1), (truth - labels.mean(0)).square().sum(1)
    lonlat = places.lonlat_deg[n:]
    moran = morans_i(lonlat, error)
    if not bool(((places.targets == 0) | (places.targets == 1)).all()):
        return HeldOut(lonlat, places.nearest_km, error[:, 0], *squares, math.nan, math.nan, *moran)
    true, named = class_index(truth), class_index(predicted)
    shares = torch.cat([1 - predicted, predicted], 1) if truth.shape[1] == 1 else predicted
    residual = 1 - shares.gather(1, true[:, None])[:, 0]
    right = float((true == named).double().mean())
    return HeldOut(lonlat, places.nearest_km, residual, *squares, right, macro_f1(true, named), *moran)


def macro_f1(true: Tensor, named: Tensor) -> float:
    """Mean over the classes met or named of 2·hits / (places of the class + places named so)."""
    n_classes = int(max(true.max(), named.max())) + 1
    hits = torch.bincount(true[true == named], minlength=n_classes).double()
    both = torch.bincount(true, minlength=n_classes) + torch.bincount(named, minlength=n_classes)
    return float((2 * hits / both)[both > 0].mean())


def morans_i(lonlat_deg: Tensor, values: Tensor, k: int = _MORAN_NEIGHBOURS) -> tuple[float, float]:
    """Moran's I of (M, C) values at places, and how many standard deviations above chance it is.

    Every place is weighed against its k nearest, each 1/k. Without structure I is -1/(M - 1) in the mean; its
    variance is that of normal values (Cliff and Ord 1981, eq. 1.38). Columns are pooled by their variance, and the
    standard deviation of one column is used, which is too wide rather than too narrow for several.
    """
    n, k = len(values), min(k, len(values) - 1)
    xyz = unit_vectors(lonlat_deg.double()).numpy()
    near = cKDTree(xyz).query(xyz, k + 1)[1]
    # A place given twice may stand before itself among its neighbours.
    own = near == np.arange(n)[:, None]
    own[~own.any(1), -1] = True
    near = near[~own].reshape(n, k)
    centred = (values - values.mean(0)).numpy()
    total = np.square(centred).sum()
    if not total > 0:
        return math.nan, math.nan
    index = float((centred * centred[near].mean(1)).sum() / total)
    mutual = (near[near] == np.arange(n)[:, None, None]).sum()
    received = np.bincount(near.ravel(), minlength=n) / k
    s1, s2 = (n * k + mutual) / k**2, np.square(1 + received).sum()
    variance = (n**2 * s1 - n * s2 + 3 * n**2) / ((n**2 - 1) * n**2) - 1 / (n - 1) ** 2
    return index, float((index + 1 / (n - 1)) / math.sqrt(variance))


def skill_by_distance(held: Sequence[HeldOut], n_bins: int = 5) -> pd.DataFrame:
    """Share read by distance to the nearest place learned from, in bins of as many places each.

    Returns:
        DataFrame[from_km, to_km, n_places, skill, low, high]: places of all draws together, skill the mean over the
        draws with its 95 % interval.
    """
    nearest = np.concatenate([one.nearest_km.numpy() for one in held])
    edges = np.unique(np.quantile(nearest, np.linspace(0, 1, n_bins + 1)))
    if len(edges) < 2:  # all places are equally far
        edges = np.repeat(edges, 2)
    rows = []
    for low_km, high_km in zip(edges[:-1], edges[1:], strict=True):
        inside = [_inside(one.nearest_km.numpy(), low_km, high_km, high_km == edges[-1]) for one in held]
        sums = [(float(h.missed[i].sum()), float(h.total[i].sum())) for h, i in zip(held, inside, strict=True)]
        found = np.array([1 - missed / total for missed, total in sums if total > 0])
        skill = [float(v) for v in interval_over_draws(found)] if len(found) else [math.nan] * 3
        rows.append((low_km, high_km, int(sum(i.sum() for i in inside)), *skill))
    return pd.DataFrame(rows, columns=["from_km", "to_km", "n_places", "skill", "low", "high"])


def _inside(km: np.ndarray, low_km: float, high_km: float, is_last: bool) -> np.ndarray:
    return (km >= low_km) & ((km <= high_km) if is_last else (km < high_km))


def draw_distances(held: Sequence[HeldOut], domain_km: Tensor, cutoff_km: float | None, ax: object) -> object:
    """Shares of places nearer to a label than so many kilometres: those held back and the domain's; gives the axes."""
    import matplotlib.pyplot as plt  # only drawing needs it

    axes = ax if ax is not None else plt.subplots(figsize=(6, 3.5))[1]
    for km, label in ((torch.cat([h.nearest_km for h in held]), "places held back"), (domain_km, "the whole domain")):
        if len(km):
            axes.plot(np.sort(km.numpy()), (np.arange(len(km)) + 1) / len(km), label=label)
    if cutoff_km:
        axes.axvline(cutoff_km, color="0.4", linestyle="--", label=f"encoder's cut-off, {cutoff_km:.0f} km")
    axes.set(xlabel="distance to the nearest label, km", ylabel="share of places", xscale="log", ylim=(0, 1))
    axes.legend(frameon=False)
    return axes


def domain_km(places: Places, domain_deg: Tensor) -> Tensor:
    """(K,) distance of the domain's places (K, 2) to the nearest place learned from."""
    return nearest_km(domain_deg, places.lonlat_deg[: places.n_labels])
