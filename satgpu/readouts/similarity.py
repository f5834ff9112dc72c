"""How similarity falls with distance, for any encoder, in one call."""

from __future__ import annotations

from collections.abc import Callable

import torch

from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.readouts.circles import CircleDesign, kernel_table
from satgpu.readouts.embedding import CheckedEmbedding
from satgpu.readouts.kernel import KernelResolution, resolution_from_kernel

__all__ = ["KernelResolution", "kernel_resolution"]

_TRIAL_PLACES = 64


def kernel_resolution(
    encoder: Callable,
    seed: int = 0,
    device: str = "cpu",
    *,
    design: CircleDesign | None = None,
    l_max: int | None = None,
) -> KernelResolution:
    """How fine an encoder is, from its embeddings alone: no labels, no probe.

    Args:
        encoder: callable from (n, 2) degrees, longitude first, to (n, dim) embeddings.
        seed: of the great circles that are sampled.
        device: where the encoder wants its points, and where cosines are taken.
        design: how many circles and points; 48 circles of 512 points by default.
        l_max: count the power of degrees up to this one only (see ``resolution_from_kernel``).

    Returns:
        KernelResolution with ``half_similarity_km``, ``l90`` and ``spectral_km``,
        each with its ``..._interval`` (low, high), and the same centred.

    Raises:
        UserError: an embedding that is not finite, all zero, the same everywhere, or another when asked twice.
    """
    embedding = CheckedEmbedding(encoder, device)
    embedding(uniform_on_sphere(_TRIAL_PLACES, torch.Generator().manual_seed(seed)))
    return resolution_from_kernel(kernel_table(_named(embedding, encoder), seed, design=design), l_max)


def _named(embedding: CheckedEmbedding, encoder: Callable) -> Callable:
    """``embedding.embed`` under the encoder's name and provenance."""

    @torch.no_grad()
    def embed(lonlat_deg):
        return embedding.embed(lonlat_deg)

    embed.name, embed.provenance = embedding.name, getattr(encoder, "provenance", None)
    return embed
