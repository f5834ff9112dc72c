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

The files are found by their names; the order on the page is that of ``ORDER`` in ``questions.py``.
"""

from satgpu.answers.intervals import mean_interval
from satgpu.answers.published import load_published, published_answers
from satgpu.answers.questions import answer_run
from satgpu.answers.skill import probe_resolution, resolution_ratio, skill
from satgpu.answers.types import Answer, Censoring, Estimate, Source, Unit, Verdict
from satgpu.readouts.kernel import (
    KernelResolution,
    kernel_resolutions,
    kernel_spectrum,
    resolution_from_kernel,
    similarity_curve,
)
from satgpu.run.read import Run, read_run
from satgpu.run.read_table import is_starved, read_results, read_similarity

__all__ = [
    "Answer",
    "Censoring",
    "Estimate",
    "KernelResolution",
    "Run",
    "Source",
    "Unit",
    "Verdict",
    "answer_run",
    "is_starved",
    "kernel_resolutions",
    "kernel_spectrum",
    "load_published",
    "mean_interval",
    "probe_resolution",
    "published_answers",
    "read_results",
    "read_run",
    "read_similarity",
    "resolution_from_kernel",
    "resolution_ratio",
    "similarity_curve",
    "skill",
]
