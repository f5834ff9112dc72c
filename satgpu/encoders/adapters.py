"""Thin adapters: what others ship, made into an encoder without rewriting it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.arrays import as_tensor
from satgpu.encoders.base import Encoder, Named, Provenance, check_device, sha256_of_tensors
from satgpu.errors import UserError
from satgpu.geometry.sphere import check_points

_ORDERS = ("lonlat", "latlon")
# Three places, the first asked for alone as well: what depends on its company or on chance is found out.
_TRIAL_DEG = ((12.0, 34.0), (-75.0, -20.0), (140.0, 60.0))
# What float32 may do to one place in another batch (other kernels), relative to the largest component.
_SAME = 1e-4


class Adapted(Named):
    """A foreign callable with a name and provenance; computes wherever and however the callable does."""

    def __init__(
        self,
        call: Callable[[Tensor], Tensor],
        provenance: Provenance,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self._call, self.provenance, self.device, self.dtype = call, provenance, torch.device(device), dtype

    @torch.no_grad()
    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        """(N, dim) embeddings of (N, 2) longitude, latitude in degrees."""
        lonlat = check_points(lonlat_deg).to(self.device, self.dtype)
        try:
            found = self._call(lonlat)
        except (UserError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a foreign callable may raise anything
            raise UserError(f"encoder {self.name!r} fails at {len(lonlat)} places ({_reason(error)})") from error
        found = as_tensor(found, f"what encoder {self.name!r} gives")
        return found if found.is_floating_point() else found.double()

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
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Encoder:
    """An encoder from a bare callable or a module.

    A ``torch.nn.Module`` is put in evaluation mode and given places in the dtype and on
    the device of its weights. Whatever it is, it is tried at three places, one of them
    twice: answers that depend on chance or on the other places are refused.

    Args:
        call: takes an (N, 2) tensor of degrees, longitude in [-180, 180); returns (N, dim) numbers.
        name: in tables and figures.
        order: of the columns that ``call`` wants: "lonlat" or "latlon".
        trained, legendre_polys, licence, source, sha256: provenance, as far as known.
        device: where ``call`` wants its points; a module's own, else the CPU.
        dtype: of the points; a module's own, else torch.float64, or torch.float32 where
            ``call`` takes no other.

    Raises:
        UserError: ``call`` isn't callable, the order is unknown, it fails at the trial places,
            gives another number of rows, or other numbers for the same place.

    >>> as_encoder(lambda lonlat: lonlat / 90, "plain").dim
    2
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UserError(f"an encoder's name must be a word to print; got {name!r}")
    if dtype is not None and not dtype.is_floating_point:
        raise UserError(f"encoder {name!r}: dtype must be a floating-point dtype; got {dtype}")
    check_device("cpu" if device is None else device)
    if not callable(call):
        raise UserError(f"encoder {name!r}: wanted a callable from (n, 2) degrees to (n, dim); got {call!r:.80}")
    if order not in _ORDERS:
        raise UserError(f"encoder {name!r}: order must be 'lonlat' or 'latlon'; got {order!r}")
    if isinstance(call, torch.nn.Module):
        call = call.eval()  # dropout and batch statistics are off only then
        weight = next((p for p in call.parameters() if p.is_floating_point()), torch.empty(0, dtype=torch.float64))
        dtype, device = dtype or weight.dtype, device or weight.device
    source = source or f"callable {getattr(call, '__qualname__', type(call).__name__)}"
    ordered = call if order == "lonlat" else lambda lonlat: call(lonlat.flip(1))
    dtype, dim = _tried(ordered, name, device or "cpu", dtype)
    provenance = Provenance(name, source, "", sha256, trained, licence, legendre_polys, dim)
    return Adapted(ordered, provenance, device or "cpu", dtype)


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
    return as_encoder(
        module,
        name,
        trained=trained,
        legendre_polys=int(module.posenc.L),
        licence="MIT" if trained else "none needed",
        source=f"module {type(module).__module__}.{type(module).__qualname__}",
        sha256=sha256_of_tensors(module.state_dict().values()),
        device=weight.device,
        dtype=torch.float64,  # it takes degrees in float64 whatever its weights are
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

    def call(lonlat_deg: Tensor) -> object:
        lon, lat = lonlat_deg.cpu().numpy().T
        return model.encode(np.ascontiguousarray(lon), np.ascontiguousarray(lat))

    return as_encoder(call, name, source=f"object {type(model).__module__}.{type(model).__qualname__}")


def is_torchgeo_satclip(thing: object) -> bool:
    """A module built like torchgeo's SatCLIP: harmonics with L, then a network."""
    return (
        isinstance(thing, torch.nn.Module) and hasattr(thing, "nnet") and hasattr(getattr(thing, "posenc", None), "L")
    )


def has_encode(thing: object) -> bool:
    """An object with a method ``encode``."""
    return callable(getattr(thing, "encode", None))


@torch.no_grad()
def _tried(
    call: Callable[[Tensor], Tensor], name: str, device: torch.device | str, dtype: torch.dtype | None
) -> tuple[torch.dtype, int]:
    """The dtype that ``call`` takes, and the length of its embeddings, from a trial at three places."""
    places = torch.tensor(_TRIAL_DEG, dtype=torch.float64, device=device)
    for kind in [dtype] if dtype else [torch.float64, torch.float32]:
        try:
            together = _answer(call, places.to(kind), name)
            alone = _answer(call, places[:1].to(kind), name)
        except UserError:
            raise
        except Exception as error:  # a foreign callable may raise anything
            reason = _reason(error)
            continue
        _check_same(name, together[:1], alone, "alone and among others")
        _check_same(name, together, _answer(call, places.to(kind), name), "asked twice")
        return kind, together.shape[1]
    raise UserError(f"encoder {name!r} fails at its trial places ({reason}); is it in training mode (.eval()), or not"
                    " a callable from (n, 2) degrees to (n, dim)?")  # fmt: skip


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.120}"


def _answer(call: Callable[[Tensor], Tensor], places: Tensor, name: str) -> Tensor:
    """(n, dim) at n places, its shape and values checked."""
    answer = as_tensor(call(places.clone()), f"what encoder {name!r} gives")
    if answer.ndim != 2 or answer.shape[0] != len(places) or answer.shape[1] < 1:
        raise UserError(
            f"encoder {name!r}: {len(places)} points must give a ({len(places)}, dim) array; got {tuple(answer.shape)}"
        )
    return answer.double()


def _check_same(name: str, first: Tensor, second: Tensor, how: str) -> None:
    """The same place must have the same numbers; NaN is left to where embeddings are checked."""
    scale = torch.nan_to_num(first.abs()).max().clamp(min=1e-30)
    gap = torch.nan_to_num((first - second).abs()).max()
    if gap > _SAME * scale:
        raise UserError(
            f"encoder {name!r} gives other numbers for the same place {how} (they differ by {gap / scale:.1e} of the"
            " largest); is dropout or batch normalisation in training mode? call .eval() on the module first"
        )
