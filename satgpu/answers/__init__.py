"""From a run's tables to answers: each question once, in a file of its own.

    answers = answer_run(read_run("logs/NAME"))

To add a question (an experiment ``shape``, say):

1. ``satgpu/experiments/shape.py`` says what to read, and has one entry in the registry.
2. ``satgpu/answers/shape.py`` has ``TITLE``, and ``answer(run) -> list[Answer]``, where ``run`` holds the rows of one
   protocol. Sentences of the notebook's (``sentences.printed``) and satgpu's own (``sentences.own``) about the one
   question stand together, and share one Estimate a number. Ids are ``shape.detail``. An answer with
   ``headline=True`` opens page and summary. Tables of estimates that a figure wants are functions of the run in
   the same file, wrapped in ``satgpu.run.read.once`` so that they are computed once.
   A table of differences comes from ``tables.differences``, a mean from ``tables.means``; rows from ``run.probes``
   or ``run.shape`` and never from a mask. Return [] where the run has no rows.
3. ``satgpu/report/figures/shape.py``, if a picture is wanted, has ``draw(run, answers, narrow) -> Picture | None``
   and draws those tables. None where there is nothing to draw.

The files are found by their names; the order on the page is that of ``ORDER`` here, the rest after it by name.
"""

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
