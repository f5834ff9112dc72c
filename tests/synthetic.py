"""Result tables whose answer is known, for tests of the analysis and the report.

Every encoder reads a pattern of half-wavelength ``s`` with skill
a logistic curve in log s: the skill crosses 0.5 at ``resolution_km``
exactly. Replicates share a draw (their points and labels) across encoders, so
that pairing by replicate matters. Same arguments, same table.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import eval_legendre

from satgpu.run.rows import CurveRow, PredictionRow, ProbeRow, SimilarityRow, columns

STEEPNESS = 4.0
EARTH_RADIUS_KM = 6371.0088
EARTH_KM2 = 4 * np.pi * EARTH_RADIUS_KM**2
GLOBAL_KM2 = EARTH_KM2 * np.sin(np.radians(60))  # 60S to 60N
DISTANCES_KM = (10, 25, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500, 2000, 3000)
LAGS = 64


@dataclass(frozen=True)
class Planted:
    """An encoder of known resolution: the scale where its skill is one half."""

    name: str
    resolution_km: float
    role: str = "compared"
    trained: bool = True
    legendre_polys: int | None = None
    skill_at_best: float = 1.0
    twin: str = ""


L10 = Planted("satclip-vit16-l10", 1200.0, legendre_polys=10, twin="untrained-l10")
L40 = Planted("satclip-vit16-l40", 500.0, legendre_polys=40, skill_at_best=0.9, twin="untrained-l40")
UNTRAINED_L10 = Planted("untrained-l10", 1400.0, "control", False, 10)
UNTRAINED_L40 = Planted("untrained-l40", 560.0, "control", False, 40, 0.85)
XYZ = Planted("xyz", 2600.0, "control", False)
ENCODERS = (L10, L40, UNTRAINED_L10, UNTRAINED_L40, XYZ)

EXPERIMENTS = ("sweet_spot", "region_size", "patterns", "scale_region", "boundaries", "resolution", "coastline")
REGIONS = {
    "global": (0.0, 0.0),
    "15E50N": (15.0, 50.0),
    "Europe": (15.0, 50.0),
    "North America": (-100.0, 40.0),
    "Asia": (100.0, 35.0),
}
PATTERNS = ("checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings")
RESOLUTION_SCALES_KM = (100, 150, 225, 340, 500, 750, 1100, 1700, 2500)


def make_results(
    replicates: int = 3,
    seed: int = 0,
    protocol: str = "geodesic",
    encoders: tuple[Planted, ...] = ENCODERS,
    experiments: tuple[str, ...] = EXPERIMENTS,
    noise: float = 0.012,
) -> pd.DataFrame:
    """Rows of results.csv for ``experiments``; ``noise`` is the standard deviation of one accuracy."""
    tasks = [task for name in experiments for task in _tasks(name)]
    rows = [
        row
        for task in tasks
        for replicate in range(replicates)
        for row in _rows_of_task(task, replicate, seed, protocol, encoders, noise)
    ]
    return _table(rows, ProbeRow)


def make_similarity(
    seed: int = 0, protocol: str = "geodesic", encoders: tuple[Planted, ...] = ENCODERS, places: int = 24
) -> pd.DataFrame:
    """Rows of similarity.csv: kernels of all harmonics below an L, ``nominal`` or 20015 km over the resolution.

    The quadrature grid holds ``LAGS`` + 1 distances, equally spaced from 0 to the
    antipode, and some nearer than one step.
    """
    rows = [row for encoder in encoders for row in _similarity_rows(encoder, seed, protocol, places)]
    return _table(rows, SimilarityRow)


def make_training_curves(encoders: tuple[Planted, ...] = ENCODERS, epochs: int = 30) -> pd.DataFrame:
    """Rows of training_curves.csv: losses that fall, validation accuracies that rise."""
    rows = []
    for encoder in encoders:
        for epoch in range(1, epochs + 1):
            loss, score = 0.69 * np.exp(-epoch / 20), 1 - 0.5 * np.exp(-epoch / 15)
            quantiles = {"loss_q10": 0.8 * loss, "loss_q50": loss, "loss_q90": 1.2 * loss}
            quantiles |= {"validation_q10": score - 0.05, "validation_q50": score, "validation_q90": score + 0.02}
            who = {"experiment": "sweet_spot", "encoder": encoder.name}
            rows.append(CurveRow(epoch=epoch, n_probes=60 - epoch, **who, **quantiles))
    return _table(rows, CurveRow)


def make_predictions(
    encoders: tuple[Planted, ...] = ENCODERS[:2], n: int = 400, scale_km: float = 750.0, seed: int = 0
) -> pd.DataFrame:
    """Rows of predictions.csv: labels by latitude band, predictions right more often for the finer encoder."""
    rows = []
    for encoder in encoders:
        draw = np.random.default_rng([seed, zlib.crc32(encoder.name.encode())])
        lon, lat = draw.uniform(-180, 180, n), np.degrees(np.arcsin(draw.uniform(-0.866, 0.866, n)))
        label = (np.floor(lat * 111.2 / scale_km) % 2).astype(int)
        wrong = draw.random(n) > 0.5 + 0.5 * planted_skill(encoder, scale_km)
        who = {"task_id": f"geodesic/sweet_spot/{encoder.name}/0", "experiment": "sweet_spot", "encoder": encoder.name}
        for i in range(n):
            guess = {"label": label[i], "prediction": label[i] ^ int(wrong[i])}
            place = {"lon_deg": lon[i], "lat_deg": lat[i]}
            rows.append(PredictionRow(replicate=0, scale_km=scale_km, **who, **place, **guess))
    return _table(rows, PredictionRow)


def make_environment(encoders: tuple[Planted, ...] = ENCODERS, replicates: int = 3, protocol: str = "geodesic") -> dict:
    """The content of environment.json."""
    provenance = [
        {
            "name": e.name,
            "source": "synthetic",
            "revision": "0",
            "sha256": encoder_sha256(e),
            "trained": e.trained,
            "licence": "MIT",
            "legendre_polys": e.legendre_polys,
            "dim": 256,
            "role": e.role,
        }
        for e in encoders
    ]
    return {
        "versions": {"satgpu": "0.1.0", "torch": "2.13.0"},
        "device": {"name": "cpu"},
        "git_commit": "0" * 40,
        "encoders": provenance,
        "notice": None,
        "seed": 42,
        "protocol": protocol,
        "command": "satgpu run",
        "replicates": replicates,
        "started": "2026-01-01T00:00:00Z",
        "finished": "2026-01-01T00:05:00Z",
        "seconds": 300.0,
        "probes": 1000,
    }


def planted_skill(encoder: Planted, scale_km: float) -> float:
    """Skill of the encoder's probes at a scale, before noise: one half at ``resolution_km``."""
    best = encoder.skill_at_best
    return best / (1 + (2 * best - 1) * (encoder.resolution_km / scale_km) ** STEEPNESS)


