"""Tables to knowledge: intervals, differences, effective resolution, claims and their verdicts."""

from satgpu.analysis.differences import Peak, paired_differences, peak
from satgpu.analysis.intervals import Interval, mean_interval, summarise
from satgpu.analysis.kernel import (
    KernelResolution,
    kernel_resolutions,
    kernel_spectrum,
    resolution_from_kernel,
    similarity_curve,
)
from satgpu.analysis.skill import probe_resolution, resolution_text, skill
from satgpu.analysis.tables import RunTables, field_rows, is_starved, read_results, read_run, read_similarity

__all__ = [
    "Interval",
    "KernelResolution",
    "Peak",
    "RunTables",
    "field_rows",
    "is_starved",
    "kernel_resolutions",
    "kernel_spectrum",
    "mean_interval",
    "paired_differences",
    "peak",
    "probe_resolution",
    "read_results",
    "read_run",
    "read_similarity",
    "resolution_from_kernel",
    "resolution_text",
    "similarity_curve",
    "skill",
    "summarise",
]
