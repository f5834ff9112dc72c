"""Step 4: from a trained probe to its row in the table."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_jaccard_index

from satgpu.encoders import Provenance
from satgpu.experiments import Field, TaskSet
from satgpu.geometry.notebook import train_test_rows
from satgpu.probes import ProbeResult
from satgpu.run.rows import PredictionRow, ProbeRow
from satgpu.study.config import Config
from satgpu.study.plan import Unit
from satgpu.study.prepared import row_id

# A probe has learned when its training accuracy beats the majority class by this many standard errors.
LEARNED_STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class ProbeLabels:
    """One probe's labels, and what any reader of them could reach."""

    tasks: TaskSet
    field: Field
    task_id: str
    probe_seed: int
    labels: Tensor  # (n,)
    chance: float
    majority: float
    ceiling: float

    @property
    def is_classification(self) -> bool:
        return self.field.kind.task == "classification"


@dataclass(frozen=True)
class DrawnUnit:
    """A unit with its points, split and labels in memory."""

    unit: Unit
    lonlat_deg: Tensor  # (n, 2)
    train_rows: Tensor
    test_rows: Tensor
    probes: tuple[ProbeLabels, ...]


def draw_unit(unit: Unit, device: torch.device | str = "cpu") -> DrawnUnit:
    """Draw the points, split and labels that a unit describes; points and labels are on ``device``."""
    lonlat_deg = unit.points.draw().to(device)
    train_rows, test_rows = (rows.to(device) for rows in split_rows(len(lonlat_deg), unit.split_seed))
    probes = []
    for tasks in unit.task_sets:
        for field, task_id, seed in zip(tasks.fields, tasks.task_ids(), tasks.probe_seeds, strict=True):
            labels, best = field.labels(lonlat_deg, tasks.protocol, tasks.region.center_deg)
            ceiling = 1.0 if best is None else best[test_rows.cpu()].mean().item()
            chance, majority = (math.nan, math.nan)
            if field.kind.task == "classification":
                chance, majority = majority_rates(labels, train_rows, test_rows)
            probes.append(ProbeLabels(tasks, field, task_id, seed, labels, chance, majority, ceiling))
    return DrawnUnit(unit, lonlat_deg, train_rows, test_rows, tuple(probes))


def split_rows(n: int, split_seed: int) -> tuple[Tensor, Tensor]:
    """The 70:30 split of n rows; too few to split are all for training, and their probes say so."""
    if n < 2:
        return torch.arange(n), torch.arange(0)
    return train_test_rows(n, test_size=0.3, seed=split_seed)


def majority_rates(labels: Tensor, train_rows: Tensor, test_rows: Tensor) -> tuple[float, float]:
    """Accuracy of the training rows' most frequent label: on the test rows, and on the training rows."""
    if not len(train_rows):
        return math.nan, math.nan
    majority = torch.bincount(labels[train_rows]).argmax()
    on_test = (labels[test_rows] == majority).double().mean().item() if len(test_rows) else math.nan
    return on_test, (labels[train_rows] == majority).double().mean().item()


def probe_row(
    drawn: DrawnUnit, probe: ProbeLabels, result: ProbeResult, provenance: Provenance, config: Config, **who: str
) -> ProbeRow:
    """The row of an MLP probe; ``who`` holds the encoder's ``role`` and ``twin``."""
    metric = "accuracy" if probe.is_classification else "r2"
    scores = {f"{part}_{metric}": getattr(result, f"{part}_score") for part in ("train", "validation", "test")}
    return ProbeRow(
        **_common(drawn, probe, row_id(probe.task_id, provenance.name)),
        **who,
        **scores,
        encoder=provenance.name,
        trained=provenance.trained,
        encoder_sha256=provenance.sha256,
        legendre_polys=provenance.legendre_polys,
        probe="mlp",
        hidden_layer_sizes="-".join(str(h) for h in config.probes.hidden_layer_sizes),
        standardize=config.probes.standardize,
        n_train=result.n_train,
        n_validation=result.n_validation,
        n_test=result.n_test,
        epochs=result.n_iter,
        stop_reason=result.stop_reason,
        converged=result.stop_reason == "early_stopping",
        failure=result.failure,
        learned=_learned(probe, result),
        test_iou=_iou(probe, drawn.test_rows, result.test_predictions),
    )


def nearest_row(drawn: DrawnUnit, probe: ProbeLabels, score: float) -> ProbeRow:
    """The row of the nearest-neighbour reader of coordinates: what these samples allow without any encoder."""
    scored = not math.isnan(score)
    return ProbeRow(
        **_common(drawn, probe, row_id(probe.task_id, "nearest-neighbour")),
        **{"test_accuracy" if probe.is_classification else "test_r2": score},
        encoder="coordinates",
        role="control",
        trained=False,
        probe="nearest-neighbour",
        n_train=len(drawn.train_rows),
        n_test=len(drawn.test_rows),
        stop_reason="early_stopping" if scored else "not_trained",
        converged=scored,
        learned=scored,
        failure="" if scored else "fewer points than neighbours",
    )


def _common(drawn: DrawnUnit, probe: ProbeLabels, task_id: str) -> dict[str, Any]:
    """The columns that don't depend on who reads the labels."""
    return probe.tasks.columns(probe.field) | {
        "task_id": task_id,
        "probe_seed": probe.probe_seed,
        "train_points_per_cell": probe.tasks.train_points_per_cell(probe.field, len(drawn.train_rows)),
        "chance": probe.chance,
        "ceiling": probe.ceiling,
    }


def _learned(probe: ProbeLabels, result: ProbeResult) -> bool:
    """Whether the training score beats what no learning gives: the majority rate, or the mean."""
    score = result.train_score
    if not probe.is_classification:
        return score is not None and score > 0
    if not result.n_train or math.isnan(score):
        return False
    standard_error = math.sqrt(max(probe.majority * (1 - probe.majority), 0.0) / result.n_train)
    return score > probe.majority + LEARNED_STANDARD_ERRORS * standard_error


def _iou(probe: ProbeLabels, test_rows: Tensor, predictions: Tensor | None) -> float | None:
    """Intersection over union of class 1, for the fields whose classes mean something."""
    if predictions is None or not probe.field.kind.has_object:
        return None
    return binary_jaccard_index(torch.as_tensor(predictions), probe.labels[test_rows].cpu()).item()


def prediction_rows(drawn: DrawnUnit, probe: ProbeLabels, result: ProbeResult, encoder: str) -> list[PredictionRow]:
    """One row for each test point of a probe whose predictions are kept."""
    if result.test_predictions is None:
        return []
    places = drawn.lonlat_deg[drawn.test_rows]
    labels, predictions = probe.labels[drawn.test_rows], torch.as_tensor(result.test_predictions)
    shared = {
        "task_id": row_id(probe.task_id, encoder),
        "experiment": probe.tasks.experiment,
        "encoder": encoder,
        "replicate": probe.tasks.replicate,
        "scale_km": probe.field.scale_km,
    }
    return [
        PredictionRow(lon_deg=round(lon, 4), lat_deg=round(lat, 4), label=int(label), prediction=int(guess), **shared)
        for (lon, lat), label, guess in zip(places.tolist(), labels.tolist(), predictions.tolist(), strict=True)
    ]
