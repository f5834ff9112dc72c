"""The transfer function of an encoder: how much of a random field of each harmonic degree its embedding gives back.

Two curves. The ceiling is the share of a degree that lies in the span of the embedding: what it holds. The
share read is R² at places never seen, of a reader that has n noisy labels: what n labels buy. ``linear.py`` has
the mathematics of both, ``levels.py`` what is read off a curve, ``docs/transfer.md`` what it all means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry.sphere import unit_vectors
from satgpu.readouts import readers
from satgpu.readouts.coordinates import composite_bound, degree_known_bound
from satgpu.readouts.degrees import half_wavelength_km
from satgpu.readouts.embedding import CheckedEmbedding
from satgpu.readouts.harmonic_fields import PRIORS, prior_power
from satgpu.readouts.learning_curve import predicted_share, spectrum_and_overlaps
from satgpu.readouts.levels import (
    AT_THRESHOLD,
    READ,
    cutoff_interval_km,
    cutoff_km,
    interval_over_draws,
    plateau,
    runs_km,
)
from satgpu.readouts.linear import LinearCurve, ceiling_curve, linear_curve
from satgpu.readouts.places import EmbeddedPlaces, draw_places
from satgpu.readouts.ridge import float64_device

if TYPE_CHECKING:
    from satgpu.readouts.budget import LabelBudget

READERS = ("linear", "mlp", "neighbours", "coordinates")
_HEADLINE_LABELS_A_DIMENSION = 10
# Short of labels: twice as many would raise a share, or the capacity by a part of it, by more.
_GAIN_OF_A_SHARE, _GAIN_OF_CAPACITY = 0.05, 0.2
Interval = tuple[float, float]


@dataclass(frozen=True)
class TransferFunction:
    """What an encoder gives back of random fields, by degree; L is l_max, R the draws of places.

    Args:
        name: of the encoder.
        degree: (L,) harmonic degrees 1 to l_max.
        scale_km: (L,) half a wavelength of each.
        share: (L,) share read: R² against the noise-free field, mean over draws; below 0 where reading harms.
        low, high: (L,) its 95 % interval over draws of places: of this encoder, not of its kind.
        ceiling: (L,) share of each degree in the span of the embedding.
        capacity: Σ (2l+1)·share, unclamped: numbers read of ``dim`` at these labels and this noise.
        ceiling_capacity: Σ (2l+1)·ceiling, numbers held up to l_max.
        beyond_l_max: rank less ceiling_capacity: numbers held that lie finer than l_max.
        plateau: median share over the run of degrees around the highest.
        cutoff_km: half wavelength where the share falls to half the plateau; 0 where it doesn't fall within
            l_max, NaN where nothing is read.
        capacity_interval, ..., cutoff_km_interval: 95 % over draws of places, NaN with one draw.
        composite, composite_interval: by prior ("power-law", "flat"), share read of fields that mix all degrees.
        bound: (L,) greatest expected share of a reader of places that knows the degree; reader "coordinates" only.
        composite_bound: by prior, the same for a reader that knows the prior; reader "coordinates" only.
        runs: (coarse_km, fine_km, firm) of every run of degrees with a share of at least ½.
        dim, rank: of the embedding; the rank is the numerical one at the most places seen.
        n_labels, noise, reader, seed: of the measurement.
        notes: what a reader of these numbers has to know.
        share_RL, ceiling_RL: the same, draw by draw.
    """

    name: str
    degree: np.ndarray
    scale_km: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ceiling: np.ndarray
    capacity: float
    capacity_interval: Interval
    ceiling_capacity: float
    ceiling_capacity_interval: Interval
    beyond_l_max: float
    beyond_l_max_interval: Interval
    plateau: float
    plateau_interval: Interval
    cutoff_km: float
    cutoff_km_interval: Interval
    composite: dict[str, float]
    composite_interval: dict[str, Interval]
    bound: np.ndarray | None
    composite_bound: dict[str, float] | None
    runs: list[tuple[float, float, bool]]
    dim: int
    rank: int
    n_labels: int
    noise: float
    reader: str
    seed: int
    notes: tuple[str, ...]
    share_RL: np.ndarray = field(repr=False)
    ceiling_RL: np.ndarray = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row a degree: ``degree``, ``scale_km``, ``share``, ``low``, ``high``, ``ceiling``, ``bound`` if any."""
        columns = ("degree", "scale_km", "share", "low", "high", "ceiling") + ("bound",) * (self.bound is not None)
        return pd.DataFrame({name: getattr(self, name) for name in columns})

    def plot(self, ax: object = None) -> object:
        """Draw share read (band: 95 % over draws) and ceiling by scale; on the axes of another, beside it.

        Args:
            ax: matplotlib axes; new ones by default.

        Returns:
            the axes.
        """
        from satgpu.readouts.plots import draw_transfer  # only drawing needs matplotlib

        return draw_transfer(self, ax)

    def __str__(self) -> str:
        runs = ", ".join(f"{c:.0f} to {f:.0f} km{'' if firm else ' (not firm)'}" for c, f, firm in self.runs)
        lines = [
            f"{self.name}: {self.capacity:.0f} numbers read of {self.dim} ({self.reader}, n = {self.n_labels},"
            f" noise {self.noise:g}, degrees 1 to {self.degree[-1]})",
            f"  held: {self.ceiling_capacity:.0f} up to {self.scale_km[-1]:.0f} km, {self.beyond_l_max:.0f} finer",
            f"  plateau {self.plateau:.2f}, cut-off {self.cutoff_km:.0f} km; read by half or more: {runs or 'nothing'}",
        ]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


