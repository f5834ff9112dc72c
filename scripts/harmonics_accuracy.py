"""Measure how far SatCLIP's published polynomials, and satgpu's recurrence, are from exact harmonics.

Writes the tables of docs/harmonics.md:

    python scripts/harmonics_accuracy.py docs/harmonics.md

Needs mpmath (in the extra ``satgpu[test]``). Takes about two minutes.
"""

import argparse
import math
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import torch

from satgpu.encoders import spherical_harmonics
from satgpu.encoders.controls import DIM, HIDDEN_LAYERS, WIDTH
from satgpu.encoders.siren import FIRST_FREQUENCY, SirenWeights, draw_siren, siren

LATITUDES_DEG = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 89, 89.99, 90)
LEGENDRE_POLYS = (10, 20, 40, 60, 100)
LONGITUDES_DEG = (-133.7, 12.3)
SEEDS = (0, 1, 2)
START, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def exact_harmonics(lon_deg: float, lat_deg: float, legendre_polys: int, variant: str = "analytic") -> list[mpmath.mpf]:
    """The L² harmonics of one place with 60 digits, by the textbook's recurrence, one term after the other."""
    with mpmath.workdps(60):
        x = -mpmath.sin(mpmath.radians(mpmath.mpf(lat_deg)))
        sine = mpmath.cos(mpmath.radians(mpmath.mpf(lat_deg)))
        phi = mpmath.radians(mpmath.mpf(lon_deg) + 180)
        legendre = {(0, 0): mpmath.sqrt(1 / (4 * mpmath.pi))}
        for m in range(legendre_polys):
            if m:
                legendre[m, m] = mpmath.sqrt(mpmath.mpf(2 * m + 1) / (2 * m)) * sine * legendre[m - 1, m - 1]
            legendre[m + 1, m] = mpmath.sqrt(2 * m + 3) * x * legendre[m, m]
            for degree in range(m + 2, legendre_polys):
                a = mpmath.sqrt(mpmath.mpf(4 * degree**2 - 1) / (degree**2 - m**2))
                b = mpmath.sqrt(mpmath.mpf((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1))
                legendre[degree, m] = a * (x * legendre[degree - 1, m] - b * legendre[degree - 2, m])
        cosines = [mpmath.cos(m * phi) for m in range(legendre_polys)]
        sines = [mpmath.sin(m * phi) for m in range(legendre_polys)]
        zonal = mpmath.pi if variant == "analytic" else mpmath.mpf(1)
        values = []
        for degree in range(legendre_polys):
            for m in range(-degree, degree + 1):
                if m == 0:
                    values.append(zonal * legendre[degree, 0])
                    continue
                sign = -1 if variant == "closed-form" and m % 2 else 1
                turn = cosines[m] if m > 0 else sines[-m]
                values.append(sign * mpmath.sqrt(2) * legendre[degree, abs(m)] * turn)
        return values


@cache
def expanded_polynomial(degree: int, order: int) -> tuple[list[float], float]:
    """Coefficients of the order-th derivative of P_l, highest power first, and its normalisation.

    Rounded to 15 significant digits, as a computer algebra system prints them
    into source code. The coefficient of x^(l-2k-m) is
    (-1)^k C(l,k) C(2l-2k,l) (l-2k)! / (l-2k-m)! / 2^l.
    """
    coefficients = []
    with mpmath.workdps(40):
        for k in range((degree - order) // 2 + 1):
            power = degree - 2 * k
            whole = (-1) ** k * math.comb(degree, k) * math.comb(2 * degree - 2 * k, degree)
            whole *= math.factorial(power) // math.factorial(power - order)
            coefficients.append(_fifteen_digits(mpmath.mpf(whole) / 2**degree))
        ratio = mpmath.factorial(degree - order) / mpmath.factorial(degree + order)
        norm = mpmath.sqrt(mpmath.mpf(2 * degree + 1) / (4 * mpmath.pi) * ratio)
        norm *= mpmath.pi if order == 0 else mpmath.sqrt(2)
        return coefficients, _fifteen_digits(norm)


def published_harmonics(lonlat_deg: torch.Tensor, legendre_polys: int) -> torch.Tensor:
    """(N, L²) harmonics as the published code computes them: expanded polynomials in cos(theta), in float64."""
    phi, theta = torch.deg2rad(lonlat_deg[:, 0] + 180), torch.deg2rad(lonlat_deg[:, 1] + 90)
    x = torch.cos(theta)
    powers = [x**power for power in range(legendre_polys)]
    columns = []
    for degree in range(legendre_polys):
        for m in range(-degree, degree + 1):
            order = abs(m)
            coefficients, norm = expanded_polynomial(degree, order)
            terms = (c * powers[degree - order - 2 * k] for k, c in enumerate(coefficients))
            value = norm * (1 - x**2) ** (order / 2) * sum(terms)
            columns.append(value * (torch.cos(m * phi) if m > 0 else torch.sin(order * phi) if m < 0 else 1))
    return torch.stack(columns, dim=1)


def exact_embedding(features: list[mpmath.mpf], weights: SirenWeights) -> np.ndarray:
    """The SIREN's output in extended precision."""
    hidden = np.array([_extended(value) for value in features])
    for index, (weight, bias) in enumerate(weights.layers):
        hidden = weight.numpy().astype(np.longdouble) @ hidden + bias.numpy()
        if index == 0:
            hidden *= FIRST_FREQUENCY
        if index < len(weights.layers) - 1:
            hidden = np.sin(hidden)
    return hidden


def feature_error(got: torch.Tensor, exact: list[mpmath.mpf]) -> float:
    """Length of the difference of two feature rows, relative to the row's length."""
    difference = [float(mpmath.mpf(a) - b) for a, b in zip(got.tolist(), exact, strict=True)]
    return float(np.linalg.norm(difference) / np.linalg.norm([float(value) for value in exact]))


def embedding_error(got: torch.Tensor, exact: np.ndarray) -> float:
    """Length of the difference of two embeddings, relative to the embedding's length."""
    difference = (got.numpy().astype(np.longdouble) - exact).astype(np.float64)
    return float(np.linalg.norm(difference) / np.linalg.norm(exact.astype(np.float64)))


def measure() -> dict[str, dict[tuple[float, int], float]]:
    """Largest errors over the test longitudes, both hemispheres and seeds, by latitude and L."""
    tables: dict[str, dict[tuple[float, int], float]] = {name: {} for name in TITLES}
    places = [(lon, sign * lat) for lat in LATITUDES_DEG for lon in LONGITUDES_DEG for sign in (1, -1)]
    lonlat_deg = torch.tensor(places, dtype=torch.float64)
    for legendre_polys in LEGENDRE_POLYS:
        ours = spherical_harmonics(lonlat_deg, legendre_polys)
        theirs = published_harmonics(lonlat_deg, legendre_polys)
        networks = [_network(legendre_polys, seed) for seed in SEEDS]
        for row, (lon, lat) in enumerate(places):
            exact = exact_harmonics(lon, lat, legendre_polys)
            for name, error in _errors(ours[row], theirs[row], exact, networks).items():
                key = (abs(lat), legendre_polys)
                tables[name][key] = max(error, tables[name].get(key, 0.0))
    return tables


def _errors(
    ours: torch.Tensor, theirs: torch.Tensor, exact: list[mpmath.mpf], networks: list[SirenWeights]
) -> dict[str, float]:
    errors = {"published": feature_error(theirs, exact), "recurrence": feature_error(ours, exact)}
    for weights in networks:
        wanted = exact_embedding(exact, weights)
        single = SirenWeights(tuple((w.float(), b.float()) for w, b in weights.layers))
        got = {
            "published_embedding": siren(theirs[None], weights)[0],
            "embedding": siren(ours[None], weights)[0],
            "float32": siren(ours[None].float(), single)[0],
        }
        for name, embedding in got.items():
            errors[name] = max(errors.get(name, 0.0), embedding_error(embedding, wanted))
    return errors


def as_markdown(table: dict[tuple[float, int], float]) -> str:
    """One row per latitude, one column per L."""
    lines = ["| latitude | " + " | ".join(f"L = {value}" for value in LEGENDRE_POLYS) + " |"]
    lines.append("| ---: |" + " ---: |" * len(LEGENDRE_POLYS))
    for latitude in LATITUDES_DEG:
        cells = [f"{table[latitude, legendre_polys]:.0e}" for legendre_polys in LEGENDRE_POLYS]
        lines.append(f"| {latitude:g}° | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="the Markdown page whose measured part is replaced")
    page = parser.parse_args().page
    text = page.read_text()
    tables = measure()
    measured = "\n\n".join(f"### {title}\n\n{as_markdown(tables[name])}" for name, title in TITLES.items())
    head, rest = text.split(START)
    page.write_text(f"{head}{START}\n\n{measured}\n\n{END}{rest.split(END)[1]}")


TITLES = {
    "published": "Published polynomials: error of the feature row, relative to its length",
    "recurrence": "satgpu's recurrence: the same",
    "published_embedding": "Embedding from the published polynomials: error, relative to its length",
    "embedding": "Embedding from satgpu in float64: the same",
    "float32": "Embedding from satgpu with `dtype=torch.float32`: the same",
}


def _network(legendre_polys: int, seed: int) -> SirenWeights:
    return draw_siren(legendre_polys**2, WIDTH, DIM, HIDDEN_LAYERS, torch.Generator().manual_seed(seed))


def _fifteen_digits(value: mpmath.mpf) -> float:
    return float(mpmath.nstr(value, 15))


def _extended(value: mpmath.mpf) -> np.longdouble:
    high = float(value)
    return np.longdouble(high) + np.longdouble(float(value - mpmath.mpf(high)))


if __name__ == "__main__":
    main()