def encoder_sha256(encoder: Planted) -> str:
    return f"{zlib.crc32(encoder.name.encode()):08x}" * 8


def _table(rows: list, row_type: type) -> pd.DataFrame:
    """The rows as the reader gives them back."""
    dtypes = {"str": "str", "int": "int64", "float": "float64", "bool": "bool"}
    table = pd.DataFrame([vars(row) for row in rows], columns=list(columns(row_type)))
    return table.astype({name: dtypes[kind] for name, kind in columns(row_type).items()})


def _tasks(experiment: str) -> list[dict]:
    return {
        "sweet_spot": _sweet_spot,
        "region_size": _region_size,
        "patterns": _patterns,
        "scale_region": _scale_region,
        "boundaries": _boundaries,
        "resolution": _resolution,
        "coastline": _coastline,
    }[experiment]()


def _task(experiment: str, **fields) -> dict:
    base = {
        "experiment": experiment,
        "pattern": "checkerboard",
        "task": "classification",
        "scale_km": np.nan,
        "width_km": np.nan,
        "region": "global",
        "span_deg": np.nan,
        "extent_km2": GLOBAL_KM2,
        "sampling": "fixed_points",
        "n_points": 6000,
        "chance": 0.5,
        "ceiling": 1.0,
    }
    return {**base, **fields}


def _sweet_spot() -> list[dict]:
    scales = range(300, 925, 25)
    return [_task("sweet_spot", scale_km=s) for s in scales] + [
        _task("sweet_spot", scale_km=s, labels="shuffled") for s in (300, 600, 900)
    ]


def _region_size() -> list[dict]:
    spans = (10, 20, 30, 50, 75, 100, 150, 180)
    tasks = []
    for span in spans:
        extent = _span_km2(span)
        fixed = {"scale_km": 500, "region": "15E50N", "span_deg": span, "extent_km2": extent}
        tasks.append(_task("region_size", n_points=4000, **fixed))
        tasks.append(
            _task("region_size", n_points=int(max(200, 10 * extent / 500**2 / 0.7)), sampling="fixed_density", **fixed)
        )
    return tasks


