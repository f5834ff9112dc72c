"""satgpu's own trained pair: two location encoders taught by one picture, L = 10 and L = 40, nothing else different.

Made by ``scripts/train_encoders.py`` (the command, commit, picture and seed stand in
each file). They say what training and L do in a controlled comparison, and nothing
about SatCLIP's weights.
"""

import json
from importlib.resources import files
from pathlib import Path

import torch

from satgpu.encoders.checkpoint import read_weights_file
from satgpu.encoders.satclip import satclip_from_file
from satgpu.encoders.siren import HarmonicSiren

MINI_NAMES = ("mini-l10", "mini-l40")
LICENCE = "MIT"


def load_mini(name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64) -> HarmonicSiren:
    """One of :data:`MINI_NAMES`, from the package's own files."""
    file = read_weights_file(Path(str(files("satgpu.encoders") / "weights" / f"{name}.safetensors")))
    seed = json.loads(file.metadata["recipe"])["seed"]
    source = f"satgpu, taught by one picture (Blue Marble), seed {seed}"
    return satclip_from_file(file, name, source, file.metadata["git_commit"][:12], LICENCE, device, dtype)