@dataclass
class Measured:
    """What a reader found at one draw of places."""

    share: np.ndarray  # (L,)
    composite: np.ndarray  # (priors,)
    edge: np.ndarray  # (L,) bool: the penalty was picked on the edge of its grid
    bound: np.ndarray | None = None
    composite_bound: np.ndarray | None = None
    dropped: int = 0
    ceiling: np.ndarray | None = None
    rank: int | None = None
    gain: tuple[float, float] = (0.0, 0.0)  # of twice the labels, predicted: most at any degree; part of the capacity


def transfer_function(
    encoder: Callable,
    n_labels: int | Sequence[int] = 6000,
    reader: str = "linear",
    noise: float = 0.1,
    l_max: int = 64,
    replicates: int = 8,
    seed: int = 0,
    device: str | torch.device = "cpu",
    *,
    n_test: int = 4000,
) -> TransferFunction | LabelBudget:
    """Share read and ceiling of every harmonic degree, by a reader of an encoder's embedding.

    Args:
        encoder: callable from (n, 2) degrees, longitude first, to (n, dim) embeddings.
        n_labels: labelled places, uniform by area; or several numbers of them, read at the same places.
        reader: "linear", ridge with the penalty of each degree by exact leave-one-out; "mlp", the notebook's
            probe on standardised inputs, regression (minutes a draw; some degrees, those between interpolated);
            "neighbours" in the embedding; "coordinates", an adaptive Gaussian process on the places with the
            bounds beside it, whatever the encoder is (None will do).
        noise: variance of the label noise, as a share of the field's.
        l_max: highest degree; 64 is half a wavelength of 310 km.
        replicates: draws of places.
        seed: of all draws.
        device: of the arithmetic, which is float64.
        n_test: places the shares are measured at.

    Returns:
        TransferFunction; of several numbers of labels a LabelBudget of them, with the predicted n-curve.

    Raises:
        UserError: fewer than 50 labels, a negative noise, l_max above n_labels, an unknown reader, a device
            without float64, or an encoder that isn't a function of the place.

    Example:
        >>> from satgpu.geometry import unit_vectors
        >>> curve = transfer_function(unit_vectors, n_labels=200, l_max=3, replicates=2)
        >>> curve.share.round(1).tolist()
        [1.0, 0.0, 0.0]
    """
    ladder = np.unique(np.atleast_1d(np.asarray(n_labels, dtype=int)))
    check_arguments(ladder, noise, l_max, replicates, n_test)
    if reader not in READERS:
        raise unknown_choice("reader", reader, READERS)
    device = float64_device(device)
    embedding = _coordinates() if reader == "coordinates" else CheckedEmbedding(encoder, device)
    found, predicted = [], []
    for replicate in range(replicates):
        draw = draw_places(embedding, int(ladder[-1]), n_test, seed, replicate, device)
        found.append(measure_ladder(reader, draw, ladder.tolist(), l_max, noise))
        if np.ndim(n_labels):
            predicted.append(predicted_share(*spectrum_and_overlaps(draw.Z_all, draw.all_deg, l_max), ladder, noise))
    curves = [
        summarise(embedding.name, draw.dim, draws, int(n), noise, reader, seed)
        for n, draws in zip(ladder, zip(*found, strict=True), strict=True)
    ]
    if not np.ndim(n_labels):
        return curves[0]
    from satgpu.readouts.budget import LabelBudget

    return LabelBudget(ladder, tuple(curves), np.mean(predicted, axis=0))


def measure(reader: str, draw: EmbeddedPlaces, l_max: int, noise: float) -> Measured:
    """What one of READERS finds at one draw of places, with the ceiling beside it."""
    return _with_ceiling(_read(reader, draw, l_max, noise), draw, l_max)


