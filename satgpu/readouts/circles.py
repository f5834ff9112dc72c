"""Samples of an encoder's similarity kernel: how alike two places are, by the distance between them.

Two designs. **Rings** (``grid=distances``): reference places uniform by area,
points at the notebook's distances and uniform bearings around each; they show
the spread over places. **Great circles** (``grid=quadrature``): circles through
a uniform place at a uniform bearing, M points equally spaced on each. All M²
pairs of a circle are used, so that one embedding serves M distances, up to the
antipode: the kernel's spectrum is integrated over these. Pairs at √2 steps and
nearer than one step are added, at distances that shrink by √2, because an encoder may hold
detail much finer than the step (GeoCLIP does: a quarter of its kernel falls
within 20 km).

Circles are independent draws, whatever lies on them: they are the "places"
that the intervals of ``satgpu.readouts.kernel`` resample.

Shapes: R circles, M points on a circle, K distances, B bearings, D embedding.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry import (
    EARTH_RADIUS_KM,
    destination_deg,
    lonlat_deg_from_unit,
    protocol_named,
    uniform_on_sphere,
    unit_vectors,
)
from satgpu.readouts.embedding import refuse_constant
from satgpu.run.rows import SimilarityRow, columns

DECIMALS = 6
CIRCLES_AT_ONCE = 4


@dataclass(frozen=True)
class CircleDesign:
    """How the great circles are sampled.

    Args:
        circles: independent great circles, the units of the bootstrap.
        points: on each circle, even; neighbours are one step apart.
        near_pairs: pairs at √2 steps on each circle. At shorter distances, each
            1/√2 of the next, there are fewer, because similarities vary less there.
        near_steps: how many distances shorter than a step.
    """

    circles: int = 48
    points: int = 512
    near_pairs: int = 64
    near_steps: int = 12

    def __post_init__(self):
        if self.circles < 2 or self.points < 8 or self.points % 2 or not 8 <= self.near_pairs <= self.points:
            raise UserError(
                f"a kernel needs 2 circles or more, of an even number of points, 8 or more, with 8 near pairs or more "
                f"but no more than points; got {self.circles} circles, {self.points} points, {self.near_pairs} pairs"
            )

    @property
    def step_km(self) -> float:
        """Distance between neighbours on a circle."""
        return 2 * math.pi * EARTH_RADIUS_KM / self.points

    @property
    def near_km(self) -> list[float]:
        """Distances that are no whole number of steps, ascending: below one step, and √2 steps."""
        return [self.step_km / math.sqrt(2) ** i for i in (*range(self.near_steps, 0, -1), -1)]

    @property
    def near_counts(self) -> list[int]:
        """Pairs on each circle at each of ``near_km``."""
        return [max(8, round(self.near_pairs * km / self.near_km[-1])) for km in self.near_km]


def kernel_table(
    encoder: Callable[[Tensor], Tensor],
    seed: int = 0,
    *,
    design: CircleDesign | None = None,
    protocol: str = "geodesic",
    role: str = "compared",
    replicate: int = 0,
) -> pd.DataFrame:
    """Rows of similarity.csv on the quadrature grid: one per great circle and distance.

    Args:
        encoder: (n, 2) degrees, longitude first, to (n, dim) embeddings; its ``name``
            and ``provenance`` are used if it has them.
        seed: of the circles.
        design: how many circles and points; the default embeds 36,000 points.
        protocol, role, replicate: copied into the rows.

    Returns:
        DataFrame with the columns of ``SimilarityRow``. ``place`` numbers the circle, its
        coordinates are the place it was drawn through, ``n_bearings`` the pairs
        averaged.

    Raises:
        UserError: an embedding that is not finite or all zero, or a design too small.
    """
    design = design or CircleDesign()
    generator = torch.Generator().manual_seed(seed)
    places = uniform_on_sphere(design.circles, generator)
    bearing = 2 * math.pi * torch.rand(design.circles, generator=generator, dtype=torch.float64)
    mean = area_mean(encoder)
    head = _head(encoder, protocol, role, replicate)
    tables = []
    for start in range(0, design.circles, CIRCLES_AT_ONCE):
        rows = slice(start, start + CIRCLES_AT_ONCE)
        circle, near = _circle_points(places[rows], bearing[rows], design)
        stats = _along_circles(_Pairs(encoder, mean), circle, near, design)
        tables.append(_frame(head, "quadrature", start, places[rows], *stats))
    return pd.concat(tables, ignore_index=True)


def distance_table(
    encoder: Callable[[Tensor], Tensor],
    distances_km: Sequence[float],
    seed: int = 0,
    *,
    n_places: int = 200,
    n_bearings: int = 8,
    protocol: str = "geodesic",
    role: str = "compared",
    replicate: int = 0,
) -> pd.DataFrame:
    """Rows of similarity.csv at the given distances: one per reference place and distance.

    The ``notebook`` protocol has the notebook's one place (0, 45), its circles
    in degree space, 200 points on each, drawn from its own stream, whatever
    ``seed``, ``n_places`` and ``n_bearings`` say.

    Returns:
        DataFrame with the columns of ``SimilarityRow``.

    Raises:
        UserError: an embedding that is not finite or all zero.
    """
    distances = torch.as_tensor(list(distances_km), dtype=torch.float64)
    places, rings = protocol_named(protocol).rings(list(distances_km), n_places, n_bearings, seed)
    pairs = _Pairs(encoder, area_mean(encoder))
    blocks = [pairs.around(places[i : i + 32], rings[i : i + 32]) for i in range(0, len(places), 32)]
    mean, std, centred = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    n_pairs = torch.full((len(distances),), rings.shape[2])
    return _frame(
        _head(encoder, protocol, role, replicate), "distances", 0, places, distances, n_pairs, mean, std, centred
    )


def area_mean(encoder: Callable[[Tensor], Tensor], n: int = 2048) -> Tensor:
    """(dim,) mean embedding over the sphere, on a Fibonacci lattice of n points, which is even by area."""
    i = torch.arange(n, dtype=torch.float64)
    lat = torch.rad2deg(torch.asin(1 - (2 * i + 1) / n))
    lon = torch.remainder(i * 180 * (3 - math.sqrt(5)), 360) - 180
    embeddings = embed(encoder, torch.stack([lon, lat], dim=-1))
    refuse_constant(embeddings, _name(encoder))  # centred, rounding alone would be left, and read as detail
    return embeddings.mean(dim=0)


def embed(encoder: Callable[[Tensor], Tensor], lonlat_deg: Tensor) -> Tensor:
    """(..., dim) float32 embeddings of (..., 2) degrees, checked to be finite and not zero."""
    with torch.no_grad():
        flat = torch.as_tensor(encoder(lonlat_deg.reshape(-1, 2)))
    if flat.ndim != 2 or len(flat) != lonlat_deg[..., 0].numel():
        raise UserError(
            f"encoder {_name(encoder)!r} must return (n, dim); "
            f"got {tuple(flat.shape)} for n = {lonlat_deg[..., 0].numel()}"
        )
    bad = ~torch.isfinite(flat).all(dim=1) | (flat == 0).all(dim=1)
    if bad.any():
        lon, lat = lonlat_deg.reshape(-1, 2)[bad.cpu()][0].tolist()
        raise UserError(
            f"encoder {_name(encoder)!r} returns an embedding that is not finite or all zero at "
            f"longitude {lon:.4f}, latitude {lat:.4f}; a cosine needs a length: mend the encoder"
        )
    return flat.to(torch.float32).reshape(*lonlat_deg.shape[:-1], -1)


class _Pairs:
    """Cosine similarities of one encoder, with and without its area mean."""

    def __init__(self, encoder: Callable[[Tensor], Tensor], mean_D: Tensor):
        self.encoder, self.mean_D = encoder, mean_D

    def directions(self, lonlat_deg: Tensor) -> tuple[Tensor, Tensor]:
        """Unit embeddings (..., D), plain and centred."""
        embedding = embed(self.encoder, lonlat_deg)
        return tuple(torch.nn.functional.normalize(e, dim=-1) for e in (embedding, embedding - self.mean_D))

    def around(self, places_C2: Tensor, points_CKB2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(R, K) mean and deviation over bearings, and centred mean, of points around places."""
        here, there = self.directions(places_C2), self.directions(points_CKB2)
        plain, centred = (torch.einsum("cd,ckbd->ckb", a, b) for a, b in zip(here, there, strict=True))
        return plain.mean(dim=-1), _std(plain), centred.mean(dim=-1)


