"""One entry for every encoder: a name, a file, or an object that already is one."""

from collections.abc import Callable
from pathlib import Path

import torch

from satgpu.encoders import controls, geoclip
from satgpu.encoders.base import Encoder
from satgpu.encoders.checkpoint import WEIGHT_SUFFIXES, read_weights_file
from satgpu.encoders.hub import SATCLIP_NAMES, HubFile, fetch
from satgpu.encoders.satclip import satclip_from_file
from satgpu.errors import UserError, unknown_choice

DTYPES = (torch.float32, torch.float64)
# What a name may look like, for messages and help.
NAME_FORMS = (*SATCLIP_NAMES, "untrained-l40", "sh-l40", "xyz", "rff-500km", "geoclip")


def load_encoder(
    spec: str | Path | Encoder,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | Path | None = None,
) -> Encoder:
    """The encoder that ``spec`` names.

    Args:
        spec: a name, such as ``satclip-vit16-l40``, ``untrained-l40``, ``sh-l10``,
            ``xyz``, ``rff-500km`` or ``geoclip``; the path of a checkpoint or of a
            location-only ``.safetensors``; or an object that is an encoder already.
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
    if not isinstance(spec, str | Path):
        return _as_given(spec)
    if isinstance(spec, Path) or _looks_like_path(spec):
        return _from_file(Path(spec), device, dtype)
    if spec in SATCLIP_NAMES:
        return _from_hub(spec, device, dtype, revision, offline, cache_dir)
    if spec == "geoclip":
        return geoclip.load_geoclip(device, dtype, revision, offline, cache_dir)
    maker = _makers().get(spec.split("-")[0])
    if maker is None:
        raise unknown_choice("encoder", spec, NAME_FORMS)
    return maker(spec, device, dtype)


def _makers() -> dict[str, Callable[[str, torch.device | str, torch.dtype], Encoder]]:
    return {
        "untrained": controls.untrained,
        "sh": controls.Harmonics,
        "rff": controls.RandomFourier,
        "xyz": _unit_vectors,
    }


def _unit_vectors(spec: str, device: torch.device | str, dtype: torch.dtype) -> Encoder:
    if spec != "xyz":
        raise unknown_choice("encoder", spec, NAME_FORMS)
    return controls.UnitVectors(device, dtype)


def _as_given(encoder: object) -> Encoder:
    if not isinstance(encoder, Encoder):
        raise UserError(
            f"an encoder must be a name, a path, or a callable with name, dim and provenance; got {encoder!r:.80}."
            " Wrap a bare callable with satgpu.as_encoder"
        )
    return encoder


def _looks_like_path(spec: str) -> bool:
    return "/" in spec or "\\" in spec or Path(spec).suffix.lower() in WEIGHT_SUFFIXES


def _from_file(path: Path, device: torch.device | str, dtype: torch.dtype) -> Encoder:
    file = read_weights_file(path)
    if geoclip.holds_geoclip(file):
        return geoclip.GeoClip(file, f"file {path.name}", "", path.stem, device, dtype)
    return satclip_from_file(file, path.stem, f"file {path.name}", "", device, dtype)


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
    return satclip_from_file(weights, name, f"hub {hub_file.repo}", fetched.commit or (revision or ""), device, dtype)
