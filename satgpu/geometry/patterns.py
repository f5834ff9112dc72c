"""Synthetic label fields of known geometry, with sizes in kilometres on the sphere.

Each field takes points ``lonlat_deg`` (n, 2), a scale in km (a number, or a tensor
(P,) for P fields at once) and optionally a rotation (3, 3), and returns (n,) or
(P, n) labels. The rotation is applied to the points before they are labelled:
label(rotation @ v), so the field itself is seen turned by the inverse rotation.

The fields are exact on the sphere of radius ``EARTH_RADIUS_KM``. The notebook's
own fields, in degrees, are in ``notebook``; :func:`make_labels` chooses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry import notebook
from satgpu.geometry.sphere import (
    EARTH_RADIUS_KM,
    as_lonlat,
    check_lonlat,
    rotate_deg,
    unit_vectors,
    wrap_longitude_deg,
)

PROTOCOLS = ("geodesic", "notebook")
# A great circle halfway between the equator and the 0/180 meridians.
DIAGONAL_AXIS = (0.0, math.sqrt(0.5), math.sqrt(0.5))


def checkerboard(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Cells of about scale x scale km at every latitude, two colours, each on half the Earth.

    The sphere is cut into bands of equal height, the whole number of bands for which
    that is nearest ``scale_km`` counted in bands: round(πR / scale). Each band is cut
    into equal cells, an even number (so that the colours meet at the antimeridian),
    at least 2, the one whose width along the band's mid-latitude is nearest
    ``scale_km``. Cells start at 180°W; their index is the floor. Colours alternate
    along a band and, at 180°W, from band to band; bands with different numbers of
    cells are out of step further east, as the sphere demands.

    At the poles the outermost bands are caps of radius about ``scale_km``, cut like a
    cake into 4 wedges that end in a point; their width at mid-latitude is 0.76 to
    0.81 scales, that of the next bands 0.89 to 0.96 and 0.93 to 1.07. Up to 60° of
    latitude, and for scales up to 900 km, widths are within 4 % and heights within
    2.5 % of the scale. Beyond about 6700 km only a few cells are left, as near to the
    scale as whole numbers allow.

    Args:
        lonlat_deg: (n, 2) degrees.
        scale_km: float or (P,) kilometres, positive.
        rotation: (3, 3), applied to the points first.

    Returns:
        (n,) or (P, n) int64, 0 or 1.

    Raises:
        UserError: a scale is not positive; the points are not (n, 2).
    """
    lonlat, scale = _prepare(lonlat_deg, scale_km, rotation)
    bands = torch.floor(math.pi * EARTH_RADIUS_KM / scale + 0.5).clamp_min(1)
    band = torch.minimum(torch.floor((lonlat[:, 1] + 90) / 180 * bands), bands - 1)
    mid_latitude_rad = math.pi * ((band + 0.5) / bands - 0.5)
    cells = _even_cells(2 * math.pi * EARTH_RADIUS_KM * torch.cos(mid_latitude_rad), scale)
    around = (wrap_longitude_deg(lonlat[:, 0]) + 180) / 360
    cell = torch.minimum(torch.floor(around * cells), cells - 1)
    return (band + cell).to(torch.int64) % 2


