"""Do the two measures of resolution give back a resolution that is known? Repeated studies of planted encoders.

What the truth is differs between the measures. The kernel's is a property of
the encoder: in closed form over all draws of its random parts ("designed"), and
for the very encoder that was drawn ("drawn"), which is what an interval over
places can be asked to cover. The probes' is the scale at which the best
possible reader, with no end of samples, has the threshold's skill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import assoc_legendre_p_all, eval_legendre, legendre_p_all, roots_legendre, spherical_jn

from satgpu.answers.skill import probe_resolution
from satgpu.earth import HALF_TURN_KM
from satgpu.geometry import (
    EARTH_RADIUS_KM,
    cap_radius_km,
    make_labels,
    random_rotation,
    uniform_in_cap,
    uniform_on_sphere,
)
from satgpu.geometry.notebook import train_test_rows
from satgpu.probes import ProbeGroup, ProbeOptions, train_probes
from satgpu.readouts.circles import CircleDesign, kernel_table
from satgpu.readouts.kernel import resolution_from_kernel
from satgpu.run.rows import ProbeRow, columns
from satgpu.validation.planted import CellCodes, CoordinatesAndNoise, HarmonicMix, JitteredCoordinates

PATTERN = "diagonal_stripes"  # great-circle stripes of equal width: a skill that rises evenly with their width
STUDY_COLUMNS = ("method", "encoder", "measure", "trial", "designed", "drawn", "estimate", "low", "high")


def summarise_studies(studies: pd.DataFrame) -> pd.DataFrame:
    """Bias and coverage of each measure: one row per method, encoder and measure.

    Returns:
        DataFrame[method, encoder, measure, trials, designed, median_estimate,
        ratio (median estimate / designed), within_15_percent, covers_designed,
        covers_drawn], the last three as shares of the trials.
    """
    inside = pd.DataFrame(
        {
            "within_15_percent": (studies["estimate"] / studies["designed"] - 1).abs() <= 0.15,
            "covers_designed": studies["designed"].between(studies["low"], studies["high"]),
            "covers_drawn": studies["drawn"].between(studies["low"], studies["high"]),
        }
    )
    groups = pd.concat([studies, inside], axis=1).groupby(["method", "encoder", "measure"], sort=False)
    table = groups.agg(
        trials=("trial", "size"), designed=("designed", "median"), median_estimate=("estimate", "median")
    )
    table["ratio"] = table["median_estimate"] / table["designed"]
    return pd.concat([table, groups[list(inside.columns)].mean()], axis=1).reset_index()


# From the embedding itself.


def kernel_studies(make: Callable[[int], Callable], trials: int, design: CircleDesign | None = None) -> pd.DataFrame:
    """Measure ``trials`` encoders, drawn anew each time, on circles drawn anew."""
    rows = []
    for trial in range(trials):
        encoder = make(trial)
        found = resolution_from_kernel(kernel_table(encoder, seed=10_000 + trial, design=design))
        designed, drawn = designed_kernel(encoder), drawn_kernel(encoder)
        for measure in ("half_similarity_km", "spectral_km"):
            low, high = getattr(found, f"{measure}_interval")
            truth = designed[measure], drawn[measure]
            rows.append(["kernel", encoder.name, measure, trial, *truth, getattr(found, measure), low, high])
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS))


def designed_kernel(encoder: Callable) -> dict[str, float]:
    """Half-similarity distance and 180°/l90 over all draws of the encoder, from its closed form."""
    power = encoder.power if hasattr(encoder, "power") else _power_of_kernel(encoder.kernel, 1.5 * encoder.cell_km)
    return _measures(encoder.kernel, power)


def drawn_kernel(encoder: Callable) -> dict[str, float]:
    """The same of the encoder that was drawn. Codes of cells count as orthogonal, as long random codes nearly are."""
    if isinstance(encoder, HarmonicMix):
        power = harmonic_analysis(encoder, 2 * len(encoder.power))
        return _measures(lambda km: _from_power(power, km), power)
    if isinstance(encoder, CoordinatesAndNoise):
        return _measures(encoder.kernel_as_drawn, _power_of_waves(encoder))
    return designed_kernel(encoder)


def harmonic_analysis(encoder: Callable, l_top: int) -> np.ndarray:
    """Power by degree, up to l_top, of the unit embeddings, by quadrature over a grid of the sphere.

    Gauss-Legendre in latitude, equal steps in longitude: exact for fields that
    hold no degree above l_top. It shares nothing with the measure it checks.
    """
    x, weight = roots_legendre(l_top + 1)
    lon = np.arange(2 * l_top + 2) * 360 / (2 * l_top + 2) - 180
    power = np.zeros(l_top + 1)
    grid = np.stack(np.meshgrid(lon, np.degrees(np.arcsin(x)), indexing="xy"), axis=-1)  # (lat, lon, 2)
    embedding = encoder(torch.from_numpy(grid.reshape(-1, 2)))
    unit = torch.nn.functional.normalize(embedding, dim=1).reshape(len(x), len(lon), -1).numpy()
    along = np.fft.fft(unit, axis=1) / len(lon)  # (lat, m, D)
    legendre = assoc_legendre_p_all(l_top, l_top, x, norm=True)[0]  # (l, m, lat), unit norm over x
    for m in range(-l_top, l_top + 1):
        coefficients = np.einsum("li,id->ld", legendre[:, abs(m)] * weight, along[:, m])
        power += (np.abs(coefficients) ** 2).sum(axis=1) / 2
    return power


def _measures(kernel: Callable[[np.ndarray], np.ndarray], power: np.ndarray) -> dict[str, float]:
    half = brentq(lambda km: float(kernel(np.array([km]))[0]) - 0.5, 1.0, 15_000.0)
    below = np.concatenate([[0.0], np.cumsum(power)])
    top = int(np.argmax(below >= 0.9))
    l90 = top - 1 + (0.9 - below[top - 1]) / (below[top] - below[top - 1])
    return {"half_similarity_km": half, "spectral_km": HALF_TURN_KM / l90}


def _from_power(power: np.ndarray, distance_km: np.ndarray) -> np.ndarray:
    x = np.cos(np.asarray(distance_km) / EARTH_RADIUS_KM)
    return sum(p * eval_legendre(degree, x) for degree, p in enumerate(power))


def _power_of_kernel(kernel: Callable, reach_km: float) -> np.ndarray:
    """Power by degree of a kernel that is 0 beyond ``reach_km``, by quadrature over γ."""
    x, weight = roots_legendre(1500)
    reach = reach_km / EARTH_RADIUS_KM
    gamma = (x + 1) / 2 * reach
    measure = kernel(gamma * EARTH_RADIUS_KM) * np.sin(gamma) * weight * reach / 2
    legendre = legendre_p_all(int(200 / reach), np.cos(gamma))[0]  # (l, node)
    return (np.arange(len(legendre)) + 0.5) * (legendre @ measure)


def _power_of_waves(encoder: CoordinatesAndNoise) -> np.ndarray:
    """A plane wave of wavenumber K holds (2l+1) j_l(K)² at degree l."""
    degrees = np.arange(len(encoder.power))
    waves = spherical_jn(degrees[:, None], encoder.wavenumbers) ** 2
    return encoder.share * (2 * degrees + 1) * waves.mean(axis=1) + (1 - encoder.share) * (degrees == 1)


# From probes.


@dataclass(frozen=True)
class ProbeCase:
    """A planted encoder, the probe that reads it, and the best reader's answer.

    Attributes:
        make: encoder of a trial's seed.
        truth_km: where the best reader's skill is one half.
        options: of the probes.
        n_points: points for each scale and replicate, 30 % of them for the test.
        cells_per_cap: cells in a cap around a random place; None for the whole sphere.
        fields: label fields, turned at random, over each set of points.
        scales: of the stripes, as multiples of the truth.
    """

    make: Callable[[int], Callable]
    truth_km: float
    options: ProbeOptions = field(default_factory=ProbeOptions)
    n_points: int = 2400
    cells_per_cap: float | None = 36.0
    fields: int = 4
    scales: tuple[float, ...] = (0.42, 0.59, 0.84, 1.19, 1.68, 2.38)


def probe_studies(case: ProbeCase, trials: int, replicates: int) -> pd.DataFrame:
    """Whole studies of one case, each of ``replicates`` replicates, each with its own encoder."""
    rows = []
    for trial in range(trials):
        encoder = case.make(trial)
        table = pd.concat([_replicate(case, encoder, trial, replicate) for replicate in range(replicates)])
        found = probe_resolution(table).iloc[0]
        truth = case.truth_km, case.truth_km
        estimate = [found["resolution_km"], found["low_km"], found["high_km"]]
        rows.append(["probes", encoder.name, f"{PATTERN}, {replicates} replicates", trial, *truth, *estimate])
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS))


def cells_case(cell_km: float = 400.0) -> ProbeCase:
    """Codes constant within square cells: the best reader says of each cell the label that fills most of it."""
    ratio = brentq(lambda r: _skill_of_squares(r) - 0.5, 0.6, 2.0, xtol=1e-3)
    return ProbeCase(lambda seed: CellCodes(cell_km, seed=seed), ratio * cell_km)


def jitter_case(jitter_km: float = 125.0, cells_per_cap: float = 16.0) -> ProbeCase:
    """Coordinates off by a known error: the best reader goes by what is likeliest where the place seems to be."""
    scales = jitter_km * np.geomspace(2, 5, 12)
    skills = [_skill_of_blur(scale_km, jitter_km, cells_per_cap) for scale_km in scales]
    truth = float(np.exp(np.interp(0.5, skills, np.log(scales))))
    make = lambda seed: JitteredCoordinates(jitter_km, 4 * truth, waves=32, seed=seed)  # noqa: E731
    return ProbeCase(make, truth, n_points=8000, cells_per_cap=cells_per_cap)


def harmonics_case(legendre_polys: int = 10) -> ProbeCase:
    """All harmonics below L, read by a linear probe: the best reader has the sign of the field's projection on them."""
    nominal = HALF_TURN_KM / legendre_polys
    scales = np.geomspace(0.75, 1.1, 40)
    skills = _skills_of_projection(legendre_polys, nominal * scales)
    truth = float(nominal * np.exp(np.interp(0.5, skills, np.log(scales))))
    options = ProbeOptions(hidden_layer_sizes=(), learning_rate_init=0.03, n_iter_no_change=30)
    make = lambda seed: HarmonicMix.flat(legendre_polys, dim=128, seed=seed)  # noqa: E731
    return ProbeCase(make, truth, options, 5000, None, scales=(0.7, 0.8, 0.9, 1.0, 1.12, 1.25))


