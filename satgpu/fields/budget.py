"""Label budget of a field: what is read of it from ever more labels, and where more labels stop paying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from satgpu.encoders import load_encoder
from satgpu.encoders.base import Encoder
from satgpu.errors import UserError
from satgpu.fields.field import Field, as_field
from satgpu.fields.readers import reader_named, share_read
from satgpu.fields.splits import Places, Split, draw_places
from satgpu.geometry import unit_vectors
from satgpu.readouts.budget import Labels
from satgpu.readouts.levels import interval_over_draws

LADDER = (250, 500, 1000, 2000, 4000, 8000)


@dataclass(frozen=True)
class FieldBudget:
    """What an encoder reads of a field at several numbers of labels, at the same places held back.

    Args:
        encoder, field, reader, split: what was read, how.
        n_labels: (S,) ascending.
        skill: (D, S) share read in each draw of places.
        worth: share that a doubling of the labels must bring to pay.
    """

    encoder: str
    field: str
    reader: str
    split: str
    n_labels: np.ndarray
    skill: np.ndarray = field(repr=False)
    worth: float = 0.02

    def table(self) -> pd.DataFrame:
        """One row a number of labels.

        Returns:
            DataFrame[n_labels, skill, low, high, gain, gain_low, gain_high]: skill and, from this row to the next, the
            gain of a doubling, means over the draws with their 95 % intervals, the gain's paired by draw.
        """
        gains = [np.append(values, np.nan) for values in self._gains()]
        columns = ("n_labels", "skill", "low", "high", "gain", "gain_low", "gain_high")
        return pd.DataFrame(dict(zip(columns, (self.n_labels, *interval_over_draws(self.skill), *gains), strict=True)))

    @property
    def enough(self) -> Labels:
        """The smallest number of labels from which on no doubling brings more than ``worth``.

        ``low`` and ``high`` are that number by the lower and the upper limits of the gains; infinite where the last
        doubling still pays.
        """
        n, low, high = (self._first_below(gain) for gain in self._gains())
        return Labels(n, low, high, at_most=high == self.n_labels[0])

    def _gains(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(S - 1,) gain of a doubling, low, high."""
        return interval_over_draws(np.diff(self.skill, axis=1) / np.diff(np.log2(self.n_labels)))

    def _first_below(self, gain: np.ndarray) -> float:
        if np.isnan(gain).any():
            return float("nan")
        paying = np.flatnonzero(gain >= self.worth)
        first = paying[-1] + 1 if len(paying) else 0
        return float(self.n_labels[first]) if first < len(gain) else float("inf")


def field_budget(
    encoder: object,
    field: object,
    n_labels: Sequence[int] = LADDER,
    reader: str = "linear",
    split: str = "random",
    draws: int = 8,
    worth: float = 0.02,
    task: str = "auto",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> FieldBudget:
    """Skill on a field against the number of labels, and the number at which more stop paying.

    Args:
        encoder, field, reader, split, draws, task, seed, device: as for ``satgpu.read_field``.
        n_labels: ascending; those beyond what the field has are left out.
        worth: share that a doubling of the labels must bring to pay.

    Raises:
        UserError: fewer than two numbers, not ascending or below 10; a field with too few places.

    Example:
        >>> north = lambda lonlat_deg: lonlat_deg[:, 1].numpy()
        >>> field_budget("xyz", north, (50, 100, 200), draws=3).enough.n
        50.0
    """
    ladder = list(n_labels)
    if len(ladder) < 2 or ladder != sorted(set(ladder)) or ladder[0] < 10:
        raise UserError(f"n_labels must be two or more ascending numbers from 10; got {ladder}")
    made = encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device)
    wanted, kind = as_field(field, task), reader_named(reader)
    drawn = [draw_places(wanted, Split.parse(split), ladder[-1], seed, draw) for draw in range(draws)]
    fewest = min(places.n_labels for places in drawn)
    ladder = [n for n in ladder if n <= fewest]
    if len(ladder) < 2:
        raise UserError(f"field {wanted.name!r} leaves {fewest} labels; n_labels must hold two numbers up to that")
    skill = np.array([_shares(made, wanted, places, kind, ladder, seed, device) for places in drawn])
    return FieldBudget(made.name, wanted.name, reader, split, np.array(ladder), skill, worth)


def _shares(
    encoder: Encoder, field: Field, places: Places, reader: type, ladder: list[int], seed: int, device: object
) -> list[float]:
    """Share read from the first n labels, for every n, at the places of one draw."""
    embed = unit_vectors if reader.of_places else encoder
    X = torch.as_tensor(embed(places.lonlat_deg)).to(device, torch.float64)[None]
    return [_share(reader, X, places, n, seed) for n in ladder]


def _share(reader: type, X: Tensor, places: Places, n: int, seed: int) -> float:
    few = places.first(n)
    folds = None if few.folds is None else few.folds.to(X.device)
    predicted = reader(X[:, :n], X[:, places.n_labels :], folds, seed)(few.targets[:n, None])
    targets = few.targets.to(predicted)
    return float(share_read(predicted, targets[n:, None], targets[:n].mean(0)))
