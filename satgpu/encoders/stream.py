"""Embedding many points, in chunks."""

from collections.abc import Iterator

import torch
from torch import Tensor

from satgpu.encoders.base import Encoder
from satgpu.errors import UserError
from satgpu.geometry.sphere import check_points

_CHUNK_POINTS = 8192


def stream(
    encoder: Encoder, lonlat_deg: Tensor, chunk_size: int | None = None, check_finite: bool = True
) -> Iterator[tuple[slice, Tensor]]:
    """The embeddings chunk by chunk, never all at once.

    Args:
        encoder: any :class:`~satgpu.encoders.base.Encoder`.
        lonlat_deg: (N, 2) longitude, latitude in degrees.
        chunk_size: points per chunk; by default the encoder's own, or 8192.
        check_finite: refuse NaN and infinity.

    Yields:
        The rows and their (C, dim) embeddings.

    Raises:
        UserError: bad points or chunk size, or the encoder gives another shape or NaN.
    """
    lonlat = check_points(lonlat_deg)
    size = chunk_size or max(_CHUNK_POINTS, getattr(encoder, "chunk_points", 0))
    if size < 1:
        raise UserError(f"chunk_size must be 1 or more; got {chunk_size}")
    for start in range(0, len(lonlat), size):
        rows = slice(start, min(start + size, len(lonlat)))
        yield rows, _checked(encoder, lonlat[rows], check_finite)


def encode(
    encoder: Encoder,
    lonlat_deg: Tensor,
    chunk_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    check_finite: bool = True,
) -> Tensor:
    """Embeddings of many points, computed in the encoder's dtype and kept in ``dtype``.

    Args:
        encoder: any :class:`~satgpu.encoders.base.Encoder`.
        lonlat_deg: (N, 2) longitude, latitude in degrees.
        chunk_size: points per chunk.
        dtype: of the result; float32 by default, what probes train on and half the
            memory: a million points of 256 numbers take 1.0 GB.
        device: of the result; the encoder's by default.
        check_finite: refuse NaN and infinity.

    Returns:
        (N, dim).

    Raises:
        UserError: as :func:`stream`.
    """
    lonlat = check_points(lonlat_deg)
    out: Tensor | None = None
    for rows, embeddings in stream(encoder, lonlat, chunk_size, check_finite):
        if out is None:
            out = torch.empty(len(lonlat), encoder.dim, dtype=dtype, device=device or embeddings.device)
        out[rows] = embeddings.to(dtype)
        if check_finite and not torch.isfinite(out[rows]).all():
            raise UserError(f"encoder {encoder.name!r} gives numbers too large for {dtype}; ask for torch.float64")
    return torch.empty(0, encoder.dim, dtype=dtype, device=device or "cpu") if out is None else out


def _checked(encoder: Encoder, lonlat_deg: Tensor, check_finite: bool) -> Tensor:
    embeddings = encoder(lonlat_deg)
    wanted = (len(lonlat_deg), encoder.dim)
    if not isinstance(embeddings, Tensor) or tuple(embeddings.shape) != wanted:
        got = tuple(embeddings.shape) if hasattr(embeddings, "shape") else type(embeddings).__name__
        raise UserError(f"encoder {encoder.name!r} must give a {wanted} tensor for {wanted[0]} points; got {got}")
    if check_finite and not torch.isfinite(embeddings).all():
        row = int((~torch.isfinite(embeddings)).any(dim=1).nonzero()[0])
        lon, lat = lonlat_deg[row].tolist()
        raise UserError(f"encoder {encoder.name!r} gives NaN or infinity, first at longitude {lon:g}, latitude {lat:g}")
    return embeddings
