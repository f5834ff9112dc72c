"""A bank's three actions by Triton kernels: which ones, on what tiles, and when they are used at all.

A minibatch of h hidden layers takes 3h - 2 launches (two for one hidden layer): 4 for the notebook's two. The
actions of ``SlotBank`` stay as the oracle of the tests and as the fallback.
"""

import importlib.util
import math
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from satgpu.errors import unknown_choice
from satgpu.probes.draws import FIRST_EPOCH
from satgpu.probes.network import Layout
from satgpu.probes.options import ProbeOptions

if TYPE_CHECKING:
    from satgpu.probes.gpu.bank import SlotBank

PRECISIONS = ("ieee", "tf32x3", "tf32")
_WIDEST_TOP, _MOST_OUTPUTS = 256, 64  # a program holds all of the last hidden layer, and of the output
_BLOCK = 1024  # values that a program of the kernels at an epoch's ends takes at a time
_SMALLEST_EPSILON = 1e-30  # of Adam: a smaller one could become zero in float32


def has_triton() -> bool:
    """Whether Triton is installed, as it is with torch's CUDA builds on Linux."""
    return importlib.util.find_spec("triton") is not None


def choose_step(
    layout: Layout, options: ProbeOptions, dtype: torch.dtype, device: torch.device, wanted: str = "auto"
) -> str:
    """What computes a bank's minibatches: "triton" or "torch".

    Triton where it is installed and the device is a GPU of compute capability 8.0 or more, for float32 networks of
    one hidden layer or more, the last of at most 256 units, with at most 64 outputs, and an epsilon of Adam of at
    least 1e-30; torch's operators otherwise.

    Args:
        layout, options, dtype: of the probes.
        device: of the arithmetic.
        wanted: "auto", "torch", or "triton", which takes the device for granted.

    Raises:
        UserError: another word.
    """
    if wanted not in ("auto", "torch", "triton"):
        raise unknown_choice("path", wanted, ("auto", "torch", "triton"))
    holds = len(layout.units) > 2 and layout.units[-2] <= _WIDEST_TOP and layout.n_outputs <= _MOST_OUTPUTS
    holds &= dtype == torch.float32 and options.epsilon >= _SMALLEST_EPSILON
    if wanted == "auto":
        holds &= device.type == "cuda" and has_triton() and torch.cuda.get_device_capability(device) >= (8, 0)
    return "triton" if holds and wanted != "torch" else "torch"


def path_name(products: str, precision: str) -> str:
    """What a report calls the way in which a GPU computes: ``fused triton ieee``, or ``torch tf32``.

    Args:
        products: of the Triton kernels, or empty for torch.
        precision: asked for; torch knows no ``tf32x3`` and takes ``ieee`` for it.
    """
    return f"fused triton {products}" if products else f"torch {'tf32' if precision == 'tf32' else 'ieee'}"


def _filled(n: int, most: int = 1 << 30) -> int:
    """The next power of two from 16 on, at most ``most``: a tile's side."""
    return min(most, max(16, 1 << (n - 1).bit_length()))


