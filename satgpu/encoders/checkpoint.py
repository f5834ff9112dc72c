"""Reading files of weights: nothing in them is ever run, and a broken one is refused in one line."""

import hashlib
import json
import math
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from satgpu.errors import UserError

PICKLE_SUFFIXES = (".ckpt", ".pth", ".pt")
WEIGHT_SUFFIXES = (*PICKLE_SUFFIXES, ".safetensors")


@dataclass(frozen=True)
class WeightsFile:
    """What was found in a file of weights.

    Args:
        path: the file.
        sha256: of the file's bytes.
        tensors: names to tensors; storage may still lie in the file.
        hyper_parameters: of a Lightning checkpoint, else empty.
        metadata: of a safetensors file, else empty.
    """

    path: Path
    sha256: str
    tensors: dict[str, Tensor]
    hyper_parameters: dict = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def read_weights_file(path: str | Path) -> WeightsFile:
    """Read a ``.ckpt``, ``.pth``, ``.pt`` or ``.safetensors`` file.

    Raises:
        UserError: no such file, not of its kind, cut short, or a pickle that
            wants more than weights (its message names what it wanted).
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the path of a checkpoint")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    return _read_pickle(path)


def sha256_of_file(path: Path) -> str:
    """Digest of the file's bytes."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sound_tensor(file: WeightsFile, name: str, ndim: int) -> Tensor:
    """The named tensor, float64 and in memory of its own, fit to be used as a weight.

    Raises:
        UserError: missing, not dense floating-point numbers, of another rank,
            larger than its storage, or holding NaN or infinity.
    """
    tensor = file.tensors.get(name)
    if tensor is None:
        raise UserError(f"{file.path}: tensor {name!r} is missing; {what_is_in(file)}")
    if tensor.layout != torch.strided or not tensor.is_floating_point():
        raise UserError(f"{file.path}: tensor {name!r} is {tensor.dtype} {tensor.layout}; wanted dense floats")
    if tensor.ndim != ndim or tensor.numel() == 0:
        raise UserError(f"{file.path}: tensor {name!r} has shape {tuple(tensor.shape)}; wanted {ndim} axes, none empty")
    # A crafted file may spread one number over any shape with strides of zero.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise UserError(f"{file.path}: tensor {name!r} of shape {tuple(tensor.shape)} is larger than its data")
    tensor = tensor.detach().to("cpu", torch.float64, copy=True).contiguous()
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise UserError(f"{file.path}: tensor {name!r} holds {bad} of {tensor.numel()} values that are NaN or infinite")
    return tensor


def what_is_in(file: WeightsFile) -> str:
    """A short account of a file that isn't what was wanted."""
    names = sorted(file.tensors)
    if not names:
        return "the file holds no tensors"
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"the file holds {len(names)} tensors ({shown}), so it may be of another model"


def _read_pickle(path: Path) -> WeightsFile:
    content = _plain_content(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}; wanted a checkpoint, a dict with 'state_dict'")
    hyper = content.get("hyper_parameters", {})
    state = content.get("state_dict", content)
    if not isinstance(state, dict) or not isinstance(hyper, dict):
        raise UserError(f"{path}: 'state_dict' and 'hyper_parameters' must be dicts; this is no Lightning checkpoint")
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return WeightsFile(path, sha256_of_file(path), tensors, _plain(hyper))


def _plain_content(path: Path) -> object:
    """What ``torch.save`` wrote to the file: tensors, numbers and plain containers, or a refusal in one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about storage classes and protocols of old files; nothing a user could do
        try:
            # mmap leaves the image tower of a SatCLIP checkpoint, 100 MB, unread.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except Exception as error:  # a broken file may raise anything in the reader
            raise UserError(_refusal(path, error)) from None


def _refusal(path: Path, error: Exception) -> str:
    try:
        wanted = ", ".join(sorted(get_unsafe_globals_in_checkpoint(path)))[:120]
    except Exception:  # broken as above, or older than the zip format
        wanted = ""
    if wanted:
        return f"{path}: refused, it is a pickle that wants to run {wanted}; only files of plain weights are read"
    # torch wraps its reason in advice to switch the check off.
    reason = " ".join(str(error.__context__ or error).split())[:120] or type(error).__name__
    return f"{path}: cannot be read as a checkpoint of plain weights, it may be cut short or of another kind ({reason})"


def _plain(hyper_parameters: dict) -> dict:
    """Hyper-parameters that compare like numbers or strings; others stand as the name of their type."""
    plain = (str, int, float, type(None))
    return {key: value if isinstance(value, plain) else type(value).__name__ for key, value in hyper_parameters.items()}


def _read_safetensors(path: Path) -> WeightsFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: cannot be read as safetensors, it may be cut short ({reason})") from None
    return WeightsFile(
        path, sha256_of_file(path), tensors, _plain(_json_dict(metadata.get("hyper_parameters"))), metadata
    )


def _json_dict(text: str | None) -> dict:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def whole_square_root(number: int) -> int | None:
    """The root of a square number, else None."""
    root = math.isqrt(number)
    return root if root * root == number else None
