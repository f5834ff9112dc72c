"""A field's power by degree and order, and what becomes of it when the field is turned.

The power a_lm² of a field says how much of it each harmonic carries; an encoder that isn't isotropic reads
the orders of a degree differently, so that the degree alone doesn't predict what it reads of a zonal field.
Turns act on the coefficients degree by degree: a rotation is R_z R_x⁻¹ R_z R_x R_z, of which the turns about z
only mix the orders m and -m, and the quarter turn about x is one matrix a degree, found once by quadrature.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.fields.field import Field
from satgpu.geometry import lonlat_deg_from_unit, unit_vectors

L_MAX = 48
# The grid on which a field is analysed: 1°, so that only what lies beyond degree 310 folds back below 48.
_GRID_ROWS = 180
_QUARTER = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)  # about x, y to z


def orders(l_max: int = L_MAX) -> Tensor:
    """(H,) int64 order m of the harmonics, H = (l_max + 1)², column l² + l + m."""
    return torch.cat([torch.arange(-degree, degree + 1) for degree in range(l_max + 1)])


@functools.lru_cache(maxsize=4)
def gauss_legendre_grid(n_rows: int) -> tuple[Tensor, Tensor]:
    """(N, 2) degrees and (N,) areas summing to 4π: ``n_rows`` parallels of 2·n_rows places each.

    Products of harmonics are integrated exactly up to a sum of degrees of 2·n_rows - 1.
    """
    x, weight = np.polynomial.legendre.leggauss(n_rows)
    lat = torch.from_numpy(np.degrees(np.arcsin(x)))
    lon = -180 + 180 / n_rows * torch.arange(2 * n_rows, dtype=torch.float64)
    grid = torch.stack(torch.broadcast_tensors(lon[None, :], lat[:, None]), -1).reshape(-1, 2)
    return grid, torch.from_numpy(weight).repeat_interleave(2 * n_rows) * math.pi / n_rows


@functools.lru_cache(maxsize=2)
def _meridian(n_rows: int, l_max: int) -> Tensor:
    """(m, l, row) harmonics of orders m ≥ 0 where φ = longitude + 180° is 0; those of -m are there sin for cos."""
    lat = gauss_legendre_grid(n_rows)[0][:: 2 * n_rows, 1]
    along = spherical_harmonics(torch.stack([torch.full_like(lat, -180.0), lat], 1), l_max + 1, "closed-form")
    table = torch.zeros(l_max + 1, l_max + 1, n_rows, dtype=torch.float64)
    for degree in range(l_max + 1):
        first = degree * degree + degree
        table[: degree + 1, degree] = along[:, first : first + degree + 1].T
    return table


def coefficients(values: Tensor, l_max: int = L_MAX) -> Tensor:
    """(H, C) coefficients of fields on the Gauss-Legendre grid, (N, C): first along longitude, then along latitude."""
    n_rows = math.isqrt(len(values) // 2)
    _, weight = gauss_legendre_grid(n_rows)
    rows = (values * weight[:, None]).reshape(n_rows, 2 * n_rows, -1)
    angle = torch.arange(l_max + 1).double()[:, None] * torch.arange(2 * n_rows) * (math.pi / n_rows)
    table = _meridian(n_rows, l_max)
    out = values.new_zeros((l_max + 1) ** 2, values.shape[1])
    for sign, wave in ((1, angle.cos()), (-1, angle.sin())):
        along = torch.einsum("mp,rpc->mrc", wave.to(values), rows)
        both = torch.einsum("mlr,mrc->mlc", table, along)
        for order in range(l_max + 1):
            degree = torch.arange(order, l_max + 1)
            if sign > 0 or order:
                out[degree * degree + degree + sign * order] = both[order, order:]
    return out


def field_coefficients(field: Field, l_max: int = L_MAX) -> tuple[Tensor, Tensor]:
    """(H, C) coefficients of a field given everywhere, and (C,) its variance over the sphere.

    Coefficient 0, the mean, is set to 0.
    """
    grid, weight = gauss_legendre_grid(_GRID_ROWS)
    values = field.at(grid)
    share = weight[:, None] / weight.sum()
    values = values - (share * values).sum(0)
    found = coefficients(values, l_max)
    found[0] = 0
    return found, (share * values.square()).sum(0)


@functools.lru_cache(maxsize=2)
def _quarter_turn(l_max: int) -> tuple[Tensor, ...]:
    """(2l+1, 2l+1) for each degree: Y_l(R p) = D Y_l(p) with R the quarter turn about x."""
    grid, weight = gauss_legendre_grid(l_max + 1)
    turned = lonlat_deg_from_unit(unit_vectors(grid) @ _QUARTER.T)
    here = spherical_harmonics(grid, l_max + 1, "closed-form") * weight[:, None]
    there = spherical_harmonics(turned, l_max + 1, "closed-form")
    bounds = [(degree**2, (degree + 1) ** 2) for degree in range(l_max + 1)]
    return tuple(there[:, a:b].T @ here[:, a:b] for a, b in bounds)


def _about_z(a: Tensor, angle_rad: Tensor, m: Tensor) -> Tensor:
    """Coefficients (H, T, C) of f(R p), R turning by ``angle_rad`` (T,) about z."""
    n = len(m)
    l_of = torch.arange(n).float().sqrt().floor().long()
    mirror = a[l_of * l_of + l_of - m]
    phase = m[:, None] * angle_rad[None, :]
    # c cos m(φ+γ) + s sin m(φ+γ): the coefficient of m gains s sin mγ, that of -m loses c sin mγ.
    return a * phase.cos()[..., None] + mirror * phase.sin()[..., None]


def _about_x(a: Tensor, l_max: int, inverse: bool) -> Tensor:
    """Coefficients of f(R p), R the quarter turn about x, or of its inverse."""
    parts = []
    for degree, D in enumerate(_quarter_turn(l_max)):
        block = a[degree**2 : (degree + 1) ** 2]
        parts.append(torch.einsum("ij,jtc->itc", D if inverse else D.T, block))
    return torch.cat(parts)


def turned_coefficients(a: Tensor, rotations: Tensor) -> Tensor:
    """Coefficients (H, T, C) of the fields f(R p), from (H, C) of f and (T, 3, 3) rotations R."""
    l_max = math.isqrt(len(a)) - 1
    m = orders(l_max)
    alpha, beta, gamma = _euler_zyz(rotations)
    turned = _about_z(a[:, None].expand(-1, len(rotations), -1), alpha, m)
    # R_y(β) = R_x(-90°) R_z(β) R_x(90°): the quarter turn takes y to z.
    turned = _about_x(turned, l_max, inverse=True)
    turned = _about_x(_about_z(turned, beta, m), l_max, inverse=False)
    return _about_z(turned, gamma, m)


def _euler_zyz(R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(T,) angles with R = R_z(α) R_y(β) R_z(γ)."""
    beta = torch.atan2(torch.hypot(R[:, 0, 2], R[:, 1, 2]), R[:, 2, 2])
    straight = beta.sin().abs() < 1e-9
    about_one_axis = torch.atan2(R[:, 1, 0], R[:, 0, 0] * R[:, 2, 2].sign())
    alpha = torch.where(straight, about_one_axis, torch.atan2(R[:, 1, 2], R[:, 0, 2]))
    gamma = torch.where(straight, 0.0, torch.atan2(R[:, 2, 1], -R[:, 2, 0]))
    return alpha, beta, gamma
