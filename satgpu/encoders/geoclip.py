"""GeoCLIP's location encoder, from the weights that the installed ``geoclip`` package carries.

The package is never imported: its own modules want torchvision and transformers.
GeoCLIP takes latitude first; that order stays inside this file.
"""

import copy
import dataclasses
import importlib.util
import math
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from satgpu.encoders.base import ChunkedEncoder, Provenance, sha256_of_tensors
from satgpu.encoders.checkpoint import WeightsFile, read_weights_file, sound_tensor
from satgpu.encoders.hub import HubFile, fetch
from satgpu.errors import UserError

LICENCE = "MIT"
WEIGHTS_IN_PACKAGE = Path("model") / "weights" / "location_encoder_weights.pth"
# A copy of the same weights for the rshf package.
HUB_FILE = HubFile("MVRL/geoclip-location-encoder", "model.safetensors")
# Equal Earth projection (Šavrič, Patterson and Jenny 2019) and GeoCLIP's scale.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
_SCALE = 66.50336 / 180
# The package takes √3 in float32 whatever its dtype; the capsule of 2π·256 turns makes the difference visible (4e-5).
_SQRT_3 = 1.7320507764816284
_LINEAR = ("capsule.1", "capsule.3", "capsule.5", "head.0")
_CHUNK_POINTS = 4096


class GeoClip(ChunkedEncoder):
    """Three capsules of fixed random Fourier features and a ReLU network each, their outputs summed."""

    def __init__(
        self,
        file: WeightsFile,
        source: str,
        revision: str,
        name: str = "geoclip",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        capsules = [_capsule(file, index) for index in range(_count_capsules(file))]
        sizes = {layers[-1][0].shape[0] for _, layers in capsules}
        if len(sizes) > 1:
            raise UserError(f"{file.path}: the capsules give embeddings of different sizes: {sorted(sizes)}")
        provenance = Provenance(name, source, revision, file.sha256, True, LICENCE, None, sizes.pop())
        super().__init__(provenance, device, dtype, _CHUNK_POINTS)
        self._capsules = [
            (waves.to(self.device), [(w.to(self.device, dtype), b.to(self.device, dtype)) for w, b in layers])
            for waves, layers in capsules
        ]

    def untrained(self, seed: int) -> "GeoClip":
        """The same encoder before any training: the fixed waves, and layers drawn as PyTorch draws them.

        Weights and biases are uniform within ±1/√(inputs) (``torch.nn.Linear``).
        """
        generator = torch.Generator().manual_seed(seed)
        twin = copy.copy(self)
        twin._capsules = [
            (waves, [_drawn(weight, bias, generator) for weight, bias in layers]) for waves, layers in self._capsules
        ]
        drawn = [tensor for _, layers in twin._capsules for pair in layers for tensor in pair]
        twin.provenance = dataclasses.replace(
            self.provenance,
            name=f"untrained-{self.name}-seed{seed}",
            source=f"random weights of seed {seed}, waves of {self.name}",
            sha256=sha256_of_tensors(drawn),
            trained=False,
        )
        return twin

    def _embed(self, lonlat_deg: Tensor) -> Tensor:
        projected = equal_earth(lonlat_deg.flip(1))
        return sum(_run_capsule(projected, waves, layers) for waves, layers in self._capsules)


def load_geoclip(
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    revision: str | None = None,
    offline: bool = False,
    cache_dir: str | Path | None = None,
) -> GeoClip:
    """GeoCLIP from the installed package's files, else from the hub, at ``revision`` there.

    Raises:
        UserError: neither has the weights; says what to install.
    """
    packaged = weights_in_package()
    if packaged:
        source = f"package geoclip, {WEIGHTS_IN_PACKAGE.as_posix()}"
        return GeoClip(read_weights_file(packaged), source, _package_version(), device=device, dtype=dtype)
    try:
        fetched = fetch(HUB_FILE, revision, offline, cache_dir)
    except UserError as error:
        raise UserError(f"geoclip: run 'pip install --no-deps geoclip' to have its weights; {error}") from None
    return GeoClip(read_weights_file(fetched.path), f"hub {HUB_FILE.repo}", fetched.commit, device=device, dtype=dtype)


def weights_in_package() -> Path | None:
    """The weights file of the installed package, found without importing it; None if there is none."""
    spec = importlib.util.find_spec("geoclip")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / WEIGHTS_IN_PACKAGE
        if path.is_file():
            return path
    return None


def holds_geoclip(file: WeightsFile) -> bool:
    """The file's tensors are named like GeoCLIP's location encoder."""
    return "LocEnc0.capsule.0.b" in file.tensors


def equal_earth(latlon_deg: Tensor) -> Tensor:
    """(B, 2) map coordinates of (B, 2) latitude, longitude in degrees, in GeoCLIP's units.

    GeoCLIP keeps A2·θ³ where the projection's y has it, and A4·θ⁹, A3·θ⁷ alike.
    """
    lat, lon = torch.deg2rad(latlon_deg).unbind(1)
    theta = torch.asin(_SQRT_3 / 2 * torch.sin(lat))
    slope = 3 * (9 * _A4 * theta**8 + 7 * _A3 * theta**6 + 3 * _A2 * theta**2 + _A1)
    x = 2 * _SQRT_3 * lon * torch.cos(theta) / slope
    y = _A4 * theta**9 + _A3 * theta**7 + _A2 * theta**3 + _A1 * theta
    return torch.stack([x, y], dim=1) * _SCALE


def _run_capsule(projected: Tensor, waves: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """(B, D) of one capsule; the phase in float64 always: it reaches thousands of radians."""
    phase = 2 * math.pi * (projected @ waves.T)
    *inner, (head_weight, head_bias) = layers
    hidden = torch.cat([phase.cos(), phase.sin()], dim=1).to(head_weight.dtype)
    for weight, bias in inner:
        hidden = functional.linear(hidden, weight, bias).relu_()
    return functional.linear(hidden, head_weight, head_bias)


def _drawn(weight: Tensor, bias: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random weights and biases of one layer."""
    edge = weight.shape[1] ** -0.5
    return tuple(
        ((2 * torch.rand(like.shape, generator=generator, dtype=torch.float64) - 1) * edge).to(like)
        for like in (weight, bias)
    )


def _count_capsules(file: WeightsFile) -> int:
    count = 0
    while f"LocEnc{count}.capsule.0.b" in file.tensors:
        count += 1
    return max(count, 1)


def _capsule(file: WeightsFile, index: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """The wave matrix (W, 2) and the layers of one capsule, shapes checked."""
    waves = sound_tensor(file, f"LocEnc{index}.capsule.0.b", 2)
    if waves.shape[1] != 2:
        raise UserError(f"{file.path}: tensor 'LocEnc{index}.capsule.0.b' is {tuple(waves.shape)}; wanted (*, 2)")
    layers, width_in = [], 2 * waves.shape[0]
    for part in _LINEAR:
        name = f"LocEnc{index}.{part}"
        weight, bias = sound_tensor(file, f"{name}.weight", 2), sound_tensor(file, f"{name}.bias", 1)
        if weight.shape[1] != width_in or bias.shape[0] != weight.shape[0]:
            shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
            raise UserError(
                f"{file.path}: tensors '{name}.weight' and bias are {shapes}; wanted (n, {width_in}) and (n,)"
            )
        layers.append((weight, bias))
        width_in = weight.shape[0]
    return waves, layers


def _package_version() -> str:
    try:
        return metadata.version("geoclip")
    except metadata.PackageNotFoundError:
        return ""
