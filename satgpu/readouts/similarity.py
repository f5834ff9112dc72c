"""How similarity falls with distance, for any encoder, in one call."""

from __future__ import annotations

from collections.abc import Callable

from satgpu.readouts.circles import CircleDesign, kernel_table
from satgpu.readouts.kernel import KernelResolution, resolution_from_kernel

__all__ = ["KernelResolution", "kernel_resolution"]


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
        UserError: an embedding that is not finite or all zero.
    """
    return resolution_from_kernel(kernel_table(_on(encoder, device), seed, design=design), l_max)


def _on(encoder: Callable, device: str) -> Callable:
    """The encoder with its points moved to the device first; it keeps its name."""

    def on_device(lonlat_deg):
        return encoder(lonlat_deg.to(device))

    on_device.name = getattr(encoder, "name", None) or getattr(encoder, "__name__", type(encoder).__name__)
    on_device.provenance = getattr(encoder, "provenance", None)
    return on_device
