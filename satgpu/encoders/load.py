"""One entry for every encoder: a name, a file, or an object that already is one."""

from collections.abc import Callable
from pathlib import Path

import torch

from satgpu.encoders import controls, geoclip
from satgpu.encoders.adapters import from_coordbench, from_torchgeo, has_encode, is_torchgeo_satclip
from satgpu.encoders.base import Encoder, check_device
from satgpu.encoders.checkpoint import WEIGHT_SUFFIXES, read_weights_file
from satgpu.encoders.hub import SATCLIP_NAMES, HubFile, fetch
from satgpu.encoders.mini import MINI_NAMES, load_mini
from satgpu.encoders.plugins import load_plugin, plugin_names
from satgpu.encoders.satclip import LICENCE, satclip_from_file
from satgpu.encoders.table import TABLE_SUFFIXES, EmbeddingTable, looks_like_table
from satgpu.errors import UserError, unknown_choice

DTYPES = (torch.float32, torch.float64)
# What a name may look like, for messages and help.
NAME_FORMS = (*SATCLIP_NAMES, *MINI_NAMES, "untrained-l40", "sh-l40", "xyz", "rff-500km", "geoclip")


def load_encoder(
    spec: str | Path | Encoder | object,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | Path | None = None,
) -> Encoder:
    """The encoder that ``spec`` names.

    Args:
        spec: a name, such as ``satclip-vit16-l40``, ``mini-l40``, ``untrained-l40``, ``sh-l10``,
            ``xyz``, ``rff-500km``, ``geoclip`` or an installed plug-in's; the path of
            a checkpoint, a location-only ``.safetensors`` or a table of embeddings;
            an object that is an encoder already; torchgeo's SatCLIP module; or an
            object with ``encode(lon, lat)``.
        device: where the embeddings are computed.
        dtype: torch.float64, or torch.float32 for speed on a GPU.
        revision: branch, tag or commit of the hub repository.
        offline: never ask the hub, use its cache only.
        cache_dir: the hub's cache folder, where it isn't the usual one.

    Returns:
        A callable from (n, 2) longitude, latitude in degrees to (n, dim).

    Raises:
        UserError: unknown name, file refused, or weights not to be had; says what to do.

    >>> load_encoder("untrained-l10").dim
    256
    """
    if dtype not in DTYPES:
        raise UserError(f"encoders compute in torch.float32 or torch.float64; got {dtype}")
    check_device(device)
    if not isinstance(spec, str | Path):
        return _adapted(spec)
    spec = str(spec)
    if looks_like_table(spec):
        return EmbeddingTable(spec, device, dtype)
    if _looks_like_weights(spec):
        return _from_file(Path(spec).expanduser(), device, dtype)
    if spec in SATCLIP_NAMES:
        return _from_hub(spec, device, dtype, revision, offline, cache_dir)
    if spec in MINI_NAMES:
        return load_mini(spec, device, dtype)
    if spec == "geoclip":
        return geoclip.load_geoclip(device, dtype, revision, offline, cache_dir)
    maker = _makers().get(spec.split("-")[0])
    if maker is not None:
        return maker(spec, device, dtype)
    if spec in plugin_names():
        return _adapted(load_plugin(spec, device, dtype))
    raise _unknown(spec)


def _makers() -> dict[str, Callable[[str, torch.device | str, torch.dtype], Encoder]]:
    return {
        "untrained": controls.untrained,
        "sh": controls.Harmonics,
        "rff": controls.RandomFourier,
        "xyz": _unit_vectors,
    }


def _unit_vectors(spec: str, device: torch.device | str, dtype: torch.dtype) -> Encoder:
    if spec != "xyz":
        raise _unknown(spec)
    return controls.UnitVectors(device, dtype)


def _unknown(spec: str) -> UserError:
    if "/" in spec or "\\" in spec or Path(spec).suffix:
        kinds = ", ".join((*WEIGHT_SUFFIXES, *TABLE_SUFFIXES))
        return UserError(f"encoder {spec!r} looks like a file of a kind not read here; kinds read: {kinds}")
    return unknown_choice("encoder", spec, (*NAME_FORMS, *plugin_names()))


def _adapted(thing: object) -> Encoder:
    """An object as an encoder: as it is, or through the adapter for its shape."""
    if isinstance(thing, Encoder):
        return thing
    if is_torchgeo_satclip(thing):
        return from_torchgeo(thing)
    if has_encode(thing):
        return from_coordbench(thing)
    raise UserError(
        f"an encoder must be a name, a path, or a callable with name, dim and provenance; got {thing!r:.80};"
        " wrap a bare callable with satgpu.as_encoder"
    )


def _looks_like_weights(spec: str) -> bool:
    return Path(spec).suffix.lower() in WEIGHT_SUFFIXES


def _from_file(path: Path, device: torch.device | str, dtype: torch.dtype) -> Encoder:
    file = read_weights_file(path)
    if geoclip.holds_geoclip(file):
        return geoclip.GeoClip(file, f"file {path.name}", "", path.stem, device, dtype)
    return satclip_from_file(file, path.stem, f"file {path.name}", device=device, dtype=dtype)


def _from_hub(
    name: str,
    device: torch.device | str,
    dtype: torch.dtype,
    revision: str | None,
    offline: bool,
    cache_dir: str | Path | None,
) -> Encoder:
    hub_file = HubFile.of_satclip(name)
    fetched = fetch(hub_file, revision, offline, cache_dir)
    weights = read_weights_file(fetched.path)
    commit = fetched.commit or revision or ""
    return satclip_from_file(weights, name, f"hub {hub_file.repo}", commit, LICENCE, device, dtype)
