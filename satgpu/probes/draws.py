"""Everything random about a probe: its validation rows, its minibatch order, its first weights.

What is drawn is a hash of (seed, stream, index): it depends on its key alone, on no generator and no
device, so a probe gets the same numbers alone or among thousands, in any slot, on a CPU or a GPU. The
mixing function is SplitMix64's finaliser, whose output passes BigCrush on consecutive counters.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014;
constants of variant 13 by D. Stafford.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from satgpu.probes.network import Layout

_SPLIT, _FIRST_LAYER, FIRST_EPOCH = 0, 16, 1 << 20  # streams of hash_bits: split, layers, epochs
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd: successive counters differ in many bits
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
# Whole numbers below this are seeds that probes' seeds are derived from; those above are one probe's own.
FIRST_PROBE_SEED = 2**32


class ProbeDraws(Protocol):
    """Where a group's random choices come from.

    Attributes:
        shared: one split and one order for all probes of the group (``probe`` is then ignored).
    """

    shared: bool

    def split(self, probe: int, labels: Tensor, n_validation: int) -> tuple[Tensor, Tensor]:
        """(fitted, validation) positions among the training rows, whose labels of this probe are given (n,)."""

    def order(self, probe: int, epoch: int, n_fit: int) -> Tensor:
        """(n_fit,) the order of the fitted rows in this epoch; asked for epochs 0, 1, 2, ... in turn."""

    def parameters(self, probe: int, layout: Layout, activation: str) -> Tensor:
        """(layout.size,) first weights, float64."""


class HashedDraws:
    """The default: hashes of the seeds, the same on every device.

    Args:
        split_seed: draws split and order of all probes of a group.
        probe_seeds: (p,) int64, each draws one probe's weights.
        shared: otherwise each probe's own seed draws its split, stratified for two classes as
            scikit-learn does, and its order.
    """

    def __init__(self, split_seed: int, probe_seeds: Tensor, shared: bool = True):
        self.split_seed = split_seed
        self.probe_seeds = probe_seeds
        self.shared = shared

    def split(self, probe: int, labels: Tensor, n_validation: int) -> tuple[Tensor, Tensor]:
        n = labels.shape[0]
        order = hash_order(self._seed(probe), _SPLIT, n, labels.device)
        if not self.shared and not labels.is_floating_point() and n and int(labels.amax()) == 1:
            order = _stratified(order, labels, n_validation)
        return order[n_validation:].sort().values, order[:n_validation].sort().values

    def order(self, probe: int, epoch: int, n_fit: int) -> Tensor:
        return hash_order(self._seed(probe), FIRST_EPOCH + epoch, n_fit, self.probe_seeds.device)

    def parameters(self, probe: int, layout: Layout, activation: str) -> Tensor:
        return initial_parameters(self.probe_seeds[probe], layout, activation)

    def order_seed(self, probe: int) -> int:
        """The seed behind ``order``, for ``hashed_orders``."""
        return self._seed(probe)

    def _seed(self, probe: int) -> int:
        """The seed of split and order."""
        return self.split_seed if self.shared else int(self.probe_seeds[probe])


def hashed_orders(seeds: Tensor, epochs: Tensor, n: int, n_fit: Tensor | None = None) -> Tensor:
    """(p, n) the orders of many ``HashedDraws`` at once, each at its own epoch.

    Args:
        seeds: (p,) int64 of ``HashedDraws.order_seed``.
        epochs: (p,) int64.
        n: rows, of the probe that has most.
        n_fit: (p,) rows of each, n by default; its order is followed by the places from ``n_fit`` on.
    """
    index = torch.arange(n, device=seeds.device)
    bits = hash_bits(seeds.unsqueeze(-1), FIRST_EPOCH + epochs.unsqueeze(-1), index)
    if n_fit is not None:
        bits = torch.where(index < n_fit.unsqueeze(-1), bits, torch.iinfo(torch.int64).max)
    return torch.argsort(bits, dim=-1, stable=True)


def probe_seed(seed: int, index: int) -> int:
    """A seed for the ``index``-th probe of a run with one seed: 63 bits, never a run's seed (below 2³²)."""
    bits = int(hash_bits(seed, _SPLIT, torch.tensor(index))) & ((1 << 63) - 1)
    return bits if bits >= FIRST_PROBE_SEED else bits + FIRST_PROBE_SEED


