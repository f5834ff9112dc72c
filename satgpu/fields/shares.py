"""What a reader reads of a field as it lies, of the field turned, and of the bank: one draw of places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.encoders.base import Encoder
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.fields.field import Field, class_index
from satgpu.fields.harmonics import L_MAX, field_coefficients, turned_coefficients
from satgpu.fields.readers import Linear, share_read
from satgpu.fields.splits import Places
from satgpu.fields.turns import BANK_FIELDS, Turns, bank, turned_deg
from satgpu.geometry import unit_vectors

_TURNS_AT_ONCE = {"cpu": 1}
_TURNS_AT_ONCE_ON_A_GPU = 16
_FEWER_BANK_FIELDS = 8  # for readers that pay for each label set


@dataclass(frozen=True)
class Shares:
    """Shares of variance read at the places held back.

    Args:
        field: (T,) of the field under each turn, turn 0 none.
        bank: (T,) mean over the bank of random fields where the places lie; 0 where the field itself is turned.
        predicted: (T,) from the field's power by degree and order; NaN where it has none on the whole sphere.
        right, macro_f1: share of places whose class is named, and the mean F1 of the classes; NaN for numbers.
        residual: (M,) value less prediction at the places held back; for classes 1 less the true class's share.
    """

    field: Tensor
    bank: Tensor
    predicted: Tensor
    right: float
    macro_f1: float
    residual: Tensor


def measure(
    encoder: Encoder,
    field: Field,
    places: Places,
    turns: Turns,
    reader: type,
    device: torch.device | str = "cpu",
    predict: bool = False,
    seed: int = 0,
) -> Shares:
    """The shares of one draw of places.

    Args:
        reader: a class of :mod:`satgpu.fields.readers`.
        predict: also predict the shares, where the field is given everywhere and the reader is linear.

    Raises:
        UserError: the field is missing at places where it was said to be given.
    """
    made = _Reading(encoder, places, reader, device, seed)
    if field.everywhere:
        return _turning_the_field(made, field, places, turns, predict)
    return _turning_the_places(made, places, turns)


class _Reading:
    """A reader of one encoder at one draw of places, turned or not."""

    def __init__(self, encoder: Encoder, places: Places, reader: type, device: torch.device | str, seed: int):
        self.encoder, self.places, self.reader = encoder, places, reader
        self.device, self.seed, self.n = torch.device(device), seed, places.n_labels
        self.folds = None if places.folds is None else places.folds.to(device)

    def at(self, lonlat_deg: Tensor):
        """The reader fitted to (B, N + M, 2) places."""
        embed = unit_vectors if self.reader.name == "coordinates" else self.encoder
        flat = torch.as_tensor(embed(lonlat_deg.flatten(0, 1))).to(self.device, torch.float64)
        X = flat.unflatten(0, lonlat_deg.shape[:2])
        return self.reader(X[:, : self.n], X[:, self.n :], self.folds, self.seed)

    def shares(self, predicted: Tensor, Y: Tensor) -> Tensor:
        """(B, T) shares of predictions (B, M, T, C), of targets (N + M, T, C)."""
        Y = Y.to(predicted)
        return share_read(predicted, Y[self.n :], Y[: self.n].mean(0))


def _turning_the_field(made: _Reading, field: Field, places: Places, turns: Turns, predict: bool) -> Shares:
    fit = made.at(places.lonlat_deg[None])
    lonlat = turned_deg(places.lonlat_deg, turns.rotations)
    Y = torch.stack([field.at(one) for one in lonlat], 1)
    if not torch.isfinite(Y).all():
        raise UserError(f"field {field.name!r} is missing at some places though given at others all over the Earth")
    Y[:, 0] = places.targets
    predicted = fit(Y[: made.n])
    shares = made.shares(predicted, Y)[0].cpu()
    prediction = torch.full_like(shares, torch.nan)
    if predict and isinstance(fit, Linear):
        prediction = predicted_shares(fit, field, places, turns, Y)
    return Shares(shares, torch.zeros_like(shares), prediction, *_scores(predicted[0, :, 0], places))


def _turning_the_places(made: _Reading, places: Places, turns: Turns) -> Shares:
    n_bank = BANK_FIELDS if made.reader is Linear else _FEWER_BANK_FIELDS
    Y = places.targets[:, None]
    Y_bank = bank(places.lonlat_deg, made.seed, n_bank)[..., None]
    batch = _TURNS_AT_ONCE.get(made.device.type, _TURNS_AT_ONCE_ON_A_GPU)
    shares, banked = [], []
    for rotations in turns.rotations.split(batch):
        fit = made.at(turned_deg(places.lonlat_deg, rotations))
        predicted = fit(Y[: made.n])
        shares.append(made.shares(predicted, Y)[:, 0].cpu())
        banked.append(made.shares(fit(Y_bank[: made.n], pooled=True), Y_bank).mean(1).cpu())
        if len(shares) == 1:
            scores = _scores(predicted[0, :, 0], places)
    shares = torch.cat(shares)
    return Shares(shares, torch.cat(banked), torch.full_like(shares, torch.nan), *scores)


def _scores(predicted: Tensor, places: Places) -> tuple[float, float, Tensor]:
    """Share of classes named right, macro-F1 and residuals of predictions (M, C)."""
    predicted = predicted.cpu()
    truth = places.targets[places.n_labels :]
    indicators = bool(((places.targets == 0) | (places.targets == 1)).all())
    if not indicators:
        return float("nan"), float("nan"), (truth - predicted)[:, 0]
    true, named = class_index(truth), class_index(predicted)
    shares = torch.cat([1 - predicted, predicted], 1) if truth.shape[1] == 1 else predicted
    missed = 1 - shares.gather(1, true[:, None])[:, 0]
    return float((true == named).double().mean()), macro_f1(true, named), missed


def macro_f1(true: Tensor, named: Tensor) -> float:
    """Mean over the classes met or named of 2·hits / (places of the class + places named so)."""
    n_classes = int(max(true.max(), named.max())) + 1
    hits = torch.bincount(true[true == named], minlength=n_classes).double()
    both = torch.bincount(true, minlength=n_classes) + torch.bincount(named, minlength=n_classes)
    return float((2 * hits / both)[both > 0].mean())


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

    def __call__(self, power: Tensor, rest: Tensor, relative: Tensor) -> Tensor:
        """(T,) shares.

        Args:
            power: (H, T) of the harmonics, Σ being the variance within the degrees.
            rest: (T,) variance beyond them.
            relative: (T,) penalties that the fields chose.
        """
        out = torch.empty_like(relative)
        for penalty in relative.unique():
            same, each = relative == penalty, penalty.expand(len(power))
            missed = (self.fit.ridge.predict(self.fit.basis, self.labels, each)[0] - self.truth).square().mean(0)
            gain = self.fit.noise_gain(penalty[None, None])[0, 0]
            errors = power[:, same].T @ missed + rest[same] * (1 + gain)
            out[same] = 1 - errors / (power[:, same].T @ self.variances + rest[same])
        return out


def predicted_shares(fit: Linear, field: Field, places: Places, turns: Turns, Y: Tensor) -> Tensor:
    """(T,) shares predicted for the field under each turn, whose values are Y (N + M, T, C)."""
    a, variance = field_coefficients(field)
    power = turned_coefficients(a, turns.rotations).square().sum(-1).to(fit.basis) / (4 * torch.pi)
    rest = (variance.sum().to(power) - power.sum(0)).clamp_min(0)
    relative = fit.penalty(*fit.columns(Y[: places.n_labels]))[0]
    return Prediction(fit, places.lonlat_deg)(power, rest, relative).cpu()
