"""What a reader reads of a field as it lies, of the field turned, and of the bank: one draw of places."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.encoders.base import Encoder
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.fields.field import Field
from satgpu.fields.harmonics import L_MAX, field_coefficients, turned_coefficients
from satgpu.fields.held import HeldOut, held_out
from satgpu.fields.readers import Linear, share_read
from satgpu.fields.splits import Places
from satgpu.fields.turns import Turns, bank, turned_deg
from satgpu.geometry import unit_vectors

_TURNS_AT_ONCE = {"cpu": 1}
_TURNS_AT_ONCE_ON_A_GPU = 16


@dataclass(frozen=True)
class Shares:
    """Shares of variance read at the places held back.

    Args:
        field: (T,) of the field under each turn, turn 0 none.
        bank: (T,) mean over the bank of random fields where the places lie; 0 where the field itself is turned.
        predicted: (T,) from the field's power by degree and order; NaN where it has none on the whole sphere.
        held: the places held back, and what was missed there of the field as it lies.
    """

    field: Tensor
    bank: Tensor
    predicted: Tensor
    held: HeldOut


class Together:
    """Fields at the same places under the same turns: what is worked out once for all encoders and readers.

    Args:
        fields: all given everywhere, or none.
        places: of each field, the targets aside the same.
        turns: of the fields, or of the places.
        seed: of the bank.
    """

    def __init__(self, fields: Sequence[Field], places: Sequence[Places], turns: Turns, seed: int = 0):
        self.fields, self.places, self.turns, self.seed = fields, places, turns, seed
        self.lonlat_deg, self.n, self.folds = places[0].lonlat_deg, places[0].n_labels, places[0].folds
        self.bank = functools.cache(lambda n_fields: bank(self.lonlat_deg, seed, n_fields)[..., None])
        self.power = functools.cache(self._power)

    @functools.cached_property
    def turned(self) -> list[Tensor]:
        """(N + M, T, C) values of each field under every turn.

        Raises:
            UserError: a field is missing at places where it was said to be given.
        """
        # By turn and then by field: fields that share the work of a place (random ones) do it once.
        values = [[field.at(p) for field in self.fields] for p in turned_deg(self.lonlat_deg, self.turns.rotations)]
        found = [torch.stack(of_field, 1) for of_field in zip(*values, strict=True)]
        for Y, field, own in zip(found, self.fields, self.places, strict=True):
            if not torch.isfinite(Y).all():
                raise UserError(f"field {field.name!r} is missing at some places but given at others everywhere")
            Y[:, 0] = own.targets
        return found

    def _power(self, index: int) -> tuple[Tensor, Tensor]:
        """(H, T) power of a field under every turn by degree and order, and (T,) what lies beyond the degrees."""
        a, variance = field_coefficients(self.fields[index])
        power = turned_coefficients(a, self.turns.rotations).square().sum(-1) / (4 * torch.pi)
        return power, (variance.sum() - power.sum(0)).clamp_min(0)

    def first_turns(self, n: int) -> Together:
        """The same with n turns of each kind only."""
        return Together(self.fields, self.places, self.turns.first(n), self.seed)


def measure(
    encoder: Encoder,
    together: Together,
    readers: Sequence[type],
    device: torch.device | str = "cpu",
    predict: bool = False,
    seed: int = 0,
) -> list[list[Shares]]:
    """The shares of one draw of places: for every reader those of every field, read from one embedding of each turn.

    Args:
        readers: classes of :mod:`satgpu.fields.readers`.
        predict: also predict the shares, where the fields are given everywhere and the reader is linear.
    """
    made = _Reading(encoder, together, readers, device, seed)
    if together.fields[0].everywhere:
        return _turning_the_fields(made, together, predict)
    return _turning_the_places(made, together)


class _Reading:
    """Readers of one encoder at one draw of places, turned or not."""

    def __init__(self, encoder: Encoder, together: Together, readers: Sequence[type], device: object, seed: int):
        self.encoder, self.readers = encoder, readers
        self.device, self.seed, self.n = torch.device(device), seed, together.n
        self.folds = None if together.folds is None else together.folds.to(device)

    def at(self, lonlat_deg: Tensor, readers: Sequence[type]) -> list:
        """The readers fitted to (B, N + M, 2) places, embedded once."""
        found: dict[bool, Tensor] = {}
        for reader in readers:
            if reader.of_places not in found:
                embed = unit_vectors if reader.of_places else self.encoder
                flat = torch.as_tensor(embed(lonlat_deg.flatten(0, 1))).to(self.device, torch.float64)
                found[reader.of_places] = flat.unflatten(0, lonlat_deg.shape[:2])
        parts = {of_places: (X[:, : self.n], X[:, self.n :]) for of_places, X in found.items()}
        return [reader(*parts[reader.of_places], self.folds, self.seed) for reader in readers]

    def shares(self, predicted: Tensor, Y: Tensor) -> Tensor:
        """(B, T) shares of predictions (B, M, T, C), of targets (N + M, T, C)."""
        Y = Y.to(predicted)
        return share_read(predicted, Y[self.n :], Y[: self.n].mean(0))


def _turning_the_fields(made: _Reading, together: Together, predict: bool) -> list[list[Shares]]:
    fits = made.at(together.lonlat_deg[None], made.readers)
    wanted = [predict and isinstance(fit, Linear) for fit in fits]
    predictions = [Prediction(fit, together.lonlat_deg) if w else None for fit, w in zip(fits, wanted, strict=True)]
    out: list[list[Shares]] = [[] for _ in fits]
    for index, Y in enumerate(together.turned):
        for fit, prediction, shares in zip(fits, predictions, out, strict=True):
            predicted = fit(Y[: made.n])
            read = made.shares(predicted, Y)[0].cpu()
            expected = torch.full_like(read, torch.nan)
            if prediction is not None:
                expected = prediction(*together.power(index), fit.relative[0]).cpu()
            held = held_out(predicted[0, :, 0], together.places[index])
            shares.append(Shares(read, torch.zeros_like(read), expected, held))
    return out


def _turning_the_places(made: _Reading, together: Together) -> list[list[Shares]]:
    places, n_turns = together.places, len(together.turns.rotations)
    by_columns: dict[int, list[int]] = {}
    for index, own in enumerate(places):
        by_columns.setdefault(own.targets.shape[1], []).append(index)
    Y = {c: torch.stack([places[i].targets for i in of_c], 1) for c, of_c in by_columns.items()}
    read = torch.full((len(made.readers), n_turns, len(places)), torch.nan, dtype=torch.float64)
    banked = torch.full((len(made.readers), n_turns), torch.nan, dtype=torch.float64)
    held: list[dict[int, HeldOut]] = [{} for _ in made.readers]
    batch = _TURNS_AT_ONCE.get(made.device.type, _TURNS_AT_ONCE_ON_A_GPU)
    for first in range(0, n_turns, batch):
        some = slice(first, first + batch)
        # A reader of places alone sees the same distances under every turn.
        asked = [r for r, reader in enumerate(made.readers) if not (first and reader.of_places)]
        turned = turned_deg(together.lonlat_deg, together.turns.rotations[some])
        for r, fit in zip(asked, made.at(turned, [made.readers[r] for r in asked]), strict=True):
            rows = slice(None) if made.readers[r].of_places else some
            Y_bank = together.bank(fit.bank_fields)
            banked[r, rows] = made.shares(fit(Y_bank[: made.n], pooled=True), Y_bank).mean(1).cpu()
            for c, of_c in by_columns.items():
                predicted = fit(Y[c][: made.n])
                read[r, rows, of_c] = made.shares(predicted, Y[c]).cpu()
                if not first:
                    held[r] |= {i: held_out(predicted[0, :, k], places[i]) for k, i in enumerate(of_c)}
    none = torch.full((n_turns,), torch.nan, dtype=torch.float64)
    return [
        [Shares(read[r, :, i], banked[r], none, held[r][i]) for i in range(len(places))]
        for r in range(len(made.readers))
    ]


class Prediction:
    """The share that a linear reader must come to if all it has is the field's power by degree and order.

    1 - [Σ a_lm² MSE_lm + rest·(1 + gain)] / [Σ a_lm² Var_lm + rest]: MSE_lm is the error at the places held back
    when the harmonic itself is read with the penalty that the field chose, and the power beyond the degrees, which
    nothing is assumed to read, comes in through the labels as noise with the gain of the reader's weights.

    Args:
        fit: the reader, of one embedding of the places (N + M, 2) as they are.
    """

    def __init__(self, fit: Linear, lonlat_deg: Tensor):
        harmonics = spherical_harmonics(lonlat_deg, L_MAX + 1, "closed-form") * (4 * torch.pi) ** 0.5
        harmonics, n = harmonics.to(fit.basis), fit.ridge.n
        self.fit, self.labels, self.truth = fit, fit.ridge.project(harmonics[:n]), harmonics[n:]
        self.variances = (self.truth - self.labels.mean).square().mean(-2)
        # Σ over places of (ŷ - y)² from its parts, so that a penalty costs K² and not K·M products a harmonic.
        centred = self.truth - self.labels.mean
        self._squares, self._along = self.variances * len(centred), fit.basis[0].T @ centred
        self._gram = fit.basis[0].T @ fit.basis[0]
        self._errors: dict[float, tuple[Tensor, Tensor]] = {}

    def errors(self, penalty: Tensor) -> tuple[Tensor, Tensor]:
        """(H,) mean squared error of each harmonic read with this penalty, and () what white noise becomes."""
        if float(penalty) not in self._errors:
            weights = self.fit.ridge.shrinkage(penalty[None])[0] * self.labels.coefficients[0]
            missed = self._squares + (weights * (self._gram @ weights - 2 * self._along)).sum(0)
            self._errors[float(penalty)] = missed / len(self.truth), self.fit.noise_gain(penalty[None, None])[0, 0]
        return self._errors[float(penalty)]

    def __call__(self, power: Tensor, rest: Tensor, relative: Tensor) -> Tensor:
        """(T,) shares.

        Args:
            power: (H, T) of the harmonics, Σ being the variance within the degrees.
            rest: (T,) variance beyond them.
            relative: (T,) penalties that the fields chose.
        """
        power, rest, out = power.to(relative), rest.to(relative), torch.empty_like(relative)
        for penalty in relative.unique():
            same = relative == penalty
            missed, gain = self.errors(penalty)
            errors = power[:, same].T @ missed + rest[same] * (1 + gain)
            out[same] = 1 - errors / (power[:, same].T @ self.variances + rest[same])
        return out
