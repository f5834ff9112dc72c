"""Other readers of the same noisy fields: neighbours in the embedding, small MLPs, a Gaussian process.

Each reads random fields of a degree at the places of a draw and is scored as the linear reader is: R² against the
noise-free field at places never seen, pooled over the fields of a degree. Composite fields are read beside them.

Shapes: N labelled places, M test places, T targets, L degrees 1 to l_max.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from satgpu.readouts.coordinates import gaussian_process
from satgpu.readouts.harmonic_fields import PRIORS, composite_fields, prior_power, single_degree_fields
from satgpu.readouts.places import EmbeddedPlaces
from satgpu.readouts.ridge import standardise

_FIELDS_A_DEGREE = 8
_COMPOSITE_FIELDS = 16
_NEIGHBOURS = (1, 2, 3, 5, 8, 12, 18, 27, 40)
_CHUNK_ELEMENTS = 1 << 24
# An MLP takes a hundred times as long as a ridge: these degrees are read, those between interpolated.
_MLP_STEP = 1.15
MLP_FIELDS = 2
_ONE_TRAINER = Lock()  # Lightning sets logging and warnings of the whole process while it trains


@dataclass(frozen=True)
class Fields:
    """Random fields at the places of a draw.

    Args:
        labels: (N, T) noisy values at the labelled places.
        truth: (M, T) noise-free values at the test places.
        groups: (T,) int64: degree less one of a single-degree field; then one for each prior.
        l_max: L.
    """

    labels: Tensor
    truth: Tensor
    groups: Tensor
    l_max: int


def draw_fields(draw: EmbeddedPlaces, l_max: int, noise: float, fields_a_degree: int = _FIELDS_A_DEGREE) -> Fields:
    """Random fields of every degree and of both priors, with label noise."""
    generator = draw.generator("fields")
    places = torch.cat([draw.places_deg, draw.test_deg]).double()
    single = single_degree_fields(places, l_max, fields_a_degree, generator)
    composite = [composite_fields(places, prior_power(p, l_max), _COMPOSITE_FIELDS, generator) for p in PRIORS]
    values = torch.cat([single, *composite], 1)
    white = torch.randn(draw.n, values.shape[1], generator=generator, dtype=torch.float64)
    sizes = [fields_a_degree] * l_max + [_COMPOSITE_FIELDS] * len(PRIORS)
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)).to(values.device)
    return Fields(values[: draw.n] + math.sqrt(noise) * white.to(values), values[draw.n :], groups, l_max)


def pooled_r2(truth: Tensor, predicted: Tensor, groups: Tensor) -> np.ndarray:
    """(G,) R² over all targets of each group together."""
    missed = (truth - predicted).square().sum(0)
    total = (truth - truth.mean(0)).square().sum(0)
    n_groups = int(groups.max()) + 1
    pool = [v.new_zeros(n_groups).index_add_(0, groups, v) for v in (missed, total)]
    return (1 - pool[0] / pool[1]).cpu().numpy()


def read_by_neighbours(draw: EmbeddedPlaces, fields: Fields, noise: float) -> Tensor:
    """(M, T) means over the nearest places in the standardised embedding, their number by leave-one-out."""
    to_standard = standardise(draw.Z.double())
    Z, Z_test = to_standard(draw.Z), to_standard(draw.Z_test)
    n_groups, most = int(fields.groups.max()) + 1, min(max(_NEIGHBOURS), draw.n - 1)
    own, near = _nearest(Z, Z, most + 1)[:, 1:], _nearest(Z_test, Z, most)
    best = torch.full((n_groups,), math.inf, dtype=torch.float64, device=Z.device)
    predicted = torch.zeros_like(fields.truth)
    for k in (k for k in _NEIGHBOURS if k <= most):
        left_out = (fields.labels - _mean_of(fields.labels, own[:, :k])).square().sum(0)
        pooled = torch.zeros_like(best).index_add_(0, fields.groups, left_out)
        better = (pooled < best)[fields.groups]
        best = torch.minimum(best, pooled)
        if better.any():
            predicted[:, better] = _mean_of(fields.labels[:, better], near[:, :k])
    return predicted


def read_by_mlps(draw: EmbeddedPlaces, fields: Fields, noise: float, **options: object) -> Tensor:
    """(M, T) predictions of the notebook's MLP on standardised inputs, regression on the same noisy values.

    ``options`` are those of ``ProbeOptions``.
    """
    from satgpu.probes import MLPProbes  # the only reader that trains

    to_standard = standardise(draw.Z.double())
    probes = MLPProbes("regression", random_state=draw.seed, device=draw.Z.device, **{"max_iter": 500} | options)
    with _ONE_TRAINER:
        probes.fit(to_standard(draw.Z).float(), fields.labels.T.float())
    return torch.as_tensor(probes.predict(to_standard(draw.Z_test).float())).T.double().to(fields.truth)


def read_by_gaussian_process(draw: EmbeddedPlaces, fields: Fields, noise: float) -> Tensor:
    """(M, T) predictions from coordinates alone."""
    return gaussian_process(draw.places_deg, fields.labels, fields.groups, draw.test_deg, noise, fields.l_max)


def measured_degrees(l_max: int) -> np.ndarray:
    """The degrees an MLP reads: all up to 5, then steps of 15 %, and the last."""
    degrees, at = [], 5.0
    while at * _MLP_STEP < l_max:
        at = max(at * _MLP_STEP, at + 1)
        degrees.append(round(at))
    return np.unique([*range(1, min(5, l_max) + 1), *degrees, l_max])


def some_degrees(fields: Fields, degrees: np.ndarray) -> Fields:
    """Only these single-degree groups, renumbered, and the composite ones."""
    kept = torch.tensor([*(degrees - 1), *range(fields.l_max, fields.l_max + len(PRIORS))])
    kept = kept.to(fields.groups.device)
    columns = torch.isin(fields.groups, kept)
    groups = torch.searchsorted(kept, fields.groups[columns])
    return Fields(fields.labels[:, columns], fields.truth[:, columns], groups, fields.l_max)


def without_composites(fields: Fields, n_groups: int) -> Fields:
    """Only the first groups, those of single degrees."""
    columns = fields.groups < n_groups
    return Fields(fields.labels[:, columns], fields.truth[:, columns], fields.groups[columns], fields.l_max)


def _nearest(queries: Tensor, Z: Tensor, k: int) -> Tensor:
    """(M, k) rows of Z nearest to each query, nearest first."""
    rows = max(1, _CHUNK_ELEMENTS // len(Z))
    return torch.cat([torch.cdist(some, Z).topk(k, largest=False).indices for some in queries.split(rows)])


def _mean_of(labels: Tensor, rows: Tensor) -> Tensor:
    """(M, T) means of the labels at (M, k) rows."""
    total = labels[rows[:, 0]].clone()
    for column in rows[:, 1:].T:
        total += labels[column]
    return total / rows.shape[1]
