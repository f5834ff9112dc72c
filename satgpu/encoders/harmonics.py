"""Real spherical harmonics of any degree by a stable recurrence, as SatCLIP numbers and scales them."""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry.sphere import as_lonlat

# Up to here no value that matters underflows: the worst is sinᵐ(θ) near m = L/e, sin θ = 1/e,
# and L/e stays below ln(1e308) = 709 up to L of about 1900.
MAX_LEGENDRE_POLYS = 1000
VARIANTS = ("analytic", "closed-form")
# CPU tensors above 32768 elements are split over threads, and waking threads
# costs more than the 20 µs these rows take: chunks of points stay below that.
_ELEMENTS_OF_A_ROW_BLOCK = 32768


def spherical_harmonics(lonlat_deg: Tensor, legendre_polys: int, variant: str = "analytic") -> Tensor:
    """Real spherical harmonics of degrees 0 to L-1 at each point.

    Args:
        lonlat_deg: (N, 2) longitude, latitude in degrees, float64 for full accuracy.
        legendre_polys: L; the highest degree is L - 1.
        variant: "analytic", what the published SatCLIP weights were trained on: no
            Condon-Shortley sign, and every m = 0 term π times the textbook value
            (microsoft/satclip issue 33); or "closed-form", the textbook values with
            the Condon-Shortley sign (-1)^m, which SatCLIP can also be trained with.

    Returns:
        (N, L²): column l² + l + m holds degree l, order m. A transposed view,
        contiguous along the points.

    Raises:
        UserError: L is not within 1 to 1000, or the variant is unknown.

    Source: the fully normalised three-term recurrence in l (Holmes and
    Featherstone 2002, eq. 11), which is linear and so may carry the factors
    √2 cos mφ and √2 sin mφ along: each order starts from the sectoral term
    c_m (sin θ e^{iφ})^m. With phi = lon + 180° and theta = lat + 90° that power's
    base is -(x + iy) of the unit vector, and cos θ = -sin(lat).

    >>> round(spherical_harmonics(torch.tensor([[0.0, 90.0]], dtype=torch.float64), 2)[0, 0].item(), 12)
    0.886226925453
    """
    check_harmonics(legendre_polys, variant)
    lonlat_deg = as_lonlat(lonlat_deg)
    n_points, rows = len(lonlat_deg), legendre_polys**2
    out = empty_rows((rows, n_points), lonlat_deg)
    fill_harmonics(out, lonlat_deg, legendre_polys, variant)
    return out.T


def check_harmonics(legendre_polys: int, variant: str) -> None:
    """UserError unless these harmonics can be computed."""
    if variant not in VARIANTS:
        raise unknown_choice("harmonics", variant, VARIANTS)
    if not 1 <= legendre_polys <= MAX_LEGENDRE_POLYS:
        raise UserError(f"legendre_polys must be 1 to {MAX_LEGENDRE_POLYS}; got {legendre_polys}")