def _replicate(case: ProbeCase, encoder: Callable, trial: int, replicate: int) -> pd.DataFrame:
    """Rows of results.csv of one replicate: new places, points, turns, splits and initial weights."""
    generator = torch.Generator().manual_seed(1_000_003 * trial + replicate)
    rows: list[dict] = []
    groups, chance = [], {}
    for scale_km in case.truth_km * np.asarray(case.scales):
        group = _group(case, encoder, float(scale_km), generator)
        groups.append(group)
        train, test = group.Y[:, group.train_rows], group.Y[:, group.test_rows]
        majority = train.double().mean(dim=1).round().long()[:, None]
        chance |= dict(zip(group.keys, (test == majority).double().mean(dim=1).tolist(), strict=True))
    train_probes(
        groups,
        case.options,
        lightning=False,
        on_result=lambda r: rows.append(_row(case, encoder, replicate, r, chance[r.key])),
    )
    return pd.DataFrame(rows, columns=list(columns(ProbeRow)))


def _group(case: ProbeCase, encoder: Callable, scale_km: float, generator: torch.Generator) -> ProbeGroup:
    if case.cells_per_cap is None:
        points = uniform_on_sphere(case.n_points, generator)
    else:
        center = uniform_on_sphere(1, generator)[0]
        points = uniform_in_cap(case.n_points, center, cap_radius_km(case.cells_per_cap * scale_km**2), generator)
    labels = [make_labels(PATTERN, points, scale_km, rotation=random_rotation(generator)) for _ in range(case.fields)]
    seed = int(torch.randint(2**31, (), generator=generator))
    train_rows, test_rows = train_test_rows(case.n_points, 0.3, seed)
    keys = [(scale_km, i) for i in range(case.fields)]
    embedding = encoder(points).float()
    seeds = seed + torch.arange(case.fields)
    return ProbeGroup(embedding, torch.stack(labels), train_rows, test_rows, seed, seeds, "classification", keys)


