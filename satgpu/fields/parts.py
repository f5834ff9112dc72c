"""Skill on a field as resolution, zonal part and longitude part; how rare it is among turns; the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import torch
from scipy import stats
from torch import Tensor

from satgpu.fields.shares import Shares
from satgpu.fields.turns import Turns

PARTS = ("skill", "resolution", "zonal", "longitude")
LEVEL = 0.05
# A longitude part below this is no knowledge worth the name, however rare.
LEAST_LONGITUDE = 0.03
# Unit vectors and Gaussian processes on them read a field alike however its places are turned. Standardising
# ties them to the places a little: xyz spreads by 2.5e-4 on land, an untrained L=10 by .015.
_NO_SPREAD = 1e-3
Interval = tuple[float, float]


class Known(StrEnum):
    """What the turns say of an encoder and a field."""

    KNOWS = "knows"
    ZONAL = "zonal only"
    NO_EVIDENCE = "no evidence"
    UNTESTED = "cannot be tested"


def parts_of_a_draw(shares: Shares, turns: Turns) -> Tensor:
    """(4,) skill, resolution, zonal and longitude part, the last three adding up to the first.

    Longitude is what is read of the field as it lies above its polar turns, zonal what is read of those above
    turns in all directions, and both less the same for the bank of fields that nobody can know: where an
    encoder is finer where the places lie than where they come to lie, that is resolution. Without turns in
    all directions the zonal part is NaN and stays within the resolution.
    """
    here, polar, every = turns.parts(shares.field - shares.bank)
    skill, longitude = shares.field[0], here - polar.mean()
    zonal = polar.mean() - every.mean() if len(every) else torch.tensor(torch.nan)
    return torch.stack([skill, skill - longitude - zonal.nan_to_num(0.0), zonal, longitude])


def interval_of_parts(parts: Tensor, all_shares: list[Shares], turns: list[Turns]) -> list[Interval]:
    """95 % interval of each part's mean over the draws of places (D, 4): Student's t over the draws, and, where
    all draws have the same turns, the error of a mean over so many turns."""
    n_draws = len(parts)
    if n_draws < 2:
        return [(math.nan, math.nan)] * parts.shape[1]
    variance = parts.var(0) / n_draws
    if len({len(t.rotations) for t in turns}) == 1:
        mean = torch.stack([s.field - s.bank for s in all_shares]).mean(0)
        _, polar, every = turns[0].parts(mean)
        of_polar, of_every = (v.var() / len(v) if len(v) > 1 else torch.tensor(0.0) for v in (polar, every))
        variance = variance + torch.stack([torch.tensor(0.0), of_every, of_polar + of_every, of_polar])
    half = stats.t.ppf(0.975, n_draws - 1) * variance.sqrt()
    return [(float(m - h), float(m + h)) for m, h in zip(parts.mean(0), half, strict=True)]


@dataclass(frozen=True)
class Ranks:
    """How rare the skill is among turns: (1 + turns that read at least as much) / (1 + turns).

    Args:
        polar, polar_low: upper and lower tail among polar turns.
        all, all_low: among turns in all directions; of what the power by degree and order leaves unexplained
            where that is known, so that a reader of zonal fields isn't taken for one that knows them.
        all_plain: the same without that correction.
        spread: the smaller standard deviation of the skill and a null together.
    """

    polar: float
    polar_low: float
    all: float
    all_low: float
    all_plain: float
    spread: float


def ranks(all_shares: list[Shares], turns: list[Turns]) -> Ranks:
    """Ranks of the mean over those draws of places that have all the turns."""
    most = max(len(t.rotations) for t in turns)
    full = [s for s, t in zip(all_shares, turns, strict=True) if len(t.rotations) == most]
    read = torch.stack([s.field - s.bank for s in full]).mean(0)
    predicted = torch.stack([s.predicted for s in full]).nanmean(0)
    unexplained = read - predicted if predicted.isfinite().all() else read
    whole = turns[0]
    here, polar, every = whole.parts(read)
    together = [torch.cat([here[None], null]) for null in (polar, every) if len(null)]
    spread = min((float(values.std()) for values in together), default=0.0)
    here_left, _, every_left = whole.parts(unexplained)
    return Ranks(
        _upper(here, polar),
        _upper(-here, -polar),
        _upper(here_left, every_left),
        _upper(-here_left, -every_left),
        _upper(here, every),
        spread,
    )


def _upper(value: Tensor, null: Tensor) -> float:
    """Upper-tail probability of a value among its null; NaN for no null."""
    return (1 + int((null >= value).sum())) / (1 + len(null)) if len(null) else math.nan


def verdict(found: Ranks, longitude: float) -> Known:
    """What the ranks say: *knows* needs both nulls and a longitude part of .03.

    Turns in all directions alone say only that the encoder reads zonal fields well, as untrained ones do
    without knowing anything.
    """
    if not math.isfinite(found.polar) or found.spread < _NO_SPREAD:
        return Known.UNTESTED
    above_all = math.isnan(found.all) or found.all <= LEVEL
    if found.polar <= LEVEL and above_all and longitude >= LEAST_LONGITUDE:
        return Known.KNOWS
    if found.polar > LEVEL and found.all_plain <= LEVEL:
        return Known.ZONAL
    return Known.NO_EVIDENCE
