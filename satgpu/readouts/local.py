"""The local transfer function: which scales an encoder reads at a place, and in which direction.

The scales are looked at octave by octave first, and then halved again around every edge until the neighbours of an
edge are an eighth of an octave apart. All places are searched at once, so that their caps make large batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.readouts.caps import COARSEST_KM, Cap, CapDesign, Embedding, cap_shares, check_places
from satgpu.readouts.edges import SHARE_COLUMNS, brackets, edges, fine_edge_km
from satgpu.seeds import derive_seed

SCALES_KM = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
CELLS = 36.0
TOLERANCE = 0.01
# Octaves between the two scales an edge lies between: of the mean over directions, and of a single direction.
_EDGE_OCTAVES, _DIRECTION_OCTAVES = 1 / 6, 1 / 3

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LocalTransfer:
    """Shares by place, scale and direction.

    Attributes:
        encoder: its name.
        dim: D.
        design: labels and noise of a cap.
        shares: one row per place, draw, cells, tolerance and scale; ``share`` is the mean over directions, and
            SHARE_COLUMNS the share of the waves that cross their crests at a bearing of 0 (north), 22.5, ... degrees.
    """

    encoder: str
    dim: int
    design: CapDesign
    shares: pd.DataFrame = field(repr=False)

    def edges(self) -> pd.DataFrame:
        """Bands, fine edge with interval, anisotropy by place: see :func:`satgpu.readouts.edges.edges`."""
        return edges(self.shares)

    def table(self) -> pd.DataFrame:
        """The shares, one row per direction: place, lon, lat, draw, cells, tolerance, scale_km, bearing_deg, share."""
        keys = ["place", "lon", "lat", "draw", "cells", "tolerance", "scale_km"]
        long = self.shares[[*keys, *SHARE_COLUMNS]].melt(keys, var_name="bearing_deg", value_name="share")
        long["bearing_deg"] = long["bearing_deg"].str.removeprefix("share_").str.replace("_", ".").astype(float)
        return long.sort_values([*keys, "bearing_deg"], ignore_index=True)

    def plot(self, ax: object = None) -> object:
        """Draw the share read by scale, a line a place with its fine edge on it; gives the matplotlib axes.

        Args:
            ax: axes to draw in; new ones by default.
        """
        from satgpu.readouts.plots import draw_local  # only drawing needs matplotlib

        return draw_local(self, ax)

    def __str__(self) -> str:
        lines = [f"{self.encoder}: {self.design.n_labels} labels in a cap, label noise {self.design.noise:g}"]
        for row in self.edges().itertuples():
            lines.append(
                f"  {row.lon:7.2f} {row.lat:6.2f}, {row.cells:g} cells, tolerance {row.tolerance:g}: "
                f"{row.bands or 'nothing read'} km"
            )
        return "\n".join(lines)


def local_transfer(
    encoder: Callable[[Tensor], Tensor],
    places: object,
    scales_km: Sequence[float] = SCALES_KM,
    *,
    noise: float = 0.1,
    tolerance: float = TOLERANCE,
    cells: float = CELLS,
    other_cells: Sequence[float] = (16.0, 64.0),
    noise_free: bool = True,
    n_labels: int = 700,
    n_test: int = 300,
    draws: int | Sequence[int] = 2,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> LocalTransfer:
    """Which scales a linear reader with labels around a place reads there, by direction.

    In a cap of ``cells`` cells around each place, plane waves of half a wavelength to a cell are read from the
    embedding of ``n_labels`` places with noisy labels. Edges can be compared at equal cells, labels, noise and
    tolerance only: compare two encoders by the ratio of their edges.

    Args:
        encoder: callable from (n, 2) degrees, longitude first, to (n, D).
        places: (P, 2) degrees, longitude first.
        scales_km: cell sizes looked at first, at most 800 km; edges are then searched between them.
        noise: variance of the label noise, as a share of the field's.
        tolerance: noise added to every dimension of the embedding, as a share of its standard deviation over the
            Earth; without it the edge measures the arithmetic. The headline's is 1 %.
        cells: in a cap.
        other_cells: caps of other sizes read beside it, the systematic range of an edge.
        noise_free: also read without noise in the embedding (``tolerance`` 0), its limit.
        n_labels, n_test: places in a cap.
        draws: of places and noise; two or more give an interval. One number, or one for each place.
        seed: every place and draw has its own, derived from this one and the place's number.
        device: of the arithmetic and the encoder; it must know float64.
        progress: called with the caps read so far and those known to be needed.

    Returns:
        LocalTransfer with ``shares``, ``table()`` and ``edges()``.

    Raises:
        UserError: scales, places or counts that can't be read, or an encoder that gives NaN, a constant, another
            number of rows or other numbers for the same places.

    Example:
        >>> result = local_transfer(satgpu.load_encoder("untrained-l10"), [(2.3, 48.8)])  # doctest: +SKIP
        >>> result.edges()[["cells", "tolerance", "fine_km"]]  # doctest: +SKIP
    """
    design = CapDesign(n_labels, n_test, noise)
    places, scales_km = check_places(places), _check_scales(scales_km)
    draws = _draws_of(draws, len(places))
    variants = _variants(cells, other_cells, tolerance, noise_free)
    embedding = Embedding(encoder, device)
    curves = [
        _Curve(i, tuple(place), draws[i], *variant, seed)
        for i, place in enumerate(places.tolist())
        for variant in variants
    ]
    _search(curves, scales_km, lambda caps: cap_shares(embedding, caps, design), progress)
    rows = [row for curve in curves for row in curve.rows()]
    return LocalTransfer(embedding.name, embedding.dim, design, pd.DataFrame(rows))


@dataclass
class _Curve:
    """One place at one number of cells and tolerance: the shares read so far, (draws, 8) by scale."""

    place: int
    place_deg: tuple[float, float]
    draws: int
    cells: float
    tolerance: float
    seed: int
    shares: dict[float, np.ndarray] = field(default_factory=dict)

    def caps(self, scale_km: float) -> list[Cap]:
        return [
            Cap(self.place_deg, scale_km, self.cells, self.tolerance, derive_seed(self.seed, "cap", self.place, draw))
            for draw in range(self.draws)
        ]

    def wanted(self) -> list[float]:
        """Scales that halve the brackets around edges that are still too wide."""
        scales = np.array(sorted(self.shares))
        by_direction = np.array([self.shares[s].mean(axis=0) for s in scales])  # (S, 8)
        octaves = np.diff(np.log2(scales))
        wide = {i for i in brackets(by_direction.mean(axis=1)) if octaves[i] > _EDGE_OCTAVES}
        for direction in by_direction.T:
            edge = fine_edge_km(scales, direction)
            if edge > 0:
                i = int(np.searchsorted(scales, edge, side="right")) - 1
                wide |= {i} if octaves[min(i, len(octaves) - 1)] > _DIRECTION_OCTAVES else set()
        return [float(np.sqrt(scales[i] * scales[i + 1])) for i in sorted(wide)]

    def rows(self) -> Iterable[dict]:
        """One row a scale and draw, finest first: the place in degrees, scale in km, shares by direction and mean."""
        lon, lat = self.place_deg
        for scale_km, shares in sorted(self.shares.items()):
            for draw, by_direction in enumerate(shares):
                key = {"place": self.place, "lon": lon, "lat": lat, "draw": draw, "cells": self.cells}
                key |= {"tolerance": self.tolerance, "scale_km": scale_km, "share": by_direction.mean()}
                yield key | dict(zip(SHARE_COLUMNS, by_direction, strict=True))


def _search(
    curves: list[_Curve],
    scales_km: Sequence[float],
    read: Callable[[list[Cap]], Tensor],
    progress: Progress | None,
) -> None:
    """Read the first scales of all curves, then halve around their edges until all are close enough."""
    jobs, done = [(curve, scale_km) for curve in curves for scale_km in scales_km], 0
    while jobs:
        known = done + sum(curve.draws for curve, _ in jobs)
        for curve, scale_km, shares in _read_jobs(jobs, read):
            curve.shares[scale_km] = shares
            done += len(shares)
            if progress:
                progress(done, known)
        jobs = [(curve, scale_km) for curve in curves for scale_km in curve.wanted()]


def _read_jobs(
    jobs: list[tuple[_Curve, float]], read: Callable[[list[Cap]], Tensor], at_once: int = 32
) -> Iterable[tuple[_Curve, float, np.ndarray]]:
    """Each job with its (draws, 8) shares, read some jobs at a time so that progress shows."""
    for start in range(0, len(jobs), at_once):
        some = jobs[start : start + at_once]
        shares = read([cap for curve, scale_km in some for cap in curve.caps(scale_km)])
        for (curve, scale_km), own in zip(some, shares.split([curve.draws for curve, _ in some]), strict=True):
            yield curve, scale_km, own.numpy()


def _variants(
    cells: float, other_cells: Sequence[float], tolerance: float, noise_free: bool
) -> list[tuple[float, float]]:
    """(cells, tolerance) of every curve at a place, the headline's first."""
    if not 0 <= tolerance < 1:
        raise UserError(f"tolerance is {tolerance}; give the embedding's noise as a share of its spread, from 0 to 1")
    for count in (cells, *other_cells):
        if not 4 <= count <= 400:
            raise UserError(f"cells is {count:g}; a cap holds 4 to 400 cells")
    found = [(cells, tolerance), *((other, tolerance) for other in other_cells)]
    return list(dict.fromkeys([(float(c), float(e)) for c, e in found + [(cells, 0.0)] * noise_free]))


def _check_scales(scales_km: Sequence[float]) -> list[float]:
    scales = sorted({float(km) for km in scales_km})
    if len(scales) < 2:
        raise UserError(f"scales_km is {list(scales_km)}; give two cell sizes or more, an edge lies between two")
    if not (scales[0] > 0 and scales[-1] <= COARSEST_KM and math.isfinite(scales[-1])):
        raise UserError(
            f"scales_km runs from {scales[0]:g} to {scales[-1]:g}; give cells above 0 and up to {COARSEST_KM:g} km: "
            "in a larger cap flat coordinates distort the waves (use transfer_function for coarser scales)"
        )
    return scales


def _draws_of(draws: int | Sequence[int], n_places: int) -> list[int]:
    per_place = [draws] * n_places if isinstance(draws, int) else list(draws)
    if len(per_place) != n_places or min(per_place) < 1:
        raise UserError(f"draws is {draws}; give one number, 1 or more, or one for each of the {n_places} places")
    return per_place