def horizontal_stripes(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Bands of latitude, ``scale_km`` wide, floor(distance north of the equator / scale) % 2: (n,) or (P, n)."""
    return _stripes(lonlat_deg, scale_km, rotation, axis=(0.0, 0.0, 1.0))


def vertical_stripes(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Stripes parallel to the 0°/180° meridians, ``scale_km`` wide everywhere: (n,) or (P, n).

    Counted by distance east of that great circle, so they do not narrow toward the
    poles; they close to circles around (90°E, 0) and (90°W, 0) instead.
    """
    return _stripes(lonlat_deg, scale_km, rotation, axis=(0.0, 1.0, 0.0))


def diagonal_stripes(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Stripes parallel to a great circle that crosses the equator at 45° in (0, 0): (n,) or (P, n).

    Counted by distance to the north-east of it, ``scale_km`` wide everywhere.
    """
    return _stripes(lonlat_deg, scale_km, rotation, axis=DIAGONAL_AXIS)


def concentric_rings(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Rings around (0°, 0°), ``scale_km`` wide in great-circle distance: (n,) or (P, n)."""
    lonlat, scale = _prepare(lonlat_deg, scale_km, rotation)
    from_equator_km = _cross_track_km(unit_vectors(lonlat), (1.0, 0.0, 0.0))
    # Cross-track distance is measured from the circle 90° away from the centre.
    distance_km = math.pi / 2 * EARTH_RADIUS_KM - from_equator_km
    return torch.floor(distance_km / scale).to(torch.int64) % 2


def gradient(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """A smooth field for regression, of half-period ``scale_km``: (n,) or (P, n) float64.

    (2/√3)·(s₁s₂ + s₂s₃ + s₃s₁), where s_i = sin(π d_i / scale) and d_i is the distance
    from the great circle across axis i. Two axes alone would make the checkerboard's
    smooth counterpart near (0, 0) but degenerate where both directions run parallel,
    90° away; with three axes some pair always crosses. Continuous with its gradient
    everywhere; mean about 0 and standard deviation about 1 for scales far below the
    Earth's radius.
    """
    lonlat, scale = _prepare(lonlat_deg, scale_km, rotation)
    xyz = unit_vectors(lonlat)
    axes = torch.eye(3).tolist()
    a, b, c = (torch.sin(math.pi * _cross_track_km(xyz, axis) / scale) for axis in axes)
    return 2 / math.sqrt(3) * (a * b + b * c + c * a)


def boundary_probability(lonlat_deg: Tensor, width_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Probability of label 1 across a boundary along the equator: (n,) or (P, n) float64.

    p = 1 / (1 + exp(-2 d / width)), d the distance north of the equator in km: it
    rises from 0.12 to 0.88 within one width either side. Width 0 is a step, d > 0.

    Raises:
        UserError: a width is negative; the points are not (n, 2).
    """
    lonlat, width = _prepare(lonlat_deg, width_km, rotation, name="width_km", zero=True)
    d_km = _cross_track_km(unit_vectors(lonlat), (0.0, 0.0, 1.0))
    gradual = torch.sigmoid(2 * d_km / torch.where(width == 0, 1.0, width))
    return torch.where(width == 0, (d_km > 0).to(torch.float64), gradual)


def boundary(
    lonlat_deg: Tensor, width_km: Tensor, rotation: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Labels drawn with :func:`boundary_probability`: (n,) or (P, n) int64.

    Every width has its own noise, in order, from ``generator``; widths of 0 need none
    but take their turn, so that the others do not depend on them.

    Raises:
        UserError: a width is negative, or above 0 without a generator.
    """
    probability = boundary_probability(lonlat_deg, width_km, rotation)
    if generator is None:
        if (torch.as_tensor(width_km) > 0).any():
            raise UserError(
                "a boundary of width above 0 has random labels; pass generator=torch.Generator().manual_seed(0)"
            )
        return probability.to(torch.int64)
    noise = torch.rand(probability.shape, generator=generator, dtype=torch.float64, device=generator.device)
    return (noise.to(probability.device) < probability).to(torch.int64)


def best_accuracy(probability: Tensor) -> Tensor:
    """The ceiling of noisy labels: mean over the last axis of max(p, 1 - p)."""
    return torch.maximum(probability, 1 - probability).mean(dim=-1)


@dataclass(frozen=True)
class PatternInfo:
    """What an experiment has to know of a pattern.

    Attributes:
        function: geodesic labels from (lonlat_deg, scale_km, rotation).
        notebook_function: the notebook's labels from (lonlat_deg, scale_km).
        wavelength_per_scale: shortest wavelength in scales; NaN for a single boundary.
        has_direction: the pattern is about its direction, so it is not rotated at
            random from replicate to replicate.
        task: "classification" or "regression".
    """

    function: Callable[..., Tensor]
    notebook_function: Callable[..., Tensor]
    wavelength_per_scale: float
    has_direction: bool
    task: str = "classification"


# A checkerboard repeats along its diagonals, every √2 scales; stripes every 2.
PATTERNS = {
    "checkerboard": PatternInfo(checkerboard, notebook.checkerboard, math.sqrt(2), False),
    "horizontal_stripes": PatternInfo(horizontal_stripes, notebook.horizontal_stripes, 2.0, True),
    "vertical_stripes": PatternInfo(vertical_stripes, notebook.vertical_stripes, 2.0, True),
    "diagonal_stripes": PatternInfo(diagonal_stripes, notebook.diagonal_stripes, 2.0, True),
    "concentric_rings": PatternInfo(concentric_rings, notebook.concentric_rings, 2.0, False),
    "boundary": PatternInfo(boundary, notebook.boundary_labels, math.nan, False),
    "gradient": PatternInfo(gradient, notebook.gradient, math.sqrt(2), False, "regression"),
}


def pattern_info(pattern: str) -> PatternInfo:
    """The entry of ``PATTERNS``, or a UserError that lists the names."""
    if pattern not in PATTERNS:
        raise unknown_choice("pattern", pattern, PATTERNS)
    return PATTERNS[pattern]


def make_labels(
    pattern: str,
    lonlat_deg: Tensor,
    scale_km: Tensor,
    protocol: str = "geodesic",
    rotation: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Labels of a named pattern at given points.

    Args:
        pattern: a key of ``PATTERNS``.
        lonlat_deg: (n, 2) degrees, longitude first.
        scale_km: float or (P,) kilometres; for "boundary" its width, where 0 is allowed.
        protocol: "geodesic", or "notebook" for the notebook's labels in km/111 degrees.
        rotation: (3, 3), applied to the points first; geodesic only.
        generator: label noise of a geodesic boundary. The notebook's noise follows its
            points in the stream of seed 42 instead.

    Returns:
        (n,) or (P, n): int64 classes, or float64 targets for "gradient".

    Raises:
        UserError: unknown pattern or protocol, a scale that is not positive, points
            that are not (n, 2) degrees on the Earth, a rotation for the notebook.
    """
    info = pattern_info(pattern)
    if protocol not in PROTOCOLS:
        raise unknown_choice("protocol", protocol, PROTOCOLS)
    lonlat = check_lonlat(lonlat_deg)
    scale = _check_scale(scale_km, "width_km" if pattern == "boundary" else "scale_km", zero=pattern == "boundary")
    if protocol == "geodesic":
        noise = {"generator": generator} if pattern == "boundary" else {}
        return info.function(lonlat, scale, rotation, **noise)
    if rotation is not None:
        raise UserError("the notebook protocol has no rotations; leave rotation=None or use protocol='geodesic'")
    if pattern == "boundary" and scale.ndim:
        return torch.stack([info.notebook_function(lonlat, width) for width in scale.tolist()])
    return info.notebook_function(lonlat, float(scale) if not scale.ndim else scale)


def cells_in(pattern: str, scale_km: float, area_km2: float) -> float:
    """How many independent cells of the pattern an area holds: 2·area / wavelength².

    For the checkerboard and the gradient that is area / scale². Stripes and rings
    have no cells; counted is the checkerboard with the same wavelength, 2·scale, whose
    cells are twice as large: area / (2·scale²). It is what a learner needs that, like
    nearest neighbours, does not know that stripes run straight on. NaN for a boundary.
    """
    return 2 * area_km2 / (pattern_info(pattern).wavelength_per_scale * scale_km) ** 2


def _stripes(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None, axis: tuple[float, float, float]) -> Tensor:
    """floor(distance from the great circle across ``axis`` / scale) % 2."""
    lonlat, scale = _prepare(lonlat_deg, scale_km, rotation)
    return torch.floor(_cross_track_km(unit_vectors(lonlat), axis) / scale).to(torch.int64) % 2


def _cross_track_km(xyz: Tensor, axis: tuple[float, float, float] | list[float]) -> Tensor:
    """Signed distance (n,) of unit vectors (n, 3) from the great circle across ``axis``, positive on its side."""
    axis = torch.tensor(axis, dtype=xyz.dtype, device=xyz.device)
    across = torch.linalg.vector_norm(torch.linalg.cross(axis.expand_as(xyz), xyz), dim=-1)
    return EARTH_RADIUS_KM * torch.atan2(xyz @ axis, across)


def _even_cells(circumference_km: Tensor, scale_km: Tensor) -> Tensor:
    """The even number of cells, at least 2, whose width is nearest the scale."""
    fewer = (2 * torch.floor(circumference_km / (2 * scale_km))).clamp_min(2)
    more = fewer + 2
    too_wide, too_narrow = circumference_km / fewer - scale_km, scale_km - circumference_km / more
    return torch.where(too_narrow < too_wide, more, fewer)


def _prepare(
    lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None, name: str = "scale_km", zero: bool = False
) -> tuple[Tensor, Tensor]:
    """Float64 points (n, 2), rotated, and the scale as () or (P, 1) on their device."""
    lonlat = as_lonlat(lonlat_deg).double()
    if lonlat.ndim != 2:
        raise UserError(f"lonlat_deg must be (n, 2), longitude first; got {tuple(lonlat.shape)}")
    scale = _check_scale(scale_km, name, zero).to(lonlat.device)
    rotated = lonlat if rotation is None else rotate_deg(lonlat, rotation)
    return rotated, scale[:, None] if scale.ndim else scale


def _check_scale(scale_km: Tensor, name: str, zero: bool) -> Tensor:
    """The scale as a float64 tensor, () or (P,); UserError where it is not positive and finite."""
    scale = torch.as_tensor(scale_km, dtype=torch.float64)
    if scale.ndim > 1:
        raise UserError(f"{name} must be a number or (P,); got shape {tuple(scale.shape)}")
    bad = ~torch.isfinite(scale) | ((scale < 0) if zero else (scale <= 0))
    if bad.any():
        wanted = "0 or more" if zero else "above 0"
        raise UserError(f"{name} must be {wanted} kilometres; got {scale[bad].flatten()[0].item():g}")
    return scale
