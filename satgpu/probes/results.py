"""What comes out: one result for each probe, one report for each call."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

STOP_REASONS = ("early_stopping", "max_iter", "failed", "not_trained")


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
        useful_flops: floating point operations of live probes (products only).
        slots: probes that could train at once.
        notices: what a person should know, such as memory that ran out.
        peak_memory_bytes: of the device's allocator on a GPU, of the process on a CPU.
        stopped: ``should_stop`` ended the call before all probes were done.
    """

    probes: int = 0
    epochs: int = 0
    seconds: float = 0.0
    useful_flops: float = 0.0
    slots: int = 0
    notices: list[str] = field(default_factory=list)
    peak_memory_bytes: int = 0
    stopped: bool = False
