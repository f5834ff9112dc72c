"""Everything random about a probe: its validation rows, its minibatch order, its first weights."""

from typing import Protocol

import torch
from torch import Tensor

from satgpu.probes.hashing import hash_bits, hash_order
from satgpu.probes.network import Layout, initial_parameters

_SPLIT, _FIRST_EPOCH = 0, 1 << 20  # streams of hash_bits; the layers of the network lie between


class Draws(Protocol):
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
    """The default: hashes of the seeds (see ``hashing``), the same on every device.

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
        return hash_order(self._seed(probe), _FIRST_EPOCH + epoch, n_fit, self.probe_seeds.device)

    def parameters(self, probe: int, layout: Layout, activation: str) -> Tensor:
        return initial_parameters(self.probe_seeds[probe], layout, activation)

    def order_seed(self, probe: int) -> int:
        """The seed behind ``order``, for ``hashed_orders``."""
        return self._seed(probe)

    def _seed(self, probe: int) -> int:
        """The seed of split and order."""
        return self.split_seed if self.shared else int(self.probe_seeds[probe])


def hashed_orders(seeds: Tensor, epochs: Tensor, n_fit: int) -> Tensor:
    """(p, n_fit) the orders of many ``HashedDraws`` at once, each at its own epoch.

    Args:
        seeds: (p,) int64 of ``HashedDraws.order_seed``.
        epochs: (p,) int64.
        n_fit: rows.
    """
    index = torch.arange(n_fit, device=seeds.device)
    bits = hash_bits(seeds.unsqueeze(-1), _FIRST_EPOCH + epochs.unsqueeze(-1), index)
    return torch.argsort(bits, dim=-1, stable=True)


def probe_seed(seed: int, index: int) -> int:
    """A seed for the ``index``-th probe of a run with one seed: 63 bits, never negative."""
    return int(hash_bits(seed, _SPLIT, torch.tensor(index))) & ((1 << 63) - 1)


def _stratified(order: Tensor, labels: Tensor, n_first: int) -> Tensor:
    """``order`` with its first ``n_first`` rows holding both of two classes in proportion."""
    is_one = labels[order] == 1
    n_ones = int(torch.round(is_one.sum() * n_first / labels.shape[0]))
    rank = torch.where(is_one, is_one.cumsum(0) - 1 - n_ones, (~is_one).cumsum(0) - 1 - (n_first - n_ones))
    return torch.cat([order[rank < 0], order[rank >= 0]])
