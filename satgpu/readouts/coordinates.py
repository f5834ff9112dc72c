"""What coordinates alone allow: bounds that hold for every encoder, and a practical baseline.

For a Gaussian field of a stated prior, its posterior mean given the n noisy labels has the least expected
squared error of all readers of places and labels, whatever encoder they use. Its share, one less the mean
posterior variance, needs no labels. In harmonics f = Σ_j a_j Y_j with prior variances s_j², the posterior
covariance of a is C = (S⁻² + ΦᵀΦ/η)⁻¹, and since E[Y_i Y_j] = δ_ij over the sphere, the mean variance is the
trace of C: no test places either.

* Degree known (kernel P_l): bounds the share of single-degree fields.
* Composite prior: bounds shares measured on composite fields of that prior, in all and by degree.
* The adaptive Gaussian process is no bound: it doesn't know the degree, and chooses the length of a smooth
  kernel by marginal likelihood (Rasmussen and Williams 2006, eq. 5.8), as one would in practice.

Shapes: N labelled places, M test places, E harmonics, L degrees 1 to l_max, T targets.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from satgpu.geometry.sphere import unit_vectors
from satgpu.readouts.harmonic_fields import degree_of_targets, harmonics_in_blocks, sum_by_degree

_LEAST_NOISE = 1e-9  # a bound without noise is the limit from above
_LENGTHS = 10


def degree_known_bound(places_deg: Tensor, l_max: int, noise: float) -> Tensor:
    """(L,) greatest expected share of a field of degree l, for a reader that knows the degree and the noise.

    Args:
        places_deg: (N, 2) labelled places, on the device of the arithmetic.
        l_max: highest degree.
        noise: variance of the label noise, as a share of the field's.
    """
    noise = max(noise, _LEAST_NOISE)
    shares = []
    for first, last, values in harmonics_in_blocks(places_deg.double(), l_max):
        for degree in range(first, last + 1):
            Y = values[:, degree * degree - first * first : (degree + 1) ** 2 - first * first]
            precision = torch.linalg.eigvalsh(Y.T @ Y / (2 * degree + 1)).clamp_min(0)
            shares.append(1 - (noise / (precision + noise)).mean())
    return torch.stack(shares).cpu()


def composite_bound(places_deg: Tensor, power: np.ndarray, noise: float) -> tuple[float, Tensor]:
    """Greatest expected share of a composite field, for a reader that knows its power and the noise.

    Args:
        places_deg: (N, 2) labelled places.
        power: (L,) of degrees 1 to L.
        noise: variance of the label noise, as a share of Σ power.

    Returns:
        The share in all, and (L,) that of each degree's part of the field.
    """
    power_L = torch.as_tensor(power, dtype=torch.float64, device=places_deg.device)
    noise = max(noise, _LEAST_NOISE) * float(power_L.sum())
    l_max = len(power_L)
    degree = degree_of_targets(1, l_max).to(power_L.device)
    variance_E = power_L[degree - 1] / (2 * degree + 1)
    learned_E = _learned_by_places if len(places_deg) < len(degree) else _learned_by_harmonics
    learned_L = sum_by_degree(learned_E(places_deg.double(), variance_E, noise, l_max), 1, l_max)
    return float(learned_L.sum() / power_L.sum()), (learned_L / power_L.clamp_min(1e-300)).cpu()


def _learned_by_places(places_deg: Tensor, variance_E: Tensor, noise: float, l_max: int) -> Tensor:
    """(E,) prior less posterior variance: the diagonal of S²Φᵀ(ΦS²Φᵀ + ηI)⁻¹ΦS², by an (N, N) factor."""
    covariance = noise * torch.eye(len(places_deg), dtype=torch.float64, device=places_deg.device)
    for first, last, values in harmonics_in_blocks(places_deg, l_max):
        covariance += (values * variance_E[first**2 - 1 : (last + 1) ** 2 - 1]) @ values.T
    factor = torch.linalg.cholesky(covariance)
    parts = []
    for first, last, values in harmonics_in_blocks(places_deg, l_max):
        some = variance_E[first**2 - 1 : (last + 1) ** 2 - 1]
        parts.append(torch.linalg.solve_triangular(factor, values * some, upper=False).square().sum(0))
    return torch.cat(parts)


def _learned_by_harmonics(places_deg: Tensor, variance_E: Tensor, noise: float, l_max: int) -> Tensor:
    """(E,) the same by a (E, E) factor: S² less the diagonal of S(I + SΦᵀΦS/η)⁻¹S."""
    scaled = torch.cat([values for _, _, values in harmonics_in_blocks(places_deg, l_max)], 1) * variance_E.sqrt()
    precision = scaled.T @ scaled / noise
    precision.diagonal().add_(1)
    posterior = torch.cholesky_inverse(torch.linalg.cholesky(precision)).diagonal()
    return variance_E * (1 - posterior)


def gaussian_process(
    places_deg: Tensor, labels: Tensor, groups: Tensor, test_deg: Tensor, noise: float, l_max: int
) -> Tensor:
    """(M, T) predictions of an adaptive Gaussian process on unit vectors.

    Kernel exp(κ(cos γ - 1)) and a constant; κ from ten lengths between those of degree 1 and l_max, by
    marginal likelihood pooled over each group of targets, with the amplitude profiled out. It is told the
    ratio of noise to signal.

    Args:
        places_deg, test_deg: (N, 2) and (M, 2), on the device of the arithmetic.
        labels: (N, T) noisy values.
        groups: (T,) int64; the targets of a group share a length.
        noise: variance of the noise, as a share of the field's.
        l_max: finest degree the lengths reach.
    """
    xyz, xyz_test = unit_vectors(places_deg.double()), unit_vectors(test_deg.double())
    n, n_groups = len(xyz), int(groups.max()) + 1
    best = torch.full((n_groups,), -math.inf, dtype=torch.float64, device=labels.device)
    predicted = torch.zeros(len(xyz_test), labels.shape[1], dtype=torch.float64, device=labels.device)
    # The power of the kernel by degree peaks near l = √κ.
    for root in torch.logspace(-0.3, math.log10(max(2.0, 1.2 * l_max)), _LENGTHS, dtype=torch.float64).tolist():
        covariance = _kernel(xyz, xyz, root)
        covariance.diagonal().add_(max(noise, 1e-6))
        factor = torch.linalg.cholesky(covariance)
        del covariance  # of the n² at 16,000 places, 2 GB each, only two exist at a time
        weights = torch.cholesky_solve(labels, factor)
        fit = (labels * weights).sum(0)
        likelihood = -0.5 * n * (fit / n).log() - factor.diagonal().log().sum()
        pooled = torch.zeros_like(best).index_add_(0, groups, likelihood)
        better = pooled > best
        best = torch.where(better, pooled, best)
        some = better[groups]
        if some.any():
            predicted[:, some] = _kernel(xyz_test, xyz, root) @ weights[:, some]
    return predicted


def _kernel(a: Tensor, b: Tensor, root: float) -> Tensor:
    """(A, B) values of exp(κ(cos γ - 1)) + 1 between unit vectors, κ = root²."""
    return (a @ b.T).sub_(1).mul_(root**2).exp_().add_(1)
