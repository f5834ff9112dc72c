"""Rows of the gate about real fields: encoders that know nothing of the Earth must not be said to know any of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.fields import FieldReading, read_field
from satgpu.validation.gate import Check, Row, Size
from satgpu.validation.planted import HarmonicMix

_FIELD = "land"


class BoostedMix(HarmonicMix):
    """A flat mix whose zonal harmonics (order 0) are ``gain`` times too large, as an untrained SIREN's are."""

    def __init__(self, legendre_polys: int, dim: int, gain: float, seed: int):
        super().__init__(2 * np.arange(legendre_polys) + 1, dim, seed)
        self.name += f"-zonal-times-{gain:g}-seed{seed}"
        degrees = torch.arange(legendre_polys)
        self._mix[degrees**2 + degrees] *= gain


def _read(encoder: Callable[[Tensor], Tensor], size: Size, seed: int) -> FieldReading:
    """Fewer turns and draws than a reader of one field would take: the mean over seeds is what counts."""
    sizes = {"n_labels": 300, "turns": 19, "draws": 1} if size.small else {"n_labels": 3000, "turns": 99, "draws": 2}
    return read_field(encoder, _FIELD, **sizes, seed=seed)


def _seeds(size: Size) -> range:
    return range(2) if size.small else range(8)


def _isotropic(size: Size, _) -> list[Check]:
    """Skill less the mean over all turns, of a coarse mix and of a finer one."""
    sides = []
    for legendre_polys in (4, 6) if size.small else (8, 16):
        dim = 12 if size.small else 128
        found = [_read(BoostedMix(legendre_polys, dim, 1.0, seed), size, seed) for seed in _seeds(size)]
        sides.append(np.array([reading.zonal + reading.longitude for reading in found]))
    return [Check(f"mean over {len(sides[0])} seeds", 0.0, float((sides[1] - sides[0]).mean()))]


def _zonal_boost(part: Callable[[FieldReading], float]) -> Callable:
    def rows(size: Size, _) -> list[Check]:
        polys, dim = (5, 12) if size.small else (16, 128)
        checks = []
        for gain in (2.0, 5.0):
            plain, boosted = (
                np.array([part(_read(BoostedMix(polys, dim, g, seed), size, seed)) for seed in _seeds(size)])
                for g in (1.0, gain)
            )
            checks.append(Check(f"order 0 times {gain:g}, less the same without", 0.0, float((boosted - plain).mean())))
        return checks

    return rows


ROWS = [
    Row("two isotropic encoders", f"{_FIELD}: skill less the mean of all turns, difference 0", _isotropic, 0.02, 0.1),
    Row(
        "zonal boost",
        f"{_FIELD}: longitude part 0, whatever the gain of order 0",
        _zonal_boost(lambda r: r.longitude),
        0.03,
        0.1,
    ),
    Row(
        "first idea: all turns alone",
        f"{_FIELD}: a zonal boost changes skill less the mean of all turns by 0",
        _zonal_boost(lambda r: r.zonal + r.longitude),
        0.03,
        former=True,
    ),
]