class FusedStep:
    """The minibatches of a bank, and its validation, by fused kernels.

    Args:
        bank: its tensors are read and written in place.
        precision: of products: ieee, tf32x3 or tf32.
    """

    def __init__(self, bank: "SlotBank", precision: str = "ieee"):
        from satgpu.probes.gpu import triton_epoch, triton_kernels  # here, because Triton need not be installed

        self.kernels, self.epoch_kernels = triton_kernels, triton_epoch
        self.bank, self.precision = bank, precision
        self.units, self.starts = bank.shape.layout.units, bank.shape.layout.starts
        self.n_hidden, batch = len(self.units) - 2, bank.shape.batch
        self.jp = _filled(self.units[-2])
        self.cp = 1 if self.units[-1] == 1 else _filled(self.units[-1])
        self.bm = min(_filled(batch, 64), 4096 // self.jp)
        self.tiles = math.ceil(batch / self.bm)
        zeros = bank.zeros
        self.activations = [zeros(batch, n) for n in self.units[1:-2]]
        self.deltas = [zeros(batch, n) for n in self.units[1:-1]]
        self.part_w = zeros(self.tiles, self.units[-1], self.jp)
        self.part_b, self.losses = zeros(self.tiles, self.cp), zeros(self.tiles)
        self.squares, self.rates = zeros(self._first_square(self.n_hidden - 1)), zeros()
        self.now = zeros(2, kind=torch.int64)
        self.hits, self.residuals = zeros(self.tiles, kind=torch.float64), zeros(self.tiles, kind=torch.float64)

    @property
    def held(self) -> list[Tensor]:
        """What is in memory beside the bank."""
        parts = (self.part_w, self.part_b, self.losses, self.squares, self.rates, self.now, self.hits, self.residuals)
        return [*self.activations, *self.deltas, *parts]

    @cached_property
    def _shared(self) -> dict[str, object]:
        """Constants of every kernel."""
        batch = self.bank.shape.batch
        return {"SIZE": self.bank.shape.layout.size, "BATCH": batch, "PREC": self.precision}

    @cached_property
    def _ending(self) -> dict[str, object]:
        """Constants of the output layer."""
        w, b = self.starts[-1]
        sizes = {"C": self.units[-1], "CP": self.cp, "JP": self.jp, "BM": self.bm, "TILES": self.tiles}
        return {"W_OUT": w, "B_OUT": b} | sizes

    @property
    def _where(self) -> tuple[Tensor, ...]:
        """What tells each slot's next rows."""
        bank = self.bank
        return bank.position, bank.n_fit, bank.n_validation, bank.rule.is_live.view(torch.uint8)

    def order(self, n_rows: int) -> Tensor:
        """(P, n_rows) the order of the rows of the slots that begin an epoch; anything for the others."""
        bank, (position, n_fit, _, is_live) = self.bank, self._where
        bits = torch.empty(bank.n_slots, n_rows, dtype=torch.int64, device=bank.device)
        tensors = (bank.order_seeds, bank.rule.epochs, position, n_fit, is_live, bits)
        grid = (bank.n_slots, math.ceil(n_rows / _BLOCK))
        launch(self.epoch_kernels.order_bits, grid, *tensors, n_rows, FIRST=FIRST_EPOCH, BLOCK=_BLOCK)
        return torch.argsort(bits, dim=-1, stable=True)

    def step(self) -> None:
        """One minibatch of every live slot that is not at the end of its epoch."""
        for k in range(self.n_hidden - 1):
            self._hidden(k, self.bank.epoch_rows, 0, EVAL=False)
        self._top()
        for k in range(self.n_hidden - 2, 0, -1):
            self._back(k)
        for k in range(self.n_hidden):
            self._update(k)

    def end(self, n_chunks: int) -> None:
        """Loss, validation, stopping rule and best weights of the slots at the end of an epoch."""
        bank, o, rule = self.bank, self.bank.options, self.bank.rule
        for chunk in range(n_chunks if o.early_stopping else 0):
            for k in range(self.n_hidden - 1):
                self._hidden(k, bank.rows, chunk, EVAL=True)
            self._judge(chunk)
        position, n_fit, n_validation, is_live = self._where
        tensors = (bank.flat, bank.best_flat, position, n_fit, n_validation, bank.is_regression, bank.validation_total)
        tensors += (bank.epoch_loss, self.hits, self.residuals, rule.best, rule.stale_epochs, rule.epochs, is_live)
        tensors += (rule.is_finite.view(torch.uint8), rule.losses, rule.validation_scores)
        constants = {"SIZE": self._shared["SIZE"], "BATCH": bank.shape.batch, "TILES": self.tiles, "BLOCK": _BLOCK}
        constants |= {"MAX_ITER": o.max_iter, "TOL": o.tol, "PATIENCE": o.n_iter_no_change}
        launch(self.epoch_kernels.close, (bank.n_slots,), *tensors, **constants, HAS_VALIDATION=o.early_stopping)

    def _judge(self, chunk: int) -> None:
        bank, k = self.bank, self.n_hidden - 1
        tensors = (self._source(k), bank.rows, bank.labels, bank.flat, *self._where, self.hits, self.residuals)
        constants = self._layer(k) | self._ending | {"BK": _filled(self.units[k], 32), "num_warps": 8}
        grid = (bank.n_slots, self.tiles)
        launch(self.kernels.judge, grid, *tensors, bank.n_rows, chunk, **constants, KIND=bank.options.activation)

    def _hidden(self, k: int, table: Tensor, chunk: int, **constants: object) -> None:
        bank, n_in, n_out = self.bank, *self.units[k : k + 2]
        constants |= self._layer(k) | self._tiles(n_in, n_out)
        grid = (bank.n_slots, math.ceil(bank.shape.batch / constants["BM"]), math.ceil(n_out / constants["BN"]))
        tensors = (self._source(k), table, bank.flat, *self._where, self.activations[k])
        launch(self.kernels.hidden, grid, *tensors, bank.n_rows, chunk, **constants, KIND=bank.options.activation)

    def _top(self) -> None:
        bank, o, k = self.bank, self.bank.options, self.n_hidden - 1
        logs = {name: math.log(beta) if beta else -1e30 for name, beta in (("LOG_B1", o.beta_1), ("LOG_B2", o.beta_2))}
        bk = _filled(self.units[k], 16 if self.precision == "tf32x3" else 32)  # three products take more registers
        constants = self._layer(k) | self._ending | logs | {"BK": bk, "KIND": o.activation}
        inputs = (self._source(k), bank.epoch_rows, bank.epoch_labels, bank.flat, *self._where)
        below = self.deltas[k - 1 if k else k]  # written only where there is a hidden layer below
        outputs = (self.deltas[k], below, self.part_w, self.part_b, self.losses, self.squares, self.now, self.rates)
        tensors = (*inputs, bank.is_regression, bank.adam.steps, bank.adam.learning_rate, *outputs)
        grid = (bank.n_slots, self.tiles)
        constants |= {"SQUARES": self.squares.shape[1], "num_warps": 8}
        launch(self.kernels.top, grid, *tensors, bank.n_rows, **constants)

    def _back(self, k: int) -> None:
        """From the deltas of hidden layer ``k`` to those of the one below."""
        bank, n_in, n_out = self.bank, *self.units[k : k + 2]
        constants = self._shared | {"N_IN": n_in, "N_OUT": n_out, "W": self.starts[k][0]} | self._tiles(n_out, n_in)
        grid = (bank.n_slots, math.ceil(bank.shape.batch / constants["BM"]), math.ceil(n_in / constants["BN"]))
        tensors = (self.deltas[k], bank.flat, self.activations[k - 1], self.now, self.deltas[k - 1])
        launch(self.kernels.back, grid, *tensors, **constants, KIND=bank.options.activation)

    def _update(self, k: int) -> None:
        bank, o, is_last = self.bank, self.bank.options, k == self.n_hidden - 1
        bn, bk = self._update_tile(k)
        constants = self._layer(k) | self._ending | {"LAST": is_last, "BN": bn, "BK": bk, "BR": 32}
        constants |= {"FIRST_SQUARE": self._first_square(k), "SQUARES": self.squares.shape[1]}
        constants |= {"C1": 1 - o.beta_1, "C2": 1 - o.beta_2, "EPS": o.epsilon}
        tensors = (self._source(k), bank.epoch_rows, self.deltas[k], bank.flat, bank.adam.m, bank.adam.v)
        tensors += (self.now, self.rates, bank.adam.alpha, self.squares, self.part_w, self.part_b, self.losses)
        tensors += (bank.position, bank.adam.steps, bank.epoch_loss)
        grid = (bank.n_slots, self._n_update_tiles(k) + is_last)
        launch(self.kernels.update, grid, *tensors, bank.n_rows, **constants, num_warps=8)

    def _source(self, k: int) -> Tensor:
        """What layer ``k`` reads."""
        return self.activations[k - 1] if k else self.bank.pool.X

    def _layer(self, k: int) -> dict[str, object]:
        """Constants of hidden layer ``k``."""
        w, b = self.starts[k]
        return self._shared | {"N_IN": self.units[k], "N_OUT": self.units[k + 1], "W": w, "B": b, "GATHER": k == 0}

    def _tiles(self, n_in: int, n_out: int) -> dict[str, int]:
        """Of a product that sums over ``n_in``."""
        bm, bn, bk = _filled(self.bank.shape.batch, 64), _filled(n_out, 128), _filled(n_in, 32)
        return {"BM": bm, "BN": bn, "BK": bk, "num_warps": 8}

    def _update_tile(self, k: int) -> tuple[int, int]:
        """Units above and below that a program of ``update`` holds."""
        return _filled(self.units[k + 1], 64), _filled(self.units[k], 128)

    def _n_update_tiles(self, k: int) -> int:
        bn, bk = self._update_tile(k)
        return math.ceil(self.units[k + 1] / bn) * math.ceil(self.units[k] / bk)

    def _first_square(self, k: int) -> int:
        """Where ``update`` of layer ``k`` leaves its sums of squared weights, behind that of ``top``."""
        return 1 + sum(self._n_update_tiles(below) for below in range(k))


def launch(kernel, grid: tuple[int, ...], *arguments: object, **constants: object) -> None:
    """Start a kernel on the current stream."""
    kernel[grid](*arguments, **constants, enable_fp_fusion=True)
