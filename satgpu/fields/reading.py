"""What an encoder reads of a field, and how much of that is resolution, zonal, or knowledge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor

from satgpu.fields.held import HeldOut, draw_distances, skill_by_distance
from satgpu.fields.parts import PARTS, Interval, Known


@dataclass(frozen=True)
class FieldReading:
    """What an encoder reads of a field.

    Shares are of the variance about the training mean: R² of numbers, the Brier skill score of classes.
    Intervals are 95 %, over draws of places; the gain's over draws and untrained seeds.

    Args:
        encoder, field, reader, split, n_labels: what was read, how.
        skill: share read at places held back; the three parts add up to it.
        predicted: the share that the field's power by degree and order predicts; the mean of polar turns where
            the field isn't given everywhere or the reader isn't linear.
        resolution, zonal, longitude: see :func:`satgpu.fields.parts.parts_of_a_draw`.
        p_polar, p_all: how rare the skill is among turns; ``p_polar_low``, ``p_all_low`` the lower tails,
            ``p_all_plain`` without the correction for zonal fields.
        q: the larger of ``p_polar`` and ``p_all``, adjusted for all that was read in the same call (Benjamini and
            Hochberg 1995); NaN where it can't be tested.
        verdict: knows, zonal only, no evidence, cannot be tested; *knows* needs q at 5 % too.
        gain: parts less those of the untrained twins, each with its interval; None without twins.
        accuracy, macro_f1: of classes; NaN for numbers.
        distance_km: from a place held back to the nearest learned from: median, 90 %.
        wasserstein_km: how far the split's distances are from those of the whole domain of the field, its area or its
            places: 0 where the places held back are as far from labels as any.
        morans_i, morans_z: of what is missed at the places held back, mean over the draws: above 0 where near places
            are missed alike, and how many standard deviations of chance that is.
        left_out: rows of a table left out, by reason.
        notes: what was not as asked for.
        held: the places held back in each draw.
        domain_km: (K,) distance of places of the domain to the nearest label of the first draw.
        parts_by_draw: (D, 4) skill, resolution, zonal, longitude.
    """

    encoder: str
    field: str
    reader: str
    split: str
    n_labels: int
    skill: float
    skill_interval: Interval
    predicted: float
    resolution: float
    resolution_interval: Interval
    zonal: float
    zonal_interval: Interval
    longitude: float
    longitude_interval: Interval
    p_polar: float
    p_all: float
    p_polar_low: float
    p_all_low: float
    p_all_plain: float
    verdict: Known
    gain: Mapping[str, tuple[float, Interval]] | None
    accuracy: float
    macro_f1: float
    distance_km: tuple[float, float]
    wasserstein_km: float
    morans_i: float
    morans_z: float
    q: float = math.nan
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    task: str = "regression"
    turns: int = 0
    draws: int = 0
    held: tuple[HeldOut, ...] = field(default=(), repr=False, compare=False)
    domain_km: Tensor | None = field(default=None, repr=False, compare=False)
    parts_by_draw: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def p(self) -> float:
        """The larger of ``p_polar`` and ``p_all``: knowledge needs both."""
        return max(p for p in (self.p_polar, self.p_all, 0.0) if not math.isnan(p))

    @property
    def places(self) -> Tensor:
        """(M, 2) places held back in the first draw."""
        return self.held[0].lonlat_deg

    @property
    def residual(self) -> Tensor:
        """(M,) what was missed there: value less prediction, for classes 1 less the true class's share."""
        return self.held[0].residual

    def by_distance(self, n_bins: int = 5) -> pd.DataFrame:
        """Share read by distance to the nearest label: see :func:`satgpu.fields.held.skill_by_distance`."""
        return skill_by_distance(self.held, n_bins)

    def plot_distances(self, cutoff_km: float | None = None, ax: object = None) -> object:
        """Draw the distances to the nearest label beside the encoder's cut-off; gives the axes.

        Where most places held back are nearer to a label than ``transfer_function(encoder).cutoff_km``, the split
        tests how well an encoder fills in between labels.
        """
        return draw_distances(self.held, self.domain_km, cutoff_km, ax)

    def plot(self, ax: object = None) -> object:
        """Draw the skill as its three parts, each with its interval; gives the axes."""
        import matplotlib.pyplot as plt  # only drawing needs it

        axes = ax if ax is not None else plt.subplots(figsize=(6, 1.9), layout="constrained")[1]
        ends = {True: 0.0, False: 0.0}
        for i, (part, colour) in enumerate(zip(PARTS[1:], ("#35507a", "#c9a227", "#3fa88b"), strict=True)):
            value, interval = getattr(self, part), getattr(self, f"{part}_interval")
            if math.isnan(value):
                continue
            start = ends[value >= 0]
            axes.barh(0, value, 0.6, start, color=colour, label=part)
            axes.plot([start + end for end in interval], [0.18 * (i - 1)] * 2, color="black", linewidth=1.2)
            ends[value >= 0] += value
        axes.plot(self.skill, 0, "o", color="black", markerfacecolor="white")
        axes.set(yticks=[], xlabel="share read", title=f"{self.encoder} on {self.field}: {self.verdict}")
        axes.legend(frameon=False, ncols=3)
        return axes

    def table(self) -> pd.DataFrame:
        """One row, without places."""

        row = {k: getattr(self, k) for k in ("encoder", "field", "task", "reader", "split", "n_labels")}
        for part in PARTS:
            row[part] = getattr(self, part)
            row[f"{part}_low"], row[f"{part}_high"] = getattr(self, f"{part}_interval")
        row |= {k: getattr(self, k) for k in ("predicted", "accuracy", "macro_f1", "p_polar", "p_all")}
        median_km, far_km = self.distance_km
        row |= {"q": self.q, "verdict": str(self.verdict), "median_km": median_km, "furthest_tenth_km": far_km}
        row |= {name: getattr(self, name) for name in ("wasserstein_km", "morans_i", "morans_z")}
        for part, (value, (low, high)) in (self.gain or {}).items():
            row |= {f"gain_{part}": value, f"gain_{part}_low": low, f"gain_{part}_high": high}
        return pd.DataFrame([row])