def _row(case: ProbeCase, encoder: Callable, replicate: int, result, chance: float) -> dict:
    area = 4 * math.pi * EARTH_RADIUS_KM**2 if case.cells_per_cap is None else case.cells_per_cap * result.key[0] ** 2
    return {
        "experiment": "resolution",
        "protocol": "geodesic",
        "encoder": encoder.name,
        "role": "compared",
        "trained": False,
        "replicate": replicate,
        "probe": "mlp",
        "labels": "field",
        "pattern": PATTERN,
        "task": "classification",
        "scale_km": result.key[0],
        "region": "global",
        "extent_km2": area,
        "sampling": "fixed_points",
        "hidden_layer_sizes": "-".join(map(str, case.options.hidden_layer_sizes)),
        "standardize": case.options.standardize,
        "train_points_per_cell": result.n_train * result.key[0] ** 2 / area,
        "chance": chance,
        "ceiling": 1.0,
        "test_accuracy": result.test_score,
        "failure": result.failure,
    }


def _skill_of_squares(ratio: float, n: int = 4000, grid: int = 40) -> float:
    """Best skill on stripes ``ratio`` cells wide, at random bearings and offsets, by the majority in each cell."""
    draw = np.random.default_rng(0)
    bearing, offset = draw.uniform(0, np.pi / 2, n)[:, None, None], draw.uniform(0, 2, n)[:, None, None]
    side = (np.arange(grid) + 0.5) / grid
    across = (side[:, None] * np.cos(bearing) + side * np.sin(bearing)) / ratio + offset
    filled = (np.floor(across) % 2).mean(axis=(1, 2))
    return float(2 * np.maximum(filled, 1 - filled).mean() - 1)


