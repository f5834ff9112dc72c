"""The loop under Lightning leaves no trace and lets errors through."""

import logging
import os
import signal
import warnings

import pytest
import torch
from lightning.pytorch import Callback
from probe_groups import SMALL, small_group

from satgpu.probes import ProbeOptions, train_probes

LONG = ProbeOptions(hidden_layer_sizes=(16,), max_iter=10_000, early_stopping=False, n_iter_no_change=10_000)


def test_it_says_nothing_and_leaves_settings_as_they_were(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    before = (logger.level, signal.getsignal(signal.SIGTERM), warnings.filters[:], torch.get_float32_matmul_precision())
    train_probes([small_group(2)], SMALL)
    after = (logger.level, signal.getsignal(signal.SIGTERM), warnings.filters[:], torch.get_float32_matmul_precision())
    assert before == after
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_what_the_caller_raises_comes_out_as_it_went_in(error):
    def refuse(result):
        raise error

    with pytest.raises(type(error)) as caught:
        train_probes([small_group(2)], SMALL, on_result=refuse)
    assert caught.value is error


def test_an_error_of_the_groups_comes_out_as_it_went_in():
    def groups():
        yield small_group(1)
        raise LookupError("no more points")

    with pytest.raises(LookupError, match="no more points"):
        train_probes(groups(), SMALL)


def test_sigterm_ends_the_call_where_should_stop_listens():
    asked = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    results = []

    def deliver(result):
        results.append(result)
        os.kill(os.getpid(), signal.SIGTERM)

    def groups():
        yield small_group(1)
        yield small_group(3, seed=1, task="regression", keys=["a", "b", "c"])

    try:
        options = ProbeOptions(hidden_layer_sizes=(16,), max_iter=3000, n_iter_no_change=100)
        report = train_probes(groups(), options, on_result=deliver, should_stop=lambda: bool(asked))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert report.stopped and asked and len(results) == report.probes >= 1


def test_sigterm_ends_the_process_where_nobody_listens():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        train_probes([small_group(1)], SMALL, on_result=lambda r: os.kill(os.getpid(), signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_ctrl_c_between_turns_stays_a_keyboard_interrupt(monkeypatch):
    from satgpu.probes import module

    class Interrupted:
        def __iter__(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "Steps", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_probes([small_group(1)], SMALL)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_counts_and_mean_scores_are_logged_where_lightnings_users_look_for_them():
    class Watch(Callback):
        seen: list = []

        def on_train_batch_end(self, trainer, module, *_):
            self.seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    results = []
    train_probes([small_group(3)], SMALL, on_result=results.append, trainer={"callbacks": [Watch()]})
    last = Watch.seen[-1]
    assert last["probes"] == 3 and last["epochs"] == sum(result.n_iter for result in results)
    for name in ("val_score", "test_score"):
        values = [getattr(result, name.replace("val", "validation")) for result in results]
        assert last[name] == pytest.approx(sum(values) / 3)
    assert last["train_loss"] == pytest.approx(sum(result.loss_curve[-1] for result in results) / 3)


def test_should_stop_is_asked_while_nothing_finishes():
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    report = train_probes([small_group(2)], LONG, should_stop=stop)
    assert report.stopped and report.probes == 0


def test_no_groups_are_no_work():
    report = train_probes([], SMALL)
    assert (report.probes, report.epochs, report.notices) == (0, 0, [])
