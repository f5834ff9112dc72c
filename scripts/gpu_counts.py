"""Launches and bytes of the GPU engine's three actions, counted without a GPU.

    python scripts/gpu_counts.py [--slots 16]

The notebook's probe: 256 inputs, network 128-64-1, 4200 training rows and 1800 test rows, minibatches of 200. torch's
operations are counted on the shadow device of the tests: every operand is read or written once, at its full size. The
Triton kernels run interpreted: every address that a launch touches counts once for reading and once for writing. No
time is measured and nothing here ran on a GPU.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from shadow_cuda import Shadow, shadow_cuda  # noqa: E402

from satgpu.probes import ProbeGroup, ProbeOptions  # noqa: E402
from satgpu.probes.gpu import fused  # noqa: E402
from satgpu.probes.gpu.bank import BankShape, SlotBank, n_steps, n_validation_chunks  # noqa: E402
from satgpu.probes.gpu.inputs import InputPool, ResidentGroup  # noqa: E402
from satgpu.probes.training import SubgroupStream  # noqa: E402

N_POINTS, N_FEATURES = 6000, 256


def full_bank(products: str, n_slots: int) -> tuple[SlotBank, ResidentGroup]:
    """Slots that all hold a probe of one group."""
    X = torch.randn(N_POINTS, N_FEATURES, generator=torch.Generator().manual_seed(0))
    rows, seeds = torch.arange(N_POINTS), torch.arange(n_slots)
    labels = (X[:, :1].T > 0).long().expand(n_slots, -1)
    keys = list(range(n_slots))
    group = ProbeGroup(X, labels, rows[:4200], rows[4200:], 42, seeds, "classification", keys)
    options, cuda = ProbeOptions(), torch.device("cuda", 0)
    resident = ResidentGroup(next(SubgroupStream([group], options, cuda, torch.float32)))
    pool = InputPool(N_FEATURES, N_POINTS, cuda, torch.float32)
    bank = SlotBank(BankShape.of(resident), options, n_slots, resident.n_rows, pool, products)
    resident.enter(pool)
    bank.load([(slot, resident, slot) for slot in range(n_slots)])
    return bank, resident


class KernelBytes:
    """Wraps the interpreter's loads and stores, and ``fused.launch``, to count what each launch touches."""

    def __init__(self):
        from triton.runtime.interpreter import InterpreterBuilder

        self.total, self._touched = 0, {"read": [], "written": []}
        for name, kind in (("create_masked_load", "read"), ("create_masked_store", "written")):
            setattr(InterpreterBuilder, name, self._noting(getattr(InterpreterBuilder, name), kind))

    def _noting(self, real: Callable, kind: str) -> Callable:
        def noted(builder, ptrs, *arguments):
            mask = arguments[0 if kind == "read" else 1].data
            size = ptrs.get_element_ty().primitive_bitwidth // 8 or 1
            self._touched[kind].append((np.asarray(ptrs.data)[np.asarray(mask, bool)].ravel(), size))
            return real(builder, ptrs, *arguments)

        return noted

    def of(self, run: Callable[[], None]) -> None:
        """Run a launch and add its bytes."""
        for touched in self._touched.values():
            touched.clear()
        run()
        for touched in self._touched.values():
            for size in {size for _, size in touched}:
                addresses = [place for place, its_size in touched if its_size == size]
                self.total += size * np.unique(np.concatenate(addresses)).size


def counted(shadow: Shadow, kernels: KernelBytes | None, action: Callable[[], None]) -> tuple[int, int]:
    """(launches, bytes) of an action."""
    first, before = len(shadow.launches), kernels.total if kernels else 0
    action()
    found = shadow.launches[first:]
    return len(found), sum(launch.nbytes for launch in found) + (kernels.total - before if kernels else 0)


def show(products: str, n_slots: int) -> None:
    """The rows of one path."""
    with shadow_cuda(triton=bool(products)) as shadow:
        bank, resident = full_bank(products, n_slots)
        kernels = KernelBytes() if products else None
        if kernels:
            launch = fused.launch
            fused.launch = lambda *arguments, **words: kernels.of(lambda: launch(*arguments, **words))
        held = sum(t.numel() * t.element_size() for t in [*bank.state(), *(bank.fused.held if products else ())])
        steps, chunks = n_steps(resident, bank.shape), n_validation_chunks(resident, bank.shape)
        found = {"begin": counted(shadow, kernels, lambda: bank.begin(4096))}
        found["step"] = counted(shadow, kernels, bank.step)
        bank.position.fill_(steps)
        found["end"] = counted(shadow, kernels, lambda: bank.end(chunks))
    for name, (launches, nbytes) in found.items():
        print(f"{products or 'torch':6} {name:6} {launches:4} launches {nbytes / n_slots / 1e6:8.3f} MB a probe")
    ends = [found[name] for name in ("begin", "end")]
    per_step = [found["step"][i] + sum(end[i] for end in ends) / steps for i in range(2)]
    facts = f"{per_step[0]:.1f} launches, {per_step[1] / n_slots / 1e6:.3f} MB a probe"
    held = f"a slot holds {held / n_slots / 1e6:.2f} MB"
    print(f"{products or 'torch':6} an epoch of {steps}, by minibatch: {facts}; {held}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    show("", args.slots)
    if fused.has_triton():
        show("ieee", 1)  # so that no probe reads what another has read
    return 0


if __name__ == "__main__":
    sys.exit(main())
