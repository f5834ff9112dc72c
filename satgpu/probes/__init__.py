"""Thousands of small MLPs, trained together, each with scikit-learn's answers."""

from satgpu.probes.estimator import MLPProbes
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.nearest import nearest_neighbour_scores, nearest_rows
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport
from satgpu.probes.training import train_probes

__all__ = [
    "MLPProbes",
    "ProbeGroup",
    "ProbeOptions",
    "ProbeResult",
    "TrainingReport",
    "nearest_neighbour_scores",
    "nearest_rows",
    "train_probes",
]
