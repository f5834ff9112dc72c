"""Thin adapters: what others ship, made into an encoder without rewriting it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.base import Encoder, Provenance, check_points, sha256_of_tensors
from satgpu.errors import UserError

_ORDERS = ("lonlat", "latlon")


class Adapted:
    """A foreign callable with a name and provenance; computes wherever and however the callable does."""

    def __init__(self, call: Callable[[Tensor], Tensor], provenance: Provenance, device: torch.device | str = "cpu"):
        self._call, self.provenance, self.device = call, provenance, torch.device(device)

    @property
    def name(self) -> str:
        return self.provenance.name

    @property
    def dim(self) -> int:
        return self.provenance.dim

    @torch.no_grad()
    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        """(N, dim) embeddings of (N, 2) longitude, latitude in degrees."""
        return _as_tensor(self._call(check_points(lonlat_deg).to(self.device)))

    def __repr__(self) -> str:
        return f"<{self.name}: (n, 2) lon/lat degrees -> (n, {self.dim}), adapted>"


def as_encoder(
    call: Callable[[Tensor], Tensor],
    name: str,
    order: str = "lonlat",
    trained: bool = True,
    legendre_polys: int | None = None,
    licence: str = "not stated",
    source: str = "",
    sha256: str = "",
    device: torch.device | str = "cpu",
) -> Encoder:
    """An encoder from a bare callable.

    Args:
        call: takes an (N, 2) float64 tensor of degrees, returns (N, dim) numbers.
        name: in tables and figures.
        order: of the columns that ``call`` wants: "lonlat" or "latlon".
        trained, legendre_polys, licence, source, sha256: provenance, as far as known.
        device: where ``call`` wants its points.

    Raises:
        UserError: ``call`` isn't callable, the order is unknown, or one trial
            point doesn't come back as (1, dim).

    >>> as_encoder(lambda lonlat: lonlat / 90, "plain").dim
    2
    """
    if not callable(call):
        raise UserError(f"encoder {name!r}: wanted a callable from (n, 2) degrees to (n, dim); got {call!r:.80}")
    if order not in _ORDERS:
        raise UserError(f"encoder {name!r}: order must be 'lonlat' or 'latlon'; got {order!r}")
    ordered = call if order == "lonlat" else lambda lonlat: call(lonlat.flip(1))
    dim = _dim_of_trial(ordered, name, device)
    source = source or f"callable {getattr(call, '__qualname__', type(call).__name__)}"
    provenance = Provenance(name, source, "", sha256, trained, licence, legendre_polys, dim)
    return Adapted(ordered, provenance, device)


def from_torchgeo(module: torch.nn.Module, name: str = "torchgeo-satclip", trained: bool = True) -> Encoder:
    """torchgeo's SatCLIP module as it is, in the dtype of its weights and on their device.

    The module holds latitudes to ±89.95°; loading the same checkpoint with
    :func:`~satgpu.encoders.load.load_encoder` doesn't.

    Raises:
        UserError: the module hasn't the shape of torchgeo's.
    """
    if not is_torchgeo_satclip(module):
        raise UserError(f"wanted torchgeo's SatCLIP module (with posenc and nnet); got {type(module).__name__}")
    weight = next(module.nnet.parameters())
    module = module.eval()  # its dropout is off only then
    return as_encoder(
        module,
        name,
        trained=trained,
        legendre_polys=int(module.posenc.L),
        licence="MIT" if trained else "none needed",
        source=f"module {type(module).__module__}.{type(module).__qualname__}",
        sha256=sha256_of_tensors(module.state_dict().values()),
        device=weight.device,
    )


def from_coordbench(model: object, name: str | None = None) -> Encoder:
    """Any object with ``encode(lon, lat) -> (n, dim)`` over arrays of degrees, CoordBench's shape.

    Raises:
        UserError: it has no ``encode``.
    """
    if not has_encode(model):
        raise UserError(f"wanted an object with encode(lon, lat); got {type(model).__name__}")
    own_name = getattr(model, "name", None)
    name = name or (own_name if isinstance(own_name, str) else type(model).__name__.lower())

    def call(lonlat_deg: Tensor) -> Tensor:
        lon, lat = lonlat_deg.cpu().numpy().T
        return _as_tensor(np.asarray(model.encode(np.ascontiguousarray(lon), np.ascontiguousarray(lat))))

    return as_encoder(call, name, source=f"object {type(model).__module__}.{type(model).__qualname__}")


def is_torchgeo_satclip(thing: object) -> bool:
    """A module built like torchgeo's SatCLIP: harmonics with L, then a network."""
    return (
        isinstance(thing, torch.nn.Module) and hasattr(thing, "nnet") and hasattr(getattr(thing, "posenc", None), "L")
    )


def has_encode(thing: object) -> bool:
    """An object with a method ``encode``."""
    return callable(getattr(thing, "encode", None))


def _dim_of_trial(call: Callable[[Tensor], Tensor], name: str, device: torch.device | str) -> int:
    trial = torch.tensor([[12.0, 34.0]], dtype=torch.float64, device=device)
    with torch.no_grad():
        answer = _as_tensor(call(trial))
    if answer.ndim != 2 or answer.shape[0] != 1 or answer.shape[1] < 1:
        raise UserError(f"encoder {name!r}: one point must give a (1, dim) array; got {tuple(answer.shape)}")
    return answer.shape[1]


def _as_tensor(answer: object) -> Tensor:
    """What a foreign callable gave, as a tensor; read-only arrays are copied, torch doesn't take them."""
    if isinstance(answer, np.ndarray) and not answer.flags.writeable:
        answer = answer.copy()
    return torch.as_tensor(answer)
