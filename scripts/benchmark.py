"""How fast the probes train, beside scikit-learn on the same data in the same process.

    python scripts/benchmark.py --device cpu --probes 50 --json benchmark.json

The problem is the notebook's sweet spot: 25 checkerboards (300 to 900 km) on the untrained L=10 and
L=40 encoders, 4200 training rows. More probes than 50 take further seeds of the initial weights.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from satgpu.encoders import load_encoder
from satgpu.geometry import make_labels
from satgpu.geometry.notebook import notebook_box, train_test_rows
from satgpu.probes import ProbeGroup, ProbeOptions, ProbeResult, TrainingReport, train_probes
from satgpu.probes.loop import TrainingLoop

SCALES_KM = list(range(300, 925, 25))
ENCODERS = ("untrained-l10", "untrained-l40")
SKLEARN_PROBES = 50  # scikit-learn trains at most so many; its time for more is scaled up, and marked so


def make_groups(n_probes: int, device: str) -> list[ProbeGroup]:
    """Sweet-spot probes, half of them on each encoder, in groups of at most 25."""
    lonlat_deg = torch.as_tensor(notebook_box(6000, (-180, 180), (-60, 60)))
    train_rows, test_rows = train_test_rows(6000)
    Y = torch.stack([make_labels("checkerboard", lonlat_deg, float(km), protocol="notebook") for km in SCALES_KM])
    embeddings = [load_encoder(name, device=device)(lonlat_deg.to(device)).float() for name in ENCODERS]
    groups, left, seed = [], n_probes, 0
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


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Seconds and what came back."""
    start = time.perf_counter()
    value = action()
    return time.perf_counter() - start, value