def _patterns() -> list[dict]:
    scales = (400, 600, 800, 1000, 1500)
    equal = [_task("patterns_wavelength", scale_km=np.sqrt(2) * s) for s in scales]
    return (
        equal
        + [_task("patterns", pattern=p, scale_km=s) for p in PATTERNS for s in scales]
        + [
            _task("patterns", pattern="gradient", task="regression", scale_km=s, chance=np.nan, ceiling=np.nan)
            for s in (800, 1500)
        ]
    )


def _scale_region() -> list[dict]:
    return [
        _task("scale_region", region=r, span_deg=span, scale_km=s, extent_km2=_span_km2(span), n_points=3000)
        for r in ("Europe", "North America", "Asia")
        for span in (15, 25, 35, 45, 60, 90)
        for s in (400, 500, 600, 700, 800)
    ]


def _boundaries() -> list[dict]:
    ceilings = {0: 1.0, 100: 0.995, 250: 0.987, 500: 0.974, 1000: 0.948, 2000: 0.896}
    return [_task("boundaries", pattern="boundary", width_km=w, ceiling=c, n_points=5000) for w, c in ceilings.items()]


def _resolution() -> list[dict]:
    tasks = []
    for s in RESOLUTION_SCALES_KM:
        per_cell = min(
            10.0, 40000 / (GLOBAL_KM2 / s**2)
        )  # the finest scales are starved, as where points cost too much
        tasks.append(
            _task("resolution", scale_km=s, sampling="fixed_per_cell", n_points=int(per_cell * GLOBAL_KM2 / s**2 / 0.7))
        )
        cap = 64 * s**2
        for region in ("cap-0", "cap-1"):
            tasks.append(
                _task(
                    "resolution",
                    scale_km=s,
                    sampling="local_caps",
                    region=region,
                    extent_km2=cap,
                    n_points=int(64 * 12 / 0.7),
                )
            )
    return tasks


def _coastline() -> list[dict]:
    return [_task("coastline", pattern="coastline", chance=0.71, extent_km2=EARTH_KM2)]


def _span_km2(span_deg: float) -> float:
    low, high = max(-60, 50 - span_deg / 2), min(70, 50 + span_deg / 2)
    return EARTH_KM2 * span_deg / 360 * (np.sin(np.radians(high)) - np.sin(np.radians(low))) / 2


def _rows_of_task(task: dict, replicate: int, seed: int, protocol: str, encoders, noise: float) -> list[ProbeRow]:
    identity = "/".join(
        str(task.get(name))
        for name in ("experiment", "pattern", "region", "span_deg", "sampling", "scale_km", "width_km", "labels")
    )
    draw = np.random.default_rng([seed, replicate, zlib.crc32(identity.encode())])
    shared = noise * draw.standard_normal() / np.sqrt(2)  # the luck of the draw, common to all encoders
    rows = [
        _mlp_row(task, identity, replicate, protocol, e, shared + noise * draw.standard_normal() / np.sqrt(2))
        for e in encoders
    ]
    if task.get("labels") != "shuffled":
        rows.append(_nearest_row(task, identity, replicate, protocol, shared))
    return rows


def _mlp_row(task: dict, identity: str, replicate: int, protocol: str, encoder: Planted, deviation: float) -> ProbeRow:
    skill = 0.0 if task.get("labels") == "shuffled" else _task_skill(task, encoder)
    row = _common(task, identity, replicate, protocol, encoder.name)
    row |= {
        "role": encoder.role,
        "trained": encoder.trained,
        "twin": encoder.twin,
        "encoder_sha256": encoder_sha256(encoder),
        "probe": "mlp",
        "hidden_layer_sizes": "128-64",
        "legendre_polys": np.nan if encoder.legendre_polys is None else encoder.legendre_polys,
        "epochs": 20 + int(60 * skill),
        "stop_reason": "early_stopping",
        "converged": True,
        "learned": skill > 0.08,
    }
    return _with_scores(row, task, skill, deviation)


def _nearest_row(task: dict, identity: str, replicate: int, protocol: str, deviation: float) -> ProbeRow:
    per_cell = _points_per_cell(task)
    skill = 0.95 if np.isnan(per_cell) else per_cell / (per_cell + 1.5)
    row = _common(task, identity, replicate, protocol, "coordinates")
    row |= {
        "role": "control",
        "trained": False,
        "encoder_sha256": "",
        "probe": "nearest-neighbour",
        "hidden_layer_sizes": "",
        "legendre_polys": np.nan,
        "epochs": 0,
        "stop_reason": "not_trained",
        "converged": True,
        "learned": True,
    }
    return _with_scores(row, task, skill, deviation)


