"""Drop-in estimators for scikit-learn: change one import and the notebook's code runs here.

They draw their first weights, validation rows and minibatch orders from ``random_state`` exactly as
``MLPClassifier`` and ``MLPRegressor`` do, so with ``dtype="float64"`` they find the same weights to
rounding, and in the default float32 the same model much sooner.

>>> from satgpu.sklearn import MLPProbeClassifier as MLPClassifier  # doctest: +SKIP
"""

import math
import warnings
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.probes.backprop import forward
from satgpu.probes.groups import ProbeGroup
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult
from satgpu.probes.training import train_probes

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, column_or_1d, shuffle
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("satgpu.sklearn needs scikit-learn: pip install 'satgpu[sklearn]'") from error

class ScikitLearnDraws:
    """The random choices of one ``MLPClassifier`` or ``MLPRegressor``, in the order it makes them.

    Args:
        random_state: the generator, used up as scikit-learn uses it.
        layout: of the network.
        activation: of the hidden layers.
        stratify: the validation rows hold the classes in proportion (a single binary target).
        validation_fraction: of the training rows.
    """

    shared = False

    def __init__(
        self,
        random_state: np.random.RandomState,
        layout: Layout,
        activation: str,
        stratify: bool,
        validation_fraction: float,
    ):
        self._random_state = random_state
        self._stratify = stratify
        self._fraction = validation_fraction
        self._flat = torch.zeros(layout.size, dtype=torch.float64)
        factor = 2.0 if activation == "logistic" else 6.0
        for weight, bias in zip(layout.weights(self._flat), layout.biases(self._flat), strict=True):
            bound = math.sqrt(factor / sum(weight.shape))
            weight.copy_(torch.from_numpy(random_state.uniform(-bound, bound, weight.mT.shape)).mT)
            bias.copy_(torch.from_numpy(random_state.uniform(-bound, bound, bias.shape)))
        self._order: np.ndarray | None = None
        self._before_orders: tuple | None = None

    def split(self, probe: int, labels: Tensor, n_validation: int) -> tuple[Tensor, Tensor]:
        """``train_test_split``'s positions."""
        fit, validation = train_test_split(
            np.arange(labels.shape[0]),
            random_state=self._random_state,
            test_size=self._fraction,
            stratify=labels.cpu().numpy() if self._stratify else None,
        )
        return torch.from_numpy(fit), torch.from_numpy(validation)

    def order(self, probe: int, epoch: int, n_fit: int) -> Tensor:
        """The last epoch's order, shuffled on; epoch 0 begins anew, as a probe does that starts again."""
        if epoch == 0:
            self._before_orders = self._before_orders or self._random_state.get_state()
            self._random_state.set_state(self._before_orders)
            self._order = np.arange(n_fit)
        self._order = shuffle(self._order, random_state=self._random_state)
        return torch.from_numpy(self._order)

    def parameters(self, probe: int, layout: Layout, activation: str) -> Tensor:
        """Glorot's, drawn when this object was made."""
        return self._flat


# Those that change what is computed: taken at the one value that means what is done here.
_ONE_VALUE = {"solver": "adam", "shuffle": True, "warm_start": False, "loss": "squared_error"}