def _skill_of_blur(scale_km: float, jitter_km: float, cells_per_cap: float, turns: int = 100, grid: int = 160) -> float:
    """Best skill on stripes in a cap, on a plane: the likelier label at each place once all are blurred by the jitter.

    Places lie within the cap, so near its edge a displaced one is known better. On an
    endless plane the skill would be E|square wave blurred|, one half at 3.2 jitters.
    """
    radius_km = scale_km * math.sqrt(cells_per_cap / math.pi)
    axis = np.linspace(-1, 1, grid) * (radius_km + 4 * jitter_km)
    x, y = np.meshgrid(axis, axis)
    inside = (np.hypot(x, y) <= radius_km).astype(float)
    draw, skills = np.random.default_rng(0), []
    for bearing, offset in zip(draw.uniform(0, np.pi, turns), draw.uniform(0, 2, turns), strict=True):
        label = np.floor((x * np.cos(bearing) + y * np.sin(bearing)) / scale_km + offset) % 2 * inside
        sides = [gaussian_filter(side, jitter_km / (axis[1] - axis[0])) for side in (label, inside - label)]
        chance = max(label.sum(), (inside - label).sum()) / inside.sum()
        skills.append((np.maximum(*sides).sum() / inside.sum() - chance) / (1 - chance))
    return float(np.mean(skills))


def _skills_of_projection(legendre_polys: int, scales_km: np.ndarray, n: int = 16000, turns: int = 8) -> np.ndarray:
    """Best linear skill at each scale: least squares of the stripes on harmonics below L, scored on other places."""
    generator = torch.Generator().manual_seed(0)
    points = uniform_on_sphere(2 * n, generator)
    features = HarmonicMix.flat(legendre_polys, dim=legendre_polys**2)(points)
    turned = [random_rotation(generator) for _ in range(turns)]
    stripes = torch.cat([make_labels(PATTERN, points, torch.as_tensor(scales_km), rotation=turn) for turn in turned])
    signs = 2.0 * stripes.double().T - 1  # (points, turns * scales)
    projected = features[n:] @ torch.linalg.lstsq(features[:n], signs[:n]).solution
    right = ((projected > 0) == (signs[n:] > 0)).double().mean(dim=0).reshape(turns, -1)
    return (2 * right.mean(dim=0) - 1).numpy()


KERNEL_ENCODERS: dict[str, Callable[[int], Callable]] = {
    "harmonics below 10": lambda seed: HarmonicMix.flat(10, seed=seed),
    "harmonics below 40": lambda seed: HarmonicMix.flat(40, seed=seed),
    "cells of 1000 km": lambda seed: CellCodes(1000, seed=seed),
    "cells of 300 km": lambda seed: CellCodes(300, seed=seed),
    "coordinates and noise of 1000 km": lambda seed: CoordinatesAndNoise(1000, seed=seed),
    "coordinates and noise of 300 km": lambda seed: CoordinatesAndNoise(300, seed=seed),
}
PROBE_CASES: dict[str, Callable[[], ProbeCase]] = {
    "cells": cells_case,
    "jitter": jitter_case,
    "harmonics": harmonics_case,
}


def all_studies(trials: int, probe_trials: int, replicates: Iterable[int]) -> Iterator[pd.DataFrame]:
    """Every planted encoder by the kernel, every case by probes: the large check, a part at a time."""
    for make in KERNEL_ENCODERS.values():
        yield kernel_studies(make, trials)
    for make_case in PROBE_CASES.values():
        case = make_case()
        for n in replicates:
            yield probe_studies(case, probe_trials, n)
