"""scikit-learn's stopping rule for every slot of a bank, on the device."""

import math

import torch
from torch import Tensor

from satgpu.probes.options import ProbeOptions


class SlotRule:
    """``stopping.StoppingRule`` for many probes, each at its own epoch.

    Args:
        n_slots: P.
        options: of all probes.
        device: of the arithmetic.

    Attributes:
        best: (P,) float64 highest gain.
        stale_epochs, epochs: (P,) int64.
        is_live: (P,) whether the slot trains on.
        is_finite: (P,) whether every loss was.
        losses, validation_scores: (P, max_iter) float32.
    """

    def __init__(self, n_slots: int, options: ProbeOptions, device: torch.device):
        self.options = options
        self.best = torch.full((n_slots,), -math.inf, dtype=torch.float64, device=device)
        self.stale_epochs = torch.zeros(n_slots, dtype=torch.int64, device=device)
        self.epochs = torch.zeros_like(self.stale_epochs)
        self.is_live = torch.zeros(n_slots, dtype=torch.bool, device=device)
        self.is_finite = torch.ones_like(self.is_live)
        self.losses = torch.zeros(n_slots, options.max_iter, device=device)
        self.validation_scores = torch.zeros_like(self.losses)

    def reset(self, slots: Tensor) -> None:
        """Begin anew in some slots (k,)."""
        self.best.index_fill_(0, slots, -math.inf)
        self.stale_epochs.index_fill_(0, slots, 0)
        self.epochs.index_fill_(0, slots, 0)
        self.is_live.index_fill_(0, slots, True)
        self.is_finite.index_fill_(0, slots, True)

    def update(self, at_end: Tensor, loss: Tensor, gain: Tensor, validation: Tensor) -> Tensor:
        """Take an epoch of some slots in.

        Args:
            at_end: (P,) live slots that have come to the end of an epoch; the others stay as they are.
            loss, gain, validation: (P,) float64; ``gain`` decides, the other two are recorded.

        Returns:
            (P,) where this epoch is the best so far.
        """
        self._record(at_end, loss, validation)
        self.is_finite &= torch.isfinite(loss) | ~at_end
        stale = gain < self.best + self.options.tol
        self.stale_epochs.copy_(torch.where(at_end, (self.stale_epochs + 1) * stale, self.stale_epochs))
        is_best = at_end & (gain > self.best) & self.is_finite
        self.best.copy_(torch.where(is_best, gain, self.best))
        self.epochs += at_end
        go_on = (self.stale_epochs <= self.options.n_iter_no_change) & (self.epochs < self.options.max_iter)
        self.is_live &= (go_on & self.is_finite) | ~at_end
        return is_best

    def _record(self, at_end: Tensor, loss: Tensor, validation: Tensor) -> None:
        """Write this epoch's values into the curves."""
        here = self.epochs.clamp(max=self.options.max_iter - 1).unsqueeze(-1)
        for curve, value in ((self.losses, loss), (self.validation_scores, validation)):
            now = torch.where(at_end.unsqueeze(-1), value.to(curve.dtype).unsqueeze(-1), curve.gather(1, here))
            curve.scatter_(1, here, now)
