"""When a probe stops: scikit-learn's rule, applied after each epoch."""

import math
from dataclasses import dataclass

from satgpu.probes.options import ProbeOptions


@dataclass
class StoppingRule:
    """Counts epochs without a gain of ``tol``, apart from keeping the best.

    ``gain`` is the validation score with early stopping, and minus the training loss without.
    """

    options: ProbeOptions
    best: float = -math.inf
    stale_epochs: int = 0
    epochs: int = 0

    def update(self, gain: float) -> bool:
        """Take one epoch's value in; whether it is the best so far, strictly.

        A rise smaller than ``tol`` counts as stale and yet is the new best: scikit-learn's two tests.
        """
        self.epochs += 1
        is_stale = gain < self.best + self.options.tol
        self.stale_epochs = self.stale_epochs + 1 if is_stale else 0
        is_best = gain > self.best
        self.best = max(self.best, gain)
        return is_best

    @property
    def reason(self) -> str:
        """Why to stop now, or "" to go on."""
        if self.stale_epochs > self.options.n_iter_no_change:
            return "early_stopping"
        return "max_iter" if self.epochs >= self.options.max_iter else ""
