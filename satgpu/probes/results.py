"""What comes out: one result for each probe, one report for each call."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from satgpu.probes.backprop import forward
from satgpu.probes.groups import ProbeGroup, Subgroup, chances
from satgpu.probes.scores import predictions, score

_ROWS_AT_ONCE = 2048  # so that activations stay in cache
_NO_CURVE = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """One probe after training; scores are accuracies, or R² for regression, and NaN where there is none.

    Attributes:
        key: the name its group gave it.
        train_score: over the fitted rows (the training rows less the validation rows), best weights.
        validation_score: the best one seen, whose weights were restored.
        test_score: over the test rows.
        chance: accuracy on the test rows of always answering the training rows' most frequent class;
            0 for regression, the R² of answering the mean.
        n_iter: epochs.
        stop_reason: "early_stopping" (stopped by itself), "max_iter", "failed" or "not_trained".
        failure: why there is no score, or "".
        n_train: training rows, the validation rows among them.
        n_validation, n_test: rows.
        loss_curve, validation_curve: (n_iter,) float32 mean training loss and validation score by epoch.
        test_predictions: (n_test,) classes or numbers, if asked for.
        parameters: flat weights, if asked for (``network.Layout`` reads them).
        input_shift, input_scale: (d,) that standardised the inputs, with ``parameters`` and ``standardize``.
    """

    key: Hashable
    train_score: float
    validation_score: float
    test_score: float
    chance: float
    n_iter: int
    stop_reason: str
    failure: str
    n_train: int
    n_validation: int
    n_test: int
    loss_curve: np.ndarray
    validation_curve: np.ndarray
    test_predictions: np.ndarray | None = None
    parameters: Tensor | None = None
    input_shift: Tensor | None = None
    input_scale: Tensor | None = None


@dataclass
class TrainingReport:
    """What a call of ``train_probes`` did.

    Attributes:
        probes: results delivered.
        epochs: epochs of all probes together.
        seconds: wall time.
        epoch_seconds: on a CPU, what all threads together spent in epochs.
        useful_flops: floating point operations of live probes (products only).
        slots: probes that could train at once.
        path: what computed the epochs, such as "fused avx512" or "torch".
        notices: what a person should know, such as memory that ran out.
        peak_memory_bytes: of the device's allocator on a GPU, of the process on a CPU.
        stopped: ``should_stop`` ended the call before all probes were done.
    """

    probes: int = 0
    epochs: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    useful_flops: float = 0.0
    slots: int = 0
    path: str = "torch"
    notices: list[str] = field(default_factory=list)
    peak_memory_bytes: int = 0
    stopped: bool = False


@dataclass(frozen=True, eq=False)
class TrainedProbe:
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


@dataclass(frozen=True, eq=False)
class ProbeScores:
    """How right the kept weights are.

    Attributes:
        train, test, chance: as in ``ProbeResult``.
        test_predictions: (n_test,).
        n_validation: rows.
        is_whole: whether every weight is finite.
    """

    train: float
    test: float
    chance: float
    test_predictions: Tensor
    n_validation: int
    is_whole: bool


def make_result(
    subgroup: Subgroup, member: int, trained: TrainedProbe, outputs: Callable[[Tensor], Tensor] | None = None
) -> ProbeResult:
    """Score the weights on the fitted and the test rows.

    Args:
        subgroup, member: of the probe.
        trained: what came of it.
        outputs: (n, C) raw outputs of (n, d) inputs by these weights; by torch if left out.
    """
    outputs = outputs or partial(raw_outputs, subgroup, trained.flat)
    group = subgroup.group
    test_rows = group.test_rows.to(subgroup.device)
    fitted = predictions(outputs(subgroup.X_fit), group.task)
    predicted = predictions(outputs(subgroup.X_test), group.task)
    scores = ProbeScores(
        train=float(score(fitted, subgroup.labels(member, subgroup.rows[0]), group.task)),
        test=float(score(predicted, subgroup.labels(member, test_rows), group.task)),
        chance=subgroup.chance[member],
        test_predictions=predicted,
        n_validation=subgroup.rows[1].shape[0],
        is_whole=bool(torch.isfinite(trained.flat).all()),
    )
    return scored_result(group, member, trained, scores, subgroup.scaling)


def scored_result(
    group: ProbeGroup, member: int, trained: TrainedProbe, scores: ProbeScores, scaling: tuple[Tensor, Tensor] | None
) -> ProbeResult:
    """The result of a probe whose training and scores are known; ``scaling`` standardised its inputs."""
    stop_reason, failure = trained.stop_reason, trained.failure
    if not failure and not scores.is_whole:
        stop_reason, failure = "failed", f"non-finite weights after epoch {trained.n_iter}"
    has_score = not failure
    shift, scale = scaling if scaling and group.keep_parameters else (None, None)
    return ProbeResult(
        key=group.keys[member],
        train_score=scores.train if has_score else math.nan,
        validation_score=trained.best_score if has_score else math.nan,
        test_score=scores.test if has_score else math.nan,
        chance=scores.chance,
        n_iter=trained.n_iter,
        stop_reason=stop_reason,
        failure=failure or ("" if group.test_rows.numel() else "no test rows"),
        n_train=group.train_rows.shape[0],
        n_validation=scores.n_validation,
        n_test=group.test_rows.shape[0],
        loss_curve=trained.losses,
        validation_curve=trained.validation_scores,
        test_predictions=scores.test_predictions.cpu().numpy() if group.keep_test_predictions else None,
        parameters=trained.flat if group.keep_parameters else None,
        input_shift=shift,
        input_scale=scale,
    )


def raw_outputs(subgroup: Subgroup, flat: Tensor, X: Tensor) -> Tensor:
    """(n, C) raw outputs of one probe for (n, d) inputs."""
    weights, biases = subgroup.layout.weights(flat), subgroup.layout.biases(flat)
    activation = subgroup.options.activation
    return torch.cat([forward(some, weights, biases, activation)[-1] for some in X.split(_ROWS_AT_ONCE)])


def untrained_result(group: ProbeGroup, member: int, reason: str) -> ProbeResult:
    """The result of a probe that was not trained."""
    return ProbeResult(
        key=group.keys[member],
        train_score=np.nan,
        validation_score=np.nan,
        test_score=np.nan,
        chance=chances(group, [member])[0],
        n_iter=0,
        stop_reason="not_trained",
        failure=reason,
        n_train=group.train_rows.shape[0],
        n_validation=0,
        n_test=group.test_rows.shape[0],
        loss_curve=_NO_CURVE,
        validation_curve=_NO_CURVE,
    )
