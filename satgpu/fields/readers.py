"""Readers of a field from an embedding: one fit of the places, any number of label sets.

``Reader(X (B, N, D), X_new (B, M, D), folds)`` is fitted to the embeddings of B turns of the places;
``fit(Y (N, T, C), pooled)`` then gives (B, M, T, C) values for T label sets, ``pooled`` where one penalty may
serve all. Classes are read as one indicator each, and the largest is the class named: linear and neighbours
give shares of the classes, the MLP probabilities. ``folds`` (N,) are groups of training places that are left
out together where a penalty is chosen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.fields.turns import BANK_FIELDS
from satgpu.readouts.ridge import PENALTIES, Ridge, standardise

NEIGHBOURS = 10
_FEWER_BANK_FIELDS = 8
_EVERY = 4  # of the penalties first, then those between the best one's neighbours
_LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # of the kernel, chords of the unit sphere
_PLACES_FOR_THE_KERNEL = 1200


class Linear:
    """Ridge on standardised dimensions, factorised once.

    The penalty of each label set is chosen by exact leave-one-out, or by leaving out whole folds of places where the
    split is by blocks: there leave-one-out sees the near neighbours that the test places lack, and takes a penalty far
    too small.
    """

    name = "linear"
    bank_fields = BANK_FIELDS
    of_places = False

    def __init__(self, X: Tensor, X_new: Tensor, folds: Tensor | None = None, seed: int = 0):
        self.ridge = Ridge.factor(X)
        self.basis = self.ridge.basis(X_new.to(X.device))
        self.inner = [] if folds is None else [_Inner(X, folds == fold) for fold in folds.unique()]

    def __call__(self, Y: Tensor, pooled: bool = False) -> Tensor:
        """(B, M, T, C) values at the new places, from labels (N, T, C); ``pooled``: one penalty for all sets."""
        flat, sets = self.columns(Y)
        sets = sets * (not pooled)
        self.relative = self.penalty(flat, sets)  # (B, T), for whoever predicts the shares
        return self.predict(flat, self.relative[..., sets]).unflatten(-1, Y.shape[1:])

    def penalty(self, flat: Tensor, sets: Tensor) -> Tensor:
        """(B, T) relative penalties of label sets, from (N, T·C) labels and the set of each column."""
        if not self.inner:
            return self.ridge.choose(flat, sets, every=_EVERY).relative
        grid = PENALTIES.to(flat)
        scores = sum(inner.squared_errors(flat, grid) for inner in self.inner)  # (A, B, T·C)
        pooled = scores.new_zeros(*scores.shape[:-1], int(sets.max()) + 1).index_add_(-1, sets, scores)
        return grid[pooled.argmin(0)]

    def predict(self, flat: Tensor, relative: Tensor) -> Tensor:
        """(B, M, T·C) from labels (N, T·C) with penalties (B, T·C)."""
        return self.ridge.predict(self.basis, self.ridge.project(flat), relative)

    def noise_gain(self, relative: Tensor) -> Tensor:
        """(B, T) mean over the new places of the squared weights of the labels: what white noise becomes."""
        return 1 / self.ridge.n + (self.basis.square() @ self.ridge.shrinkage(relative).square()).mean(-2)

    def columns(self, Y: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T·C) labels and the set of each column."""
        sets = torch.arange(Y.shape[1], device=self.ridge.U.device).repeat_interleave(Y.shape[2])
        return Y.flatten(1).to(self.ridge.U), sets


class _Inner:
    """One fold left out of the training places."""

    def __init__(self, X: Tensor, out: Tensor):
        self.out = out.to(X.device)
        self.ridge = Ridge.factor(X[..., ~self.out, :])
        self.basis = self.ridge.basis(X[..., self.out, :])

    def squared_errors(self, flat: Tensor, grid: Tensor) -> Tensor:
        """(A, B, T·C) summed over the places left out."""
        labels, truth = self.ridge.project(flat[~self.out]), flat[self.out]
        n_columns = flat.shape[-1]
        return torch.stack(
            [(self.ridge.predict(self.basis, labels, a.expand(n_columns)) - truth).square().sum(-2) for a in grid]
        )


class Neighbours:
    """Mean label of the ten nearest places in the standardised embedding."""

    name = "neighbours"
    bank_fields = _FEWER_BANK_FIELDS
    of_places = False

    def __init__(self, X: Tensor, X_new: Tensor, folds: Tensor | None = None, seed: int = 0):
        scale = standardise(X.double())
        distance = torch.cdist(scale(X_new), scale(X))
        self.nearest = distance.topk(min(NEIGHBOURS, X.shape[-2]), largest=False).indices  # (B, M, k)

    def __call__(self, Y: Tensor, pooled: bool = False) -> Tensor:
        Y = Y.to(self.nearest.device, torch.float64)
        return torch.stack([Y[nearest].mean(1) for nearest in self.nearest])