def _common(task: dict, identity: str, replicate: int, protocol: str, encoder: str) -> dict:
    lon, lat = REGIONS.get(task["region"], (0.0, 0.0))
    seed = zlib.crc32(f"{identity}/{replicate}".encode()) % 2**31
    n_train = int(0.7 * task["n_points"])
    wavelength = np.sqrt(2) if task["pattern"] == "checkerboard" else 2.0
    return {
        "task_id": f"{protocol}/{identity}/{encoder}/{replicate}",
        "experiment": task["experiment"],
        "protocol": protocol,
        "encoder": encoder,
        "replicate": replicate,
        "labels": task.get("labels", "field"),
        "pattern": task["pattern"],
        "task": task["task"],
        "scale_km": task["scale_km"],
        "width_km": task["width_km"],
        "wavelength_km": wavelength * task["scale_km"],
        "region": task["region"],
        "center_lon_deg": lon,
        "center_lat_deg": lat,
        "span_deg": task["span_deg"],
        "extent_km2": task["extent_km2"],
        "sampling": task["sampling"],
        "points_seed": seed,
        "label_seed": seed + 1,
        "split_seed": seed + 2,
        "probe_seed": seed + zlib.crc32(encoder.encode()) % 1000,
        "standardize": False,
        "n_train": n_train,
        "n_validation": int(np.ceil(0.1 * n_train)),
        "n_test": task["n_points"] - n_train,
        "train_points_per_cell": _points_per_cell(task),
        "chance": task["chance"],
        "ceiling": task["ceiling"],
        "failure": "",
    }


def _with_scores(row: dict, task: dict, skill: float, deviation: float) -> ProbeRow:
    if task["task"] == "regression":
        row |= {"train_r2": skill, "validation_r2": skill + deviation, "test_r2": skill + deviation}
    else:
        accuracy = task["chance"] + skill * (task["ceiling"] - task["chance"])
        test = float(np.clip(accuracy + deviation, 0, 1))
        row |= {"train_accuracy": min(1.0, accuracy + 0.02), "validation_accuracy": test, "test_accuracy": test}
    if task["pattern"] == "coastline":
        row["test_iou"] = 0.3 + 0.6 * skill
    return ProbeRow(**row)


def _task_skill(task: dict, encoder: Planted) -> float:
    if task["pattern"] == "boundary":
        return 0.97 if encoder.resolution_km > 800 else 0.80
    if task["pattern"] == "coastline":
        return planted_skill(encoder, 900)
    shift = {"checkerboard": 1.0}.get(task["pattern"], 1.3)  # stripes are easier: a longer wavelength
    return planted_skill(encoder, shift * task["scale_km"])


def _points_per_cell(task: dict) -> float:
    return 0.7 * task["n_points"] * task["scale_km"] ** 2 / task["extent_km2"]


def _similarity_rows(encoder: Planted, seed: int, protocol: str, places: int) -> list[SimilarityRow]:
    draw = np.random.default_rng([seed, zlib.crc32(encoder.name.encode())])
    step = np.pi * EARTH_RADIUS_KM / LAGS
    quadrature = np.concatenate([step / np.sqrt(2) ** np.arange(6, 0, -1), step * np.arange(LAGS + 1)])
    rows = []
    for place in range(places):
        lon, lat = draw.uniform(-180, 180), np.degrees(np.arcsin(draw.uniform(-1, 1)))
        head = {"protocol": protocol, "encoder": encoder.name, "role": encoder.role, "trained": encoder.trained}
        head |= {"twin": encoder.twin, "encoder_sha256": encoder_sha256(encoder), "n_bearings": 16}
        head |= {"place": place, "place_lon_deg": lon, "place_lat_deg": lat}
        for grid, distances in (("distances", np.array(DISTANCES_KM, float)), ("quadrature", quadrature)):
            k, centred = planted_kernel(encoder, distances)
            spread = 0.03 * draw.standard_normal() * (1 - k)
            head["task_id"] = f"{protocol}/similarity/{grid}/r0000/{encoder.name}"
            for i, d in enumerate(distances):
                similarity = {"similarity_mean": k[i] + spread[i], "similarity_std": 0.05 * (1 - k[i])}
                similarity["centred_similarity_mean"] = centred[i] + spread[i]
                rows.append(SimilarityRow(grid=grid, distance_km=d, **head, **similarity))
    return rows


def planted_kernel(encoder: Planted, distance_km: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """k(distance) of all harmonics below L with equal weight, and the same without degree 0 (the mean)."""
    l_count = encoder.legendre_polys or 4
    x = np.cos(distance_km / EARTH_RADIUS_KM)
    terms = [(2 * degree + 1) * eval_legendre(degree, x) for degree in range(l_count)]
    return sum(terms) / l_count**2, sum(terms[1:]) / (l_count**2 - 1)
