"""Time and memory of a transfer function, beside scikit-learn's RidgeCV on the same places and targets.

python scripts/benchmark_transfer.py [--threads 2] [--only curve|large|sklearn]

Every line is a process of its own, so that its peak memory is its own. "pooled" calls RidgeCV once a degree, which
pools its leave-one-out errors over the degree's targets as satgpu does; "in one" is one call with a penalty for each
target, the fastest way to use it.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from satgpu import load_encoder, transfer_function, uniform_on_sphere
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.geometry import unit_vectors
from satgpu.readouts.harmonic_fields import degree_of_targets, sum_by_degree
from satgpu.readouts.linear import linear_curve
from satgpu.readouts.ridge import PENALTIES, standardise

N_LABELS, N_TEST, L_MAX, NOISE = 6000, 4000, 64, 0.1


def _places() -> tuple[torch.Tensor, torch.Tensor]:
    places = uniform_on_sphere(N_LABELS + N_TEST, torch.Generator().manual_seed(0))
    return places[:N_LABELS], places[N_LABELS:]


def curve(encoder: str = "untrained-l10") -> dict:
    """One draw, ceiling included, encoding included; the best of three."""
    places, test = _places()
    encode = load_encoder(encoder, device="cpu")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        Z, Z_test = encode(places), encode(test)
        found = linear_curve(Z, Z_test, places, test, L_MAX, NOISE, torch.Generator().manual_seed(0))
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "share": found.share.tolist()}


def large() -> dict:
    """2048 dimensions, degrees to 200, one draw: plane waves of all wavelengths; the ceiling takes 16,384 places."""
    waves = 60 * torch.randn(3, 2048, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = time.perf_counter()
    found = transfer_function(
        lambda lonlat_deg: torch.cos(unit_vectors(lonlat_deg) @ waves + torch.arange(2048)),
        N_LABELS,
        l_max=200,
        replicates=1,
        n_test=2000,
    )
    return {"seconds": time.perf_counter() - start, "share": found.share.tolist()}


def sklearn(encoder: str = "untrained-l10", pooled: bool = True) -> dict:
    """RidgeCV on all harmonics of every degree, exact leave-one-out over the same penalties."""
    from sklearn.linear_model import RidgeCV

    places, test = _places()
    encode = load_encoder(encoder, device="cpu")
    harmonics = spherical_harmonics(torch.cat([places, test]), L_MAX + 1, "closed-form")[:, 1:] * math.sqrt(4 * math.pi)
    Y, Y_test = harmonics[:N_LABELS].numpy(), harmonics[N_LABELS:]
    white = np.random.default_rng(0).standard_normal(Y.shape)
    degree = degree_of_targets(1, L_MAX).numpy()
    start = time.perf_counter()
    Z, Z_test = encode(places).double(), encode(test).double()
    to_standard = standardise(Z)
    Z, Z_test = to_standard(Z), to_standard(Z_test)
    alphas = (PENALTIES * torch.linalg.eigvalsh(Z.T @ Z)[-1]).numpy()
    labels, predicted = Y + math.sqrt(NOISE) * white, np.empty_like(Y_test.numpy())
    for some in [degree == one for one in range(1, L_MAX + 1)] if pooled else [slice(None)]:
        model = RidgeCV(alphas=alphas, alpha_per_target=not pooled).fit(Z.numpy(), labels[:, some])
        predicted[:, some] = model.predict(Z_test.numpy())
    seconds = time.perf_counter() - start
    error = (Y_test - torch.from_numpy(predicted)).square().sum(0)
    total = (Y_test - Y_test.mean(0)).square().sum(0)
    share = 1 - sum_by_degree(error, 1, L_MAX) / sum_by_degree(total, 1, L_MAX)
    return {"seconds": seconds, "share": share.tolist()}


CASES = {
    "curve": ("satgpu, 256 wide, l to 64", curve),
    "large": ("satgpu, 2048 wide, l to 200", large),
    "pooled": ("RidgeCV, pooled", sklearn),
    "in one": ("RidgeCV, in one", lambda: sklearn(pooled=False)),
}


def main() -> None:
    """Each case in its own process, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        torch.set_num_threads(options.threads)
        found = CASES[options.case][1]()
        print(json.dumps(found | {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    print(f"| n = {N_LABELS}, {options.threads} threads | seconds | peak MB | largest difference of a share |")
    print("| --- | --- | --- | --- |")
    reference = None
    for case in options.only:
        found = _in_own_process(case, options.threads)
        reference = found["share"] if case == "curve" else reference
        same = reference and len(found["share"]) == len(reference) and case != "curve"
        off = f"{np.abs(np.subtract(found['share'], reference)).max():.4f}" if same else ""
        print(f"| {CASES[case][0]} | {found['seconds']:.2f} | {found['mb']:.0f} | {off} |", flush=True)


def _in_own_process(case: str, threads: int) -> dict:
    command = [sys.executable, str(Path(__file__)), "--case", case, "--threads", str(threads)]
    threads_only = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | threads_only)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