def measure_ladder(
    reader: str, draw: EmbeddedPlaces, n_labels: Sequence[int], l_max: int, noise: float
) -> list[Measured]:
    """What a reader finds at several numbers of labels of one draw; one ceiling serves those with too few places."""
    found: list[Measured] = []
    for n in sorted(n_labels, reverse=True):
        one = _read(reader, draw.first(n), l_max, noise)
        if found and (one.ceiling is None or np.isnan(one.ceiling).any()):
            one.ceiling, one.rank = found[-1].ceiling, found[-1].rank
        found.append(_with_ceiling(one, draw, l_max))
    return found[::-1]


def check_arguments(n_labels: Sequence[int], noise: float, l_max: int, replicates: int, n_test: int) -> None:
    """UserError, with the remedy, unless transfer functions can be measured like this."""
    least = min(n_labels) if len(n_labels) else 0
    if not least >= 50:
        raise UserError(f"n_labels must be at least 50, fewer leave nothing to choose a penalty by; got {least}")
    if not 0 <= noise < float("inf"):
        raise UserError(f"noise is a share of the field's variance and must be 0 or more; got {noise}")
    if not 1 <= l_max <= least:
        raise UserError(f"l_max must be 1 to n_labels ({least}); got {l_max}: lower l_max or give more labels")
    if replicates < 1:
        raise UserError(f"replicates must be at least 1; got {replicates}")
    if n_test < 50:
        raise UserError(f"n_test must be at least 50; got {n_test}")


def summarise(
    name: str, dim: int, found: Sequence[Measured], n_labels: int, noise: float, reader: str, seed: int
) -> TransferFunction:
    """The result of all draws: means, intervals, levels, notes."""
    share_RL = np.stack([m.share for m in found])
    ceiling_RL = np.stack([m.ceiling for m in found])
    rank_R = np.array([m.rank for m in found])
    degree = np.arange(1, share_RL.shape[1] + 1)
    share, low, high = interval_over_draws(share_RL)
    composite, *composite_limits = interval_over_draws(np.stack([m.composite for m in found]))
    bounds = [m.composite_bound for m in found if m.composite_bound is not None]
    edge_L = np.stack([m.edge for m in found]).any(0)
    return TransferFunction(
        name=name,
        degree=degree,
        scale_km=half_wavelength_km(degree),
        share=share,
        low=low,
        high=high,
        ceiling=ceiling_RL.mean(0),
        composite=dict(zip(PRIORS, composite.tolist(), strict=True)),
        composite_interval=dict(zip(PRIORS, zip(*np.stack(composite_limits).tolist(), strict=True), strict=True)),
        bound=np.mean([m.bound for m in found], axis=0) if bounds else None,
        composite_bound=dict(zip(PRIORS, np.mean(bounds, axis=0).tolist(), strict=True)) if bounds else None,
        runs=runs_km(share, share_RL if len(found) > 1 else None),
        dim=dim,
        rank=int(np.median(rank_R)),
        n_labels=n_labels,
        noise=noise,
        reader=reader,
        seed=seed,
        notes=_notes(share, edge_L, dim, found, n_labels, reader),
        share_RL=share_RL,
        ceiling_RL=ceiling_RL,
        **_numbers(share_RL, ceiling_RL @ (2 * degree + 1), rank_R),
    )


def _numbers(share_RL: np.ndarray, held_R: np.ndarray, rank_R: np.ndarray) -> dict[str, float | Interval]:
    """The numbers of a curve with their intervals over draws, under the names of ``TransferFunction``."""
    per_draw = {
        "capacity": share_RL @ (2 * np.arange(1, share_RL.shape[1] + 1) + 1),
        "ceiling_capacity": held_R,
        "beyond_l_max": rank_R - held_R,
        "plateau": np.array([plateau(s) for s in share_RL]),
    }
    values: dict = {}
    for key, draws in per_draw.items():
        mean, *limits = (float(v) for v in interval_over_draws(draws))
        values |= {key: mean, f"{key}_interval": tuple(limits)}
    # Of the mean curve, so that the numbers of a table belong to the curve beside it.
    share = share_RL.mean(0)
    cuts_km = np.array([cutoff_km(s) for s in share_RL])
    values |= {"cutoff_km": cutoff_km(share), "cutoff_km_interval": cutoff_interval_km(cuts_km)}
    return values | {"plateau": plateau(share)}


