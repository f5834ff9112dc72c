"""``--dry-run``: what a study would do and cost, from its plan and a short calibration on this device."""

from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from satgpu.study.config import Config
from satgpu.study.pipeline import prepare
from satgpu.study.plan import FIT_SHARE, TYPICAL_EPOCHS, deal, flops_per_row
from satgpu.study.prepared import PreparedStudy, Speed
from satgpu.study.ranks import Ranks
from satgpu.study.speed import calibrate, readouts_s


@dataclass(frozen=True)
class Forecast:
    """A study in numbers."""

    probes: Counter[str]  # by experiment, over all encoders
    points: int  # distinct, each encoded once per encoder
    largest_unit_bytes: int  # of embeddings held at once
    train_flops: float
    encode_s: float
    readouts_s: float
    dealt_share: dict[int, float]  # processes -> the largest process's share of the work


def forecast(study: PreparedStudy, speed: Speed, processes: tuple[int, ...] = (1, 2, 4, 8)) -> Forecast:
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
        encode_s += sum(unit.points.n / speed.points_per_s[name] for name in dims)
    shares = {n: _largest_share(study, n) for n in processes}
    read_s = readouts_s(study, speed, study.plan.looks[0].replicates)
    return Forecast(probes, points, largest, flops, encode_s, read_s, shares)


def _largest_share(study: PreparedStudy, processes: int) -> float:
    work = [sum(unit.cost_s() for unit in deal(study.units(), rank, processes)) for rank in range(processes)]
    return max(work) / sum(work) if sum(work) else 1.0


def print_forecast(config: Config, console: Console) -> None:
    """Print the plan and its cost; train nothing but the calibration, write nothing."""
    study = prepare(config, Ranks())
    speed = study.speed or calibrate(study)
    found = forecast(study, speed)
    if study.notice:
        console.print(f"Notice: {study.notice}", style="yellow")
    table = Table(
        title=f"Plan: {study.plan.looks[0].replicates} replicates, {len(study.encoders)} encoders, {study.device}"
    )
    table.add_column("experiment")
    table.add_column("probes", justify="right")
    for name, count in found.probes.items():
        table.add_row(name, f"{count:,}")
    table.add_row("all", f"{sum(found.probes.values()):,}", style="bold")
    console.print(table)
    for look in study.plan.looks[1:]:
        console.print(f"up to {look.replicates} replicates of what is undecided by then")
    console.print(f"points to encode: {found.points:,}, each once per encoder (about {found.encode_s:.0f} s)")
    console.print(f"embeddings of the largest point set: {found.largest_unit_bytes / 1e6:.0f} MB")
    console.print(f"training: about {found.train_flops / 1e12:,.1f} TFLOP at {TYPICAL_EPOCHS} epochs a probe")
    console.print(f"this device trained at {speed.flops_per_s / 1e9:,.0f} GFLOP/s in a short calibration")
    whole_s = found.encode_s + found.readouts_s + found.train_flops / speed.flops_per_s
    for processes, share in found.dealt_share.items():
        console.print(f"  on {processes} such device{'s' if processes > 1 else ''}: about {_duration(whole_s * share)}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
