"""``MLPProbes``: scikit-learn's multi-layer perceptron with one more axis, many label sets at once."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from satgpu.arrays import as_tensor
from satgpu.errors import UserError, unknown_choice
from satgpu.probes.backprop import forward
from satgpu.probes.draws import FIRST_PROBE_SEED, HashedDraws, probe_seed
from satgpu.probes.groups import TASKS, ProbeGroup, n_outputs
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions
from satgpu.probes.results import ProbeResult
from satgpu.probes.scores import majority_class, predictions, score
from satgpu.probes.shapes import are_equal, as_groups, as_labels, as_seed, one_per_probe, padded_curves
from satgpu.probes.training import checked_device, train_probes

_OPTION_NAMES = tuple(f.name for f in fields(ProbeOptions))
_PER_PROBE = ("alpha", "learning_rate_init")
_ROWS_AT_ONCE = 4096


class MLPProbes:
    """Trains P independent MLPs on P label sets, for each of G sets of inputs.

    The options are those of scikit-learn's ``MLPClassifier`` and ``MLPRegressor`` under the same names
    (see ``ProbeOptions``), early stopping being on by default.

    Args:
        task: "classification" or "regression".
        random_state: a whole number below 2³² from which every probe's seed is derived, or int64 seeds
            of the shape of the probes, as kept in ``probe_seeds_``: a probe can be trained again alone
            (one such seed is a number of 2³² or more, and fits one label set). None: another draw each
            time, kept in ``random_state_``.
        split_seed: draws the validation rows and the minibatch order; ``random_state`` by default, 0
            where that holds seeds of probes.
        shared_draws: the probes of a group share validation rows and minibatch order, so that the inputs
            are read once for all of them. False: each has its own, and its validation rows are
            stratified for two classes, as in scikit-learn.
        device: "cpu", "cuda", "cuda:1".
        dtype: of the arithmetic, "float32" or "float64".
        **options: of ``ProbeOptions``; ``alpha`` and ``learning_rate_init`` may be arrays of the shape of
            the probes.

    Fitted attributes follow; "probes" stands for the leading axes of Y: (), (p,) or (g, p).

    Attributes:
        classes_: (c,) sorted labels (classification).
        random_state_: the seed that was used.
        n_iter_: (probes) epochs.
        best_validation_score_: (probes).
        loss_curve_, validation_scores_: (probes, most epochs), NaN after a probe's last epoch.
        stop_reason_, failure_: (probes) strings.
        probe_seeds_: (probes) int64.

    Example:
        >>> import torch
        >>> X = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
        >>> Y = torch.stack([X[:, 0] > 0, X[:, 1] > 0]).long()
        >>> MLPProbes(hidden_layer_sizes=(16,), max_iter=60).fit(X, Y).score(X, Y).shape
        torch.Size([2])
    """

    def __init__(
        self,
        task: str = "classification",
        *,
        random_state: int | Tensor | np.ndarray | None = 0,
        split_seed: int | None = None,
        shared_draws: bool = True,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = "float32",
        **options: Any,
    ):
        if task not in TASKS:
            raise unknown_choice("task", task, TASKS)
        unknown = set(options) - set(_OPTION_NAMES)
        if unknown:
            raise unknown_choice("option", min(unknown), _OPTION_NAMES)
        if shared_draws not in (True, False):
            raise UserError(f"shared_draws must be True or False; got {shared_draws!r}")
        self.task = task
        self.random_state = random_state
        self.split_seed = split_seed
        self.shared_draws = shared_draws
        self.device = device
        self.dtype = dtype
        self._options = options
        # Everything that can be wrong is told here and not in the middle of a study.
        self._shared_options()
        self._torch_dtype()
        checked_device(device)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, as scikit-learn's estimators give them."""
        own = ("task", "random_state", "split_seed", "shared_draws", "device", "dtype")
        defaults = {f.name: f.default for f in fields(ProbeOptions)}
        return {name: getattr(self, name) for name in own} | defaults | self._options

    def set_params(self, **params: Any) -> "MLPProbes":
        """Change some arguments."""
        self.__init__(**(self.get_params() | params))  # type: ignore[misc]
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's tools (``cross_val_score``, ``clone``) ask an estimator."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        classifies = self.task == "classification"
        return Tags(
            estimator_type="classifier" if classifies else "regressor",
            target_tags=TargetTags(required=True, multi_output=True),
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
            input_tags=InputTags(three_d_array=True),
        )

    def __repr__(self) -> str:
        defaults = MLPProbes().get_params()
        changed = {k: v for k, v in self.get_params().items() if k != "task" and not are_equal(v, defaults[k])}
        return f"MLPProbes({', '.join([repr(self.task)] + [f'{k}={v!r}' for k, v in changed.items()])})"

    def fit(self, X: Any, Y: Any) -> "MLPProbes":
        """Train a probe for each label set.

        Args:
            X: (n, d) inputs of all probes, or (g, n, d); arrays or tensors.
            Y: (n,), (p, n) or (g, p, n) labels of any sortable kind, or numbers for regression. A row is
                a label set, also where p equals n.

        Returns:
            Itself. Among several, a probe that cannot be trained (NaN among its inputs or labels, one
            class only) or that goes non-finite is named in ``failure_`` and the others are not touched.

        Raises:
            ValueError: X and Y do not fit each other, hold no numbers, NaN in the data of a single fit, or
                numbers that are no classes.
        """
        self._is_torch = isinstance(X, Tensor)
        self.random_state_ = self._drawn_state()
        X_GND = self._inputs(X)
        labels = self._encode(Y)
        self._probes = labels.shape[:-1]
        Y_GPN = as_groups(labels, X_GND)
        self._n_features = X_GND.shape[-1]
        self._Y_majority = majority_class(Y_GPN) if self.task == "classification" else None
        self.probe_seeds_ = self._seeds(Y_GPN.shape[:2]).reshape(self._probes)
        results: dict[tuple[int, int], ProbeResult] = {}
        groups = (self._group(X_GND, Y_GPN, g) for g in range(Y_GPN.shape[0]))
        self.report_ = train_probes(
            groups,
            self._shared_options(),
            device=self.device,
            dtype=self._torch_dtype(),
            on_result=lambda result: results.__setitem__(result.key, result),
        )
        self._keep([results[key] for key in sorted(results)], Y_GPN)
        if not self._probes and "non-finite" in self.failure_.item() and self.stop_reason_ == "not_trained":
            raise ValueError(f"X or Y holds NaN or infinity ({self.failure_.item()}); drop or fill those rows")
        return self

    def predict(self, X: Any) -> Any:
        """(probes, n) labels or numbers; a probe without a score answers its most frequent class, or NaN."""
        out = self._forward(X)
        if self.task == "regression":
            return self._give(torch.stack([o.squeeze(-1) for o in out]).reshape(*self._probes, -1))
        rows = []
        for i, o in enumerate(out):
            majority = self._Y_majority.flatten()[i]
            rows.append(predictions(o, self.task) if self._trained[i] else majority.expand(o.shape[0]))
        index = torch.stack(rows).reshape(*self._probes, -1)
        return self.classes_[index] if self._is_torch else self.classes_[index.numpy()]

    def predict_proba(self, X: Any) -> Any:
        """(probes, n, c) probability of each class; NaN for a probe without a score.

        Raises:
            ValueError: the task is regression.
        """
        if self.task == "regression":
            raise ValueError("predict_proba needs task='classification'; this is a regression, use predict")
        n_classes = len(self.classes_)
        rows = []
        for o in self._forward(X):
            if o.shape[-1] == 1:
                one = torch.sigmoid(o)
                p = torch.cat([1 - one, one], -1)
            else:
                p = torch.softmax(o, -1)
            p = torch.nn.functional.pad(p, (0, max(0, n_classes - p.shape[-1])))[..., :n_classes]
            rows.append(p)
        return self._give(torch.stack(rows).reshape(*self._probes, -1, n_classes))

    def score(self, X: Any, Y: Any) -> Any:
        """(probes) accuracy or R²; NaN for a probe without a score.

        Raises:
            ValueError: Y has other leading axes than in ``fit``.
        """
        if tuple(np.shape(Y)[:-1]) != tuple(self._probes):
            wanted = (*self._probes, "n")
            raise ValueError(f"Y must have the leading axes of fit, {wanted}; got {tuple(np.shape(Y))}")
        if self.task == "regression":
            values = score(torch.as_tensor(self.predict(X)), as_tensor(Y, "Y").cpu(), self.task)
        else:
            found, wanted = np.asarray(self.predict(X)), np.asarray(Y.cpu() if isinstance(Y, Tensor) else Y)
            if found.shape != wanted.shape:
                raise ValueError(f"Y must have a label for each row of X, {found.shape}; got {wanted.shape}")
            if not np.isin(wanted, np.asarray(self.classes_)).any():
                known = str(self.classes_[0])
                raise ValueError(f"Y holds none of the labels of fit, such as {known!r}; give labels of their kind")
            values = torch.as_tensor(found == wanted).double().mean(-1)
        trained = torch.tensor(self._trained).reshape(self._probes)
        return self._give(torch.where(trained, values, torch.nan))

    def _shared_options(self) -> ProbeOptions:
        """The options but those given per probe."""
        scalars = {k: v for k, v in self._options.items() if not (k in _PER_PROBE and np.ndim(v))}
        for name in set(self._options) - set(scalars):  # each value has the range of the one
            for value in as_tensor(self._options[name], name).flatten().tolist():
                ProbeOptions(**{name: value})
        return ProbeOptions(**scalars)

    def _torch_dtype(self) -> torch.dtype:
        """float32 or float64."""
        dtype = getattr(torch, self.dtype, None) if isinstance(self.dtype, str) else self.dtype
        if dtype not in (torch.float32, torch.float64):
            raise UserError(f"dtype must be float32 or float64; got {self.dtype!r}")
        return dtype

    def _inputs(self, X: Any) -> Tensor:
        """(g, n, d); g is 1 where X has no groups."""
        X = as_tensor(X, "X")
        if X.ndim not in (2, 3):
            raise ValueError(f"X must be (n, d) or (g, n, d); got {tuple(X.shape)}")
        if not X.numel():
            raise ValueError(f"X must hold rows and features; got {tuple(X.shape)}")
        X = X if X.is_floating_point() else X.double()
        return X if X.ndim == 3 else X.unsqueeze(0)

    def _encode(self, Y: Any) -> Tensor:
        """Class indices into ``classes_``, or numbers."""
        if self.task == "regression":
            Y = as_tensor(Y, "Y")
            return Y if Y.is_floating_point() else Y.double()
        labels, self._nameless = as_labels(Y)
        self.classes_, index = np.unique(labels, return_inverse=True)
        if isinstance(Y, Tensor):
            self.classes_ = torch.from_numpy(self.classes_)
        return torch.as_tensor(index.reshape(labels.shape))

    def _drawn_state(self) -> int | Tensor | np.ndarray:
        """``random_state``, or a seed from the system's entropy where it is None."""
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0])
        if np.ndim(self.random_state) == 0:
            return as_seed("random_state", self.random_state)
        return as_tensor(self.random_state, "random_state").cpu()

    def _seeds(self, shape: torch.Size) -> Tensor:
        """(g, p) int64."""
        state, count = self.random_state_, math.prod(shape)
        if np.ndim(state):
            seeds = one_per_probe("random_state", state, shape)
            if seeds.is_floating_point() and (seeds % 1 != 0).any():
                raise UserError("random_state must hold whole numbers; got some with a fraction")
            return seeds.long()
        if 0 <= state < FIRST_PROBE_SEED:
            return torch.tensor([probe_seed(state, i) for i in range(count)]).reshape(shape)
        if count > 1:
            raise ValueError(
                f"random_state {state} is one probe's seed, and Y has {count} label sets; give one seed each"
            )
        return torch.tensor([state]).reshape(shape)

    def _group(self, X_GND: Tensor, Y_GPN: Tensor, g: int) -> ProbeGroup:
        """One group with its inputs, every row of them for training."""
        n_probes, n_points = Y_GPN.shape[1:]
        seeds = self.probe_seeds_.reshape(Y_GPN.shape[:2])[g]
        split_seed = self.split_seed
        if split_seed is None:
            state = self.random_state_
            split_seed = state if np.ndim(state) == 0 and 0 <= state < FIRST_PROBE_SEED else 0
        else:
            split_seed = as_seed("split_seed", split_seed)
        given = {k: v for k, v in self._options.items() if k in _PER_PROBE and np.ndim(v)}
        values = {k: one_per_probe(k, v, Y_GPN.shape[:2])[g] for k, v in given.items()}
        return ProbeGroup(
            X=X_GND[g if X_GND.shape[0] > 1 else 0],
            Y=Y_GPN[g],
            train_rows=torch.arange(n_points),
            test_rows=torch.arange(0),
            split_seed=split_seed,
            probe_seeds=seeds,
            task=self.task,
            keys=[(g, p) for p in range(n_probes)],
            keep_parameters=True,
            draws=None if self.shared_draws else HashedDraws(split_seed, seeds, shared=False),
            **values,
        )

    def _keep(self, results: list[ProbeResult], Y_GPN: Tensor) -> None:
        """Attributes from the results, in the order of the probes."""
        self._results = results
        self._trained = [r.stop_reason in ("early_stopping", "max_iter") for r in results]
        hidden = self._shared_options().hidden_layer_sizes
        outputs = n_outputs(Y_GPN.flatten(0, 1), self.task)
        self._layouts = [Layout((self._n_features, *hidden, n)) for n in outputs]
        self.n_iter_ = self._shaped([r.n_iter for r in results])
        self.best_validation_score_ = self._shaped([r.validation_score for r in results])
        self.loss_curve_ = self._shaped(padded_curves([r.loss_curve for r in results]))
        self.validation_scores_ = self._shaped(padded_curves([r.validation_curve for r in results]))
        self.stop_reason_ = np.array([r.stop_reason for r in results]).reshape(self._probes)
        failures = ["" if trained else r.failure for r, trained in zip(results, self._trained, strict=True)]
        self.failure_ = np.array(failures).reshape(self._probes)
        if self.task == "classification":
            self.failure_ = np.where(self._nameless, "NaN among its labels", self.failure_)

    def _shaped(self, values: Any) -> Any:
        """Values with the probes' axes in front, as tensor or array."""
        values = torch.as_tensor(np.asarray(values))
        return self._give(values.reshape((*self._probes, *values.shape[1:])))

    def _give(self, values: Tensor) -> Any:
        """A tensor to whom gave tensors, else an array (or a number)."""
        if self._is_torch:
            return values
        return values.numpy() if values.ndim else values.item()

    def _forward(self, X: Any) -> list[Tensor]:
        """Raw outputs (n, C) of each probe, on the CPU; NaN without weights.

        Raises:
            ValueError: before ``fit``, or X of another shape than in ``fit``.
        """
        if not hasattr(self, "_results"):
            raise ValueError("this MLPProbes is not fitted yet: call fit(X, Y) first")
        X_GND = self._inputs(X)
        n_groups = self._probes[0] if len(self._probes) == 2 else 1
        if X_GND.shape[-1] != self._n_features or X_GND.shape[0] not in (1, n_groups):
            raise ValueError(
                f"X must have {self._n_features} features and {n_groups} groups, as in fit; got {tuple(np.shape(X))}"
            )
        if not torch.isfinite(X_GND).all():
            bad = int((~torch.isfinite(X_GND)).any(-1).sum())
            raise ValueError(f"X holds NaN or infinity in {bad} of {X_GND[..., 0].numel()} rows; drop or fill them")
        per_group = len(self._results) // n_groups
        return [
            _raw_output(X_GND[i // per_group if X_GND.shape[0] > 1 else 0], result, layout, self._shared_options())
            for i, (result, layout) in enumerate(zip(self._results, self._layouts, strict=True))
        ]


def _raw_output(X: Tensor, result: ProbeResult, layout: Layout, options: ProbeOptions) -> Tensor:
    """(n, C) of one probe, in chunks of rows."""
    flat = result.parameters
    if flat is None or result.stop_reason == "failed":
        return torch.full((X.shape[0], layout.n_outputs), torch.nan)
    X = X.to(flat.device)
    if result.input_shift is not None:
        X = (X.double() - result.input_shift) / result.input_scale
    weights, biases = layout.weights(flat), layout.biases(flat)
    parts = [
        forward(x.to(flat.dtype).contiguous(), weights, biases, options.activation)[-1] for x in X.split(_ROWS_AT_ONCE)
    ]
    return torch.cat(parts).cpu()
