"""A bank's three actions as CUDA graphs, each captured when it is first asked for."""

from collections.abc import Callable

import torch

from satgpu.probes.gpu.bank import SlotBank


class CapturedActions:
    """``begin``, ``step`` and ``end`` of a bank, replayed; on a CPU they are called as they are.

    Args:
        bank: whose actions they are.
        stream: to capture on, of the bank's device. torch's own default is made once for all devices, on
            the one that happens to be current.
        pool: memory that all graphs of an engine share: they run one after the other and leave nothing in it.
    """

    def __init__(self, bank: SlotBank, stream: "torch.cuda.Stream | None", pool: object):
        self.bank, self._stream, self._pool = bank, stream, pool
        self._graphs: dict[tuple[str, int], Callable[[], None]] = {}

    def run(self, name: str, *sizes: int) -> None:
        """One action; ``sizes`` are its arguments, fixed in its graph."""
        key = (name, *sizes)
        if key not in self._graphs:
            self._graphs[key] = self._captured(name, sizes)
        self._graphs[key]()

    def forget(self) -> None:
        """The bank's tensors have been replaced: capture anew."""
        self._graphs.clear()

    def _captured(self, name: str, sizes: tuple[int, ...]) -> Callable[[], None]:
        action = getattr(self.bank, name)
        if self._stream is None:
            return lambda: action(*sizes)
        self._warm_up(lambda: action(*sizes))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            action(*sizes)
        return graph.replay

    def _warm_up(self, action: Callable[[], None]) -> None:
        """Libraries choose kernels and set up workspaces before the capture; with no live slot nothing changes."""
        is_live = self.bank.rule.is_live
        before = is_live.clone()
        is_live.zero_()
        current = torch.cuda.current_stream(self.bank.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            action()
        current.wait_stream(self._stream)
        is_live.copy_(before)
