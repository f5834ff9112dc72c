"""TensorBoard while the run goes: probes finished, their rate, quantiles of loss and validation, scores."""

import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from satgpu.probes import ProbeResult

FOLDER = "training"  # under RUN/tensorboard; the report writes its own folders beside it and leaves this one alone
QUANTILES = (0.1, 0.5, 0.9)


class TrainingBoard:
    """Scalars of one process's probes; the step is the number of probes finished.

    A point is written every ``every_s`` seconds in which probes finished, so that its size follows
    the length of the run and not the number of probes.

    Args:
        folder: ``RUN/tensorboard``.
        every_s: seconds between two points.
    """

    def __init__(self, folder: Path, every_s: float = 5.0):
        self._folder, self._writer = folder / FOLDER, None  # opened with the first point: no file without one
        self._every_s, self._last_s, self._finished = every_s, time.monotonic(), 0
        self._losses: list[float] = []
        self._validation: list[float] = []
        self._scores: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> "TrainingBoard":
        return self

    def __exit__(self, *exc) -> None:
        if self._losses:
            self._write()
        if self._writer is not None:
            self._writer.close()

    def add(self, experiment: str, encoder: str, result: ProbeResult) -> None:
        """One probe has finished."""
        self._finished += 1
        if len(result.loss_curve):
            self._losses.append(float(result.loss_curve[-1]))
            self._validation.append(float(result.validation_score))
        self._scores[f"test_score/{experiment}/{encoder}"].append(float(result.test_score))
        if self._losses and time.monotonic() - self._last_s >= self._every_s:
            self._write()

    def _write(self) -> None:
        """One point of every curve, over the probes that finished since the last."""
        now_s = time.monotonic()
        self._writer = self._writer or SummaryWriter(str(self._folder), flush_secs=int(max(1, self._every_s)))
        self._writer.add_scalar("run/probes_finished", self._finished, self._finished)
        rate = len(self._losses) / max(now_s - self._last_s, 1e-9)
        self._writer.add_scalar("run/probes_per_second", rate, self._finished)
        for name, values in (("loss", self._losses), ("validation", self._validation)):
            known = [value for value in values if np.isfinite(value)]
            for q, value in zip(QUANTILES, np.quantile(known, QUANTILES) if known else (), strict=bool(known)):
                self._writer.add_scalar(f"training/{name}_q{round(100 * q)}", float(value), self._finished)
        for tag, scores in self._scores.items():
            known = [score for score in scores if np.isfinite(score)]
            if known:
                self._writer.add_scalar(tag, float(np.mean(known)), self._finished)
        self._last_s, self._losses, self._validation, self._scores = now_s, [], [], defaultdict(list)
