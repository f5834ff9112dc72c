"""The share that n labels will buy, predicted for every n from one unlabelled sample of the embedding.

Ridge with many dimensions is deterministic in n (Bordelon et al. 2020, Canatar et al. 2021, Simon et al. 2023,
eq. 5 to 7). With λ_k the variances of the standardised embedding along its components, κ the effective penalty
and L_k = λ_k/(λ_k + κ) the part of component k that is learned, Σ_k L_k ≤ n, and the expected squared error is

    E = (Σ_k (1 - L_k)² v_k² + v_out² + η) / (1 - Σ_k L_k²/n) - η,

v_k² the field's power along component k, v_out² its power outside the span, η the noise. The reader chooses its
penalty, so κ is where E is least. λ_k and v_k² ("overlaps") need places, not labels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from satgpu.readouts.harmonic_fields import harmonics_in_blocks, sum_by_degree
from satgpu.readouts.ridge import Ridge

_PENALTIES_A_DECADE = 8


def spectrum_and_overlaps(Z: Tensor, places_deg: Tensor, l_max: int) -> tuple[np.ndarray, np.ndarray]:
    """What the prediction needs, from places alone.

    Args:
        Z: (N, D) embeddings at places uniform by area, N well above D.
        places_deg: (N, 2) degrees.
        l_max: highest degree.

    Returns:
        (E,) variances along the components, largest first, and (E, L) share of the power of each degree along
        each component, freed from what N places give to any component by chance.
    """
    ridge = Ridge.factor(Z, exact=True)
    n, rank = ridge.n, int(ridge.rank)
    parts = []
    for first, last, values in harmonics_in_blocks(places_deg.to(ridge.U), l_max):
        centred = values - values.mean(0)
        total = sum_by_degree(centred.square().sum(0), first, last)
        along = sum_by_degree((ridge.U.mT @ values).square(), first, last)[:rank]
        missed = (total - along.sum(0)) / (n - rank - 1)
        parts.append((along - missed) / total)
    return (ridge.eigenvalues[:rank] / n).cpu().numpy(), torch.cat(parts, 1).cpu().numpy()


def predicted_share(variances_E: np.ndarray, overlaps_EL: np.ndarray, n_labels: np.ndarray, noise: float) -> np.ndarray:
    """(S, L) share read of each degree from each of (S,) numbers of labels, the penalty at its best.

    >>> predicted_share(np.ones(10), np.full((10, 1), 0.1), np.array([1000]), 0.1).round(3).tolist()
    [[0.999]]
    """
    out_L = 1 - overlaps_EL.sum(0)
    kappa_A = np.geomspace(variances_E[0] * 1e-10, variances_E[0] * 1e4, 14 * _PENALTIES_A_DECADE + 1)
    learned_AE = variances_E / (variances_E + kappa_A[:, None])
    missed_AL = (1 - learned_AE) ** 2 @ overlaps_EL + out_L
    shares = []
    for n in np.asarray(n_labels, dtype=float):
        # κ is possible where some penalty of 0 or more leads to it: n ≥ Σ L. One label goes to the mean.
        possible_A = learned_AE.sum(1) < n - 1
        inflation_A = 1 / (1 - np.minimum((learned_AE**2).sum(1), n - 1.5) / (n - 1))
        error_AL = inflation_A[:, None] * (missed_AL + noise) - noise
        shares.append(1 - error_AL[possible_A].min(0) - (1 + noise) / n)
    return np.array(shares)