def _circle_points(places_C2: Tensor, bearing_R: Tensor, design: CircleDesign) -> tuple[Tensor, Tensor]:
    """(R, M, 2) points on the circles, and (R, T, 2) points a near distance on from some of them."""
    start = unit_vectors(places_C2)[:, None]
    heading = unit_vectors(destination_deg(places_C2, bearing_R, EARTH_RADIUS_KM * math.pi / 2))[:, None]

    def at(angle_rad: Tensor) -> Tensor:
        return lonlat_deg_from_unit(angle_rad.cos()[:, None] * start + angle_rad.sin()[:, None] * heading)

    angle_M = torch.arange(design.points, dtype=torch.float64) * (2 * math.pi / design.points)
    which_T, from_T = _near_pairs(design)
    near_T = torch.tensor(design.near_km, dtype=torch.float64)[which_T] / EARTH_RADIUS_KM
    return at(angle_M), at(angle_M[from_T] + near_T)


def _near_pairs(design: CircleDesign) -> tuple[Tensor, Tensor]:
    """(T,) which near distance a pair is for, and which point of the circle it starts from.

    Starts are spread evenly, and differ between distances: pairs that shared
    their start would share their luck, and all near distances their error.
    """
    counts = torch.tensor(design.near_counts)
    which = torch.arange(len(counts)).repeat_interleave(counts)
    along = torch.cat([torch.arange(n) / n for n in design.near_counts])
    return which, ((along + which * 0.618) % 1 * design.points).long()


