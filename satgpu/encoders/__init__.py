"""Location encoders: from longitude and latitude in degrees to embeddings."""

from satgpu.encoders.adapters import as_encoder, from_coordbench, from_torchgeo
from satgpu.encoders.base import ChunkedEncoder, Encoder, Provenance
from satgpu.encoders.describe import describe_encoders, encoders_markdown
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.encoders.load import load_encoder
from satgpu.encoders.satclip import extract_location
from satgpu.encoders.select import Choice, choose_encoders, control_specs, untrained_twin
from satgpu.encoders.stream import encode, stream

__all__ = [
    "Choice",
    "ChunkedEncoder",
    "Encoder",
    "Provenance",
    "as_encoder",
    "choose_encoders",
    "control_specs",
    "describe_encoders",
    "encode",
    "encoders_markdown",
    "extract_location",
    "from_coordbench",
    "from_torchgeo",
    "load_encoder",
    "spherical_harmonics",
    "stream",
    "untrained_twin",
]
