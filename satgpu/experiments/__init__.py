"""One file per section of the study: what to read from the encoders, at which places and scales.

Every file in this folder is imported, and a file that holds an experiment
registers it with ``@experiment``: options, ``--help``, plans and tables follow
from that entry. To add one:

* **With probes.** A file here with a frozen dataclass of options under
  ``@experiment("name", summary=..., section=..., factors=(column, ...))``
  and a method ``task_sets(draw)`` that yields ``TaskSet``s, built with the functions of
  ``make`` (``coastline.py`` is the shortest). Nothing else is needed to run it: its rows
  go to ``results.csv``.
* **Without probes.** The same with ``table="name"`` and a method ``readouts(draw)`` that
  yields ``ReadoutTask``s (``similarity.py`` shows it); a row class in ``satgpu.run.rows``
  under ``@table("name", side=True)`` that extends ``ReadoutRow``; and in
  ``satgpu.study.readouts`` a function under ``@reads("name")`` that turns one task and one
  encoder into rows. Tasks are dealt to the processes, done once for each encoder, written
  durably to ``name.csv`` and never done twice.
* **Answer and figure**, if wanted: ``satgpu/answers/name.py`` and
  ``satgpu/report/figures/name.py`` are found by the experiment's name.

``draw`` is a ``Draw``: protocol, replicate and master seed, and ``seed_for(*words)``,
which names every random draw.
"""

import importlib
import pkgutil

from satgpu.experiments.make import Draw
from satgpu.experiments.registry import EXPERIMENTS, Experiment, default_experiments, experiment
from satgpu.experiments.tasks import Field, ReadoutTask, Region, TaskSet

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "EXPERIMENTS",
    "Draw",
    "Experiment",
    "Field",
    "ReadoutTask",
    "Region",
    "TaskSet",
    "default_experiments",
    "experiment",
]
