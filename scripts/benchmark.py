"""How fast the probes train, beside others on the same data: sides take turns, medians are reported.

    python scripts/benchmark.py --device cpu --probes 50 --json benchmark.json
    python scripts/benchmark.py --problem random --probes 40

The first problem is the notebook's sweet spot: 25 checkerboards (300 to 900 km) on the untrained L=10 and L=40
encoders, 4200 training rows; more probes than 50 take further seeds of the initial weights. The second has nothing
of this package: 4000 rows of 256 random numbers, and which side of a random plane they lie on.

When a probe stops is luck of its seeds (the epochs of one probe scatter by half their mean), so every turn draws other
seeds on every side; "per epoch" leaves that luck out.

The share of the core's peak counts the products of training alone, against multiply-adds from registers on all
cores at once; the time is that within epochs, their validation and stopping rule included.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from benchmark_rivals import jax_epoch_s, run_sklearn, torch_func_epoch_s  # noqa: E402

from satgpu.devices import probe_path  # noqa: E402
from satgpu.encoders import load_encoder  # noqa: E402
from satgpu.geometry import make_labels  # noqa: E402
from satgpu.geometry.notebook import notebook_box, train_test_rows  # noqa: E402
from satgpu.probes import ProbeGroup, ProbeOptions, ProbeResult, train_probes  # noqa: E402
from satgpu.probes.cpu.fused_path import fma_peak_gflops  # noqa: E402
from satgpu.probes.gpu.fused import PRECISIONS  # noqa: E402
from satgpu.probes.loop import TrainingLoop  # noqa: E402

SCALES_KM = list(range(300, 925, 25))
ENCODERS = ("untrained-l10", "untrained-l40")
TURN_SEEDS = 10_000  # from one turn to the next
SKLEARN_PROBES = 50  # scikit-learn trains at most so many; its time for more is scaled up, and marked so


def make_groups(n_probes: int, device: str, turn: int = 0) -> list[ProbeGroup]:
    """Sweet-spot probes, half of them on each encoder, in groups of at most 25; each turn has seeds of its own."""
    lonlat_deg = torch.as_tensor(notebook_box(6000, (-180, 180), (-60, 60)))
    train_rows, test_rows = train_test_rows(6000)
    Y = torch.stack([make_labels("checkerboard", lonlat_deg, float(km), protocol="notebook") for km in SCALES_KM])
    embeddings = [load_encoder(name, device=device)(lonlat_deg.to(device)).float() for name in ENCODERS]
    groups, left, seed = [], n_probes, TURN_SEEDS * turn
    while left > 0:
        for encoder, X in enumerate(embeddings):
            share = min(len(SCALES_KM), (left + 1) // 2 if encoder == 0 and left < 2 * len(SCALES_KM) else left)
            if share:
                keys = [(seed, encoder, km) for km in SCALES_KM[:share]]
                seeds = torch.arange(share) + 1000 * seed
                groups.append(ProbeGroup(X, Y[:share], train_rows, test_rows, 42 + seed, seeds, "classification", keys))
            left -= share
        seed += 1
    return groups


def random_groups(n_probes: int, turn: int = 0) -> list[ProbeGroup]:
    """One group of probes on random numbers, all rows for training."""
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(4000, 256, generator=generator)
    Y = (torch.randn(n_probes, 256, generator=generator) @ X.T > 0).long()
    rows, none, seeds = torch.arange(4000), torch.arange(0), torch.arange(n_probes) + TURN_SEEDS * turn
    return [ProbeGroup(X, Y, rows, none, 42 + turn, seeds, "classification", list(range(n_probes)))]


def problem(args: argparse.Namespace, turn: int = 0) -> list[ProbeGroup]:
    """What a turn trains."""
    if args.problem == "random":
        return random_groups(args.probes, turn)
    return make_groups(args.probes, args.device, turn)


def run_satgpu(groups: list[ProbeGroup], args: argparse.Namespace, path: str = "auto", lightning: bool = True) -> dict:
    """Seconds, mean epochs, mean test score, report."""
    results: list[ProbeResult] = []
    start = time.perf_counter()
    report = train_probes(
        iter(groups),
        ProbeOptions(),
        device=args.device,
        precision=args.precision,
        path=path,
        on_result=results.append,
        lightning=lightning,
    )
    seconds = time.perf_counter() - start
    epochs, score = (statistics.fmean(getattr(r, name) for r in results) for name in ("n_iter", "test_score"))
    return {"seconds": seconds, "epochs": epochs, "score": score, "report": report}


def sklearn_elsewhere(args: argparse.Namespace, turn: int, best: bool, as_it_comes: bool) -> dict[str, float]:
    """scikit-learn in a process of its own, with OpenBLAS told by this environment what to do, or told nothing."""
    words = ["--sklearn-only", "best" if best else "notebook", "--probes", str(min(args.probes, SKLEARN_PROBES))]
    told = {name: value for name, value in os.environ.items() if not (as_it_comes and name.startswith("OPENBLAS"))}
    command = [sys.executable, __file__, *words, "--problem", args.problem, "--turn", str(turn)]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found | {"seconds": found["seconds"] * max(1.0, args.probes / SKLEARN_PROBES)}


def by_epoch(groups: list[ProbeGroup], epoch_s: Callable[[ProbeGroup, ProbeOptions], float], epochs: float) -> dict:
    """Seconds of a rival that is timed for an epoch of each group, for as many epochs as our probes had."""
    return {"seconds": epochs * sum(epoch_s(group, ProbeOptions()) for group in groups), "epochs": epochs}


def sides(args: argparse.Namespace, turn: int, epochs: float) -> dict[str, Callable[[], dict]]:
    """What is compared in a turn, by name; those that are not at hand are left out."""
    groups = problem(args, turn)
    found: dict[str, Callable[[], dict]] = {"satgpu": lambda: run_satgpu(groups, args)}
    found["satgpu, bare loop"] = lambda: run_satgpu(groups, args, lightning=False)
    on_cpu = args.device == "cpu"
    if probe_path(torch.device(args.device)) != "torch":
        found["satgpu, fallback"] = lambda: run_satgpu(groups, args, "torch")
    if on_cpu and args.rivals:
        found["torch.func"] = lambda: by_epoch(groups, torch_func_epoch_s, epochs)
        if importlib.util.find_spec("jax"):
            found["jax"] = lambda: by_epoch(groups, jax_epoch_s, epochs)
    if not args.no_sklearn:
        for name, best in (("scikit-learn as in the notebook", False), ("scikit-learn at its best", True)):
            found[name] = lambda best=best: sklearn_elsewhere(args, turn, best, False)
            if any(variable.startswith("OPENBLAS") for variable in os.environ):
                found[f"{name}, OpenBLAS as it comes"] = lambda best=best: sklearn_elsewhere(args, turn, best, True)
    return found


def lightning_share(groups: list[ProbeGroup], args: argparse.Namespace) -> float:
    """Share of a run under Lightning that is spent outside the steps of the engine, which are all of a bare loop."""
    inside = []
    step = TrainingLoop.step

    def timed_step(loop: TrainingLoop) -> list[ProbeResult]:
        start = time.perf_counter()
        results = step(loop)
        inside.append(time.perf_counter() - start)
        return results

    TrainingLoop.step = timed_step
    try:
        seconds = run_satgpu(groups, args)["seconds"]
    finally:
        TrainingLoop.step = step
    return 1 - sum(inside) / seconds


def peak_gflops() -> float | None:
    """Multiply-adds from registers, a core, while all threads are at it; None without the compiled extension."""
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda _: fma_peak_gflops(0.3), range(threads)))
    return None if None in found else statistics.fmean(found)


def sgemm_gflops(device: str) -> float:
    """torch.mm of 2048³ in float32 on all threads, the best of twelve."""
    a, b = (torch.randn(2048, 2048, device=device) for _ in range(2))
    seconds = []
    for _ in range(12):
        start = time.perf_counter()
        torch.mm(a, b)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds) / 1e9


def measure(args: argparse.Namespace) -> dict[str, object]:
    """Every figure, by its key in the JSON file."""
    groups = problem(args)
    cold = run_satgpu(groups, args)
    found: dict[str, object] = machine() | {"device": args.device, "probes": args.probes, "problem": args.problem}
    found |= {"path": cold["report"].path, "cold_s": cold["seconds"]}
    runs: dict[str, list[dict]] = {}
    for turn in range(args.repeats):  # so that a change in the machine's load meets all sides
        for name, run in sides(args, turn, cold["epochs"]).items():
            runs.setdefault(name, []).append(run())
    found["sides"] = {name: summed_up(several) for name, several in runs.items()}
    ours = found["sides"]["satgpu"]
    for side in found["sides"].values():
        side["ratio"] = side["seconds"] / ours["seconds"]
        side["ratio_per_epoch"] = side["epoch_s"] / ours["epoch_s"]
    found["lightning_share"] = lightning_share(groups, args)
    report = runs["satgpu"][0]["report"]
    found |= {"useful_gflops": report.useful_flops / ours["seconds"] / 1e9, "sgemm_gflops": sgemm_gflops(args.device)}
    found["peak_memory_bytes"] = report.peak_memory_bytes
    peak = peak_gflops() if args.device == "cpu" else None
    if peak is not None:
        found["fma_peak_gflops_per_core"] = peak
        for name in ("satgpu", "satgpu, fallback"):
            rates = [r["report"].useful_flops / r["report"].epoch_seconds / 1e9 for r in runs.get(name, [])]
            if rates:
                found["sides"][name]["epochs_share_of_peak"] = statistics.median(rates) / peak
    return found


def summed_up(runs: list[dict]) -> dict[str, object]:
    """Median seconds, median seconds of an epoch, all seconds, mean epochs and score."""
    seconds = [run["seconds"] for run in runs]
    means = {name: statistics.fmean(run[name] for run in runs) for name in ("epochs", "score") if name in runs[0]}
    epoch_s = statistics.median(run["seconds"] / run["epochs"] for run in runs)
    return {"seconds": statistics.median(seconds), "epoch_s": epoch_s, "all": seconds} | means


def machine() -> dict[str, object]:
    """What a figure belongs to."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts = dict(reversed([(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]))
        processor = f"{facts['model name']}, family {facts['cpu family']}, model {facts['model']}"
    except (OSError, KeyError):
        pass
    return {
        "processor": processor,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "openblas": {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS")},
    }


def print_found(found: dict[str, object]) -> None:
    """Facts, then a line for each side."""
    for name, value in found.items():
        if name != "sides":
            print(f"{name:26} {value:.4g}" if isinstance(value, float) else f"{name:26} {value}")
    print(f"\n{'side':50} {'seconds':>8} {'ratio':>6} {'per epoch':>9} {'epochs':>6} {'of peak':>7}")
    for name, side in found["sides"].items():
        share = f"{side['epochs_share_of_peak']:7.0%}" if "epochs_share_of_peak" in side else ""
        words = f"{side['seconds']:8.2f} {side['ratio']:6.2f} {side['ratio_per_epoch']:9.2f} {side['epochs']:6.1f}"
        print(f"{name:50} {words} {share}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--problem", choices=("sweet_spot", "random"), default="sweet_spot")
    parser.add_argument("--probes", type=int, default=50)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--repeats", type=int, default=3, help="turns; medians are reported")
    parser.add_argument("--precision", choices=PRECISIONS, default="ieee", help="of products on a GPU")
    parser.add_argument("--rivals", action="store_true", help="torch.func and, where it is installed, JAX")
    parser.add_argument("--no-sklearn", action="store_true", help="leave scikit-learn out")
    parser.add_argument("--sklearn-only", choices=("notebook", "best"), help=argparse.SUPPRESS)
    parser.add_argument("--turn", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.sklearn_only:
        best = args.sklearn_only == "best"
        jobs = torch.get_num_threads() if best else 1
        dtype = np.float32 if best else np.float64
        print(json.dumps(run_sklearn(problem(args, args.turn), dtype, jobs, seed=42 + args.turn)))
        return 0
    found = measure(args)
    print_found(found)
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
