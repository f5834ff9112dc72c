"""Rows of the gate about places: the local transfer function and error maps, of encoders with known local detail."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.load import load_encoder
from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.geometry.sphere import EARTH_RADIUS_KM, great_circle_km, unit_vectors
from satgpu.readouts.caps import Cap, CapDesign, Embedding, cap_shares
from satgpu.readouts.harmonic_fields import single_degree_fields
from satgpu.readouts.local import local_transfer
from satgpu.readouts.ridge import Ridge
from satgpu.validation.gate import Check, Row, Size, generator
from satgpu.validation.planted import CellCodes

_CAP_CENTER = torch.tensor([0.0, 0.0], dtype=torch.float64)


def smooth_features(xyz: Tensor, length_km: float, waves: int = 80) -> Tensor:
    """(N, 2 · waves) random plane waves whose field decays over ``length_km``: an edge in proportion to it."""
    wavevectors = torch.randn(3, waves, generator=generator(3), dtype=torch.float64) * EARTH_RADIUS_KM / length_km
    return torch.cat([(xyz @ wavevectors).cos(), (xyz @ wavevectors).sin()], dim=1)


def fine_in_one_cap(lonlat_deg: Tensor) -> Tensor:
    """Detail of 150 km within 4000 km of 0°, 0°; of 450 km elsewhere."""
    fine = (great_circle_km(lonlat_deg, _CAP_CENTER) < 4000)[:, None]
    xyz = unit_vectors(lonlat_deg)
    return torch.where(fine, smooth_features(xyz, 150.0), smooth_features(xyz, 450.0))


def stretched_east_west(lonlat_deg: Tensor, waves: int = 128) -> Tensor:
    """Plane coordinates beside the equator with east-west stretched by 2, so that half the detail is read along it.

    The waves lie evenly on a sunflower with a Gaussian spectrum: drawn ones would make a lopsided plant.
    """
    i = torch.arange(waves, dtype=torch.float64)
    radius, angle = (-2 * torch.log1p(-(i + 0.5) / waves)).sqrt(), math.pi * (3 - math.sqrt(5)) * i
    wavevectors = torch.stack([radius * angle.cos() / 2, radius * angle.sin()]) * EARTH_RADIUS_KM / 300.0
    phase = torch.deg2rad(lonlat_deg) @ wavevectors
    return torch.cat([phase.cos(), phase.sin()], dim=1)


def plate_carree(lonlat_deg: Tensor, length_km: float = 2500.0) -> Tensor:
    """Plane waves of longitude and latitude as if the world were a rectangle: nothing meets across 180°."""
    plane = torch.deg2rad(lonlat_deg) * torch.tensor([1.0, 1.0], dtype=lonlat_deg.dtype)
    return smooth_features(torch.cat([plane, torch.zeros_like(plane[:, :1])], dim=1), length_km)


def share_of_cells(cell_km: float, half_wave_km: float) -> float:
    """What the mean over a cell keeps of a plane wave: the mean over directions of sinc² · sinc²."""
    theta = np.linspace(0, np.pi, 400, endpoint=False)
    x = cell_km / (2 * half_wave_km)
    return float((np.sinc(x * np.cos(theta)) ** 2 * np.sinc(x * np.sin(theta)) ** 2).mean())


def _local(encoder: Callable, places: list[tuple[float, float]], size: Size):
    counts = {"n_labels": 300, "n_test": 150, "draws": 1} if size.small else {"n_labels": 700, "n_test": 300}
    return local_transfer(encoder, places, other_cells=(), noise_free=False, **counts).edges()


def _one_fine_cap(size: Size, _) -> list[Check]:
    edge = _local(fine_in_one_cap, [(0, 0), (5, 8), (120, 40), (-100, -50)], size)["fine_km"].to_numpy()
    return [Check("coarse edge / fine edge", 1.0, float(edge[2:].mean() / edge[:2].mean()) / 3)]


def _stretched(size: Size, _) -> list[Check]:
    edge = _local(stretched_east_west, [(0, 0), (30, 0)], size)
    turned_deg = (edge["finest_bearing_deg"] + 90) % 180 - 90
    return [
        Check("anisotropy / 2", 1.0, float(edge["anisotropy"].mean()) / 2),
        Check("finest bearing off north, right angles", 0.0, float(turned_deg.abs().max()) / 90),
    ]


def _cells_in_caps(size: Size, _) -> list[Check]:
    embedding, design = Embedding(CellCodes(100.0, dim=200)), CapDesign(n_labels=2000, n_test=800)
    scales_km = (100.0, 141.4, 200.0)
    caps = [Cap((50.0 * i, 20.0 * i - 30), km, 25.0, 0.0, i) for km in scales_km for i in range(4)]
    found = cap_shares(embedding, caps, design).mean(-1).view(3, 4).mean(-1).tolist()
    checks = zip(scales_km, found, strict=True)
    return [Check(f"half wave of {km:.0f} km", share_of_cells(100.0, km), share) for km, share in checks]


def _ratio_of_edges(size: Size, _) -> list[Check]:
    checks = []
    for cells in (16.0, 36.0):
        for tolerance in (0.01, 0.001):
            edges = [
                local_transfer(
                    load_encoder(f"untrained-l{polys}", device="cpu"),
                    [(10, 30), (-60, -20), (140, 55)],
                    cells=cells,
                    tolerance=tolerance,
                    other_cells=(),
                    noise_free=False,
                    draws=1,
                ).edges()["fine_km"]
                for polys in (10, 40)
            ]
            checks.append(Check(f"{cells:.0f} cells, {tolerance:g}", 2.3, float((edges[0] / edges[1]).median())))
    return checks


def _seam(size: Size, _) -> list[Check]:
    return [Check("error far from 180° / error beside it", 0.5, _error_far_by_near(plate_carree, size))]


def _no_seam(size: Size, _) -> list[Check]:
    round_world = _error_far_by_near(lambda p: smooth_features(unit_vectors(p), 2500.0), size)
    return [Check("error far from 180° / error beside it", 1.0, round_world)]


def _error_far_by_near(encoder: Callable, size: Size) -> float:
    """Mean squared error of fields of degree 1 to 6, 5° or more from the antimeridian, by that within 5°."""
    n, m = (500, 3000) if size.small else (3000, 8000)
    places = uniform_on_sphere(n + m, generator(5))
    places = places[places[:, 1].abs() < 60]
    n = int(n * len(places) / (n + m))
    fields, Z = single_degree_fields(places, 6, 8, generator(6)), encoder(places)
    labels = fields[:n] + math.sqrt(0.1) * torch.randn(n, fields.shape[1], generator=generator(7), dtype=torch.float64)
    groups = torch.arange(6).repeat_interleave(8)
    error = (fields[n:] - Ridge.factor(Z[:n]).read(Z[n:], labels, groups)).square().mean(1)
    near = places[n:, 0].abs() > 175
    return float(error[~near].mean() / error[near].mean())


ROWS = [
    Row("fine in one cap", "three times as fine in it as elsewhere, on the map", _one_fine_cap, 0.15, 0.15),
    Row("stretched east-west", "twice as fine north-south, and that way", _stretched, 0.15, 0.15),
    Row("cells in caps", "mean over directions of sinc²·sinc², half waves ≥ c", _cells_in_caps, 0.04, 0.04),
    Row("ratio of local edges", "L = 10 to L = 40: 2.1 to 2.5 whatever the cap and tolerance", _ratio_of_edges, 0.2),
    Row("a seam at 180°", "a map of errors shows it", _seam, 0.0, 0.1, below=True),
    Row("no seam", "without one the errors are even", _no_seam, 0.2, 0.4),
]
