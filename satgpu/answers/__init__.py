"""Tables to knowledge: intervals, differences, effective resolution, claims and their verdicts."""

from satgpu.answers.claims import judge_claims, judge_published
from satgpu.answers.convergence import convergence_table, effect_of_leaving_out, named_troubles
from satgpu.answers.differences import Peak, paired_differences, peak
from satgpu.answers.intervals import Interval, mean_interval, summarise
from satgpu.answers.published import compare_with_published, load_published
from satgpu.answers.skill import probe_resolution, resolution_ratio, resolution_text, skill
from satgpu.readouts.kernel import (
    KernelResolution,
    kernel_resolutions,
    kernel_spectrum,
    resolution_from_kernel,
    similarity_curve,
)
from satgpu.run.read import Run, field_rows, is_starved, read_results, read_run, read_similarity


def RunTables(results, similarity, training_curves, environment, config=""):  # noqa: N802
    return Run(results, similarity, training_curves, environment=environment, config_text=config)


__all__ = [
    "Interval",
    "KernelResolution",
    "Peak",
    "RunTables",
    "compare_with_published",
    "convergence_table",
    "effect_of_leaving_out",
    "field_rows",
    "is_starved",
    "judge_claims",
    "judge_published",
    "kernel_resolutions",
    "kernel_spectrum",
    "load_published",
    "mean_interval",
    "named_troubles",
    "paired_differences",
    "peak",
    "probe_resolution",
    "read_results",
    "read_run",
    "read_similarity",
    "resolution_from_kernel",
    "resolution_ratio",
    "resolution_text",
    "similarity_curve",
    "skill",
    "summarise",
]
