"""Training by the compiled extension: one call for an epoch of one probe, which holds no interpreter lock.

The library is built from ``fused.cpp`` when the package is installed, if there is a C++ compiler. It has plain C
functions, so one build serves every version of Python, and holds its kernel for each instruction set; the widest
that the processor has is taken. Inputs, weights and moments lie in panels of a few columns (``fused_kernel.h``).
"""

import ctypes
import threading
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.probes.adam import step_sizes
from satgpu.probes.cpu.torch_path import TorchPath
from satgpu.probes.groups import TASKS, Subgroup
from satgpu.probes.options import ACTIVATIONS, ProbeOptions
from satgpu.probes.scores import predictions, score

_ROWS_AT_ONCE = 256  # rows whose outputs are computed together, so that activations stay in cache
_SMALLEST_EPSILON = 1e-30  # of Adam: a smaller one could become zero in float32


class _Probe(Structure):
    """``struct Probe`` of fused.cpp."""

    _fields_ = [
        ("units", c_void_p),
        ("w", c_void_p),
        ("m", c_void_p),
        ("v", c_void_p),
        ("n_layers", c_int32),
        ("activation", c_int32),
        ("task", c_int32),
        ("alpha", c_float),
        ("beta_1", c_float),
        ("beta_2", c_float),
        ("epsilon", c_float),
    ]


_FUNCTIONS = {  # name: (what comes back, what goes in)
    "fused_functions": (c_void_p, [c_int]),
    "fused_name": (c_char_p, [c_void_p]),
    "fused_panel": (c_int, [c_void_p]),
    "fused_max_layers": (c_int, []),
    "fused_peak": (c_double, [c_void_p, c_double]),
    "fused_packed_floats": (c_int64, [c_void_p, POINTER(_Probe)]),
    "fused_workspace_floats": (c_int64, [c_void_p, POINTER(_Probe), c_int]),
    "fused_pack": (None, [c_void_p, POINTER(_Probe), POINTER(c_void_p), POINTER(c_void_p), c_int]),
    "fused_pack_rows": (None, [c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_int, c_void_p]),
    "fused_epoch": (None, [c_void_p, POINTER(_Probe), c_void_p, c_int64, c_int, *[c_void_p] * 5]),
    "fused_outputs": (None, [c_void_p, POINTER(_Probe), c_void_p, c_int64, c_int, c_void_p, c_void_p]),
    "fused_right_classes": (c_int64, [c_void_p, c_int, c_int64, c_void_p]),
}


@cache
def library() -> ctypes.CDLL | None:
    """The compiled extension, or None where it was not built or does not load."""
    for path in sorted(Path(__file__).parent.glob("fused.native.*")):
        try:
            found = ctypes.CDLL(str(path))
            for name, (returned, taken) in _FUNCTIONS.items():
                function = getattr(found, name)
                function.restype, function.argtypes = returned, taken
            return found
        except (OSError, AttributeError):  # of another platform, or of another version of this file
            continue
    return None


@cache
def instruction_sets() -> dict[str, int]:
    """Handles of the kernels that this processor can run, by name, the widest first; empty without the library."""
    found, native = {}, library()
    while native is not None and (handle := native.fused_functions(len(found))):
        found[native.fused_name(handle).decode()] = handle
    return found


def choose_path(dtype: torch.dtype, options: ProbeOptions, wanted: str = "auto") -> "FusedPath | TorchPath":
    """The way in which probes are trained on a CPU.

    The fused path for float32 where the library was built and holds the network; torch's operators otherwise: for
    float64, more than 31 hidden layers, or an epsilon of Adam below 1e-30.

    Args:
        dtype, options: of the probes.
        wanted: "auto", "torch", or the name of an instruction set in ``instruction_sets()``.

    Raises:
        UserError: another word, or an instruction set that is not at hand.
    """
    found = instruction_sets()
    if wanted not in ("auto", "torch", *found):
        raise unknown_choice("path", wanted, ("auto", "torch", *found))
    name = next(iter(found), "torch") if wanted == "auto" else wanted
    if name == "torch" or dtype != torch.float32 or options.epsilon < _SMALLEST_EPSILON:
        return TorchPath()
    if len(options.hidden_layer_sizes) + 1 > library().fused_max_layers():
        return TorchPath()
    return FusedPath(name)


def fma_peak_gflops(seconds: float = 0.1) -> float | None:
    """What one core can do at most, in multiply-adds from registers; None without the library."""
    for handle in instruction_sets().values():
        return library().fused_peak(handle, seconds) / 1e9
    return None


@dataclass(frozen=True)
class PackedEpoch:
    """The fitted rows in the order of one epoch, read by all probes of a subgroup.

    Attributes:
        order: (n_fit,).
        X: minibatches in panels, one after the other.
    """

    order: Tensor
    X: Tensor


