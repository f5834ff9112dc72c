"""Embedding many points: in chunks, and each set of points once."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor

from satgpu.encoders.base import Encoder, check_points
from satgpu.errors import UserError

_CHUNK_POINTS = 8192


def stream(encoder: Encoder, lonlat_deg: Tensor, chunk_size: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """The embeddings chunk by chunk, never all at once.

    Args:
        encoder: any :class:`~satgpu.encoders.base.Encoder`.
        lonlat_deg: (N, 2) longitude, latitude in degrees.
        chunk_size: points per chunk; by default the encoder's own, or 8192.

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
        yield rows, _checked(encoder, lonlat[rows])


def encode(
    encoder: Encoder,
    lonlat_deg: Tensor,
    chunk_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Embeddings of many points, computed in the encoder's dtype and kept in ``dtype``.

    Args:
        encoder: any :class:`~satgpu.encoders.base.Encoder`.
        lonlat_deg: (N, 2) longitude, latitude in degrees.
        chunk_size: points per chunk.
        dtype: of the result; float32 by default, what probes train on and half the
            memory: a million points of 256 numbers take 1.0 GB.
        device: of the result; the encoder's by default.

    Returns:
        (N, dim).

    Raises:
        UserError: as :func:`stream`.
    """
    lonlat = check_points(lonlat_deg)
    out: Tensor | None = None
    for rows, embeddings in stream(encoder, lonlat, chunk_size):
        if out is None:
            out = torch.empty(len(lonlat), encoder.dim, dtype=dtype, device=device or embeddings.device)
        out[rows] = embeddings.to(dtype)
    return torch.empty(0, encoder.dim, dtype=dtype, device=device or "cpu") if out is None else out


class EmbeddingCache:
    """Embeddings of a run: each distinct set of points is encoded once per encoder.

    Args:
        limit_bytes: the sets used longest ago are dropped beyond this; the last one is kept always.
        dtype: of the embeddings kept.
    """

    def __init__(self, limit_bytes: int = 2 * 10**9, dtype: torch.dtype = torch.float32):
        self.limit_bytes, self.dtype = limit_bytes, dtype
        self.hits = self.misses = 0
        self._kept: OrderedDict[tuple[str, str, str], Tensor] = OrderedDict()

    def encode(self, encoder: Encoder, lonlat_deg: Tensor) -> Tensor:
        """(N, dim) embeddings, from memory where these points were encoded before. Don't write into them."""
        lonlat = check_points(lonlat_deg)
        points = hashlib.sha256(lonlat.cpu().contiguous().numpy().tobytes()).hexdigest()
        key = (encoder.name, encoder.provenance.sha256, points)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
        else:
            self.misses += 1
            self._kept[key] = encode(encoder, lonlat, dtype=self.dtype)
            self._drop_oldest()
        return self._kept[key]

    def _drop_oldest(self) -> None:
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.limit_bytes:
            self._kept.popitem(last=False)


def _checked(encoder: Encoder, lonlat_deg: Tensor) -> Tensor:
    embeddings = encoder(lonlat_deg)
    wanted = (len(lonlat_deg), encoder.dim)
    if not isinstance(embeddings, Tensor) or tuple(embeddings.shape) != wanted:
        got = tuple(embeddings.shape) if hasattr(embeddings, "shape") else type(embeddings).__name__
        raise UserError(f"encoder {encoder.name!r} must give a {wanted} tensor for {wanted[0]} points; got {got}")
    if not torch.isfinite(embeddings).all():
        row = int((~torch.isfinite(embeddings)).any(dim=1).nonzero()[0])
        lon, lat = lonlat_deg[row].tolist()
        raise UserError(f"encoder {encoder.name!r} gives NaN or infinity, first at longitude {lon:g}, latitude {lat:g}")
    return embeddings
