"""The probes as a Lightning module: a training step is one step of the engine, and there are as many as it takes.

Lightning brings the device set-up, precision, launchers, loggers and callbacks; the mathematics stay in
the engine. Optimisation is manual, because thousands of probes at different epochs have no one loss and
no one optimiser, and because a step of a fifth of a second (a whole epoch of all slots on a GPU) makes
Lightning's own work a small fraction of a per cent (docs/performance.md).
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torchmetrics import MeanMetric

from satgpu.probes.loop import TrainingLoop
from satgpu.probes.results import ProbeResult

_LOG_EVERY_S = 1.0


class ProbeModule(pl.LightningModule):
    """All probes of a call, trained by their engine under manual optimisation.

    Logged once a second, when probes have finished, and at the end (five numbers take Lightning 3 ms):
    ``probes``, ``epochs`` (of all probes together), and the means so far of the finished probes'
    ``train_loss`` (last epoch), ``val_score`` and ``test_score``.

    Args:
        loop: the engine's steps.
    """

    def __init__(self, loop: TrainingLoop):
        super().__init__()
        self.automatic_optimization = False
        self.loop = loop
        # Not submodules: Lightning would move them to the GPU, where each probe's update makes the host wait.
        self.means = {name: _process_mean() for name in ("train_loss", "val_score", "test_score")}
        self.error: BaseException | None = None
        self._unlogged: list[ProbeResult] = []
        self._logged_at = -_LOG_EVERY_S

    def train_dataloader(self) -> Iterator[int]:
        """As many empty batches as are asked for: the engine gathers its own minibatches."""
        return Steps()

    def training_step(self, batch: int, batch_idx: int) -> None:
        """One step. An error waits until Lightning has shut down: Lightning ends the process at a Ctrl-C."""
        try:
            self._log(self.loop.step())
        except BaseException as error:  # noqa: BLE001 - raised again by fit_with_lightning
            self.error = error
        if self.error is not None or self.loop.finished:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """None of torch's: each probe has its own Adam, at its own step, in the engine (``adam``)."""
        return []

    def _log(self, results: list[ProbeResult]) -> None:
        """Counts and means of the finished probes, to whatever logger and callbacks the trainer has."""
        self._unlogged += results
        now, over = time.monotonic(), self.loop.finished
        if not self._unlogged or (now < self._logged_at + _LOG_EVERY_S and not over):
            return
        losses = [result.loss_curve[-1] if result.n_iter else torch.nan for result in self._unlogged]
        self.means["train_loss"].update(torch.tensor(losses))
        self.means["val_score"].update(torch.tensor([result.validation_score for result in self._unlogged]))
        self.means["test_score"].update(torch.tensor([result.test_score for result in self._unlogged]))
        self._unlogged, self._logged_at = [], now
        report = self.loop.report
        counts = {"probes": report.probes, "epochs": report.epochs}
        self.log_dict({name: torch.tensor(float(count)) for name, count in counts.items()})
        self.log_dict({name: mean.compute() for name, mean in self.means.items() if mean.weight > 0})


def _process_mean() -> MeanMetric:
    """The mean over this process's probes: processes finish at different steps, and would wait for each other."""
    return MeanMetric(nan_strategy="ignore", sync_on_compute=False)


class Steps:
    """Endless empty batches: the step knows what to do."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 0


def fit_with_lightning(loop: TrainingLoop, device: torch.device, trainer: Mapping[str, Any] | None = None) -> None:
    """Run to the end, or until asked to stop; errors come out as they went in.

    Args:
        loop: the engine's steps.
        device: it runs on.
        trainer: further arguments of Lightning's ``Trainer``, such as ``logger`` and ``callbacks``.
    """
    if loop.finished:
        return
    module = ProbeModule(loop)
    with _quiet():
        try:
            make_trainer(device, trainer).fit(module)
        except SIGTERMException:
            # Lightning answers SIGTERM by itself; whoever asked for a soft end is served first.
            if loop.should_stop is None or not loop.should_stop():
                raise
            loop.report.stopped = True
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
    if module.error is not None:
        raise module.error


def make_trainer(device: torch.device, options: Mapping[str, Any] | None = None) -> pl.Trainer:
    """A trainer on one device; without logs and checkpoints unless ``options`` ask for them."""
    on_gpu = device.type == "cuda"
    defaults = {
        "accelerator": "gpu" if on_gpu else "cpu",
        "devices": [device.index or 0] if on_gpu else 1,
        # Ranks share no gradients and are started elsewhere: no process group, whatever the environment says.
        "plugins": [LightningEnvironment()],
        "max_epochs": 1,
        "logger": False,
        "log_every_n_steps": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }
    return pl.Trainer(**(defaults | dict(options or {})))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's notes on devices and tips, which are about training of another kind."""
    names = ("pytorch.utilities.rank_zero", "fabric.utilities.rank_zero", "pytorch.accelerators.cuda")
    loggers = [logging.getLogger(f"lightning.{name}") for name in names]
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
