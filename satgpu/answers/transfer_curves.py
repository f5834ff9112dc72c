"""Shares of harmonic degrees as a run measured them: curves, the numbers of a curve, labels needed for a scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from satgpu.answers.sentences import listing
from satgpu.answers.types import Censoring, Estimate, Unit
from satgpu.readouts.degrees import degree_of_half_wavelength, half_wavelength_km
from satgpu.readouts.levels import (
    AT_THRESHOLD,
    READ,
    cutoff_interval_km,
    cutoff_km,
    interval_over_draws,
    plateau,
    runs_km,
)
from satgpu.run.read import Run, once

SCALES_KM = (2000.0, 1000.0, 500.0)  # at which labels are counted
COORDINATES = "coordinates"
LABELS_A_DIMENSION = 10  # fewer are n-limited


@dataclass(frozen=True)
class Curve:
    """Shares by degree of one encoder and reader at one number of labels; R draws of places, L degrees."""

    encoder: str
    reader: str
    n_labels: int
    noise: float
    dim: int
    degree: np.ndarray  # (L,)
    share_RL: np.ndarray
    ceiling_RL: np.ndarray
    bound_RL: np.ndarray
    rank_R: np.ndarray
    dropped: int
    on_edge: bool
    weights_seed: int = 0  # of an untrained encoder's other weights

    @property
    def scale_km(self) -> np.ndarray:
        """(L,) half a wavelength."""
        return half_wavelength_km(self.degree)

    @property
    def share(self) -> np.ndarray:
        """(L,) mean over draws."""
        return self.share_RL.mean(0)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """(L,) ends of the 95 % interval over draws of places; NaN with one draw."""
        return interval_over_draws(self.share_RL)[1:]

    @property
    def is_n_limited(self) -> bool:
        """Fewer than 10 labels a dimension."""
        return self.n_labels < LABELS_A_DIMENSION * (self.dim - self.dropped)

    @property
    def is_at_threshold(self) -> bool:
        """The plateau is so near ½ that the runs are a matter of chance."""
        return abs(plateau(self.share) - READ) <= AT_THRESHOLD

    def at(self, scale_km: float) -> float:
        """Share at a scale, between degrees by a straight line."""
        return float(np.interp(degree_of_half_wavelength(scale_km), self.degree, self.share))


@once
def curves(run: Run) -> list[Curve]:
    """Every curve of single-degree fields, of the run's own encoders."""
    return _curves(run, own_weights=True)


@once
def curves_of_seeds(run: Run) -> list[Curve]:
    """The same for other weights of the untrained encoders, a draw for each seed."""
    return _curves(run, own_weights=False)


