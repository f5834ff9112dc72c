"""The loop around an engine: one step hands out the results that came in and asks whether to stop."""

from collections.abc import Callable
from typing import Protocol

from satgpu.probes.results import ProbeResult, TrainingReport


class Engine(Protocol):
    """Something that trains probes for a fraction of a second at a time.

    Attributes:
        done: every probe's result has been given out.
    """

    @property
    def done(self) -> bool: ...

    def advance(self) -> list[ProbeResult]:
        """Train on for a fraction of a second; the results of probes that finished."""

    def close(self) -> None:
        """Give everything back that the engine holds."""


class TrainingLoop:
    """Steps of an engine until it is done or should stop.

    Args:
        engine: to be advanced.
        report: counts the results.
        on_result: gets each result.
        should_stop: asked once a step.
    """

    def __init__(
        self,
        engine: Engine,
        report: TrainingReport,
        on_result: Callable[[ProbeResult], None] | None,
        should_stop: Callable[[], bool] | None,
    ):
        self.engine = engine
        self.report = report
        self.on_result = on_result
        self.should_stop = should_stop

    @property
    def finished(self) -> bool:
        """Whether there is no further step."""
        return self.report.stopped or self.engine.done

    def step(self) -> list[ProbeResult]:
        """Advance the engine once; the results that came in."""
        if self.should_stop is not None and self.should_stop():
            self.report.stopped = True
            return []
        results = self.engine.advance()
        for result in results:
            self.report.probes += 1
            if self.on_result is not None:
                self.on_result(result)
        return results

    def run(self) -> None:
        """All steps, without Lightning: for single fits, and to measure Lightning's share."""
        while not self.finished:
            self.step()
