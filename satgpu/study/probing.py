"""Steps 2 to 4 as a stream: a unit is drawn and encoded when the trainer has room, and forgotten once it is written."""

import hashlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch

from satgpu.encoders import encode
from satgpu.geometry import unit_vectors
from satgpu.probes import ProbeGroup, ProbeResult, nearest_neighbour_scores, train_probes
from satgpu.run.folder import RunFolder
from satgpu.run.rows import ProbeCurveRow, ProbeRow
from satgpu.study.board import TrainingBoard
from satgpu.study.interrupt import Interruption
from satgpu.study.plan import Round, Unit
from satgpu.study.prepared import PreparedStudy, StudyEncoder, row_id
from satgpu.study.probe_rows import DrawnUnit, ProbeLabels, draw_unit, nearest_row, prediction_rows, probe_row
from satgpu.study.progress import RunProgress
from satgpu.study.ranks import Ranks

# Curves of at most about this many probes of an experiment and encoder are kept for the training quantiles.
CURVES_KEPT = 256
NOISY_NEIGHBOURS = 15


class ProbeRun:
    """A round's probes of this process, streamed: units are drawn when the trainer has room, forgotten when done."""

    def __init__(
        self,
        study: PreparedStudy,
        folder: RunFolder,
        done: set[str],
        ranks: Ranks,
        round_: Round,
        board: TrainingBoard | None = None,
    ):
        self.board = board
        self.study, self.folder, self.done, self.ranks, self.round = study, folder, done, ranks, round_
        self.total = sum(self._n_rows(unit) for unit in self._units())
        self.finished = sum(1 for unit in self._units() for task_id in self._row_ids(unit) if task_id in done)
        self.notices: list[str] = []
        self._waiting: dict[tuple[str, str], tuple[DrawnUnit, ProbeLabels, StudyEncoder]] = {}
        self._curve_share = self._curve_shares()

    def _units(self) -> Iterator[Unit]:
        return (item for item in self.study.share(self.ranks, self.round) if isinstance(item, Unit))

    def _n_rows(self, unit: Unit) -> int:
        return unit.n_probes * (len(self.study.encoders) + self.study.config.controls)

    def _row_ids(self, unit: Unit) -> Iterator[str]:
        readers = [encoder.name for encoder in self.study.encoders]
        readers += ["nearest-neighbour"] if self.study.config.controls else []
        return (row_id(task_id, reader) for task_id in unit.task_ids() for reader in readers)

    def run(self, progress: RunProgress, interruption: Interruption) -> None:
        """Train everything that has no row yet."""
        budget_gb = self.study.config.memory_budget_gb
        training = train_probes(
            self._groups(progress, interruption),
            self.study.config.probes,
            device=self.study.device,
            memory_budget_bytes=None if budget_gb is None else int(budget_gb * 1e9),
            precision=self.study.config.precision,
            on_result=lambda result: self._store(result, progress),
            should_stop=interruption.asked,
        )
        self.notices = training.notices

    def _groups(self, progress: RunProgress, interruption: Interruption) -> Iterator[Callable[[], list[ProbeGroup]]]:
        """Functions that draw and encode: one in which memory runs out is asked again once there is more."""
        for unit in self._units():
            if interruption.asked():
                return
            if all(task_id in self.done for task_id in self._row_ids(unit)):
                continue
            drawn = cache(partial(draw_unit, unit, self.study.device))
            if self.study.config.controls:
                yield partial(self._store_nearest, drawn, progress)
            for loaded in self.study.encoders:
                yield partial(self._encoder_groups, drawn, loaded)

    def _encoder_groups(self, draw: Callable[[], DrawnUnit], loaded: StudyEncoder) -> list[ProbeGroup]:
        """The unit's unfinished probes on one encoder: classification and regression apart."""
        drawn, name, groups = draw(), loaded.encoder.name, []
        todo = [probe for probe in drawn.probes if row_id(probe.task_id, name) not in self.done]
        if not todo:
            return []
        embedding = encode(loaded.encoder, drawn.lonlat_deg, check_finite=False)  # a row says what NaN did
        for task, probes in _by(todo, lambda probe: probe.field.kind.task).items():
            keys = [(probe.task_id, name) for probe in probes]
            self._waiting |= {key: (drawn, probe, loaded) for key, probe in zip(keys, probes, strict=True)}
            group = ProbeGroup(
                X=embedding,
                Y=torch.stack([probe.labels for probe in probes]),
                train_rows=drawn.train_rows,
                test_rows=drawn.test_rows,
                split_seed=drawn.unit.split_seed,
                probe_seeds=torch.tensor([probe.probe_seed for probe in probes], dtype=torch.int64),
                task=task,
                keys=keys,
                keep_test_predictions=any(probe.field.keep_predictions for probe in probes),
            )
            groups.append(group)
        return groups

    def _store_nearest(self, draw: Callable[[], DrawnUnit], progress: RunProgress) -> list[ProbeGroup]:
        """Write the rows of the nearest-neighbour reader, which needs no training; no groups."""
        drawn = draw()
        xyz = unit_vectors(drawn.lonlat_deg)
        todo = [p for p in drawn.probes if row_id(p.task_id, "nearest-neighbour") not in self.done]
        for (task, neighbours), probes in _by(todo, lambda p: (p.field.kind.task, _neighbours(p))).items():
            labels = torch.stack([probe.labels for probe in probes])
            rows = (drawn.train_rows, drawn.test_rows)
            scores = nearest_neighbour_scores(xyz, labels, *rows, task=task, k=neighbours).tolist()
            self.folder.append([nearest_row(drawn, p, s) for p, s in zip(probes, scores, strict=True)])
            self.done.update(row_id(probe.task_id, "nearest-neighbour") for probe in probes)
            for probe in probes:
                progress.advance(probe.tasks.experiment)
        return []

    def _store(self, result: ProbeResult, progress: RunProgress) -> None:
        """Everything about a finished probe, its row in the table last."""
        drawn, probe, loaded = self._waiting.pop(result.key)
        provenance = loaded.encoder.provenance
        who = {"role": loaded.role, "twin": loaded.twin}
        row = probe_row(drawn, probe, result, provenance, self.study.config, **who)
        if probe.field.keep_predictions:
            self.folder.append(prediction_rows(drawn, probe, result, provenance.name))
        if self._keeps_curve(row):
            self.folder.append(_curve_rows(row, result))
        self.folder.append([row])
        if self.board is not None:
            self.board.add(row.experiment, row.encoder, result)
        progress.advance(f"{row.experiment} · {row.encoder}")

    def _curve_shares(self) -> dict[str, float]:
        """The share of an experiment's probes whose curves are kept."""
        counts: dict[str, int] = {}
        for unit in self.study.units():
            for tasks in unit.task_sets:
                counts[tasks.experiment] = counts.get(tasks.experiment, 0) + len(tasks.fields)
        return {name: min(1.0, CURVES_KEPT / count) for name, count in counts.items()}

    def _keeps_curve(self, row: ProbeRow) -> bool:
        """Chosen by name, so that a resumed or divided run keeps the same ones."""
        word = hashlib.blake2b(row.task_id.encode(), digest_size=4).digest()
        return int.from_bytes(word, "big") / 2**32 < self._curve_share[row.experiment]


def _by(probes: list[ProbeLabels], key: Callable[[ProbeLabels], Any]) -> dict[Any, list[ProbeLabels]]:
    """The probes apart by a property."""
    groups: dict[Any, list[ProbeLabels]] = {}
    for probe in probes:
        groups.setdefault(key(probe), []).append(probe)
    return groups


def _neighbours(probe: ProbeLabels) -> int:
    """Where labels are noisy one neighbour would repeat the noise."""
    return NOISY_NEIGHBOURS if probe.field.width_km else 1


def _curve_rows(row: ProbeRow, result: ProbeResult) -> list[ProbeCurveRow]:
    shared = {"task_id": row.task_id, "experiment": row.experiment, "encoder": row.encoder}
    curves = zip(result.loss_curve.tolist(), result.validation_curve.tolist(), strict=True)
    return [
        ProbeCurveRow(epoch=epoch, loss=float(f"{loss:.5g}"), validation=float(f"{score:.5g}"), **shared)
        for epoch, (loss, score) in enumerate(curves, 1)
    ]
