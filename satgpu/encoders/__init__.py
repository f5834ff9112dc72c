"""Location encoders: from longitude and latitude in degrees to embeddings."""

from satgpu.encoders.base import ChunkedEncoder, Encoder, Provenance
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.encoders.load import load_encoder
from satgpu.encoders.satclip import extract_location
from satgpu.encoders.select import Choice, choose_encoders, control_specs

__all__ = [
    "Choice",
    "ChunkedEncoder",
    "Encoder",
    "Provenance",
    "choose_encoders",
    "control_specs",
    "extract_location",
    "load_encoder",
    "spherical_harmonics",
]
