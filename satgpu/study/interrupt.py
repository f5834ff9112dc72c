"""Ctrl-C and SIGTERM: finish what is being written, say how to continue, end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The run was asked to stop; its message holds the command that continues it."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Interruption:
    """While open, a signal is noted and not acted on; ``check`` acts on it at a safe place.

    Args:
        resume_command: what to type to go on.
    """

    def __init__(self, resume_command: str):
        self._resume_command = resume_command
        self._signal: int | None = None
        self._before: dict[int, object] = {}
        self._at_once = False

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread take a signal
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if self._at_once:
            self.check()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Work that holds nothing half written: a signal ends it where it is."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def check(self) -> None:
        """Raise ``Interrupted`` where a signal has come."""
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            message = f"stopped by {name}; finished probes are saved. Continue with:\n  {self._resume_command}"
            raise Interrupted(message, 128 + self._signal)
