"""Thousands of small MLPs, trained together, each with scikit-learn's answers.

    options, groups   what goes in: how a probe is trained, on what
    draws             everything random about it: split, minibatch order, first weights
    network           where its parameters lie
    backprop, adam    the mathematics of one minibatch
    stopping, scores  the rule of each epoch
    results           what comes out
    cpu/, gpu/        the two engines
    loop, module      the loop around an engine, bare and as a Lightning module
    training          train_probes, the one way in; estimator and sklearn are built on it

C outputs are 1 for two classes and for numbers; the other letters of shapes are the package's (``satgpu``).
"""

from satgpu.probes.estimator import MLPProbes
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult, TrainingReport
from satgpu.probes.scores import nearest_neighbour_scores, nearest_rows
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
