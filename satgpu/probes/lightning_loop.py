"""The loop under Lightning: a training step is one turn of the engine, and there are as many as it takes.

Lightning brings the device set-up, precision and launchers; the mathematics stay in the engine. With
manual optimisation and a turn of a fifth of a second (a whole epoch of all slots on a GPU) its own work
is a small fraction of a per cent (docs/performance.md).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from satgpu.probes.loop import Turns


class ProbeTraining(pl.LightningModule):
    """Turns of an engine as training steps under manual optimisation.

    Args:
        turns: what to do.
    """

    def __init__(self, turns: Turns):
        super().__init__()
        self.automatic_optimization = False
        self.turns = turns
        self.error: BaseException | None = None

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        """One turn. An error waits until Lightning has shut down: Lightning ends the process at a Ctrl-C."""
        try:
            self.turns.take()
        except BaseException as error:  # noqa: BLE001 - raised again by run_under_lightning
            self.error = error
        if self.error is not None or self.turns.over:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """None: the probes bring their own Adam."""
        return []


def run_under_lightning(turns: Turns, device: torch.device) -> None:
    """Run to the end, or until asked to stop; errors come out as they went in."""
    if turns.over:
        return
    module = ProbeTraining(turns)
    with _quiet():
        try:
            _trainer(device).fit(module, train_dataloaders=_Rounds())
        except SIGTERMException:
            # Lightning answers SIGTERM by itself; whoever asked for a soft end is served first.
            if turns.should_stop is None or not turns.should_stop():
                raise
            turns.report.stopped = True
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
    if module.error is not None:
        raise module.error


def _trainer(device: torch.device) -> pl.Trainer:
    """A trainer that does nothing but call the step: one device, no logs, no checkpoints."""
    on_gpu = device.type == "cuda"
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=[device.index or 0] if on_gpu else 1,
        # Ranks share no gradients and are started elsewhere: no process group, whatever the environment says.
        plugins=[LightningEnvironment()],
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Rounds:
    """Endless empty batches: the step knows what to do."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on devices and tips, which are about training of another kind."""
    loggers = [logging.getLogger(f"lightning.{part}.utilities.rank_zero") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="GPU available but not used")
        # Lightning 2.6 asks torch >= 2.13 for a class that goes away.
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