def _notes(
    share: np.ndarray, edge_L: np.ndarray, dim: int, found: Sequence[Measured], n_labels: int, reader: str
) -> tuple[str, ...]:
    notes = []
    dropped = max(m.dropped for m in found)
    of_a_share, of_capacity = np.mean([m.gain for m in found], axis=0)
    if reader == "linear" and n_labels < _HEADLINE_LABELS_A_DIMENSION * (dim - dropped):
        notes.append(f"n-limited: {n_labels} labels are fewer than 10 for each of {dim - dropped} dimensions")
    elif of_a_share > _GAIN_OF_A_SHARE or of_capacity > _GAIN_OF_CAPACITY:
        notes.append(
            f"n-limited: twice the labels would raise a share by {of_a_share:.2f}, capacity by {of_capacity:.0%}"
        )
    height = plateau(share)
    if np.isnan(height):
        notes.append("nothing is read at any degree")
    elif abs(height - READ) <= AT_THRESHOLD:
        notes.append(f"at the threshold: a plateau of {height:.2f} makes the runs a matter of chance, quote no scale")
    if cutoff_km(share) == 0:
        notes.append(f"the share doesn't fall to half its plateau by degree {len(share)}: raise l_max for a cut-off")
    # Degrees of which nothing is read take the largest penalty rightly.
    if (edge_L & (share > READ / 10)).any():
        at = ", ".join(str(d + 1) for d in np.flatnonzero(edge_L & (share > READ / 10))[:5])
        notes.append(f"penalty on the edge of its grid, first at degrees {at}")
    if dropped:
        notes.append(f"{dropped} of {dim} dimensions dropped: constant, or below 1e-6 of the median spread")
    return tuple(notes)


def _coordinates() -> CheckedEmbedding:
    embedding = CheckedEmbedding(unit_vectors)
    embedding.name = "coordinates"
    return embedding


def _read(reader: str, draw: EmbeddedPlaces, l_max: int, noise: float) -> Measured:
    if reader == "linear":
        return _read_linearly(draw, l_max, noise)
    if reader == "mlp":
        return _read_with_mlps(draw, l_max, noise)
    fields = readers.draw_fields(draw, l_max, noise)
    by = {"neighbours": readers.read_by_neighbours, "coordinates": readers.read_by_gaussian_process}[reader]
    share = readers.pooled_r2(fields.truth, by(draw, fields, noise), fields.groups)
    found = Measured(share[:l_max], share[l_max:], np.zeros(l_max, dtype=bool))
    if reader == "coordinates":
        found.bound = degree_known_bound(draw.places_deg, l_max, noise).numpy()
        powers = (prior_power(prior, l_max) for prior in PRIORS)
        found.composite_bound = np.array([composite_bound(draw.places_deg, p, noise)[0] for p in powers])
    return found


def _read_with_mlps(draw: EmbeddedPlaces, l_max: int, noise: float) -> Measured:
    """Some degrees; those between are interpolated, of which there are none below 6."""
    degrees = readers.measured_degrees(l_max)
    fields = readers.some_degrees(readers.draw_fields(draw, l_max, noise, readers.MLP_FIELDS), degrees)
    share = readers.pooled_r2(fields.truth, readers.read_by_mlps(draw, fields, noise), fields.groups)
    between = np.interp(np.arange(1, l_max + 1), degrees, share[: len(degrees)])
    return Measured(between, share[len(degrees) :], np.zeros(l_max, dtype=bool))


def _read_linearly(draw: EmbeddedPlaces, l_max: int, noise: float) -> Measured:
    generator = draw.generator("linear")
    curve = linear_curve(
        draw.Z, draw.Z_test, draw.places_deg, draw.test_deg, l_max, noise, generator, draw.harmonics(l_max)
    )
    return Measured(
        share=curve.share.numpy(),
        composite=curve.composite.numpy(),
        edge=curve.penalty.edge[:l_max].cpu().numpy(),
        dropped=curve.dropped,
        ceiling=curve.ceiling.numpy(),
        rank=curve.rank,
        gain=_gain_of_twice(curve, draw.n, noise),
    )


def _gain_of_twice(curve: LinearCurve, n: int, noise: float) -> tuple[float, float]:
    """What twice the labels would add: most to the share of any degree, and to the capacity as a part of it.

    0 where there are too few labels to predict from; they are short then by the rule of 10 a dimension.
    """
    if torch.isnan(curve.ceiling).any():
        return 0.0, 0.0
    per_degree = 2 * np.arange(1, len(curve.share) + 1) + 1
    once, twice = predicted_share(
        curve.eigenvalues[: curve.rank].numpy(),
        curve.overlaps[: curve.rank].numpy() / per_degree,
        np.array([n, 2 * n]),
        noise,
    )
    capacity = max(float(once @ per_degree), 1.0)
    return float((twice - once).max()), float((twice - once) @ per_degree) / capacity


def _with_ceiling(found: Measured, draw: EmbeddedPlaces, l_max: int) -> Measured:
    """The ceiling from all places of the draw where the labelled ones are too few for it."""
    if found.ceiling is None or np.isnan(found.ceiling).any():
        ceiling, found.rank = ceiling_curve(draw.Z_all, draw.all_deg, l_max)
        found.ceiling = ceiling.numpy()
    return found
