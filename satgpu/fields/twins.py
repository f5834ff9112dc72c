"""What training gave: an encoder's parts less those of untrained encoders of its architecture."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from satgpu.encoders import load_encoder, untrained_twin
from satgpu.encoders.base import Encoder
from satgpu.encoders.geoclip import GeoClip
from satgpu.errors import UserError
from satgpu.fields.parts import PARTS, Interval


def untrained_twins(encoder: Encoder, n_seeds: int, device: torch.device | str = "cpu") -> list[Encoder]:
    """Untrained encoders of the same architecture, one for each seed from 1.

    Raises:
        UserError: the architecture isn't known, or fewer than two seeds.
    """
    if n_seeds < 2:
        raise UserError(f"twins must be at least 2 seeds, 5 to be trusted; got {n_seeds}")
    if isinstance(encoder, GeoClip):
        return [encoder.untrained(seed) for seed in range(1, n_seeds + 1)]
    spec = untrained_twin(encoder)
    if spec is None:
        raise UserError(f"encoder {encoder.name!r} has no untrained twin known; give the twins as a list of encoders")
    return [load_encoder(f"{spec}-seed{seed}", device, dtype=torch.float32) for seed in range(1, n_seeds + 1)]


def gain_of_training(trained: Tensor, untrained: Tensor) -> dict[str, tuple[float, Interval]]:
    """Each part's gain with its 95 % interval, over the same draws of places.

    The error has two sources: draws of places, which trained and untrained share, and seeds of the weights,
    of which the trained encoder is one and the twins' spread tells the rest. Degrees of freedom by
    Satterthwaite 1946. From one twin, such as an encoder's own weights before its training, the interval is over the
    draws alone: it says what training made of these weights, not of others.

    Args:
        trained: (D, 4) parts by draw.
        untrained: (S, D, 4) of each seed.
    """
    n_seeds, n_draws = untrained.shape[:2]
    difference = trained - untrained.mean(0)
    mean = difference.mean(0)
    of_draws = difference.var(0) / n_draws if n_draws > 1 else torch.full_like(mean, math.nan)
    of_seeds = untrained.mean(1).var(0) / n_seeds if n_seeds > 1 else torch.zeros_like(mean)
    total = of_draws + of_seeds
    freedom = total.square() / (of_draws.square() / max(n_draws - 1, 1) + of_seeds.square() / max(n_seeds - 1, 1))
    half = torch.from_numpy(stats.t.ppf(0.975, freedom.numpy())) * total.sqrt()
    bounds = zip(mean.tolist(), (mean - half).tolist(), (mean + half).tolist(), strict=True)
    return {part: (value, (low, high)) for part, (value, low, high) in zip(PARTS, bounds, strict=True)}
