"""How a probe is trained: one frozen, self-checking set of options shared by all probes of a run."""

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real

from satgpu.errors import UserError, unknown_choice

ACTIVATIONS = ("identity", "logistic", "relu", "tanh")


@dataclass(frozen=True)
class ProbeOptions:
    """Names, meanings and defaults of scikit-learn's ``MLPClassifier``, as the notebook used it.

    Attributes:
        hidden_layer_sizes: units of each hidden layer; empty for a linear probe.
        activation: of the hidden layers: identity, logistic, relu or tanh.
        alpha: L2 penalty on the weights (not the biases), divided by the length of each minibatch.
        batch_size: rows in a minibatch; the last, shorter one is kept.
        learning_rate_init: Adam's step size.
        max_iter: the most epochs.
        early_stopping: hold back validation rows, stop on their score and restore the best weights;
            otherwise stop on the training loss.
        validation_fraction: share of the training rows held back, rounded up.
        n_iter_no_change: stop after more than this many epochs in a row without a gain of ``tol``.
        tol: the gain in validation score (or fall in loss) that counts.
        beta_1, beta_2, epsilon: of Adam, epsilon added after the bias correction as scikit-learn does.
        standardize: scale every input to zero mean and unit variance over the fitted rows.

    Raises:
        UserError: a value outside its range, named with what was wanted.
    """

    hidden_layer_sizes: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    alpha: float = 1e-4
    batch_size: int = 200
    learning_rate_init: float = 1e-3
    max_iter: int = 500
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    standardize: bool = False

    def __post_init__(self):
        for option in fields(self):  # NumPy's scalars and tensors of one number count as plain numbers
            object.__setattr__(self, option.name, _plain(getattr(self, option.name)))
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if isinstance(sizes, int) else tuple(_plain(size) for size in sizes)
        object.__setattr__(self, "hidden_layer_sizes", sizes)
        if self.activation not in ACTIVATIONS:
            raise unknown_choice("activation", self.activation, ACTIVATIONS)
        _require(all(_is_count(s) for s in sizes), "hidden_layer_sizes", sizes, "positive whole numbers")
        for name in ("batch_size", "max_iter", "n_iter_no_change"):
            _require(_is_count(getattr(self, name)), name, getattr(self, name), "a positive whole number")
        for name in ("learning_rate_init", "epsilon"):
            _require(_is_between(getattr(self, name), 0, math.inf, open_low=True), name, getattr(self, name), "above 0")
        for name in ("alpha", "tol"):
            _require(_is_between(getattr(self, name), 0, math.inf), name, getattr(self, name), "0 or more")
        for name in ("beta_1", "beta_2"):
            _require(_is_between(getattr(self, name), 0, 1), name, getattr(self, name), "in [0, 1)")
        for name in ("early_stopping", "standardize"):
            _require(getattr(self, name) in (True, False), name, getattr(self, name), "True or False")
        fraction = self.validation_fraction
        _require(_is_between(fraction, 0, 1, open_low=True), "validation_fraction", fraction, "between 0 and 1")


def n_validation_rows(n_train: int, options: ProbeOptions) -> int:
    """The share of the training rows held back, rounded up; none without early stopping."""
    return math.ceil(options.validation_fraction * n_train) if options.early_stopping else 0


def _plain(value: object) -> object:
    """Python's own int, float or bool for a NumPy scalar, or for an array or tensor of no axes."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, (bool, str)) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    """Raise the one kind of error of this file unless ``holds``."""
    if not holds:
        raise UserError(f"{name} must be {wanted}; got {value!r}")


def _is_count(value: object) -> bool:
    """Whether ``value`` is a whole number of 1 or more (True and False are not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_between(value: object, low: float, high: float, open_low: bool = False) -> bool:
    """Whether ``value`` is a number in [low, high), or (low, high) with ``open_low``."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isnan(value):
        return False
    return (low < value if open_low else low <= value) and value < high
