"""What every encoder is: a callable from longitude and latitude to embeddings, with its provenance."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.sphere import EARTH_RADIUS_KM, check_points


@dataclass(frozen=True)
class Provenance:
    """Where an encoder comes from; it travels into every table and figure.

    Args:
        name: the encoder's name in tables, unique within a run.
        source: hub repository, file or package it was read from, or how it was made.
        revision: the resolved hub commit or package version, "" where there is none.
        sha256: of the file read, or of the weights drawn; "" where there are no weights.
        trained: it carries learned weights.
        licence: of the weights, "none needed" where there are none.
        legendre_polys: L of the spherical harmonics, None for other encoders.
        dim: length D of an embedding.
    """

    name: str
    source: str
    revision: str
    sha256: str
    trained: bool
    licence: str
    legendre_polys: int | None
    dim: int

    @property
    def nominal_km(self) -> float | None:
        """180°/L along a great circle, in km: the finest half-wavelength, about, that L harmonics can draw."""
        return None if self.legendre_polys is None else math.pi * EARTH_RADIUS_KM / self.legendre_polys

    def as_dict(self) -> dict:
        """The fields and ``nominal_km`` as plain values, for JSON."""
        return {**asdict(self), "nominal_km": self.nominal_km}


@runtime_checkable
class Encoder(Protocol):
    """What satgpu asks of a location encoder; any object of this shape may be probed.

    Called with (N, 2) longitude, latitude in degrees, it returns an (N, dim) tensor.
    """

    name: str
    dim: int
    provenance: Provenance

    def __call__(self, lonlat_deg: Tensor) -> Tensor: ...


class Named:
    """What its provenance says of an encoder."""

    provenance: Provenance

    @property
    def name(self) -> str:
        return self.provenance.name

    @property
    def dim(self) -> int:
        return self.provenance.dim


class ChunkedEncoder(Named):
    """An encoder that embeds its points in chunks, so that intermediate features stay small.

    Subclasses write ``_embed`` for one chunk. ``chunk_points`` is the number of
    points whose intermediate features exist at a time.
    """

    def __init__(self, provenance: Provenance, device: torch.device | str, dtype: torch.dtype, chunk_points: int):
        self.provenance = provenance
        self.device = torch.device(device)
        self.dtype = dtype
        self.chunk_points = max(1, chunk_points)

    @torch.no_grad()
    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        """Embeddings of the points.

        Args:
            lonlat_deg: (N, 2) longitude, latitude in degrees.

        Returns:
            (N, dim) in the encoder's dtype, on its device.

        Raises:
            UserError: wrong shape, NaN, or a latitude beyond ±90.
        """
        lonlat = check_points(lonlat_deg).to(self.device)
        out = torch.empty(len(lonlat), self.dim, dtype=self.dtype, device=self.device)
        for start in range(0, len(lonlat), self.chunk_points):
            rows = slice(start, start + self.chunk_points)
            out[rows] = self._embed(lonlat[rows])
        return out

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _embed")

    def __repr__(self) -> str:
        return f"<{self.name}: (n, 2) lon/lat degrees -> (n, {self.dim}), {self.dtype}, {self.device}>"


def sha256_of_tensors(tensors: Iterable[Tensor]) -> str:
    """One digest over the tensors' float64 bytes, in order: the identity of weights that no file holds."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().to("cpu", torch.float64).contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_device(device: torch.device | str) -> None:
    """UserError for a device that torch cannot compute on here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"device {str(device)!r} cannot be used here ({reason}); use 'cpu'") from None