class Coordinates:
    """The baseline: a Gaussian process on unit vectors, kernel exp(-chord/length), length and noise by leave-one-out.

    ``X`` are the unit vectors of the places. Lengths and noises are compared on at most 1200 of them.
    """

    name = "coordinates"
    bank_fields = _FEWER_BANK_FIELDS
    of_places = True

    def __init__(self, X: Tensor, X_new: Tensor, folds: Tensor | None = None, seed: int = 0):
        # Turns leave all distances as they are: one fit serves all.
        self.n_turns, X, X_new = len(X), X[0].double(), X_new[0].double()
        self.between, self.to_new = torch.cdist(X, X), torch.cdist(X_new, X)
        generator = torch.Generator().manual_seed(seed)
        few = torch.randperm(len(X), generator=generator)[:_PLACES_FOR_THE_KERNEL]
        self.few, self.folds = few.to(X.device), folds

    def __call__(self, Y: Tensor, pooled: bool = False) -> Tensor:
        flat = Y.flatten(1).to(self.between)
        length, noise = self._choose(flat[self.few], self.between[self.few][:, self.few])
        mean = flat.mean(0)
        gram = torch.exp(-self.between / length)
        gram.diagonal().add_(noise)
        weights = torch.cholesky_solve(flat - mean, torch.linalg.cholesky(gram))
        predicted = torch.exp(-self.to_new / length) @ weights + mean
        return predicted.unflatten(-1, Y.shape[1:]).expand(self.n_turns, *[-1] * 3)

    def _choose(self, flat: Tensor, chord: Tensor) -> tuple[float, float]:
        """Length and noise with the least squared error at the places left out, over all label sets."""
        best = (torch.inf, 0.0, 0.0)
        centred = flat - flat.mean(0)
        for length in _LENGTHS:
            w, V = torch.linalg.eigh(torch.exp(-chord / length))
            along = V.T @ centred
            for noise in (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
                inverse = 1 / (w + noise)
                # Residuals of leave-one-out: (K⁻¹y)_i / (K⁻¹)_ii (Rasmussen and Williams 2006, eq. 5.12).
                left = (V @ (inverse[:, None] * along)) / (V.square() @ inverse)[:, None]
                best = min(best, (float(left.square().mean()), length, noise))
        return best[1:]


class Mlp:
    """The study's probe, all label sets and turns batched: probabilities for classes, values for numbers."""

    name = "mlp"
    bank_fields = _FEWER_BANK_FIELDS
    of_places = False

    def __init__(self, X: Tensor, X_new: Tensor, folds: Tensor | None = None, seed: int = 0, **options):
        self.X, self.X_new, self.seed = X.float(), X_new.float(), seed
        self.options = {"standardize": True} | options

    def __call__(self, Y: Tensor, pooled: bool = False) -> Tensor:
        """Indicators (0 and 1) are classes, anything else numbers, standardised for the training."""
        Y = Y.to(self.X.device)
        if bool(((Y == 0) | (Y == 1)).all()):
            return self._classes(Y)
        shift, scale = Y.mean(0), Y.std(0).clamp_min(1e-12)
        sets = ((Y - shift) / scale).flatten(1).T
        fitted = self._fitted("regression", sets)
        values = self._shaped(fitted.predict(self.X_new)).unflatten(-1, Y.shape[1:])
        return values * scale + shift

    def _classes(self, Y: Tensor) -> Tensor:
        labels = (Y[..., 0] if Y.shape[2] == 1 else Y.argmax(-1)).long().T
        fitted = self._fitted("classification", labels)
        proba = torch.as_tensor(fitted.predict_proba(self.X_new)).to(self.X.device, torch.float64)  # (B, T, M, c)
        proba = proba.reshape(len(self.X), -1, *proba.shape[-2:]).transpose(1, 2)
        if Y.shape[2] == 1:
            return proba[..., 1:]
        full = proba.new_zeros(*proba.shape[:-1], Y.shape[2])
        full[..., fitted.classes_] = proba
        return full

    def _fitted(self, task: str, sets: Tensor):
        from satgpu.probes import MLPProbes

        probes = MLPProbes(task, random_state=self.seed, device=self.X.device, **self.options)
        return probes.fit(self.X, sets.expand(len(self.X), -1, -1))

    def _shaped(self, predicted: object) -> Tensor:
        """(B, M, T) from (B, T, M)."""
        return torch.as_tensor(predicted).to(self.X.device, torch.float64).transpose(1, 2)


READERS = {reader.name: reader for reader in (Linear, Mlp, Neighbours, Coordinates)}


def reader_named(name: str) -> type:
    """The reader of this name.

    Raises:
        UserError: there is none.
    """
    if name not in READERS:
        raise unknown_choice("reader", name, READERS)
    return READERS[name]


def share_read(predicted: Tensor, truth: Tensor, training_mean: Tensor) -> Tensor:
    """(...) share of the variance about the training mean that is read, of (..., M, T, C) predictions: (..., T).

    Of numbers it is R²; of classes, over their indicators, the Brier skill score. It may fall below 0.
    """
    missed = (predicted - truth).square().sum((-3, -1))
    return 1 - missed / (truth - training_mean).square().sum((-3, -1))
