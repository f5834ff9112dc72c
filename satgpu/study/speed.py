"""What this device does in a second, from a short calibration, and what a study's replicate costs with that."""

import time
from dataclasses import replace

import torch

from satgpu.geometry import uniform_on_sphere
from satgpu.probes import ProbeGroup, ProbeOptions, train_probes
from satgpu.readouts.linear import linear_curve
from satgpu.study.looks import FIRST_LOOK, Look, LookPlan
from satgpu.study.plan import (
    NOMINAL_FLOPS_PER_S,
    NOMINAL_READING_S,
    TYPICAL_FEATURES,
    flops_per_row,
    plan_readouts,
    plan_units,
)
from satgpu.study.prepared import PreparedStudy, Speed
from satgpu.study.ranks import Ranks

ROWS, PROBES, EPOCHS, POINTS = 4200, 16, 4, 4000
FIT_SHARE_OF_TRAINING = 0.9


def calibrate(study: PreparedStudy) -> Speed:
    """Train a few probes for a few epochs, encode a few points with each encoder, read once: a second or two."""
    generator = torch.Generator().manual_seed(0)
    seconds = _training_s(study, generator)
    sizes = study.config.probes.hidden_layer_sizes
    work = flops_per_row(TYPICAL_FEATURES, sizes) * FIT_SHARE_OF_TRAINING * ROWS * PROBES * EPOCHS
    lonlat_deg = uniform_on_sphere(POINTS, generator).to(study.device)
    points_per_s = {}
    for each in study.encoders:
        each.encoder(lonlat_deg[:64])
        start = time.perf_counter()
        each.encoder(lonlat_deg).sum().item()
        points_per_s[each.name] = POINTS / (time.perf_counter() - start)
    on_float64 = torch.device("cpu") if study.device.type == "mps" else study.device
    return Speed(work / seconds, points_per_s, _reading_s(on_float64))


def _training_s(study: PreparedStudy, generator: torch.Generator) -> float:
    group = ProbeGroup(
        X=torch.randn(ROWS, TYPICAL_FEATURES, generator=generator).to(study.device),
        Y=torch.randint(2, (PROBES, ROWS), generator=generator),
        train_rows=torch.arange(ROWS),
        test_rows=torch.arange(0),
        split_seed=0,
        probe_seeds=torch.arange(PROBES),
        task="classification",
        keys=list(range(PROBES)),
    )
    options = ProbeOptions(hidden_layer_sizes=study.config.probes.hidden_layer_sizes, max_iter=EPOCHS)
    train_probes(iter([group]), options, device=study.device)  # first use: libraries load, graphs are captured
    start = time.perf_counter()
    train_probes(iter([group]), options, device=study.device)
    return time.perf_counter() - start


def _reading_s(device: torch.device) -> float:
    """Seconds of a small linear read-out on one core: a ridge of 700 places and 256 dimensions, degrees to 16."""
    places = uniform_on_sphere(1000, torch.Generator().manual_seed(0)).to(device)
    Z = torch.randn(1000, TYPICAL_FEATURES, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(2):  # the first use loads libraries
            start = time.perf_counter()
            linear_curve(Z[:700], Z[700:], places[:700], places[700:], 16, 0.1, torch.Generator().manual_seed(0))
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)


def readouts_s(study: PreparedStudy, speed: Speed, replicates: int) -> float:
    """What one process needs for the read-outs of so many replicates."""
    at_once = torch.get_num_threads() if study.device.type == "cpu" else 1
    cost_s = len(study.encoders) * sum(task.cost_s for task in plan_readouts(study.config, replicates))
    return cost_s * speed.reading_s / NOMINAL_READING_S / at_once


def probes_s(study: PreparedStudy, speed: Speed) -> float:
    """What one process needs for the probes of one replicate."""
    slowness, sizes = NOMINAL_FLOPS_PER_S / speed.flops_per_s, study.config.probes.hidden_layer_sizes
    needed_s = 0.0
    for unit in plan_units(study.config, 1):
        needed_s += slowness * unit.train_s(sizes) * len(study.encoders)
        needed_s += sum(unit.points.n / rate for rate in speed.points_per_s.values())
    return needed_s


def _most_read_out(study: PreparedStudy, speed: Speed, processes: int) -> int:
    """Replicates of a study without probes: as long as another one has read-outs, and 3 of them or the minutes left."""
    minutes = study.config.minutes * processes
    replicates, sizes = 1, [len(list(plan_readouts(study.config, n))) for n in (1, 2)]
    while sizes[1] > sizes[0] and (replicates < FIRST_LOOK or readouts_s(study, speed, replicates + 1) < 60 * minutes):
        replicates += 1
        sizes = [sizes[1], len(list(plan_readouts(study.config, replicates + 1)))]
    return replicates


def plan_for(study: PreparedStudy, speed: Speed, processes: int = 1) -> LookPlan:
    """The looks that the minutes allow: some read-outs are done once, the others and the probes in every replicate.

    Without probes there is nothing to look at twice: one look, after all replicates that have a read-out of their own
    and fit.
    """
    if next(plan_units(study.config, 1), None) is None:
        return LookPlan.single(_most_read_out(study, speed, processes))
    once_s = readouts_s(study, speed, 1)
    again_s = readouts_s(study, speed, 2) - once_s
    minutes = study.config.minutes * processes - (once_s - again_s) / 60
    return LookPlan.from_budget(max(minutes, 1e-6), max(again_s + probes_s(study, speed), 1e-3))


def with_plan(study: PreparedStudy, ranks: Ranks) -> PreparedStudy:
    """The study with its looks fixed: as asked for, or as many as the minutes allow at the speed of this device."""
    config, speed = study.config, None
    if config.replicates == "auto" and not config.looks:
        speed = ranks.broadcast(calibrate(study))
        plan = plan_for(study, speed, ranks.world_size)
    elif config.looks and config.replicates in ("auto", config.looks[-1][0]):
        plan = LookPlan(tuple(Look(*look) for look in config.looks))
    else:
        plan = LookPlan.single(config.replicates)
    if max(protocol.replicates(2) for protocol in config.protocols) == 1:
        plan = LookPlan.single(1)
    looks = tuple((look.replicates, look.level) for look in plan.looks)
    return replace(study, config=replace(config, replicates=plan.replicates, looks=looks), plan=plan, speed=speed)
