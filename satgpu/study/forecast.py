"""``--dry-run``: what a study would do and cost, from its plan and a short calibration on this device."""

import time
from collections import Counter
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from satgpu.geometry import uniform_on_sphere
from satgpu.probes import ProbeGroup, ProbeOptions, train_probes
from satgpu.study.config import Config
from satgpu.study.pipeline import prepare
from satgpu.study.plan import FIT_SHARE, TYPICAL_EPOCHS, deal, flops_per_row
from satgpu.study.ranks import Ranks
from satgpu.study.study import Study

CALIBRATION_ROWS, CALIBRATION_PROBES, CALIBRATION_EPOCHS = 4200, 16, 4
CALIBRATION_POINTS = 4000


@dataclass(frozen=True)
class Rates:
    """What this device did in the calibration."""

    flops_per_s: float
    points_per_s: dict[str, float]  # encoding, by encoder


def calibrate(study: Study) -> Rates:
    """Train a few probes for a few epochs and encode a few points with each encoder."""
    generator = torch.Generator().manual_seed(0)
    features, hidden = 256, study.config.probes.hidden_layer_sizes
    group = ProbeGroup(
        X=torch.randn(CALIBRATION_ROWS, features, generator=generator).to(study.device),
        Y=torch.randint(2, (CALIBRATION_PROBES, CALIBRATION_ROWS), generator=generator),
        train_rows=torch.arange(CALIBRATION_ROWS),
        test_rows=torch.arange(0),
        split_seed=0,
        probe_seeds=torch.arange(CALIBRATION_PROBES),
        task="classification",
        keys=list(range(CALIBRATION_PROBES)),
    )
    options = ProbeOptions(hidden_layer_sizes=hidden, max_iter=CALIBRATION_EPOCHS)
    train_probes(iter([group]), options, device=study.device)  # first use: libraries load, graphs are captured
    start = time.perf_counter()
    train_probes(iter([group]), options, device=study.device)
    seconds = time.perf_counter() - start
    work = flops_per_row(features, hidden) * 0.9 * CALIBRATION_ROWS * CALIBRATION_PROBES * CALIBRATION_EPOCHS
    lonlat_deg = uniform_on_sphere(CALIBRATION_POINTS, generator).to(study.device)
    points_per_s = {}
    for loaded in study.encoders:
        loaded.encoder(lonlat_deg[:64])
        start = time.perf_counter()
        loaded.encoder(lonlat_deg).sum().item()
        points_per_s[loaded.encoder.name] = CALIBRATION_POINTS / (time.perf_counter() - start)
    return Rates(work / seconds, points_per_s)


@dataclass(frozen=True)
class Forecast:
    """A study in numbers."""

    probes: Counter[str]  # by experiment, over all encoders
    points: int  # distinct, each encoded once per encoder
    largest_unit_bytes: int  # of embeddings held at once
    train_flops: float
    encode_s: float
    dealt_share: dict[int, float]  # processes -> the largest process's share of the work


def forecast(study: Study, rates: Rates, processes: tuple[int, ...] = (1, 2, 4, 8)) -> Forecast:
    """Walk the plan once."""
    probes: Counter[str] = Counter()
    points, largest, flops, encode_s = 0, 0, 0.0, 0.0
    dims = {loaded.encoder.name: loaded.encoder.dim for loaded in study.encoders}
    for unit in study.units():
        points += unit.points.n
        largest = max(largest, max(dims.values()) * 4 * unit.points.n)
        for tasks in unit.task_sets:
            probes[tasks.experiment] += len(tasks.fields) * len(dims)
        rows = FIT_SHARE * unit.points.n * unit.n_probes * TYPICAL_EPOCHS
        flops += sum(flops_per_row(dim, study.config.probes.hidden_layer_sizes) * rows for dim in dims.values())
        encode_s += sum(unit.points.n / rates.points_per_s[name] for name in dims)
    shares = {n: _largest_share(study, n) for n in processes}
    return Forecast(probes, points, largest, flops, encode_s, shares)


def _largest_share(study: Study, processes: int) -> float:
    work = [sum(unit.cost_s() for unit in deal(study.units(), rank, processes)) for rank in range(processes)]
    return max(work) / sum(work) if sum(work) else 1.0


def print_forecast(config: Config, console: Console) -> None:
    """Print the plan and its cost; train nothing but the calibration, write nothing."""
    study = prepare(config, Ranks())
    rates = calibrate(study)
    found = forecast(study, rates)
    if study.notice:
        console.print(f"[bold yellow]Notice:[/] {study.notice}")
    table = Table(title=f"Plan: {study.replicates} replicates, {len(study.encoders)} encoders, {study.device}")
    table.add_column("experiment")
    table.add_column("probes", justify="right")
    for name, count in found.probes.items():
        table.add_row(name, f"{count:,}")
    table.add_row("all", f"{sum(found.probes.values()):,}", style="bold")
    console.print(table)
    console.print(f"points to encode: {found.points:,}, each once per encoder (about {found.encode_s:.0f} s)")
    console.print(f"embeddings of the largest point set: {found.largest_unit_bytes / 1e6:.0f} MB")
    console.print(f"training: about {found.train_flops / 1e12:,.1f} TFLOP at {TYPICAL_EPOCHS} epochs a probe")
    console.print(f"this device trained at {rates.flops_per_s / 1e9:,.0f} GFLOP/s in a short calibration")
    whole_s = found.encode_s + found.train_flops / rates.flops_per_s
    for processes, share in found.dealt_share.items():
        console.print(f"  on {processes} such device{'s' if processes > 1 else ''}: about {_duration(whole_s * share)}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
