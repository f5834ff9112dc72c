"""Label budget: share against the number of labels, the number at which a scale is read, labels saved or lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from satgpu.errors import UserError
from satgpu.readouts.degrees import degree_of_half_wavelength
from satgpu.readouts.levels import READ, interval_over_draws
from satgpu.readouts.transfer import TransferFunction


@dataclass(frozen=True)
class Labels:
    """A number of labels with its 95 % interval over draws; inf where the ladder's largest doesn't suffice.

    Args:
        n, low, high: labels.
        at_most: the ladder's smallest number suffices in every draw: fewer may do.
    """

    n: float
    low: float
    high: float
    at_most: bool = False


@dataclass(frozen=True)
class LabelBudget:
    """Transfer functions of one encoder at several numbers of labels, at the same places.

    Args:
        n_labels: (S,) ascending.
        curves: S transfer functions.
        predicted: (S, L) shares predicted for a linear reader from the unlabelled places (``learning_curve.py``).
    """

    n_labels: np.ndarray
    curves: tuple[TransferFunction, ...]
    predicted: np.ndarray = field(repr=False)

    @property
    def name(self) -> str:
        """Of the encoder."""
        return self.curves[0].name

    def table(self) -> pd.DataFrame:
        """One row a number of labels and degree: the columns of a transfer function, ``n_labels``, ``predicted``."""
        parts = [
            curve.table().assign(n_labels=curve.n_labels, predicted=predicted)
            for curve, predicted in zip(self.curves, self.predicted, strict=True)
        ]
        return pd.concat(parts, ignore_index=True)

    def labels_to_read(self, scale_km: float, level: float = READ) -> Labels:
        """Labels at which the share of a scale (half a wavelength) reaches a level.

        Interpolated in log n between the ladder's steps; the smallest step where that suffices already.

        Raises:
            UserError: the scale lies beyond the degrees measured.
        """
        return _summary(_crossings(self.n_labels, self._draws_at(scale_km), level), self.n_labels[0])

    def labels_to_read_composite(self, prior: str, level: float) -> Labels:
        """The same for composite fields; the interval is that of the shares, since draws are not kept."""
        value, low, high = (
            np.array([[pick(c) for c in self.curves]])
            for pick in (
                lambda c: c.composite[prior],
                lambda c: c.composite_interval[prior][0],
                lambda c: c.composite_interval[prior][1],
            )
        )
        n, most, least = (float(_crossings(self.n_labels, v, level)[0]) for v in (value, low, high))
        return Labels(n, least, most, at_most=n == self.n_labels[0])

    def against(self, coordinates: LabelBudget, scales_km: list[float], level: float = READ) -> pd.DataFrame:
        """Labels saved against the adaptive baseline, and lost against the bound, at some scales.

        Args:
            coordinates: the budget of reader "coordinates" with the same labels, seed, noise and replicates.
            scales_km: half wavelengths.
            level: share that counts as read.

        Returns:
            A row a scale: ``scale_km``; ``labels``, ``baseline`` each with ``_low`` and ``_high``; ``bound``;
            ``saved``, ``saved_low``, ``saved_high``: labels of the baseline less those of this encoder, draw by
            draw (-inf where only the baseline reads it, inf where only the encoder does, NaN where neither).

        Raises:
            UserError: the other budget isn't of reader "coordinates", or was measured at other labels.
        """
        if coordinates.curves[0].bound is None:
            raise UserError(f"labels are saved against reader 'coordinates'; got {coordinates.curves[0].reader!r}")
        theirs, ours = ((c.seed, c.noise, tuple(b.n_labels)) for b in (coordinates, self) for c in b.curves[:1])
        if theirs != ours:
            raise UserError(f"both budgets need the same seed, noise and labels; got {ours} and {theirs}")
        return pd.DataFrame([self._row_against(coordinates, scale, level) for scale in scales_km])

    def _row_against(self, coordinates: LabelBudget, scale_km: float, level: float) -> dict:
        own_R, base_R = (_crossings(b.n_labels, b._draws_at(scale_km), level) for b in (self, coordinates))
        bound = np.array([[_at(scale_km, c.bound) for c in coordinates.curves]])
        row, first = {"scale_km": scale_km}, self.n_labels[0]
        for name, labels in (("labels", _summary(own_R, first)), ("baseline", _summary(base_R, first))):
            row |= {name: labels.n, f"{name}_low": labels.low, f"{name}_high": labels.high}
        row["bound"] = float(_crossings(self.n_labels, bound, level)[0])
        with np.errstate(invalid="ignore"):
            saved_R = base_R - own_R  # inf - inf: neither reads it
        if np.isfinite(saved_R).all():
            limits = (float(v) for v in interval_over_draws(saved_R))
        else:
            limits = (float(np.median(saved_R)),) * 3
        return row | dict(zip(("saved", "saved_low", "saved_high"), limits, strict=True))

    def _draws_at(self, scale_km: float) -> np.ndarray:
        """(R, S) shares at a scale, draw by draw."""
        return np.stack([[_at(scale_km, share) for share in curve.share_RL] for curve in self.curves], axis=1)


def _at(scale_km: float, values_L: np.ndarray) -> float:
    """The value at a scale, between degrees in proportion."""
    degree = degree_of_half_wavelength(scale_km)
    if not 1 - 1e-6 <= degree <= len(values_L) + 1e-6:
        raise UserError(f"{scale_km:g} km is degree {degree:.1f}, outside the 1 to {len(values_L)} measured")
    return float(np.interp(degree, np.arange(1, len(values_L) + 1), values_L))


def _crossings(n_labels: np.ndarray, share_RS: np.ndarray, level: float) -> np.ndarray:
    """(R,) n at which each draw first reaches the level; inf where none does."""
    found = np.full(len(share_RS), np.inf)
    for i, share in enumerate(share_RS):
        above = np.flatnonzero(share >= level)
        if len(above) and above[0] == 0:
            found[i] = n_labels[0]
        elif len(above):
            pair = slice(above[0] - 1, above[0] + 1)
            found[i] = np.exp(np.interp(level, share[pair], np.log(n_labels[pair])))
    return found


def _summary(n_R: np.ndarray, first: int) -> Labels:
    """Mean and interval in log n; where a draw doesn't reach the level the upper limit is inf."""
    if not np.isfinite(n_R).all():
        return Labels(float(np.median(n_R)), float(n_R.min()), float("inf"))
    return Labels(*(float(np.exp(v)) for v in interval_over_draws(np.log(n_R))), at_most=bool((n_R == first).all()))
