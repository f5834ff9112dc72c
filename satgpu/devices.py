"""Which device a run uses, and the facts about machine and versions that its folder records."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from satgpu.errors import UserError

_PACKAGES = (
    "satgpu",
    "torch",
    "lightning",
    "huggingface_hub",
    "torchmetrics",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
)


def resolve_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` stands for.

    Raises:
        UserError: another word, or a GPU that isn't there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise UserError(f"unknown device {name!r}; choose auto, cpu, cuda or cuda:N")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            f"device {name!r} asked for, but this torch ({torch.__version__}) sees no GPU; use --device cpu"
        )
    number = int(index) if index else local_rank
    if number >= torch.cuda.device_count():
        raise UserError(
            f"device 'cuda:{number}' asked for, but there are {torch.cuda.device_count()} GPUs; count from 0"
        )
    return torch.device("cuda", number)


def machine_facts(device: torch.device) -> dict[str, object]:
    """Device, cores, platform, and what computes the probes' epochs."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "type": device.type,
        "name": name,
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "probe_path": probe_path(device),
    }


def probe_path(device: torch.device) -> str:
    """What computes the epochs of probes with default options, such as "fused avx512", "fused triton" or "torch"."""
    from satgpu.probes.cpu.fused_path import choose_path  # not needed to resolve a device
    from satgpu.probes.gpu.fused import choose_step
    from satgpu.probes.network import Layout
    from satgpu.probes.options import ProbeOptions

    if device.type == "cpu":
        return choose_path(torch.float32, ProbeOptions()).name
    layout = Layout((256, *ProbeOptions().hidden_layer_sizes, 1))
    step = choose_step(layout, ProbeOptions(), torch.float32, device)
    return "fused triton" if step == "triton" else step


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that a number may depend on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout that was never installed
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """Commit of the checkout that this code runs from, with '+changes' where files differ; None outside one."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