def fill_harmonics(out: Tensor, lonlat_deg: Tensor, legendre_polys: int, variant: str = "analytic") -> None:
    """Write the (L², N) harmonics of N points into ``out``, chunk by chunk so that a row block stays in cache."""
    chunk = len(lonlat_deg)
    if lonlat_deg.device.type == "cpu":
        chunk = max(16, _ELEMENTS_OF_A_ROW_BLOCK // (2 * legendre_polys))
    for start in range(0, len(lonlat_deg), max(1, chunk)):
        columns = slice(start, start + chunk)
        _fill_chunk(out[:, columns], lonlat_deg[columns], legendre_polys, variant)


def harmonics_in_blocks(
    lonlat_deg: Tensor, legendre_polys: int, variant: str = "analytic", block: int = 512, scale: float = 1.0
) -> Iterator[tuple[int, int, Tensor]]:
    """The harmonics of degrees 0 to L-1, some whole degrees at a time: memory for two blocks, however many there are.

    Args:
        lonlat_deg, legendre_polys, variant: as in :func:`spherical_harmonics`.
        block: columns at a time, about; a block holds at least one degree.
        scale: a factor of every value.

    Yields:
        (first degree, last degree, (N, T) values by degree and order); a transposed view, contiguous along the points.

    Raises:
        UserError: L is not within 1 to 1000, or the variant is unknown.
    """
    check_harmonics(legendre_polys, variant)
    lonlat_deg = as_lonlat(lonlat_deg)
    cos_theta, base = _pole_axis_and_plane(lonlat_deg)
    base = base if variant == "analytic" else -base
    sectoral = torch.full_like(base, scale * math.sqrt(2 / (4 * math.pi)))
    before = now = None
    for first, last in _blocks_of_degrees(legendre_polys, block):
        out = empty_rows(((last + 1) ** 2 - first**2, len(lonlat_deg)), lonlat_deg)
        for degree in range(first, last + 1):
            rows = out[degree**2 - first**2 : (degree + 1) ** 2 - first**2]
            if degree == 0:
                rows.fill_(scale * math.sqrt(1 / (4 * math.pi)) * (math.pi if variant == "analytic" else 1))
            else:
                sectoral = sectoral * base * math.sqrt((2 * degree + 1) / (2 * degree))
                _next_degree(rows, now, before, sectoral, cos_theta, legendre_polys, degree)
            before, now = now, rows
        yield first, last, out.T


def _blocks_of_degrees(legendre_polys: int, block: int) -> Iterator[tuple[int, int]]:
    """(first, last) of runs of degrees with at most ``block`` harmonics, or one degree."""
    first = 0
    while first < legendre_polys:
        last = first
        while last + 1 < legendre_polys and (last + 2) ** 2 - first**2 <= block:
            last += 1
        yield first, last
        first = last + 1


def _next_degree(
    out: Tensor,
    now: Tensor,
    before: Tensor | None,
    sectoral: Tensor,
    cos_theta: Tensor,
    legendre_polys: int,
    degree: int,
) -> None:
    """Write the (2l+1, N) harmonics of one degree from those of the two before it."""
    ahead, behind = _recurrence_coefficients(legendre_polys, out.dtype, out.device)[degree]
    out[0], out[-1] = sectoral.imag, sectoral.real
    inner = torch.mul(now, cos_theta, out=out[1:-1]).mul_(ahead)
    if before is not None:
        inner[1:-1].addcmul_(before, behind)


def _fill_chunk(out: Tensor, lonlat_deg: Tensor, legendre_polys: int, variant: str) -> None:
    cos_theta, base = _pole_axis_and_plane(lonlat_deg)
    sectoral = torch.full_like(base, math.sqrt(2 / (4 * math.pi)))
    out[0] = math.sqrt(1 / (4 * math.pi))
    if variant == "analytic":
        out[0] *= math.pi
    else:
        base = -base
    before = None
    for degree in range(1, legendre_polys):
        sectoral = sectoral * base * math.sqrt((2 * degree + 1) / (2 * degree))
        now = out[(degree - 1) ** 2 : degree**2]
        _next_degree(out[degree**2 : (degree + 1) ** 2], now, before, sectoral, cos_theta, legendre_polys, degree)
        before = now


def _pole_axis_and_plane(lonlat_deg: Tensor) -> tuple[Tensor, Tensor]:
    """cos θ (B,), and sin θ e^{iφ} as complex numbers (B,), for phi = lon + 180°, theta = lat + 90°.

    The cosine of the latitude is taken as the sine of 90° - |lat|, a difference
    that is exact near the poles, where the cosine of a rounded angle is not.
    """
    lon, lat = torch.deg2rad(lonlat_deg[:, 0]), torch.deg2rad(lonlat_deg[:, 1])
    cos_lat = torch.sin(torch.deg2rad(90 - lonlat_deg[:, 1].abs()))
    return -torch.sin(lat), torch.complex(-cos_lat * torch.cos(lon), -cos_lat * torch.sin(lon))


@lru_cache(maxsize=16)
def _recurrence_coefficients(
    legendre_polys: int, dtype: torch.dtype, device: torch.device
) -> list[tuple[Tensor, Tensor] | None]:
    """Per degree l the (2l-1, 1) factor a of cos θ·Y(l-1) and the (2l-3, 1) factor -a·b of Y(l-2)."""
    coefficients: list[tuple[Tensor, Tensor] | None] = [None]
    for degree in range(1, legendre_polys):
        order = torch.arange(1 - degree, degree, dtype=torch.float64)
        ahead = torch.sqrt((4 * degree**2 - 1) / (degree**2 - order**2))
        inner = order[1:-1]
        behind = -ahead[1:-1] * torch.sqrt(((degree - 1) ** 2 - inner**2) / (4 * (degree - 1) ** 2 - 1))
        coefficients.append((ahead[:, None].to(device, dtype), behind[:, None].to(device, dtype)))
    return coefficients


def empty_rows(shape: tuple[int, int], like: Tensor) -> Tensor:
    """Uninitialised memory; on a CPU from NumPy, which asks for huge pages: 77 MB cost 6 ms instead of 34."""
    if like.device.type != "cpu":
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    return torch.from_numpy(np.empty(shape, dtype=torch.empty(0, dtype=like.dtype).numpy().dtype))