class FusedPath:
    """The kernel of one instruction set, and the working memory of each thread that uses it.

    Args:
        instruction_set: a key of ``instruction_sets()``.
    """

    def __init__(self, instruction_set: str):
        self.name = f"fused {instruction_set}"
        self.library = library()
        self.handle = instruction_sets()[instruction_set]
        self.panel = self.library.fused_panel(self.handle)
        self._local = threading.local()

    def gather(self, subgroup: Subgroup, epoch: int) -> PackedEpoch:
        """The minibatches of one epoch."""
        order = subgroup.draws.order(subgroup.members[0], epoch, subgroup.X_fit.shape[0])
        return PackedEpoch(order, self.pack_rows(subgroup.X_fit, order, subgroup.options.batch_size))

    def start(self, subgroup: Subgroup, member: int) -> "FusedState":
        """A probe with its first weights."""
        return FusedState(self, subgroup, member)

    def pack_rows(self, X: Tensor, order: Tensor, batch_size: int) -> Tensor:
        """Rows ``order`` (k,) of X (n, d), in panels, minibatch by minibatch."""
        n_columns, n_rows = X.shape[1], order.shape[0]
        packed = torch.empty(-(-n_columns // self.panel) * self.panel * n_rows)
        self.library.fused_pack_rows(
            self.handle, X.data_ptr(), n_columns, order.data_ptr(), n_rows, batch_size, packed.data_ptr()
        )
        return packed

    def scratch(self, n_floats: int) -> int:
        """Address of this thread's working memory, which holds at least so many floats."""
        held = getattr(self._local, "scratch", None)
        if held is None or held.numel() < n_floats:
            held = self._local.scratch = torch.zeros(n_floats)
        return held.data_ptr()


class FusedState:
    """Weights and moments of one probe in panels.

    Args:
        path: the kernel.
        subgroup: what the probe shares with others.
        member: its place in the group.
    """

    def __init__(self, path: FusedPath, subgroup: Subgroup, member: int):
        self.path, self.subgroup, self.library = path, subgroup, path.library
        layout, o = subgroup.layout, subgroup.options
        self._units = torch.tensor(layout.units, dtype=torch.int32)
        self.probe = _Probe(
            units=self._units.data_ptr(),
            n_layers=layout.n_layers,
            activation=ACTIVATIONS.index(o.activation),
            task=TASKS.index(subgroup.group.task),
            alpha=subgroup.alpha(member),
            beta_1=o.beta_1,
            beta_2=o.beta_2,
            epsilon=o.epsilon,
        )
        self.learning_rate, self.alpha = subgroup.learning_rate(member), subgroup.alpha(member)
        size = self.library.fused_packed_floats(path.handle, self.probe)
        self.packed, self.m, self.v = (torch.zeros(size) for _ in range(3))
        self.probe.w, self.probe.m, self.probe.v = (t.data_ptr() for t in (self.packed, self.m, self.v))
        self._pack(self.packed, subgroup.parameters(member), back=False)
        self.best = self.packed.clone()
        self.fit_labels, self.validation_labels = (subgroup.labels(member, rows).float() for rows in subgroup.rows)

    def fit(self, data: PackedEpoch, epoch: int) -> float:
        """One pass over the minibatches; the mean loss, each batch's taken before its update."""
        options, n_rows = self.subgroup.options, data.order.shape[0]
        rows = min(options.batch_size, n_rows)
        n_steps = -(-n_rows // rows)
        rates = torch.tensor(step_sizes(self.learning_rate, options, epoch * n_steps, n_steps), dtype=torch.float32)
        X, *rest = (t.data_ptr() for t in (data.X, self.fit_labels, data.order, rates))
        losses = (c_double * 2)()
        self.library.fused_epoch(
            self.path.handle, self.probe, X, n_rows, rows, *rest, self._scratch(rows), ctypes.addressof(losses)
        )
        # Each batch's penalty is divided by its length, and its loss weighed with it: they cancel.
        loss, squares = losses
        return (loss + 0.5 * self.alpha * squares) / n_rows

    def validation_score(self) -> float:
        """Score on the validation rows with the weights as they are."""
        labels, task = self.validation_labels, self.subgroup.group.task
        out = self.outputs(self.subgroup.X_validation, best=False)
        if task == "regression":
            return float(score(predictions(out, task), labels, task))
        n_rows, n_outputs = out.shape
        return self.library.fused_right_classes(out.data_ptr(), n_outputs, n_rows, labels.data_ptr()) / n_rows

    def keep(self) -> None:
        """The weights as they are become the best ones."""
        self.best.copy_(self.packed)

    def parameters(self, best: bool) -> Tensor:
        """(layout.size,) the best weights, or the last ones."""
        flat = torch.zeros(self.subgroup.layout.size)
        self._pack(self.best if best else self.packed, flat, back=True)
        return flat

    def outputs(self, X: Tensor, best: bool) -> Tensor:
        """(n, C) raw outputs of (n, d) inputs, by the best weights or the last ones."""
        out = torch.empty(X.shape[0], self.subgroup.layout.n_outputs)
        scratch = self._scratch(_ROWS_AT_ONCE)
        self.probe.w = (self.best if best else self.packed).data_ptr()
        self.library.fused_outputs(
            self.path.handle, self.probe, X.data_ptr(), X.shape[0], _ROWS_AT_ONCE, scratch, out.data_ptr()
        )
        self.probe.w = self.packed.data_ptr()
        return out

    def _scratch(self, rows: int) -> int:
        """Address of working memory for so many rows."""
        return self.path.scratch(self.library.fused_workspace_floats(self.path.handle, self.probe, rows))

    def _pack(self, packed: Tensor, flat: Tensor, back: bool) -> None:
        """Flat parameters into panels, or out of them."""
        layout = self.subgroup.layout
        parts = ([t.data_ptr() for t in views] for views in (layout.weights(flat), layout.biases(flat)))
        weights, biases = ((c_void_p * layout.n_layers)(*addresses) for addresses in parts)
        self.probe.w = packed.data_ptr()
        self.library.fused_pack(self.path.handle, self.probe, weights, biases, int(back))
        self.probe.w = self.packed.data_ptr()
