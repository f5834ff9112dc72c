"""A world map of what an encoder reads where: bands, fine edge and anisotropy at places even by area."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.readouts.caps import fibonacci_lattice
from satgpu.readouts.local import CELLS, SCALES_KM, TOLERANCE, LocalTransfer, Progress, local_transfer

# One place in so many is drawn twice: the spread over draws gives every place its interval.
_REPEAT_EVERY = 8
MAP_COLUMNS = (
    "lon", "lat", "fine_km", "low", "high", "relative", "anisotropy", "finest_bearing_deg", "open_directions", "bands",
)  # fmt: skip


@dataclass(frozen=True)
class ResolutionMap:
    """The fine edge by place.

    Attributes:
        encoder: its name.
        dim: D.
        table: one row per place with MAP_COLUMNS; ``fine_km`` is 0 where the band runs on below the finest scale, NaN
            where nothing is read, ``relative`` the edge relative to the median place.
        local: the shares behind it.
    """

    encoder: str
    dim: int
    table: pd.DataFrame = field(repr=False)
    local: LocalTransfer = field(repr=False)

    @property
    def median_km(self) -> float:
        """Fine edge of the median place: infinite where most places read nothing, 0 where most read every scale."""
        return float(self.table["fine_km"].fillna(np.inf).median())

    def plot(self, ax: object = None) -> object:
        """Draw the map in the Equal Earth projection, coastlines where the land mask is installed; gives the axes.

        Colour is the edge relative to the median place. A bar lies along the bearing in which the finest detail is
        read, where it is 10 % finer than across.
        """
        from satgpu.readouts.world import draw_resolution_map  # only drawing needs matplotlib

        return draw_resolution_map(self.table, ax, f"{self.encoder}: fine edge, median place {self.median_km:.0f} km")

    def __str__(self) -> str:
        read = self.table[self.table["fine_km"] > 0]
        text = f"{self.encoder}: fine edge {self.median_km:.0f} km at the median of {len(self.table)} places"
        if read["relative"].notna().any():
            low, high = np.quantile(read["relative"], [0.05, 0.95])
            text += f", {low:.2f} to {high:.2f} times that at nine in ten; anisotropy {read['anisotropy'].median():.2f}"
        nothing = int(self.table["fine_km"].isna().sum())
        return text + (f"; nothing read at {nothing}" if nothing else "")


def resolution_map(
    encoder: Callable[[Tensor], Tensor],
    n_places: int = 200,
    scales_km: Sequence[float] = SCALES_KM,
    *,
    noise: float = 0.1,
    tolerance: float = TOLERANCE,
    cells: float = CELLS,
    n_labels: int = 700,
    n_test: int = 300,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> ResolutionMap:
    """Where an encoder reads fine detail, and along which bearing, on a Fibonacci lattice of places.

    Every place is one of :func:`satgpu.local_transfer`, with one draw; each eighth has two, whose spread gives the
    intervals. Edges in km hold for these cells, labels and tolerance alone; ``relative`` and the ratio of two encoders'
    edges hold for others too.

    Args:
        encoder: callable from (n, 2) degrees, longitude first, to (n, D).
        n_places: on the lattice, 8 or more.
        scales_km, noise, tolerance, cells, n_labels, n_test, seed, device: as for ``local_transfer``.
        progress: called with the caps read and those known to be needed; a bar on a terminal by default.

    Returns:
        ResolutionMap with ``table`` and ``plot()``.

    Raises:
        UserError: as ``local_transfer``, or fewer than 8 places.
    """
    if n_places < 8:
        raise UserError(f"n_places is {n_places}; a map needs 8 places or more (use local_transfer for single ones)")
    with _Bar(progress) as report:
        local = local_transfer(
            encoder,
            fibonacci_lattice(n_places),
            scales_km,
            noise=noise,
            tolerance=tolerance,
            cells=cells,
            other_cells=(),
            noise_free=False,
            n_labels=n_labels,
            n_test=n_test,
            draws=[2 if i % _REPEAT_EVERY == 0 else 1 for i in range(n_places)],
            seed=seed,
            device=device,
            progress=report,
        )
    return ResolutionMap(local.encoder, local.dim, local.edges()[list(MAP_COLUMNS)], local)


class _Bar:
    """The caller's progress, or a bar on a terminal."""

    def __init__(self, progress: Progress | None):
        self._progress, self._bar = progress, None

    def __enter__(self) -> Progress | None:
        if self._progress or not sys.stderr.isatty():
            return self._progress
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task("caps")
        return lambda done, known: self._bar.update(task, completed=done, total=known)

    def __exit__(self, *exc) -> None:
        if self._bar:
            self._bar.stop()
