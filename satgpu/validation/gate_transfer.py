"""Rows of the gate with closed forms: what the transfer function must say of encoders known through and through."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.errors import UserError
from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.geometry.sphere import EARTH_RADIUS_KM, lonlat_deg_from_unit
from satgpu.readouts.coordinates import composite_bound
from satgpu.readouts.degrees import degree_of_half_wavelength
from satgpu.readouts.harmonic_fields import composite_fields
from satgpu.readouts.levels import cutoff_degree
from satgpu.readouts.transfer import TransferFunction, transfer_function
from satgpu.validation.gate import Check, Row, Size, generator
from satgpu.validation.planted import CellCodes, HarmonicMix, displaced, white_noise


def harmonics_below(legendre_polys: int) -> Callable[[Tensor], Tensor]:
    """An encoder of all closed-form harmonics below a degree."""
    return lambda lonlat_deg: spherical_harmonics(lonlat_deg, legendre_polys, "closed-form")


def harmonics_of(degrees: list[int]) -> Callable[[Tensor], Tensor]:
    """An encoder of the harmonics of some degrees."""
    columns = torch.cat([torch.arange(degree**2, (degree + 1) ** 2) for degree in degrees])
    return lambda lonlat_deg: spherical_harmonics(lonlat_deg, max(degrees) + 1, "closed-form")[:, columns]


def ridge_theory(d: int, n: int, noise: float) -> float:
    """Share of an isotropic target in d isotropic dimensions, by the best ridge from n labels of large n and d.

    1 - ηq·m(-qη) with q = d/n and m the Stieltjes transform of the Marchenko-Pastur law at -qη (Hastie et al.
    2022, Theorem 5).

    >>> round(ridge_theory(400, 2000, 0.1), 4)
    0.9755
    """
    q = d / n
    linear = 1 - q + q * noise
    m = (math.sqrt(linear**2 + 4 * q * q * noise) - linear) / (2 * q * q * noise)
    return 1 - noise * q * m


def measure(encoder: Callable, size: Size, **options) -> TransferFunction:
    """The transfer function at the size of the gate."""
    defaults = {"n_labels": size.n_labels, "n_test": size.n_test, "replicates": size.replicates, "l_max": 40}
    return transfer_function(encoder, **(defaults | options))


def _closed_form(noise: float) -> Callable:
    def rows(size: Size, _) -> list[Check]:
        N, n = (7, 700) if size.small else (20, 2000)
        curve = measure(harmonics_below(N), size, n_labels=n, noise=noise, l_max=2 * N)
        expected = ridge_theory(N * N - 1, n, noise)
        return [
            Check(f"mean over l < {N}, n = {n}", expected, float(curve.share[: N - 1].mean())),
            Check(f"largest from l = {N} on", 0.0, float(np.abs(curve.share[N - 1 :]).max())),
        ]

    return rows


def _small_noise(size: Size, _) -> list[Check]:
    N, n = (7, 700) if size.small else (17, 5000)
    curve = measure(harmonics_below(N), size, n_labels=n, l_max=N)
    return [Check(f"N = {N}, n = {n}", 1 - 0.1 * N**2 / (n - N**2), float(curve.share[: N - 1].mean()))]


def _bayes_flat(size: Size, _) -> list[Check]:
    N, checks = (5 if size.small else 12), []
    power = (2 * np.arange(1, N) + 1.0) / (N * N - 1)
    for n in (N * N // 4, N * N, 4 * N * N):
        found = []
        for replicate in range(20 if size.small else 40):
            g = generator(replicate)
            places = uniform_on_sphere(n + 2000, g)
            fields = composite_fields(places, power, 32, g)
            labels = fields[:n] + math.sqrt(0.1) * torch.randn(n, 32, generator=g, dtype=torch.float64)
            Y = harmonics_below(N)(places)[:, 1:] * math.sqrt(4 * math.pi / (N * N - 1))
            K = Y[:n] @ Y[:n].T + 0.1 * torch.eye(n, dtype=torch.float64)
            predicted = Y[n:] @ (Y[:n].T @ torch.linalg.solve(K, labels))
            share = 1 - float((fields[n:] - predicted).square().sum() / fields[n:].square().sum())
            found.append((composite_bound(places[:n], power, 0.1)[0], share))
        checks.append(Check(f"n = {n}", *np.mean(found, axis=0).tolist()))
    return checks


def _degree_known(size: Size, _) -> list[Check]:
    degrees = (2, 4) if size.small else (3, 10, 20)
    n = 300 if size.small else 400
    checks = []
    for degree in degrees:
        options = {"n_labels": n, "l_max": degree}
        bound = measure(None, size, reader="coordinates", **options).bound[-1]
        checks.append(Check(f"l = {degree}, bound", ridge_theory(2 * degree + 1, n, 0.1), float(bound)))
        read = measure(harmonics_of([degree]), size, **options).share[-1]
        checks.append(Check(f"l = {degree}, read", ridge_theory(2 * degree + 1, n, 0.1), float(read)))
    return checks


def _ceiling_of_a_mix(size: Size, _) -> list[Check]:
    N, dim = (6, 20) if size.small else (20, 256)
    curve = measure(HarmonicMix.flat(N, dim), size, l_max=64 if not size.small else 20)
    return [
        Check("mean P(l)", dim / (N * N - 1), float(curve.ceiling[: N - 1].mean())),
        Check("sum / dim", 1.0, curve.ceiling_capacity / dim),
    ]


def _conservation(size: Size, _) -> list[Check]:
    checks = []
    for N in (3, 5) if size.small else (18, 20, 24, 40):
        dim = 8 if size.small else 256
        curve = measure(HarmonicMix.flat(N, dim), size, l_max=15 if size.small else 64, replicates=1)
        checks.append(Check(f"{dim} of {N * N} harmonics", 1.0, curve.ceiling_capacity / dim))
    return checks


def _bessel(size: Size, _) -> list[Check]:
    ns = (60, 150) if size.small else (120, 256, 500, 2000)
    encoder, dim = (HarmonicMix.flat(6, 20), 20) if size.small else (HarmonicMix.flat(18, 256), 256)
    curves = [measure(encoder, size, n_labels=n, noise=0.0, l_max=15 if size.small else 40) for n in ns]
    return [Check(f"n = {c.n_labels}", float(min(c.n_labels, dim)), c.capacity) for c in curves]


def _near_interpolation(size: Size, _) -> list[Check]:
    dim = 20 if size.small else 256
    encoder = HarmonicMix.flat(6 if size.small else 18, dim)
    curve = measure(encoder, size, n_labels=64 if size.small else dim, l_max=15 if size.small else 40)
    return [Check(f"capacity at n = {curve.n_labels}, d = {dim}, is not below 0", 0.0, -curve.capacity)]


def _jitter(size: Size, _) -> list[Check]:
    N, jitter_km = (6, 700.0) if size.small else (18, 300.0)
    curve = measure(lambda p: harmonics_below(N)(lonlat_deg_from_unit(displaced(p, jitter_km))), size, l_max=N)
    degree = np.array([2, 4] if size.small else [9, 11, 14, 17])
    expected = np.exp(-degree * (degree + 1) * (jitter_km / EARTH_RADIUS_KM) ** 2)
    checks = [Check(f"held at l = {d}", e, float(curve.ceiling[d - 1])) for d, e in zip(degree, expected, strict=True)]
    return checks + [
        Check(f"read at l = {d}", e, float(curve.share[d - 1])) for d, e in zip(degree, expected, strict=True)
    ]


def _cells(size: Size, _) -> list[Check]:
    cell_km = 4000.0 if size.small else 1500.0
    cells = CellCodes(cell_km)
    full = CellCodes(cell_km, dim=int(cells.cell_of(uniform_on_sphere(50000, generator(0))).max()) + 1)
    curve = measure(full, size, l_max=12 if size.small else 24)
    checks = []
    for degree in (2, 4) if size.small else (5, 10, 16):
        checks.append(Check(f"held at l = {degree}", _mean_sinc(degree, cell_km), float(curve.ceiling[degree - 1])))
    return checks


def _mean_sinc(degree: int, cell_km: float) -> float:
    """Mean over directions of sinc²(k c cos θ/2)·sinc²(k c sin θ/2), k = √(l(l+1))/R: power kept by square averages."""
    theta = (np.arange(2000) + 0.5) * np.pi / 4000
    half = math.sqrt(degree * (degree + 1)) / EARTH_RADIUS_KM * cell_km / 2 / np.pi
    return float((np.sinc(half * np.cos(theta)) ** 2 * np.sinc(half * np.sin(theta)) ** 2).mean())


def _two_bands(size: Size, _) -> list[Check]:
    bands = [[1, 2, 3, 4, 5], [9, 10]] if size.small else [[1, 2, 3, 4, 5], [15, 16, 17, 18, 19, 20]]
    curve = measure(harmonics_of(sum(bands, [])), size, l_max=bands[1][-1] + 5)
    edges = [degree_of_half_wavelength(km) for run in curve.runs for km in run[:2]]
    truth = [1.0, 5.5, bands[1][0] - 0.5, bands[1][-1] + 0.5]
    edges = edges if len(edges) == 4 else [math.nan] * 4
    return [Check(f"edge {i + 1}", t, e) for i, (t, e) in enumerate(zip(truth, edges, strict=True))]


def _white_noise_alone(size: Size, _) -> list[Check]:
    dim, n = (20, 300) if size.small else (256, 1000)
    curve = measure(lambda p: white_noise(p, dim), size, n_labels=n)
    targets = len(curve.degree) * (len(curve.degree) + 2)
    # The mean of n noisy labels is off by (1 + η)/n of a field's variance, at every harmonic.
    return [Check(f"capacity / {dim}, n = {n}, l up to 40", -targets * 1.1 / n / dim, curve.capacity / dim)]


def _cutoff_stays(size: Size, _) -> list[Check]:
    checks = []
    for N in (5, 6) if size.small else (18, 20, 22, 24):
        for noise, n in ((0.1, size.n_labels), (0.5, size.n_labels // 2)):
            mix = HarmonicMix.flat(N, 20 if size.small else 256)
            curve = measure(mix, size, n_labels=n, noise=noise, l_max=N + 6, replicates=1)
            checks.append(Check(f"L = {N}, n = {n}, noise {noise:g}", N - 0.5, cutoff_degree(curve.share)))
    return checks


def _constant(size: Size, _) -> list[Check]:
    try:
        measure(lambda p: torch.ones(len(p), 8), size)
    except UserError as error:
        return [Check("said", 1.0, float("nothing is held" in str(error)))]
    return [Check("said", 1.0, 0.0)]


_THEORY = "1 − ηq·m(−qη), q = d/n, for l < N; 0 from N on"
ROWS = [
    Row("closed form, η = 0.1", _THEORY, _closed_form(0.1), 0.003, 0.02),
    Row("closed form, η = 1", _THEORY, _closed_form(1.0), 0.01),
    Row("small noise", "1 − ηN²/(n − N²)", _small_noise, 5e-4, 0.003),
    Row("Bayes reader", "every harmonic alike: 1 − mean posterior variance, at any n", _bayes_flat, 0.01, 0.05),
    Row("degree known", "bound and reader of one degree: the closed form with d = 2l + 1", _degree_known, 0.003, 0.01),
    Row("ceiling of a mix", "D of N² − 1 harmonics: P = D/(N² − 1), sum D", _ceiling_of_a_mix, 0.02, 0.08),
    Row("conservation", "the ceiling's sum is the rank, wherever it is spent", _conservation, 0.03, 0.08),
    Row("Bessel", "unclamped capacity ≤ min(n, d)", _bessel, 1.0, 1.0, below=True),
    Row("n = d", "no double descent: capacity isn't negative", _near_interpolation, 0.0, 1.0, below=True),
    Row("jitter σ per axis", "exp(−l(l + 1)σ²/R²)", _jitter, 0.03, 0.1),
    Row("cells of side c", "mean over directions of sinc²·sinc²", _cells, 0.04, 0.1),
    Row("two bands", "two runs, not joined", _two_bands, 0.2, 0.3),
    Row(
        "white noise alone",
        "nothing is read, and the intercept costs (1 + η)/n a harmonic",
        _white_noise_alone,
        0.03,
        0.4,
    ),
    Row("cut-off", "stays at N − ½, whatever plateau, n and noise", _cutoff_stays, 0.3, 0.5),
    Row("constant encoder", "nothing is held, and it is said", _constant, 0.0, 0.0),
]
