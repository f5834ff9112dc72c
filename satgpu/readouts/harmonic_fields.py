"""Random fields on the sphere by harmonic degree: single degrees, and mixtures with a stated prior.

Harmonics are the closed-form ones, times √(4π): each has mean square one over the sphere, and an
isotropic Gaussian random field of degree l, variance one, is Σ_m a_m Y_lm with independent
a_m ~ N(0, 1/(2l+1)). All 2l+1 harmonics of a degree as targets leave nothing to the draw of a field:
the mean squared error over such fields is the mean of theirs.

Degree l has half a wavelength of πR/√(l(l+1)) km, the number to set beside the side of a cell.

Shapes: N points, T targets, L degrees 1 to l_max; degree 0, the constant, is never a target.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders import harmonics
from satgpu.errors import UserError, unknown_choice

PRIORS = ("power-law", "flat")
_BLOCK_TARGETS = 512
_SHARED_BYTES = 1 << 29
Blocks = Iterable[tuple[int, int, Tensor]]


def harmonics_in_blocks(
    lonlat_deg: Tensor, l_max: int, block: int = _BLOCK_TARGETS
) -> Iterator[tuple[int, int, Tensor]]:
    """The harmonics of degrees 1 to l_max, each with mean square one, some whole degrees at a time.

    Yields:
        (first degree, last degree, (N, T) values by degree and order): about ``block`` columns, so that
        l_max = 200 at 10,000 points needs 40 MB at a time and not 3 GB.
    """
    root = math.sqrt(4 * math.pi)
    for first, last, values in harmonics.harmonics_in_blocks(lonlat_deg, l_max + 1, "closed-form", block, root):
        if last > 0:
            yield max(first, 1), last, values[:, 1:] if first == 0 else values


def harmonics_of_two(places_deg: Tensor, test_deg: Tensor, l_max: int) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """(first degree, last, values at the labelled places, at the test places), some whole degrees at a time."""
    n = len(places_deg)
    for first, last, values in harmonics_in_blocks(torch.cat([places_deg, test_deg]), l_max):
        yield first, last, values[:n], values[n:]


class SharedHarmonics:
    """The harmonics of one set of places, worked out once for all encoders that are read there, from any thread.

    The last set asked for is kept, where it takes no more than half a GB (10,000 places to degree 64: 340 MB); a
    larger one is streamed to each.
    """

    def __init__(self):
        self._lock, self._l_max = Lock(), 0
        self._places: Tensor | None = None
        self._blocks: list[tuple[int, int, Tensor]] = []

    def forget(self) -> None:
        """Give the memory back."""
        with self._lock:
            self._places, self._blocks = None, []

    def blocks(self, lonlat_deg: Tensor, l_max: int) -> Blocks:
        """As :func:`harmonics_in_blocks` gives them."""
        if 8 * len(lonlat_deg) * (l_max + 1) ** 2 > _SHARED_BYTES:
            return harmonics_in_blocks(lonlat_deg, l_max)
        with self._lock:
            known = self._places is not None and self._places.device == lonlat_deg.device
            if not (known and l_max == self._l_max and torch.equal(self._places, lonlat_deg)):
                self._blocks = []  # the old ones go before the new ones come
                self._blocks = list(harmonics_in_blocks(lonlat_deg, l_max))
                self._places, self._l_max = lonlat_deg, l_max
            return self._blocks


def degree_of_targets(first: int, last: int) -> Tensor:
    """(T,) the degree of each harmonic of degrees ``first`` to ``last``."""
    degrees = torch.arange(first, last + 1)
    return degrees.repeat_interleave(2 * degrees + 1)


def sum_by_degree(values: Tensor, first: int, last: int) -> Tensor:
    """(..., L) sums over the orders of each degree of (..., T) values of degrees ``first`` to ``last``."""
    total = values.new_zeros(*values.shape[:-1], last - first + 1)
    return total.index_add_(-1, (degree_of_targets(first, last) - first).to(values.device), values)


def random_combinations(first: int, last: int, count: int, generator: torch.Generator) -> list[Tensor]:
    """Per degree (2l+1, count) coefficients of random fields of that degree, variance one."""
    sizes = [2 * degree + 1 for degree in range(first, last + 1)]
    return [
        torch.randn(size, count, generator=generator, dtype=torch.float64, device=generator.device) / math.sqrt(size)
        for size in sizes
    ]


def single_degree_fields(lonlat_deg: Tensor, l_max: int, count: int, generator: torch.Generator) -> Tensor:
    """(N, l_max · count) random fields of degree 1 (``count`` of them), degree 2, ..., variance one each."""
    fields = []
    for first, last, values in harmonics_in_blocks(lonlat_deg, l_max):
        mix = random_combinations(first, last, count, generator)
        parts = values.split([len(a) for a in mix], dim=1)
        fields += [part @ a.to(part) for part, a in zip(parts, mix, strict=True)]
    return torch.cat(fields, 1)


def prior_power(prior: str, l_max: int) -> np.ndarray:
    """(l_max,) power of each degree of a composite field, adding up to one.

    "power-law" is l⁻² a degree, as in many fields of the Earth's surface; "flat" gives every degree the same.

    Raises:
        UserError: another prior.
    """
    if prior not in PRIORS:
        raise unknown_choice("prior", prior, PRIORS)
    degree = np.arange(1, l_max + 1, dtype=float)
    power = degree**-2 if prior == "power-law" else np.ones(l_max)
    return power / power.sum()


def composite_fields(lonlat_deg: Tensor, power: np.ndarray, count: int, generator: torch.Generator) -> Tensor:
    """(N, count) random fields with ``power`` (l_max,) in degrees 1 to l_max, variance Σ power.

    Raises:
        UserError: a power that is negative or not finite.
    """
    power = np.asarray(power, dtype=float)
    if not (np.isfinite(power).all() and (power >= 0).all()):
        raise UserError(f"the power of a degree must be finite and not negative; got {power.min()}")
    total = lonlat_deg.new_zeros(len(lonlat_deg), count, dtype=torch.float64)
    for first, last, values in harmonics_in_blocks(lonlat_deg, len(power)):
        mix = random_combinations(first, last, count, generator)
        scaled = [a * math.sqrt(power[first - 1 + i]) for i, a in enumerate(mix)]
        total += values @ torch.cat(scaled).to(values)
    return total
