"""From slots that have finished to results: a turn's finishers are scored together, and read a turn later.

The device computes their raw answers on all their rows and copies them, with their curves, to pinned
memory. Nobody waits: the slots may be filled again at once, and by the next turn the copies have landed.
Scores are then taken on the host, by the same lines as on a CPU.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.probes.backprop import forward
from satgpu.probes.gpu.bank import SlotBank
from satgpu.probes.gpu.inputs import to_device
from satgpu.probes.results import ProbeResult, ProbeScores, TrainedProbe, scored_result
from satgpu.probes.scores import chance_accuracy, predictions, score

# Shapes are filled up to these, so that a probe's answers do not depend on who finishes beside it.
_PROBES_AT_ONCE, _ROWS_AT_ONCE = 4, 1024


@dataclass(frozen=True)
class Flags:
    """What the host knows of a slot after a turn."""

    is_live: bool
    is_finite: bool
    epochs: int
    stale_epochs: int


class FinishedBatch:
    """Probes that have finished in one turn of a bank.

    Args:
        bank: their slots; read before this returns (in the order of the device's work).
        flags: by slot, of the finished ones.
    """

    def __init__(self, bank: SlotBank, flags: dict[int, Flags]):
        self.options, self.layout = bank.options, bank.shape.layout
        self.flags = list(flags.values())
        self.occupants = [bank.occupants[slot] for slot in flags]
        slots = to_device(torch.tensor(list(flags)), bank.device)
        self.flat = (bank.best_flat if bank.options.early_stopping else bank.flat).index_select(0, slots)
        columns = {
            "out": _answers(bank, slots, self.flat, max(resident.n_rows for resident, _ in self.occupants)),
            "labels": bank.labels.index_select(0, slots),
            "is_whole": torch.isfinite(self.flat).all(-1),
            "best": bank.rule.best.index_select(0, slots),
            "losses": bank.rule.losses.index_select(0, slots),
            "validation_scores": bank.rule.validation_scores.index_select(0, slots),
        }
        self._columns = {name: to_host(value) for name, value in columns.items()}
        self._landed = mark(bank.device)

    def results(self) -> list[ProbeResult]:
        """The results, once the copies have landed."""
        wait(self._landed)
        return [self._result(i) for i in range(len(self.flags))]

    def _result(self, i: int) -> ProbeResult:
        resident, index = self.occupants[i]
        subgroup, member = resident.subgroup, resident.subgroup.members[index]
        trained = self._trained(i)
        task, fit, train = subgroup.group.task, resident.n_fit, resident.n_fit + resident.n_validation
        labels = self._columns["labels"][i, : resident.n_rows]
        predicted = predictions(self._columns["out"][i, : resident.n_rows], task)
        is_class = task == "classification"
        scores = ProbeScores(
            train=float(score(predicted[:fit], labels[:fit], task)),
            test=float(score(predicted[train:], labels[train:], task)),
            chance=float(chance_accuracy(labels[None, :train].long(), labels[None, train:])) if is_class else 0.0,
            test_predictions=predicted[train:],
            n_validation=resident.n_validation,
            is_whole=bool(self._columns["is_whole"][i]),
        )
        result = scored_result(subgroup.group, member, trained, scores, resident.scaling)
        resident.finish_one()
        return result

    def _trained(self, i: int) -> TrainedProbe:
        """How the training went."""
        flags, early_stopping = self.flags[i], self.options.early_stopping
        reason = "early_stopping" if flags.stale_epochs > self.options.n_iter_no_change else "max_iter"
        n_scores = flags.epochs - (not flags.is_finite) if early_stopping else 0
        return TrainedProbe(
            flat=self.flat[i].clone(),
            n_iter=flags.epochs,
            stop_reason=reason if flags.is_finite else "failed",
            failure="" if flags.is_finite else f"non-finite loss at epoch {flags.epochs}",
            best_score=float(self._columns["best"][i]) if early_stopping else math.nan,
            losses=self._columns["losses"][i, : flags.epochs].numpy().copy(),
            validation_scores=self._columns["validation_scores"][i, :n_scores].numpy().copy(),
        )


def _answers(bank: SlotBank, slots: Tensor, flat: Tensor, n_rows: int) -> Tensor:
    """(k, n_rows, C) raw outputs of (k, size) parameters on the rows of their slots."""
    out = torch.zeros(slots.shape[0], n_rows, bank.shape.layout.n_outputs, dtype=bank.dtype, device=bank.device)
    for first in range(0, slots.shape[0], _PROBES_AT_ONCE):
        some = slice(first, first + _PROBES_AT_ONCE)
        k = flat[some].shape[0]
        filled = torch.nn.functional.pad(flat[some], (0, 0, 0, _PROBES_AT_ONCE - k))
        weights, biases = bank.shape.layout.weights(filled), bank.shape.layout.biases(filled)
        rows = bank.rows.index_select(0, slots[some])
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            chunk = rows[:, start : start + _ROWS_AT_ONCE]
            missing = (0, _ROWS_AT_ONCE - chunk.shape[1], 0, _PROBES_AT_ONCE - k)
            x = bank.pool.X.index_select(0, torch.nn.functional.pad(chunk, missing).flatten())
            x = x.unflatten(0, (_PROBES_AT_ONCE, _ROWS_AT_ONCE))
            answers = forward(x, weights, biases, bank.options.activation)[-1]
            width = min(_ROWS_AT_ONCE, n_rows - start)
            out[some, start : start + width].copy_(answers[:k, :width])
    return out


def to_host(values: Tensor) -> Tensor:
    """A copy on the host that has landed once a later ``mark`` has been waited for."""
    if not values.is_cuda:
        return values.clone()
    landing = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return landing.copy_(values, non_blocking=True)


def mark(device: torch.device) -> "torch.cuda.Event | None":
    """A mark behind all that has been asked of the device so far."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event()
    event.record()
    return event


def wait(landed: "torch.cuda.Event | None") -> None:
    """Until the device has passed a mark."""
    if landed is not None:
        landed.synchronize()
