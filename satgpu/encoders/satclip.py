"""SatCLIP's location encoder from a checkpoint: only its weights, checked against what the file says of itself."""

import json
import re
from pathlib import Path

import torch

from satgpu.encoders.base import Provenance
from satgpu.encoders.checkpoint import WeightsFile, read_weights_file, sound_tensor, what_is_in, whole_square_root
from satgpu.encoders.harmonics import MAX_LEGENDRE_POLYS, VARIANTS
from satgpu.encoders.siren import HarmonicSiren, SirenWeights
from satgpu.errors import UserError

# The published checkpoint holds the location weights twice; torchgeo's module
# and location-only files have them once, with a shorter prefix or none.
PREFIXES = ("model.location.nnet.", "model.nnet.", "nnet.", "")
LICENCE = "MIT"  # of the six published models; a file's own licence is not known
FILE_FORMAT = "satgpu location encoder 1"


def satclip_from_file(
    file: WeightsFile,
    name: str,
    source: str,
    revision: str = "",
    licence: str = "not stated",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> HarmonicSiren:
    """The location encoder in a file of weights.

    Raises:
        UserError: a tensor is missing, misshapen or not finite, or the file
            contradicts its own hyper-parameters or its name.
    """
    weights = location_weights(file)
    variant = _check_hyper_parameters(file, weights)
    _check_file_name(file, weights)
    if "source_sha256" in file.metadata:
        source += f", extracted from {file.metadata.get('source', '')} (sha256 {file.metadata['source_sha256']})"
    provenance = Provenance(name, source, revision, file.sha256, True, licence, weights.legendre_polys, weights.dim)
    return HarmonicSiren(weights, provenance, device, dtype, variant)


def location_weights(file: WeightsFile) -> SirenWeights:
    """The SIREN's weights, from whichever prefixes the file has.

    Raises:
        UserError: naming the tensor that is missing, misshapen, not finite, or
            different under the two prefixes.
    """
    prefixes = [prefix for prefix in PREFIXES if any(_is_location_tensor(name, prefix) for name in file.tensors)]
    if not prefixes:
        raise UserError(f"{file.path}: tensor 'model.nnet.layers.0.weight' is missing; {what_is_in(file)}")
    found = [_weights_under(file, prefix) for prefix in prefixes]
    for prefix, other in zip(prefixes[1:], found[1:], strict=True):
        _check_equal(file, prefixes[0], found[0], prefix, other)
    return found[0]


def extract_location(checkpoint: str | Path, out: str | Path) -> Path:
    """Write the location weights of a checkpoint alone, as safetensors of a few MB.

    The new file keeps the hyper-parameters that matter and the checkpoint's
    sha256, and loads like the checkpoint itself.

    Raises:
        UserError: the checkpoint is refused, or ``out`` exists or isn't named ``.safetensors``.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    out = Path(out).expanduser()
    if out.suffix != ".safetensors":
        raise UserError(f"{out}: give a name that ends in .safetensors")
    if out.exists():
        raise UserError(f"{out}: exists already; give another name, nothing is overwritten")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; make it first")
    file = read_weights_file(checkpoint)
    weights = location_weights(file)
    variant = _check_hyper_parameters(file, weights)
    _check_file_name(file, weights)
    tensors = dict(zip(_tensor_names(weights), weights.tensors(), strict=True))
    partial = out.with_name(out.name + ".partial")
    try:
        save_file(tensors, partial, metadata=_metadata(file, weights, variant))
        partial.rename(out)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{out}: cannot be written ({' '.join(str(error).split())[:120]})") from None
    return out


def _weights_under(file: WeightsFile, prefix: str) -> SirenWeights:
    depth = sum(bool(re.fullmatch(re.escape(prefix) + r"layers\.\d+\.weight", name)) for name in file.tensors)
    names = [f"{prefix}layers.{index}" for index in range(max(depth, 1))] + [f"{prefix}last_layer"]
    layers = []
    width_in: int | None = None
    for layer in names:
        weight, bias = sound_tensor(file, f"{layer}.weight", 2), sound_tensor(file, f"{layer}.bias", 1)
        if width_in is not None and weight.shape[1] != width_in:
            raise UserError(
                f"{file.path}: tensor '{layer}.weight' has shape {tuple(weight.shape)};"
                f" wanted (*, {width_in}), what the layer before gives"
            )
        if bias.shape[0] != weight.shape[0]:
            raise UserError(
                f"{file.path}: tensor '{layer}.bias' has shape {tuple(bias.shape)}; wanted ({weight.shape[0]},)"
            )
        layers.append((weight, bias))
        width_in = weight.shape[0]
    features = layers[0][0].shape[1]
    legendre_polys = whole_square_root(features)
    if legendre_polys is None or legendre_polys > MAX_LEGENDRE_POLYS:
        raise UserError(
            f"{file.path}: tensor '{names[0]}.weight' takes {features} features;"
            f" wanted L² spherical harmonics, L up to {MAX_LEGENDRE_POLYS}"
        )
    return SirenWeights(tuple(layers))


def _is_location_tensor(name: str, prefix: str) -> bool:
    return re.fullmatch(re.escape(prefix) + r"(layers\.\d+|last_layer)\.(weight|bias)", name) is not None


def _check_equal(file: WeightsFile, first: str, a: SirenWeights, second: str, b: SirenWeights) -> None:
    if len(a.layers) != len(b.layers):
        depths = f"'{first}' has {len(a.layers) - 1} hidden layers and '{second}' {len(b.layers) - 1}"
        raise UserError(f"{file.path}: the location weights under two names differ: {depths}")
    for name, left, right in zip(_tensor_names(a), a.tensors(), b.tensors(), strict=True):
        if not torch.equal(left, right):
            raise UserError(f"{file.path}: tensors '{first}{name}' and '{second}{name}' should be equal and differ")


def _tensor_names(weights: SirenWeights) -> list[str]:
    layers = [f"layers.{index}" for index in range(len(weights.layers) - 1)] + ["last_layer"]
    return [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def _check_hyper_parameters(file: WeightsFile, weights: SirenWeights) -> str:
    """The kind of harmonics the file was trained on; UserError where file and weights disagree."""
    hyper = file.hyper_parameters
    _refuse_other_choice(file, "le_type", ("sphericalharmonics",), "positional encoding")
    _refuse_other_choice(file, "pe_type", ("siren",), "network")
    _refuse_other_choice(file, "harmonics_calculation", VARIANTS, "way to compute harmonics")
    first_weight, last_weight = weights.layers[0][0], weights.layers[-1][0]
    measured = {
        "legendre_polys": (weights.legendre_polys, "layers.0.weight", first_weight),
        "capacity": (first_weight.shape[0], "layers.0.weight", first_weight),
        "embed_dim": (weights.dim, "last_layer.weight", last_weight),
        "num_hidden_layers": (len(weights.layers) - 1, "layers.0.weight", first_weight),
    }
    for key, (value, tensor_name, tensor) in measured.items():
        if key in hyper and hyper[key] != value:
            raise UserError(
                f"{file.path}: hyper_parameters say {key}={hyper[key]!r}, the weights say {value}"
                f" (tensor '{tensor_name}' has shape {tuple(tensor.shape)})"
            )
    return hyper.get("harmonics_calculation", "analytic")


def _refuse_other_choice(file: WeightsFile, key: str, supported: tuple[str, ...], what: str) -> None:
    value = file.hyper_parameters.get(key, supported[0])
    if value not in supported:
        raise UserError(
            f"{file.path}: {key}={value!r} is a {what} not supported here; supported: {', '.join(supported)}"
        )


def _check_file_name(file: WeightsFile, weights: SirenWeights) -> None:
    """A published file name that promises another L or image tower is a renamed file."""
    match = re.match(r"satclip-(resnet18|resnet50|vit16)-l(\d+)", file.path.name.lower())
    if not match:
        return
    tower, legendre_polys = match[1], int(match[2])
    if legendre_polys != weights.legendre_polys:
        shape = tuple(weights.layers[0][0].shape)
        raise UserError(
            f"{file.path}: named L={legendre_polys}, but tensor 'layers.0.weight' has shape {shape}:"
            f" L={weights.legendre_polys}; was the file renamed?"
        )
    said = file.hyper_parameters.get("vision_layers")
    if isinstance(said, str) and tower not in said:
        raise UserError(f"{file.path}: named {tower}, but hyper_parameters say {said}; was the file renamed?")


def _metadata(file: WeightsFile, weights: SirenWeights, variant: str) -> dict[str, str]:
    hyper = {
        "le_type": "sphericalharmonics",
        "pe_type": "siren",
        "harmonics_calculation": variant,
        "legendre_polys": weights.legendre_polys,
        "capacity": weights.layers[0][0].shape[0],
        "embed_dim": weights.dim,
        "num_hidden_layers": len(weights.layers) - 1,
    }
    if isinstance(file.hyper_parameters.get("vision_layers"), str):
        hyper["vision_layers"] = file.hyper_parameters["vision_layers"]
    return {
        "format": FILE_FORMAT,
        "hyper_parameters": json.dumps(hyper),
        "source": file.path.name,
        "source_sha256": file.sha256,
    }