def table(run: Run) -> pd.DataFrame:
    """Every curve in numbers, a row a degree: share with its interval over draws of places, ceiling, bound."""
    parts = []
    for c in curves(run):
        low, high = c.interval
        facts = {"encoder": c.encoder, "reader": c.reader, "n_labels": c.n_labels, "degree": c.degree}
        numbers = {"scale_km": c.scale_km, "share": c.share, "low": low, "high": high}
        parts.append(pd.DataFrame(facts | numbers | {"ceiling": c.ceiling_RL.mean(0), "bound": c.bound_RL.mean(0)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def curve(run: Run, encoder: str, reader: str = "linear", n_labels: int | None = None) -> Curve | None:
    """One curve; the one with the most labels by default. None where it wasn't measured."""
    found = [c for c in curves(run) if (c.encoder, c.reader) == (encoder, reader) and n_labels in (None, c.n_labels)]
    return max(found, key=lambda c: c.n_labels, default=None)


def numbers(c: Curve) -> dict[str, Estimate]:
    """Numbers held and read, plateau and cut-off of a curve, with intervals over draws of places."""
    weight = 2 * c.degree + 1
    held_R = c.ceiling_RL @ weight
    cuts = np.array([cutoff_km(share) for share in c.share_RL])
    cut = cutoff_km(c.share)
    return {
        "held": over_draws(held_R, whole=True),
        "beyond": over_draws(np.maximum(c.rank_R - held_R, 0), whole=True),
        "read": over_draws(c.share_RL @ weight, whole=True),
        "plateau": over_draws([plateau(share) for share in c.share_RL], Unit.SHARE, plateau(c.share)),
        "cutoff": Estimate(float(c.scale_km[-1]), n=len(cuts), unit=Unit.KM, censored=Censoring.FINER)
        if cut == 0
        else Estimate(cut, *cutoff_interval_km(cuts), len(cuts), Unit.KM),
    }


def runs_in_words(c: Curve) -> str:
    """Scales of which half or more is read, coarse to fine; a run that not every draw has is marked."""
    found = runs_km(c.share, c.share_RL if len(c.share_RL) > 1 else None)
    open_end = c.scale_km[-1]
    words = [
        (
            f"{km_word(coarse)} km alone"
            if fine == coarse
            else f"{km_word(coarse)} to {'finer than ' if fine <= open_end else ''}{km_word(fine)} km"
        )
        + ("" if firm or len(c.share_RL) == 1 else " (not in every draw)")
        for coarse, fine, firm in found
    ]
    return listing(words) or "none"


@once
def labels_needed(run: Run) -> pd.DataFrame:
    """Labels at which half of a scale is read, by a straight line in log labels.

    Returns:
        DataFrame[encoder, scale_km, labels, censored]: the encoders by the linear reader, and ``coordinates`` by an
        adaptive Gaussian process on the places alone. ``censored`` where fewer labels than the fewest do, or more
        than the most are needed.
    """
    rows = []
    for encoder, reader in [*((name, "linear") for name in measured(run)), (COORDINATES, COORDINATES)]:
        ladder = sorted(
            (c for c in curves(run) if (c.encoder, c.reader) == (encoder, reader)), key=lambda c: c.n_labels
        )
        for km in SCALES_KM if ladder else ():
            n, share = np.array([c.n_labels for c in ladder]), np.array([c.at(km) for c in ladder])
            rows.append((encoder, km, *labels_for_half(n, share)))
    return pd.DataFrame(rows, columns=["encoder", "scale_km", "labels", "censored"])


def labels_for_half(n: np.ndarray, share: np.ndarray) -> tuple[float, Censoring]:
    """Labels at which a share of ½ is read, of the shares read with ``n`` labels each, ascending."""
    reads = np.flatnonzero(share >= READ)
    if not len(reads):
        return float(n[-1]), Censoring.AT_LEAST
    if reads[0] == 0:
        return float(n[0]), Censoring.FINER
    i = reads[0]
    step = (READ - share[i - 1]) / (share[i] - share[i - 1])
    return float(np.exp(np.log(n[i - 1]) + step * np.log(n[i] / n[i - 1]))), Censoring.NONE


def measured(run: Run) -> list[str]:
    """Encoders with a linear curve, the compared ones first."""
    measured = {c.encoder for c in curves(run) if c.reader == "linear"}
    return [name for name in [*run.compared, *run.controls] if name in measured]


def labels_in_words(labels: float, censored: Censoring) -> str:
    words = {Censoring.AT_LEAST: "more than ", Censoring.FINER: "fewer than "}
    return f"{words.get(censored, '')}{float(f'{labels:.2g}'):,.0f}"


def over_draws(draws, unit: Unit = Unit.NUMBER, value: float | None = None, whole: bool = False) -> Estimate:
    """The mean over draws with its interval."""
    draws = np.asarray(draws, dtype=float)
    mean, low, high = (float(x) for x in interval_over_draws(draws)) if len(draws) else (np.nan,) * 3
    numbers = [mean if value is None else value, low, high]
    return Estimate(*(round(x) if whole and math.isfinite(x) else x for x in numbers), n=len(draws), unit=unit)


def finest_km(run: Run) -> float:
    return float(min(c.scale_km[-1] for c in curves(run) if c.reader == "linear"))


def km_word(km: float) -> str:
    return f"{float(f'{km:.3g}'):.0f}"


def _curves(run: Run, own_weights: bool) -> list[Curve]:
    rows = run.transfer
    if rows.empty:
        return []
    rows = rows[(rows["prior"] == "degree") & ((rows["weights_seed"] == 0) == own_weights)]
    keys = ["encoder", "reader", "weights_seed", "n_labels"]
    return [_one_curve(*key, own) for key, own in rows.groupby(keys, sort=False)]


def _one_curve(encoder: str, reader: str, weights_seed: int, n_labels: int, rows: pd.DataFrame) -> Curve:
    wide = {
        name: rows.pivot(index="replicate", columns="degree", values=name) for name in ("share", "ceiling", "bound")
    }
    facts = rows.iloc[0]
    rank_R = rows.groupby("replicate")["rank"].first().to_numpy(dtype=float)
    arrays = {f"{name}_RL": table.to_numpy(dtype=float) for name, table in wide.items()}
    degree = wide["share"].columns.to_numpy(dtype=int)
    on_edge = bool((rows["penalty_on_edge"] & (rows["share"] > READ / 10)).any())
    shared = (encoder, reader, int(n_labels), float(facts["noise"]), int(facts["dim"]), degree)
    facts = {"dropped": int(rows["dropped"].max()), "on_edge": on_edge, "weights_seed": int(weights_seed)}
    return Curve(*shared, **arrays, rank_R=rank_R, **facts)