def fit_sklearn(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[float, int]:
    """Test score and epochs of the notebook's classifier."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden_layer_sizes=(128, 64), max_iter=500, random_state=42, early_stopping=True)
    model.fit(X[train], y[train])
    return model.score(X[test], y[test]), model.n_iter_


def run_sklearn(groups: list[ProbeGroup], dtype: type, n_jobs: int) -> tuple[float, list[tuple[float, int]]]:
    """Seconds and (score, epochs) of scikit-learn, one by one or by joblib on warm workers."""
    from joblib import Parallel, delayed

    jobs = []
    for group in groups:
        X, rows = group.X.cpu().numpy().astype(dtype), (group.train_rows.numpy(), group.test_rows.numpy())
        jobs += [delayed(fit_sklearn)(X, y.numpy(), *rows) for y in group.Y.cpu()]
    with Parallel(n_jobs=n_jobs) as parallel:
        if n_jobs > 1:  # start the workers and have them import scikit-learn before the clock runs
            tiny = np.random.default_rng(0).normal(size=(60, 2))
            rows = np.arange(60)
            parallel(delayed(fit_sklearn)(tiny, rows % 2, rows, rows) for _ in range(2 * n_jobs))
        return timed(lambda: parallel(jobs))


def run_satgpu(groups: list[ProbeGroup], args: argparse.Namespace, lightning: bool = True):
    """(seconds, report, results by key)."""
    results: dict[object, ProbeResult] = {}
    seconds, report = timed(
        lambda: train_probes(
            iter(groups),
            ProbeOptions(),
            device=args.device,
            allow_tf32=args.tf32,
            on_result=lambda result: results.__setitem__(result.key, result),
            lightning=lightning,
        )
    )
    return seconds, report, results


def lightning_share(groups: list[ProbeGroup], args: argparse.Namespace) -> float:
    """Share of a run under Lightning that is spent outside the steps of the engine, which are all of a bare loop."""
    inside = []
    step = TrainingLoop.step

    def timed_step(loop: TrainingLoop) -> list[ProbeResult]:
        seconds, results = timed(lambda: step(loop))
        inside.append(seconds)
        return results

    TrainingLoop.step = timed_step
    try:
        seconds, _, _ = run_satgpu(groups, args)
    finally:
        TrainingLoop.step = step
    return 1 - sum(inside) / seconds


def product_rates(device: str) -> dict[str, float]:
    """GFLOP/s of 2048³ float32 products on all threads: torch.mm, and on a CPU oneDNN's."""
    a, b = (torch.randn(2048, 2048, device=device) for _ in range(2))
    products = {"sgemm_gflops": lambda: torch.mm(a, b)}
    if device == "cpu":
        products["onednn_gflops"] = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    rates = {}
    for name, product in products.items():
        seconds = []
        for _ in range(12):
            start = time.perf_counter()
            product()
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        rates[name] = 2 * 2048**3 / min(seconds) / 1e9
    return rates


def measure(args: argparse.Namespace) -> dict[str, object]:
    """Every figure, by its key in the JSON file."""
    groups = make_groups(args.probes, args.device)
    found: dict[str, object] = {"device": args.device, "probes": args.probes, "versions": versions()}
    found["satgpu_cold_s"], _, _ = run_satgpu(groups, args)
    warm: list[tuple[float, TrainingReport, dict]] = []
    bare_s = []
    for _ in range(args.repeats):  # in turns, so that a change in the machine's load meets both
        warm.append(run_satgpu(groups, args))
        bare_s.append(run_satgpu(groups, args, lightning=False)[0])
    found["satgpu_warm_all_s"] = [seconds for seconds, _, _ in warm]
    found["bare_loop_all_s"] = bare_s
    found["satgpu_warm_s"] = statistics.median(found["satgpu_warm_all_s"])
    found["bare_loop_s"] = statistics.median(bare_s)
    found["lightning_share"] = lightning_share(groups, args)
    _, report, results = warm[0]
    found |= product_rates(args.device)
    found["epochs_mean"] = report.epochs / args.probes
    found["useful_gflops"] = report.useful_flops / found["satgpu_warm_s"] / 1e9
    found["share_of_sgemm"] = found["useful_gflops"] / found["sgemm_gflops"]
    found["peak_memory_bytes"] = report.peak_memory_bytes
    found["score_mean"] = statistics.fmean(result.test_score for result in results.values())
    if not args.no_sklearn:
        found |= beside_sklearn(groups, found, results)
    return found


def beside_sklearn(groups: list[ProbeGroup], found: dict, results: dict) -> dict[str, object]:
    """scikit-learn's times and scores on the same probes, and the ratios."""
    groups = groups[: SKLEARN_PROBES // len(SCALES_KM)]
    n = sum(group.n_probes for group in groups)
    serial_s, serial = run_sklearn(groups, np.float64, 1)
    best_s, _ = run_sklearn(groups, np.float32, torch.get_num_threads())
    scale = found["probes"] / n
    ours = [results[key].test_score for group in groups for key in group.keys]
    return {
        "sklearn_probes_measured": n,
        "sklearn_s": serial_s * scale,
        "sklearn_best_s": best_s * scale,
        "ratio": serial_s * scale / found["satgpu_warm_s"],
        "ratio_best": best_s * scale / found["satgpu_warm_s"],
        "sklearn_epochs_mean": statistics.fmean(epochs for _, epochs in serial),
        "sklearn_score_mean": statistics.fmean(score for score, _ in serial),
        "score_difference": statistics.fmean(ours) - statistics.fmean(score for score, _ in serial),
    }


def versions() -> dict[str, str]:
    """What a figure belongs to."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": device,
        "threads": str(torch.get_num_threads()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--probes", type=int, default=50)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs; their median is reported")
    parser.add_argument("--tf32", action="store_true", help="TensorFloat-32 products on a GPU")
    parser.add_argument("--no-sklearn", action="store_true", help="leave the comparison out")
    args = parser.parse_args()
    found = measure(args)
    for name, value in found.items():
        print(f"{name:24} {value:.4g}" if isinstance(value, float) else f"{name:24} {value}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
