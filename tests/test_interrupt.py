"""Signals are noted while rows are written, and acted on at a safe place."""

import os
import signal
import time

import pytest
import torch

from satgpu.study.interrupt import Interrupted, Interruption
from satgpu.study.readouts import _side_by_side


def test_a_signal_waits_for_the_next_check_and_carries_the_resume_command():
    with Interruption("satgpu run --resume") as interruption:
        assert not interruption.asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked()
        with pytest.raises(Interrupted, match="SIGTERM.*\n  satgpu run --resume") as caught:
            interruption.check()
    assert caught.value.status == 128 + signal.SIGTERM


def test_work_that_writes_nothing_ends_at_once():
    with Interruption("again") as interruption, pytest.raises(Interrupted), interruption.at_once():
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the signal was not acted on")


def test_read_outs_side_by_side_end_with_those_under_way():
    begun, threads = [], torch.get_num_threads()

    def read(reading):
        begun.append(reading)
        if reading == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)

    with Interruption("again") as interruption, pytest.raises(Interrupted):
        list(_side_by_side(read, range(200), interruption))
    assert 0 < len(begun) < 200 and torch.get_num_threads() == threads


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption("again"):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
