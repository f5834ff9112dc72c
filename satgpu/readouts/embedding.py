"""The embedding of any encoder or callable, checked where it enters: shape, finite, the same for the same places."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from satgpu.arrays import as_tensor
from satgpu.errors import UserError

_CHUNK_POINTS = 16384
_TRIED_AGAIN = 32
# Sums of a layer round a few times; a spread below this many roundings is no spread.
_ROUNDINGS = 8


def refuse_constant(Z: Tensor, name: str) -> None:
    """UserError where an (N, D) embedding is the same everywhere, up to the rounding of its dtype."""
    values = Z.double()
    rounding = _ROUNDINGS * torch.finfo(Z.dtype if Z.is_floating_point() else torch.float64).eps
    spread, size = (values - values.mean(0)).square().mean(0).sqrt(), values.abs().amax(0)
    if not (spread > rounding * size).any():
        raise UserError(f"encoder {name!r}: the embedding is constant, the same everywhere; nothing is held in it")


class CheckedEmbedding:
    """Embeds places with any callable from (n, 2) degrees, longitude first, to (n, dim).

    Args:
        encoder: an encoder of satgpu, or any callable; its ``name`` is used in messages. A module is put in
            evaluation mode and given places in the dtype and on the device of its weights.
        device: where the encoder wants its points; its own ``device`` where it has one.

    Example:
        >>> CheckedEmbedding(lambda lonlat_deg: lonlat_deg / 90)(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """

    def __init__(self, encoder: Callable, device: str | torch.device = "cpu"):
        if not callable(encoder):
            raise UserError(f"the encoder must be callable, from (n, 2) degrees to (n, dim); got {encoder!r:.80}")
        self._device, self._dtype = getattr(encoder, "device", device), None
        if isinstance(encoder, torch.nn.Module):  # as it comes: perhaps in training mode, perhaps in float32
            weight = next((p for p in encoder.eval().parameters() if p.is_floating_point()), torch.empty(0))
            self._device, self._dtype = weight.device, weight.dtype
        self._encoder = encoder
        self.name = getattr(encoder, "name", None) or getattr(encoder, "__name__", type(encoder).__name__)

    @torch.no_grad()
    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        """(N, D) embeddings, in the encoder's dtype.

        Raises:
            UserError: another number of rows, values that are not finite, an embedding that is the same
                everywhere, or other numbers when some of the places are asked for again.
        """
        Z = torch.cat([self.embed(chunk) for chunk in lonlat_deg.split(_CHUNK_POINTS)])
        if not torch.isfinite(Z).all():
            bad = int((~torch.isfinite(Z)).any(1).sum())
            raise UserError(f"encoder {self.name!r}: {bad} of {len(Z)} places have NaN or infinite embeddings")
        refuse_constant(Z, self.name)
        spread = Z.double().var(0, correction=0)
        self._check_again(lonlat_deg[:_TRIED_AGAIN], Z[:_TRIED_AGAIN], spread.mean().sqrt())
        return Z

    def embed(self, lonlat_deg: Tensor) -> Tensor:
        """(N, D) embeddings, whose number of rows alone is checked."""
        try:
            Z = self._encoder(lonlat_deg.to(self._device, self._dtype))
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a foreign callable may raise anything
            reason = f"{type(error).__name__}: {' '.join(str(error).split()):.120}"
            raise UserError(f"encoder {self.name!r} fails at {len(lonlat_deg)} places ({reason})") from error
        Z, n = as_tensor(Z, f"what encoder {self.name!r} gives"), len(lonlat_deg)
        if Z.ndim != 2 or len(Z) != n or Z.shape[1] < 1:
            raise UserError(f"encoder {self.name!r}: {n} places must give ({n}, dim); got {tuple(Z.shape)}")
        return Z if Z.is_floating_point() else Z.double()

    def _check_again(self, lonlat_deg: Tensor, Z: Tensor, scale: Tensor) -> None:
        # A thousandth of the spread allows for sums in another order; dropout moves embeddings by the spread itself.
        off = (self.embed(lonlat_deg) - Z).double().square().mean().sqrt() / scale
        if off > 1e-3:
            raise UserError(
                f"encoder {self.name!r}: the same places gave other numbers the second time (off by {off:.2g} of"
                " their spread); switch off dropout and batch statistics (module.eval())"
            )