@dataclass(eq=False, repr=False)
class _MLPProbe(BaseEstimator):
    """What classifier and regressor share. scikit-learn wants arguments kept as they come: they are checked in fit."""

    hidden_layer_sizes: Any = (100,)
    activation: str = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: int | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: int = 10
    max_fun: int = 15000
    standardize: bool = False
    device: str = "cpu"
    dtype: str = "float32"

    def _train(self, X: np.ndarray, y: Tensor, task: str, n_outputs: int) -> None:
        """Fit one probe and keep what scikit-learn's estimators keep."""
        for name, value in _ONE_VALUE.items():
            if getattr(self, name, value) != value:
                raise UserError(f"{name}={getattr(self, name)!r} is not supported here; only {name}={value!r} is")
        if self.dtype not in ("float32", "float64"):
            raise UserError(f"dtype must be float32 or float64; got {self.dtype!r}")
        given = {option.name: getattr(self, option.name) for option in fields(ProbeOptions)}
        given["hidden_layer_sizes"] = tuple(np.atleast_1d(self.hidden_layer_sizes).tolist())
        given["batch_size"] = 200 if self.batch_size == "auto" else self.batch_size
        options = ProbeOptions(**given)
        layout = Layout((X.shape[1], *options.hidden_layer_sizes, n_outputs))
        stratify = task == "classification" and n_outputs == 1
        draws = ScikitLearnDraws(
            check_random_state(self.random_state), layout, self.activation, stratify, self.validation_fraction
        )
        group = ProbeGroup(
            X=torch.tensor(X),
            Y=y.unsqueeze(0),
            train_rows=torch.arange(X.shape[0]),
            test_rows=torch.arange(0),
            split_seed=0,
            probe_seeds=torch.zeros(1, dtype=torch.int64),
            task=task,
            keys=[0],
            keep_parameters=True,
            draws=draws,
        )
        results: list[ProbeResult] = []
        train_probes([group], options, device=self.device, dtype=getattr(torch, self.dtype), on_result=results.append)
        self._keep(results[0], layout)

    def _keep(self, result: ProbeResult, layout: Layout) -> None:
        """Fitted attributes under scikit-learn's names."""
        if result.stop_reason == "not_trained":
            raise ValueError(f"{type(self).__name__} cannot be fitted: {result.failure} ({result.n_train} samples)")
        if result.stop_reason == "failed":
            raise ValueError(
                f"training became non-finite ({result.failure}); scale the inputs, or lower learning_rate_init"
            )
        if result.stop_reason == "max_iter":
            warnings.warn(
                f"max_iter={self.max_iter} epochs reached and the optimization hasn't converged yet",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._layout, self._result = layout, result
        flat = result.parameters.cpu()
        self.coefs_ = [weight.T.numpy() for weight in layout.weights(flat)]
        self.intercepts_ = [bias.numpy() for bias in layout.biases(flat)]
        self.n_iter_ = result.n_iter
        self.loss_curve_ = result.loss_curve.tolist()
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_)
        self.t_ = result.n_iter * (result.n_train - result.n_validation)
        if self.verbose:
            for epoch, loss in enumerate(self.loss_curve_, 1):
                print(f"Iteration {epoch}, loss = {loss:.8f}")
        self.validation_scores_ = result.validation_curve.tolist() if self.early_stopping else None
        self.best_validation_score_ = result.validation_score if self.early_stopping else None
        self.n_layers_ = layout.n_layers + 1
        self.n_outputs_ = layout.n_outputs

    @property
    def partial_fit(self):
        """Not offered: an AttributeError that says so, as scikit-learn's tools expect."""
        raise AttributeError("partial_fit is not supported here; call fit with all rows at once")

    def _raw_output(self, X) -> Tensor:
        """(n, C) before the output function."""
        check_is_fitted(self)
        X = torch.tensor(validate_data(self, X, dtype=np.float64, reset=False))
        if self._result.input_shift is not None:
            X = (X - self._result.input_shift.cpu()) / self._result.input_scale.cpu()
        flat = self._result.parameters.cpu()
        weights, biases = self._layout.weights(flat), self._layout.biases(flat)
        return forward(X.to(flat.dtype), weights, biases, self.activation)[-1]


def _refuse(others: dict) -> None:
    """Further arguments of ``fit``; sample_weight is not in its signature, which would promise it."""
    for name, value in others.items():
        if value is not None:
            raise UserError(f"{name} is not supported here; leave it out, or repeat the rows that count more")


@dataclass(eq=False, repr=False)
class MLPProbeClassifier(ClassifierMixin, _MLPProbe):
    """``sklearn.neural_network.MLPClassifier`` with the Adam solver, trained here.

    Parameters are those of scikit-learn under the same names, with the same meanings and defaults, and
    ``standardize``, ``device`` ("cpu", "cuda") and ``dtype`` ("float32", "float64").
    """

    def fit(self, X, y, **others):
        """Fit to (n, d) inputs and (n,) labels; weights of samples are refused."""
        _refuse(others)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=False)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        self._train(X, torch.from_numpy(index.astype(np.int64)), "classification", n_classes if n_classes > 2 else 1)
        self.out_activation_ = "logistic" if n_classes == 2 else "softmax"
        return self

    def predict_proba(self, X):
        """(n, c) probabilities in the order of ``classes_``."""
        out = self._raw_output(X)
        if out.shape[-1] > 1:
            return torch.softmax(out, -1).numpy()
        one = torch.sigmoid(out)
        return torch.cat([1 - one, one], -1).numpy()

    def predict_log_proba(self, X):
        """(n, c) logarithms of ``predict_proba``."""
        return np.log(self.predict_proba(X))

    def predict(self, X):
        """(n,) the more probable class; the first of two at exactly one half."""
        out = self._raw_output(X)
        index = (out[:, 0] > 0).long() if out.shape[-1] == 1 else out.argmax(-1)
        return self.classes_[index.numpy()]


@dataclass(eq=False, repr=False)
class _Loss:
    """The regressor's own argument, its first."""

    loss: str = "squared_error"


@dataclass(eq=False, repr=False)
class MLPProbeRegressor(RegressorMixin, _MLPProbe, _Loss):
    """``sklearn.neural_network.MLPRegressor`` with the Adam solver and squared error, trained here.

    Parameters as for ``MLPProbeClassifier``, ``loss`` before them; one target.
    """

    def fit(self, X, y, **others):
        """Fit to (n, d) inputs and (n,) numbers; weights of samples are refused."""
        _refuse(others)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = column_or_1d(y, warn=True)
        self._train(X, torch.tensor(y, dtype=torch.float64), "regression", 1)
        self.out_activation_ = "identity"
        return self

    def predict(self, X):
        """(n,) numbers."""
        return self._raw_output(X)[:, 0].numpy()
