"""The live display of a run: probes and read-outs finished of all, what is being done, time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class RunProgress:
    """A bar on a terminal; on anything else a line at every tenth of the work."""

    def __init__(self, console: Console):
        self._console, self._total, self._done = console, 0, 0
        self._live = console.is_terminal
        self._next_line = 0.1
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<34}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("done"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "RunProgress":
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, *exc) -> None:
        if self._live:
            self._bar.stop()

    def expect(self, total: int, done: int) -> None:
        """More work has been planned, some of which an earlier process has done."""
        self._total, self._done = self._total + total, self._done + done
        self._next_line = 0.1 * (1 + self._done * 10 // max(self._total, 1))
        self._bar.update(self._task, total=self._total, completed=self._done)

    def say(self, doing: str) -> None:
        """What the run is at."""
        self._bar.update(self._task, description=doing)

    def advance(self, doing: str) -> None:
        """One probe or read-out has finished."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, description=doing)
        if not self._live and self._total and self._done / self._total >= self._next_line:
            self._console.print(f"{self._done} of {self._total} done")
            self._next_line += 0.1


@contextmanager
def spinner(console: Console, doing: str) -> Iterator[None]:
    """A step without a count."""
    if console.is_terminal:
        with console.status(doing):
            yield
    else:
        console.print(doing)
        yield
