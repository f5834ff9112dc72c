"""Tables to knowledge: intervals, differences, effective resolution, claims and their verdicts."""

from satgpu.analysis.differences import Peak, paired_differences, peak
from satgpu.analysis.intervals import Interval, mean_interval, summarise
from satgpu.analysis.skill import probe_resolution, resolution_text, skill
from satgpu.analysis.tables import RunTables, field_rows, is_starved, read_results, read_run, read_similarity

__all__ = [
    "Interval",
    "Peak",
    "RunTables",
    "field_rows",
    "is_starved",
    "mean_interval",
    "paired_differences",
    "peak",
    "probe_resolution",
    "read_results",
    "read_run",
    "read_similarity",
    "resolution_text",
    "skill",
    "summarise",
]