def _stratified(order: Tensor, labels: Tensor, n_first: int) -> Tensor:
    """``order`` with its first ``n_first`` rows holding both of two classes in proportion."""
    is_one = labels[order] == 1
    n_ones = int(torch.round(is_one.sum() * n_first / labels.shape[0]))
    rank = torch.where(is_one, is_one.cumsum(0) - 1 - n_ones, (~is_one).cumsum(0) - 1 - (n_first - n_ones))
    return torch.cat([order[rank < 0], order[rank >= 0]])


def initial_parameters(seeds: Tensor, layout: Layout, activation: str) -> Tensor:
    """Uniform weights and biases in ±√(6/(fan_in + fan_out)), the padding zero.

    Args:
        seeds: (p,) int64.
        layout: of the probes.
        activation: a logistic hidden layer takes 2 in the place of 6.

    Returns:
        (p, layout.size) float64: row i depends on ``seeds[i]`` alone.

    Source: Glorot & Bengio 2010, with scikit-learn's choice of the same range for the biases.
    """
    flat = torch.zeros(*seeds.shape, layout.size, dtype=torch.float64, device=seeds.device)
    factor = 2.0 if activation == "logistic" else 6.0
    for layer, (weight, bias) in enumerate(zip(layout.weights(flat), layout.biases(flat), strict=True)):
        n_out, n_in = weight.shape[-2:]
        index = torch.arange((n_in + 1) * n_out, device=seeds.device)
        uniform = hash_uniform(seeds.unsqueeze(-1), _FIRST_LAYER + layer, index)
        values = (2.0 * uniform - 1.0) * math.sqrt(factor / (n_in + n_out))
        weight.copy_(values[..., : n_in * n_out].unflatten(-1, (n_out, n_in)))
        bias.copy_(values[..., n_in * n_out :])
    return flat


def hash_bits(seed: int | Tensor, stream: int | Tensor, index: Tensor) -> Tensor:
    """64 random bits for each index.

    Args:
        seed: an integer, or (...) int64 that broadcasts against ``index``.
        stream: tells apart the uses of one seed; an integer, or int64 that broadcasts against ``seed``.
        index: (...) int64 counters.

    Returns:
        (...) int64, every bit pattern equally likely, the same on every device.
    """
    if isinstance(seed, int):
        seed = torch.full((), _signed(seed), device=index.device)  # torch.tensor would wait for a copy from the host
    step = _signed(stream * _GOLDEN) if isinstance(stream, int) else stream * _signed(_GOLDEN)
    key = _mix(_mix(seed) + step)
    return _mix(key + index * _signed(_GOLDEN))


def hash_uniform(seed: int | Tensor, stream: int, index: Tensor) -> Tensor:
    """(...) float64 in [0, 1), from the upper 53 bits of ``hash_bits``."""
    return _shift_right(hash_bits(seed, stream, index), 11).to(torch.float64) * 2.0**-53


def hash_order(seed: int, stream: int, n: int, device: torch.device) -> Tensor:
    """(n,) int64: a random order of ``range(n)``."""
    return torch.argsort(hash_bits(seed, stream, torch.arange(n, device=device)), stable=True)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser; int64 products wrap, which is what it asks for."""
    x = x + _signed(_GOLDEN)
    x = (x ^ _shift_right(x, 30)) * _signed(_MULTIPLIERS[0])
    x = (x ^ _shift_right(x, 27)) * _signed(_MULTIPLIERS[1])
    return x ^ _shift_right(x, 31)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Shift zeros in from the left: torch shifts copies of the sign in."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(pattern: int) -> int:
    """The int64 with the same lowest 64 bits."""
    pattern &= (1 << 64) - 1
    return pattern - (1 << 64) if pattern >= 1 << 63 else pattern
