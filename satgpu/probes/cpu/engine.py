"""Training on a CPU: a pool of threads, each taking one epoch of one probe at a time.

Every product runs on one thread, so a probe's numbers depend neither on the number of threads nor on
its neighbours, and a probe's weights and moments stay in the core's own cache for a whole epoch. The
minibatches are gathered once an epoch for a whole subgroup. A probe that is done is not queued again: it
costs nothing. Subgroups are taken in only as others finish, so memory does not grow with the number
of groups.
"""

import queue
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from satgpu.probes.cpu.probe import CpuProbe, Path
from satgpu.probes.groups import Subgroup
from satgpu.probes.results import ProbeResult, TrainingReport

_WAIT_S = 0.2  # how long ``advance`` waits for a result before it returns to the caller


class CpuEngine:
    """Trains subgroups as they come.

    Args:
        subgroups: pulled when there is room.
        path: how an epoch is computed.
        n_threads: workers.
        report: epochs and operations are added to it.
    """

    def __init__(self, subgroups: Iterator[Subgroup | ProbeResult], path: Path, n_threads: int, report: TrainingReport):
        self._subgroups, self._path = subgroups, path
        self._report = report
        self._results: queue.SimpleQueue[ProbeResult | BaseException] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._in_training = 0
        self._exhausted = False
        self._room = 4 * n_threads  # probes in the queue: enough that no worker waits while one is finished
        self._n_threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(n_threads, "satgpu-probes", initializer=torch.set_num_threads, initargs=(1,))
        # What the caller draws and encodes between the epochs: threads of its own would spin beside the workers,
        # and cost a third of all the processor's time.
        torch.set_num_threads(1)
        report.slots = self._room
        report.path = path.name

    @property
    def done(self) -> bool:
        """Whether every probe has been trained and its result given out."""
        return self._exhausted and self._in_training == 0

    def advance(self) -> list[ProbeResult]:
        """Keep the workers busy; the results that came in, or none after a fifth of a second."""
        results = self._admit()
        if not results and self._in_training:
            try:
                results.append(self._take(_WAIT_S))
            except queue.Empty:
                return results
        while not self._results.empty():
            results.append(self._take(0.0))
        return results

    def close(self) -> None:
        """End the workers after the epochs they are in, and give torch its threads back."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self._n_threads)
        self._report.peak_memory_bytes = _peak_memory_bytes()

    def _take(self, timeout_s: float) -> ProbeResult:
        """The next result; raises what a worker raised."""
        item = self._results.get(timeout=timeout_s)
        if isinstance(item, BaseException):
            raise item
        self._in_training -= 1
        return item

    def _admit(self) -> list[ProbeResult]:
        """Take subgroups in while there is room; the results of probes that need no training."""
        ready = []
        while not self._exhausted and self._in_training < self._room and len(ready) < self._room:
            item = next(self._subgroups, None)
            if item is None:
                self._exhausted = True
            elif isinstance(item, ProbeResult):
                ready.append(item)
            else:
                self._in_training += len(item.members)
                shared = SharedEpochs(item, self._path)
                for member in item.members:
                    self._pool.submit(self._guarded, shared, member, None)
        return ready

    def _guarded(self, shared: "SharedEpochs", member: int, probe: CpuProbe | None) -> None:
        """Work, and hand an error over to the caller's thread."""
        try:
            self._work(shared, member, probe)
        except BaseException as error:  # noqa: BLE001 - raised again by _take
            self._results.put(error)

    def _work(self, shared: "SharedEpochs", member: int, probe: CpuProbe | None) -> None:
        """One epoch of one probe; then to the back of the queue, or out with its result."""
        if self._stopping.is_set():
            return
        probe = probe or CpuProbe(shared.subgroup, member, self._path)
        epoch = probe.rule.epochs
        data = shared.take(epoch)
        started = time.perf_counter()
        probe.train_epoch(data)
        seconds = time.perf_counter() - started
        finished = bool(probe.stop_reason)
        shared.release(epoch, finished)
        with self._lock:
            self._report.epochs += 1
            self._report.epoch_seconds += seconds
            self._report.useful_flops += shared.subgroup.layout.flops_per_row * data.order.shape[0]
        if finished:
            self._results.put(probe.result())
        elif not self._stopping.is_set():
            self._pool.submit(self._guarded, shared, member, probe)


class SharedEpochs:
    """The epochs of a subgroup: gathered by the first probe that comes to one, dropped after the last.

    Args:
        subgroup: whose probes read them.
        path: what gathers them.
    """

    def __init__(self, subgroup: Subgroup, path: Path):
        self.subgroup, self.path = subgroup, path
        self._lock = threading.Lock()
        self._data: dict[int, Any] = {}
        self._to_come: dict[int, int] = {0: len(subgroup.members)}  # epoch: probes that have yet to end it

    def take(self, epoch: int) -> Any:
        """The minibatches of an epoch."""
        with self._lock:
            if epoch not in self._data:
                self._data[epoch] = self.path.gather(self.subgroup, epoch)
            return self._data[epoch]

    def release(self, epoch: int, finished: bool) -> None:
        """One probe is through with an epoch and goes on to the next, unless it has finished."""
        with self._lock:
            if not finished:
                self._to_come[epoch + 1] = self._to_come.get(epoch + 1, 0) + 1
            self._to_come[epoch] -= 1
            earlier_open = any(count for e, count in self._to_come.items() if e < epoch)
            if self._to_come[epoch] == 0 and not earlier_open:
                del self._to_come[epoch], self._data[epoch]


def _peak_memory_bytes() -> int:
    """The most memory this process has held; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