def _along_circles(pairs: _Pairs, circle_CM2: Tensor, near_CT2: Tensor, design: CircleDesign) -> tuple[Tensor, ...]:
    """Distances (K,), pairs (K,) and (R, K) mean, deviation and centred mean: near distances first, then the lags."""
    on_circle, near = pairs.directions(circle_CM2), pairs.directions(near_CT2)
    which, start = _near_pairs(design)
    near_plain, near_centred = ((a[:, start] * b).sum(dim=-1) for a, b in zip(on_circle, near, strict=True))
    lag_plain, lag_centred = (_lags(e @ e.mT) for e in on_circle)
    near_parts = [near_plain[:, which == k] for k in range(len(design.near_km))]
    centred_parts = [near_centred[:, which == k] for k in range(len(design.near_km))]
    lags = torch.arange(design.points // 2 + 1)
    distances = torch.cat([torch.tensor(design.near_km), lags * design.step_km])
    n_pairs = torch.cat([torch.tensor(design.near_counts), torch.full_like(lags, design.points)])
    mean = torch.cat([*(p.mean(dim=1, keepdim=True) for p in near_parts), lag_plain.mean(dim=-1)], dim=1)
    std = torch.cat([*(_std(p)[:, None] for p in near_parts), _std(lag_plain)], dim=1)
    centred = torch.cat([*(p.mean(dim=1, keepdim=True) for p in centred_parts), lag_centred.mean(dim=-1)], dim=1)
    return distances, n_pairs, mean, std, centred


def _std(similarity: Tensor) -> Tensor:
    """Standard deviation along the last axis, of the values as they are."""
    return similarity.std(dim=-1, correction=0)


def _lags(gram_RMM: Tensor) -> Tensor:
    """(R, M/2 + 1, M): similarity of every point with the one j steps on, all around the circle."""
    m = gram_RMM.shape[-1]
    i = torch.arange(m, device=gram_RMM.device)
    lag = torch.arange(m // 2 + 1, device=gram_RMM.device)[:, None]
    return gram_RMM[:, i, (i + lag) % m]


def _head(encoder: Callable, protocol: str, role: str, replicate: int) -> dict:
    provenance = getattr(encoder, "provenance", None)
    return {
        "task_id": "",
        "twin": "",
        "protocol": protocol,
        "encoder": _name(encoder),
        "role": role,
        "trained": bool(getattr(provenance, "trained", False)),
        "encoder_sha256": getattr(provenance, "sha256", ""),
        "replicate": replicate,
    }


def _name(encoder: Callable) -> str:
    return getattr(encoder, "name", None) or getattr(encoder, "__name__", type(encoder).__name__)


def _frame(
    head: dict, grid: str, first_place: int, places: Tensor, distances: Tensor, n_pairs: Tensor, *stats_RK: Tensor
) -> pd.DataFrame:
    """The rows, places slowest; rounded, because more digits would be noise and megabytes."""
    n_places, n_distances = stats_RK[0].shape
    mean, std, centred = (s.double().cpu().reshape(-1).numpy().round(DECIMALS) for s in stats_RK)
    place = torch.arange(n_places).repeat_interleave(n_distances)
    values = head | {
        "grid": grid,
        "place": (first_place + place).numpy(),
        "place_lon_deg": places[place, 0].numpy().round(4),
        "place_lat_deg": places[place, 1].numpy().round(4),
        "distance_km": distances.double().repeat(n_places).numpy().round(4),
        "n_bearings": n_pairs.repeat(n_places).numpy(),
        "similarity_mean": mean,
        "similarity_std": std,
        "centred_similarity_mean": centred,
    }
    return pd.DataFrame(values)[list(columns(SimilarityRow))]
