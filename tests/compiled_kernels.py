"""Compile the kernels of a network without a GPU: ``python compiled_kernels.py 256,128,64,1 relu 80,90 ieee,tf32x3``.

Prints one JSON line for each kernel: registers, spills to local memory and shared memory. A process of its own,
because Triton either interprets or compiles.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from satgpu.probes import ProbeOptions
from satgpu.probes.gpu import fused
from satgpu.probes.gpu.bank import BankShape, SlotBank
from satgpu.probes.gpu.inputs import InputPool
from satgpu.probes.network import Layout

_TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64", torch.int32: "*i32"}
_TYPES |= {torch.bool: "*i1", torch.uint8: "*u8"}


def launches(units: tuple[int, ...], activation: str, precision: str) -> list[tuple]:
    """(kernel, arguments, constants) of a minibatch and a validation, and none of them started."""
    options, cpu = ProbeOptions(hidden_layer_sizes=units[1:-1], activation=activation), torch.device("cpu")
    pool = InputPool(units[0], 16, cpu, torch.float32)
    bank = SlotBank(BankShape(Layout(units), 200), options, 1, 4208, pool, precision)
    found = []
    fused.launch = lambda kernel, grid, *arguments, **constants: found.append((kernel, arguments, constants))
    bank.fused.step()
    bank.fused.order(1024)
    bank.fused.end(1)
    return found


def compiled(kernel, arguments: tuple, constants: dict, capability: int) -> dict[str, object]:
    """Registers, bytes of stack, spill instructions and shared memory of a kernel on one architecture."""
    options = {"num_warps": constants.pop("num_warps", 4), "enable_fp_fusion": True}
    names = [name for name in kernel.arg_names if name not in constants]
    kinds = [_TYPES[a.dtype] if isinstance(a, torch.Tensor) else "i32" for a in arguments]
    kinds = dict(zip(names, kinds, strict=True))
    signature = {name: kinds.get(name, "constexpr") for name in kernel.arg_names}
    pointers = [i for i, name in enumerate(kernel.arg_names) if signature[name].startswith("*")]
    attributes = {(i,): [["tt.divisibility", 16]] for i in pointers}
    source = ASTSource(kernel, signature, constexprs=constants, attrs=attributes)
    binary = compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(binary.asm["cubin"])
        usage, code = _cuobjdump("-res-usage", file.name), _cuobjdump("-sass", file.name)
    registers, stack = (int(n) for n in re.search(r"REG:(\d+) STACK:(\d+)", usage).groups())
    spills = len(re.findall(r"\b(?:STL|LDL)\b", code))
    facts = {"registers": registers, "stack": stack, "spills": spills, "shared": binary.metadata.shared}
    return {"kernel": kernel.fn.__name__, "sm": capability, "precision": constants.get("PREC", "")} | facts


def _cuobjdump(*words: str) -> str:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    return subprocess.run([tool, *words], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    for precision in sys.argv[4].split(","):
        for capability in sys.argv[3].split(","):
            units = tuple(int(n) for n in sys.argv[1].split(","))
            for kernel, arguments, constants in launches(units, sys.argv[2], precision):
                print(json.dumps(compiled(kernel, arguments, dict(constants), int(capability))), flush=True)
