"""Ceiling and share read of every harmonic degree, by a linear reader of one embedding at one set of places.

One pass over the harmonics. With U the orthonormal components of the standardised embedding at the n
labelled places and B the same components at the m test places (ridge.py), everything that follows is
small: UᵀF and BᵀF of all harmonics F are kept, E numbers each, and from them come

* the ceiling, Σ (UᵀF)² against Σ F² at the labelled places;
* the fit with any penalty, C = h ∘ (UᵀF + √η·G): UᵀE of white noise E is white noise G, since U has
  orthonormal columns;
* its error at the test places, Σ (F - μ - B C)², by expanding the square.

Shapes: N labelled places, M test places, E components, T harmonics, L degrees 1 to l_max.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.readouts.harmonic_fields import (
    PRIORS,
    degree_of_targets,
    harmonics_in_blocks,
    harmonics_of_two,
    prior_power,
    random_combinations,
    sum_by_degree,
)
from satgpu.readouts.places import PLACES_A_RANK
from satgpu.readouts.ridge import Penalty, Ridge

# Random fields of a degree that choose its penalty; all its harmonics instead move no share by more than .001.
FIELDS_A_DEGREE = 8
COMPOSITE_FIELDS = 16
# The coarse step through the penalties, in half decades; the steps between follow around the best.
_COARSE = 3


@dataclass(frozen=True)
class LinearCurve:
    """What a linear reader reads of each degree.

    Args:
        share: (L,) R² against the noise-free harmonics at places never seen, pooled over each degree.
        ceiling: (L,) share of each degree in the span of the embedding at the labelled places; NaN where
            there are fewer than 8 places a rank.
        composite: (priors,) R² on composite fields, pooled over the fields of a prior.
        penalty: of each degree, then of each prior.
        rank, dropped: of the embedding at the labelled places.
        eigenvalues: (E,) of the Gram matrix over N: variances along the components.
        overlaps: (E, L) Σ (UᵀF)²/N over the harmonics of a degree: 2l+1 of them in full would be 2l+1.
    """

    share: Tensor
    ceiling: Tensor
    composite: Tensor
    penalty: Penalty
    rank: int
    dropped: int
    eigenvalues: Tensor
    overlaps: Tensor


@dataclass
class _Products:
    """Of some whole degrees: what is left of the harmonics once the components have seen them."""

    first: int
    last: int
    coefficients: Tensor  # (E, T) UᵀF at the labelled places
    mean: Tensor  # (T,)
    total: Tensor  # (T,) sum of squares about the mean
    overlap: Tensor  # (E, T) BᵀF at the test places
    test_sum: Tensor  # (T,)
    test_squares: Tensor  # (T,)


def linear_curve(
    Z: Tensor,
    Z_test: Tensor,
    places_deg: Tensor,
    test_deg: Tensor,
    l_max: int,
    noise: float,
    generator: torch.Generator,
    blocks: Iterable[tuple[int, int, Tensor, Tensor]] | None = None,
) -> LinearCurve:
    """Share read and ceiling of degrees 1 to l_max.

    Args:
        Z: (N, D) embeddings of the labelled places, on the device of the arithmetic.
        Z_test: (M, D) of the test places.
        places_deg, test_deg: (N, 2) and (M, 2) degrees.
        l_max: highest degree.
        noise: variance of the label noise, as a share of a field's.
        generator: of the label noise and the fields that choose the penalties, on the CPU.
        blocks: the harmonics at the labelled and at the test places, as ``EmbeddedPlaces.harmonics`` gives them;
            worked out here by default.
    """
    ridge = Ridge.factor(Z, exact=True)
    blocks = blocks or harmonics_of_two(places_deg.to(ridge.U), test_deg.to(ridge.U), l_max)
    basis = ridge.basis(Z_test)
    powers = [prior_power(prior, l_max) for prior in PRIORS]
    products, fields, composite, composite_test = [], [], 0.0, 0.0
    for first, last, train, test in blocks:
        products.append(_products(ridge, basis, train, test, first, last))
        parts = train.split([2 * degree + 1 for degree in range(first, last + 1)], dim=1)
        mixes = random_combinations(first, last, FIELDS_A_DEGREE, generator)
        fields += [part @ mix.to(part) for part, mix in zip(parts, mixes, strict=True)]
        mix = _composite_mix(powers, first, last, generator).to(train)
        composite, composite_test = composite + train @ mix, composite_test + test @ mix
    labels = torch.cat([*fields, composite], 1)
    labels = labels + math.sqrt(noise) * _normal(labels.shape, generator).to(labels)
    sizes = torch.tensor([FIELDS_A_DEGREE] * l_max + [COMPOSITE_FIELDS] * len(PRIORS))
    penalty = ridge.choose(labels, torch.arange(len(sizes)).repeat_interleave(sizes), every=_COARSE)
    gram, basis_sum = basis.mT @ basis, basis.sum(0)
    share = [_share(ridge, gram, basis_sum, len(basis), p, penalty, noise, generator) for p in products]
    return LinearCurve(
        share=torch.cat(share).cpu(),
        ceiling=torch.cat([_ceiling(ridge, p) for p in products]).cpu(),
        composite=_composite_share(ridge, basis, labels, composite_test, penalty).cpu(),
        penalty=penalty,
        rank=int(ridge.rank),
        dropped=int(ridge.dropped),
        eigenvalues=(ridge.eigenvalues / ridge.n).cpu(),
        overlaps=torch.cat([sum_by_degree(p.coefficients.square(), p.first, p.last) for p in products], 1).cpu()
        / ridge.n,
    )


def ceiling_curve(Z: Tensor, places_deg: Tensor, l_max: int) -> tuple[Tensor, int]:
    """Share of each degree in the span of the embedding's dimensions and a constant, and the rank.

    P(l) = 1 - (RSS/TSS)·(n - 1)/(n - r - 1), least squares, pooled over the harmonics of a degree. The
    adjustment is exact for residuals that know nothing of the embedding; harmonics just beyond what is held are
    smooth and do, which adds of the order of (r/n)² to degrees up to three times the finest held. The sum over
    all degrees of a planted 256-wide mix is 288 at n = 4r, 264 at 8r and 256 at 16r and above, hence 8.

    Args:
        Z: (N, D) embeddings at places uniform by area, N at least 8 times D.
        places_deg: (N, 2) degrees.

    Returns:
        (L,) ceilings (NaN where N is below 8 ranks) and the numerical rank.
    """
    ridge = Ridge.factor(Z, exact=True)
    parts = []
    for first, last, values in harmonics_in_blocks(places_deg.to(ridge.U), l_max):
        parts.append(_ceiling(ridge, _products(ridge, ridge.U[:0], values, values[:0], first, last)))
    return torch.cat(parts).cpu(), int(ridge.rank)


def _products(ridge: Ridge, basis: Tensor, train: Tensor, test: Tensor, first: int, last: int) -> _Products:
    mean = train.mean(0)
    return _Products(
        first=first,
        last=last,
        coefficients=ridge.U.mT @ train,
        mean=mean,
        total=_squares(train) - len(train) * mean.square(),
        overlap=basis.mT @ test,
        test_sum=test.sum(0),
        test_squares=_squares(test),
    )


def _squares(values: Tensor) -> Tensor:
    """(T,) sums of squares, without a copy of the values."""
    return torch.linalg.vector_norm(values, dim=0).square()


def _ceiling(ridge: Ridge, p: _Products) -> Tensor:
    """(degrees,) P of some whole degrees."""
    rank, n = int(ridge.rank), ridge.n
    if n < PLACES_A_RANK * rank:
        return torch.full((p.last - p.first + 1,), torch.nan, dtype=torch.float64)
    missed = sum_by_degree(p.total - p.coefficients.square().sum(0), p.first, p.last)
    return 1 - missed / sum_by_degree(p.total, p.first, p.last) * (n - 1) / (n - rank - 1)


def _share(
    ridge: Ridge,
    gram: Tensor,
    basis_sum: Tensor,
    m: int,
    p: _Products,
    penalty: Penalty,
    noise: float,
    generator: torch.Generator,
) -> Tensor:
    """(degrees,) R² at the test places of some whole degrees."""
    degree = degree_of_targets(p.first, p.last).to(p.mean.device)
    white = _normal((len(p.coefficients) + 1, len(degree)), generator).to(p.mean)
    mean = p.mean + math.sqrt(noise / ridge.n) * white[-1]
    C = ridge.shrinkage(penalty.relative[degree - 1]) * (p.coefficients + math.sqrt(noise) * white[:-1])
    squares = p.test_squares - 2 * mean * p.test_sum + m * mean.square()
    cross = (C * (p.overlap - basis_sum[:, None] * mean)).sum(0)
    error = squares - 2 * cross + (C * (gram @ C)).sum(0)
    total = p.test_squares - p.test_sum.square() / m
    return 1 - sum_by_degree(error, p.first, p.last) / sum_by_degree(total, p.first, p.last)


def _composite_mix(powers: list, first: int, last: int, generator: torch.Generator) -> Tensor:
    """(T, priors · fields) coefficients of the harmonics of some degrees in composite fields of each prior."""
    columns = []
    for power in powers:
        mixes = random_combinations(first, last, COMPOSITE_FIELDS, generator)
        columns.append(torch.cat([mix * math.sqrt(p) for mix, p in zip(mixes, power[first - 1 : last], strict=True)]))
    return torch.cat(columns, 1)


def _composite_share(ridge: Ridge, basis: Tensor, labels: Tensor, truth: Tensor, penalty: Penalty) -> Tensor:
    """(priors,) R² pooled over the composite fields, which are the last of the labels."""
    n_fields = truth.shape[1]
    predicted = ridge.predict(basis, ridge.project(labels[:, -n_fields:]), penalty.per_target()[-n_fields:])
    missed = (truth - predicted).square().sum(0).view(-1, COMPOSITE_FIELDS).sum(1)
    return 1 - missed / (truth - truth.mean(0)).square().sum(0).view(-1, COMPOSITE_FIELDS).sum(1)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device)
