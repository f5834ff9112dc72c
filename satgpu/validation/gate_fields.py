"""Rows of the gate about real fields: encoders that know nothing of the Earth must not be said to know any of it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders import as_encoder
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.fields import FieldReading, read_field
from satgpu.validation.gate import Check, Row, Size, generator
from satgpu.validation.planted import HarmonicMix


class BoostedMix(HarmonicMix):
    """A flat mix whose zonal harmonics (order 0) are ``gain`` times too large, as an untrained SIREN's are."""

    def __init__(self, legendre_polys: int, dim: int, gain: float, seed: int):
        super().__init__(2 * np.arange(legendre_polys) + 1, dim, seed)
        self.name += f"-zonal-times-{gain:g}-seed{seed}"
        degrees = torch.arange(legendre_polys)
        self._mix[degrees**2 + degrees] *= gain


def smooth_field(lonlat_deg: Tensor, l_max: int = 8) -> Tensor:
    """(N,) a field drawn once, half of it zonal: the land of the small gate, which needs no package."""
    degree = torch.arange((l_max + 1) ** 2).double().sqrt().floor()
    a = torch.randn(len(degree), generator=generator(1), dtype=torch.float64) / (degree + 1)
    zonal = torch.arange(l_max + 1) ** 2 + torch.arange(l_max + 1)
    a[zonal] *= 3
    return spherical_harmonics(lonlat_deg, l_max + 1, "closed-form") @ a


@functools.lru_cache(maxsize=64)
def _read(legendre_polys: int, dim: int, gain: float, seed: int, small: bool) -> FieldReading:
    """Few draws: the mean over seeds is what counts."""
    mix = BoostedMix(legendre_polys, dim, gain, seed)
    sizes = {"n_labels": 300, "turns": 39, "draws": 1} if small else {"n_labels": 3000, "turns": 99, "draws": 2}
    return read_field(as_encoder(mix, mix.name), (smooth_field if small else "land"), **sizes, seed=seed)


def _seeds(size: Size) -> range:
    return range(4 if size.small else 8)


def _parts(size: Size, polys: int, dim: int, gain: float, part: Callable[[FieldReading], float]) -> np.ndarray:
    return np.array([part(_read(polys, dim, gain, seed, size.small)) for seed in _seeds(size)])


def _alignment(reading: FieldReading) -> float:
    """Skill less the mean over turns in all directions."""
    return reading.zonal + reading.longitude


def _isotropic(size: Size, _) -> list[Check]:
    mixes = ((4, 20), (6, 40)) if size.small else ((6, 48), (12, 160))
    coarse, fine = (_parts(size, polys, dim, 1.0, _alignment) for polys, dim in mixes)
    return [Check(f"finer less coarser, mean over {len(fine)} seeds", 0.0, float((fine - coarse).mean()))]


def _zonal_boost(part: Callable[[FieldReading], float]) -> Callable:
    def rows(size: Size, _) -> list[Check]:
        polys, dim = (6, 24) if size.small else (16, 128)  # fewer dimensions than harmonics: a gain moves what is held
        plain = _parts(size, polys, dim, 1.0, part)
        boosted = {gain: _parts(size, polys, dim, gain, part) for gain in (3.0, 10.0)}
        return [Check(f"gain {gain:g} less none", 0.0, float((b - plain).mean())) for gain, b in boosted.items()]

    return rows


ROWS = [
    Row(
        "two isotropic encoders",
        "on land: skill less the mean of all turns is the same, whatever they resolve",
        _isotropic,
        0.02,
        0.1,
    ),
    Row(
        "zonal boost",
        "on land: the longitude part is the same, whatever the gain of order 0",
        _zonal_boost(lambda reading: reading.longitude),
        0.03,
        0.1,
    ),
    Row(
        "first idea: turns in all directions alone",
        "on land: skill less their mean is the same, whatever the gain of order 0",
        _zonal_boost(_alignment),
        0.03,
        former=True,
    ),
]
