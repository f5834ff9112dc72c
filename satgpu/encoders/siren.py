"""SIREN: the sine network behind SatCLIP's harmonics."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from satgpu.encoders.base import ChunkedEncoder, Provenance
from satgpu.encoders.harmonics import check_harmonics, empty_rows, fill_harmonics

FIRST_FREQUENCY = 30.0
# Harmonics of one chunk: in the last-level cache of a CPU, and large enough products on a GPU.
_FEATURE_BYTES = {"cpu": 32 * 2**20, "cuda": 512 * 2**20}


@dataclass(frozen=True)
class SirenWeights:
    """Weights and biases, first layer to last: (H, L²), (H, H), …, (D, H).

    The first layer's output goes through sin(30·), the middle ones' through
    sin(·), the last one's through nothing (Sitzmann et al. 2020).
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def dim(self) -> int:
        return self.layers[-1][0].shape[0]

    @property
    def legendre_polys(self) -> int:
        """L, from the L² features that the first layer takes."""
        return math.isqrt(self.layers[0][0].shape[1])

    def tensors(self) -> list[Tensor]:
        return [tensor for layer in self.layers for tensor in layer]


def draw_siren(features: int, width: int, dim: int, hidden_layers: int, generator: torch.Generator) -> SirenWeights:
    """Untrained float64 weights, as SatCLIP draws them before training.

    The first layer is uniform in ±1/fan_in, the others in ±√(6/fan_in), and
    biases have the range of their weights.
    """
    sizes = [features, *[width] * hidden_layers, dim]
    layers = []
    for index, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in)
        weight, bias = torch.empty(fan_out, fan_in, dtype=torch.float64), torch.empty(fan_out, dtype=torch.float64)
        weight.uniform_(-bound, bound, generator=generator)
        bias.uniform_(-bound, bound, generator=generator)
        layers.append((weight, bias))
    return SirenWeights(tuple(layers))


def siren(features: Tensor, weights: SirenWeights) -> Tensor:
    """(B, D) embeddings of (B, L²) features."""
    *hidden, (last_weight, last_bias) = weights.layers
    for index, (weight, bias) in enumerate(hidden):
        features = functional.linear(features, weight, bias)
        if index == 0:
            features.mul_(FIRST_FREQUENCY)
        features.sin_()
    return functional.linear(features, last_weight, last_bias)


class HarmonicSiren(ChunkedEncoder):
    """Spherical harmonics and a SIREN: SatCLIP's location encoder, trained or not.

    The harmonics are computed in float64 always, and rounded to ``dtype`` for the network.
    """

    def __init__(
        self,
        weights: SirenWeights,
        provenance: Provenance,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
        variant: str = "analytic",
    ):
        self.legendre_polys, self.variant = weights.legendre_polys, variant
        check_harmonics(self.legendre_polys, variant)
        feature_bytes = _FEATURE_BYTES.get(torch.device(device).type, _FEATURE_BYTES["cpu"])
        super().__init__(provenance, device, dtype, feature_bytes // (8 * self.legendre_polys**2))
        self.weights = SirenWeights(
            tuple((w.to(self.device, dtype), b.to(self.device, dtype)) for w, b in weights.layers)
        )

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        features = empty_rows((self.legendre_polys**2, len(lonlat_deg)), lonlat_deg)
        fill_harmonics(features, lonlat_deg, self.legendre_polys, self.variant)
        return siren(features.T.to(self.dtype), self.weights)
