"""From trained weights to a result: scores with the weights that are kept."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from satgpu.probes.backprop import forward
from satgpu.probes.cohort import Cohort
from satgpu.probes.results import ProbeResult
from satgpu.probes.scores import predictions, score

_ROWS_AT_ONCE = 2048  # so that activations stay in cache


@dataclass(frozen=True, eq=False)
class Training:
    """How one probe's training went.

    Attributes:
        flat: (layout.size,) the weights to keep.
        n_iter: epochs.
        stop_reason, failure: as in ``ProbeResult``.
        best_score: validation score of ``flat``, NaN without early stopping.
        losses, validation_scores: by epoch.
    """

    flat: Tensor
    n_iter: int
    stop_reason: str
    failure: str
    best_score: float
    losses: np.ndarray
    validation_scores: np.ndarray


def make_result(cohort: Cohort, member: int, training: Training) -> ProbeResult:
    """Score the weights on the fitted and the test rows."""
    group = cohort.group
    stop_reason, failure = training.stop_reason, training.failure
    if not failure and not bool(torch.isfinite(training.flat).all()):
        stop_reason, failure = "failed", f"non-finite weights after epoch {training.n_iter}"
    test_rows = group.test_rows.to(cohort.device)
    train_score, _ = _score_rows(cohort, training.flat, cohort.X_fit, cohort.labels(member, cohort.rows[0]))
    test_score, predicted = _score_rows(cohort, training.flat, cohort.X_test, cohort.labels(member, test_rows))
    has_score = not failure
    scaling = cohort.scaling if group.keep_parameters else None
    return ProbeResult(
        key=group.keys[member],
        train_score=train_score if has_score else math.nan,
        validation_score=training.best_score if has_score else math.nan,
        test_score=test_score if has_score else math.nan,
        chance=cohort.chance[member],
        n_iter=training.n_iter,
        stop_reason=stop_reason,
        failure=failure or ("" if group.test_rows.numel() else "no test rows"),
        n_train=group.train_rows.shape[0],
        n_validation=cohort.rows[1].shape[0],
        n_test=group.test_rows.shape[0],
        loss_curve=training.losses,
        validation_curve=training.validation_scores,
        test_predictions=predicted.cpu().numpy() if group.keep_test_predictions else None,
        parameters=training.flat if group.keep_parameters else None,
        input_shift=scaling[0] if scaling else None,
        input_scale=scaling[1] if scaling else None,
    )


def _score_rows(cohort: Cohort, flat: Tensor, X: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """Score and predictions of one probe on (k, d) inputs with (k,) labels."""
    task = cohort.group.task
    weights, biases = cohort.layout.weights(flat), cohort.layout.biases(flat)
    parts = [
        predictions(forward(some, weights, biases, cohort.options.activation)[-1], task)
        for some in X.split(_ROWS_AT_ONCE)
    ]
    predicted = torch.cat(parts)
    return float(score(predicted, labels, task)), predicted
