"""Label fields of known geometry, with sizes in kilometres on the sphere, and what an experiment has to know of each.

Each field takes points ``lonlat_deg`` (n, 2), a scale in km (a number, or a tensor
(P,) for P fields at once) and optionally a rotation (3, 3), and returns (n,) or
(P, n) labels. The rotation is applied to the points before they are labelled:
label(rotation @ v), so the field itself is seen turned by the inverse rotation.

The fields are exact on the sphere of radius ``EARTH_RADIUS_KM``. The notebook's
own fields, in degrees, are in ``notebook``; a ``Protocol`` chooses.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry import notebook
from satgpu.geometry.checkerboard import globe_checkerboard, region_checkerboard
from satgpu.geometry.sphere import EARTH_RADIUS_KM, as_lonlat, refuse_metres, rotate_deg, unit_vectors

# A great circle halfway between the equator and the 0/180 meridians.
DIAGONAL_AXIS = (0.0, math.sqrt(0.5), math.sqrt(0.5))


def checkerboard(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Cells of scale x scale km all over the globe, every neighbour of the other colour (``geometry.checkerboard``).

    Args:
        lonlat_deg: (n, 2) degrees.
        scale_km: float or (P,) kilometres, positive.
        rotation: (3, 3), applied to the points first.

    Returns:
        (n,) or (P, n) int64, 0 or 1.

    Raises:
        UserError: a scale is not positive; the points are not (n, 2).
    """
    return globe_checkerboard(*_prepare(lonlat_deg, scale_km, rotation))


def checkerboard_in_region(
    lonlat_deg: Tensor,
    scale_km: Tensor,
    center_deg: tuple[float, float],
    generator: torch.Generator | None = None,
) -> Tensor:
    """The plane board about a centre, turned and shifted by ``generator``: (n,) or (P, n) int64, 0 or 1."""
    return region_checkerboard(*_prepare(lonlat_deg, scale_km, None), center_deg, generator)


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


def coastline(lonlat_deg: Tensor, scale_km: Tensor | None = None, rotation: Tensor | None = None) -> Tensor:
    """Land or ocean, (n,) int64; a real field has no scale and is not turned. Needs the extra ``satgpu[land]``."""
    from satgpu.geometry.land import is_land  # reads a land mask: only where it is asked for

    return is_land(lonlat_deg).long()


@dataclass(frozen=True)
class Pattern:
    """A label field: how it is drawn, and what an experiment has to know of it.

    Attributes:
        name: in options and tables.
        on_sphere: labels from (lonlat_deg, size_km, rotation), and ``generator`` where they are noisy.
        in_degrees: the notebook's labels from (lonlat_deg, size_km).
        in_region: labels about a centre from (lonlat_deg, size_km, center_deg, generator), where there
            is a form without the globe's unavoidable exceptions.
        wavelength_per_scale: wavelength of the spectral peak in scales, measured (tests); NaN without a scale.
        has_direction: the pattern is about its direction, so it is not turned at random.
        task: "classification" or "regression".
        size: the option that says how large it is: "scale_km", "width_km", or "" for a real field.
        probability: of label 1, from (lonlat_deg, size_km, rotation), where labels are noisy; else None.
        probability_in_degrees: the notebook's, from (lonlat_deg, size_km).
        has_object: class 1 is a thing, so that its intersection over union tells something.
    """

    name: str
    on_sphere: Callable[..., Tensor]
    in_degrees: Callable[..., Tensor] | None = None
    in_region: Callable[..., Tensor] | None = None
    wavelength_per_scale: float = math.nan
    has_direction: bool = False
    task: str = "classification"
    size: str = "scale_km"
    probability: Callable[..., Tensor] | None = None
    probability_in_degrees: Callable[..., Tensor] | None = None
    has_object: bool = False

    @property
    def is_noisy(self) -> bool:
        """Labels are drawn with a probability, so that no reader can name them all."""
        return self.probability is not None


STRIPES = {"wavelength_per_scale": 2.0, "has_direction": True}
PATTERNS = {
    pattern.name: pattern
    for pattern in (
        # A checkerboard repeats along its diagonals, every √2 scales; stripes every 2.
        Pattern("checkerboard", checkerboard, notebook.checkerboard, checkerboard_in_region, math.sqrt(2)),
        Pattern("horizontal_stripes", horizontal_stripes, notebook.horizontal_stripes, **STRIPES),
        Pattern("vertical_stripes", vertical_stripes, notebook.vertical_stripes, **STRIPES),
        Pattern("diagonal_stripes", diagonal_stripes, notebook.diagonal_stripes, **STRIPES),
        Pattern("concentric_rings", concentric_rings, notebook.concentric_rings, wavelength_per_scale=2.0),
        Pattern("gradient", gradient, notebook.gradient, wavelength_per_scale=math.sqrt(2), task="regression"),
        Pattern(
            "boundary",
            boundary,
            notebook.boundary_labels,
            size="width_km",
            probability=boundary_probability,
            probability_in_degrees=notebook.boundary_probability,
        ),
    )
}
REAL_FIELDS = {"coastline": Pattern("coastline", coastline, has_direction=True, size="", has_object=True)}


def pattern_named(pattern: str) -> Pattern:
    """The pattern or real field of that name, or a UserError that lists the names."""
    found = PATTERNS.get(pattern) or REAL_FIELDS.get(pattern)
    if found is None:
        raise unknown_choice("pattern", pattern, PATTERNS)
    return found


def cells_in(pattern: str, scale_km: float, area_km2: float) -> float:
    """How many independent cells of the pattern an area holds: 2·area / wavelength².

    For the checkerboard and the gradient that is area / scale². Stripes and rings
    have no cells; counted is the checkerboard with the same wavelength, 2·scale, whose
    cells are twice as large: area / (2·scale²). It is what a learner needs that, like
    nearest neighbours, does not know that stripes run straight on. NaN for a boundary.
    """
    return 2 * area_km2 / (pattern_named(pattern).wavelength_per_scale * scale_km) ** 2


def _stripes(lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None, axis: tuple[float, float, float]) -> Tensor:
    """floor(distance from the great circle across ``axis`` / scale) % 2."""
    lonlat, scale = _prepare(lonlat_deg, scale_km, rotation)
    return torch.floor(_cross_track_km(unit_vectors(lonlat), axis) / scale).to(torch.int64) % 2


def _cross_track_km(xyz: Tensor, axis: tuple[float, float, float] | list[float]) -> Tensor:
    """Signed distance (n,) of unit vectors (n, 3) from the great circle across ``axis``, positive on its side."""
    axis = torch.tensor(axis, dtype=xyz.dtype, device=xyz.device)
    across = torch.linalg.vector_norm(torch.linalg.cross(axis.expand_as(xyz), xyz), dim=-1)
    return EARTH_RADIUS_KM * torch.atan2(xyz @ axis, across)


def _prepare(
    lonlat_deg: Tensor, scale_km: Tensor, rotation: Tensor | None, name: str = "scale_km", zero: bool = False
) -> tuple[Tensor, Tensor]:
    """Float64 points (n, 2), rotated, and the scale as () or (P, 1) on their device."""
    lonlat = as_lonlat(lonlat_deg).double()
    if lonlat.ndim != 2:
        raise UserError(f"lonlat_deg must be (n, 2), longitude first; got {tuple(lonlat.shape)}")
    scale = check_size_km(scale_km, name, zero).to(lonlat.device)
    rotated = lonlat if rotation is None else rotate_deg(lonlat, rotation)
    return rotated, scale[:, None] if scale.ndim else scale


def check_size_km(scale_km: Tensor, name: str, zero: bool) -> Tensor:
    """The scale as a float64 tensor, () or (P,); UserError where it is not positive and finite."""
    scale = torch.as_tensor(scale_km, dtype=torch.float64)
    if scale.ndim > 1:
        raise UserError(f"{name} must be a number or (P,); got shape {tuple(scale.shape)}")
    bad = ~torch.isfinite(scale) | ((scale < 0) if zero else (scale <= 0))
    if bad.any():
        wanted = "0 or more" if zero else "above 0"
        raise UserError(f"{name} must be {wanted} kilometres; got {scale[bad].flatten()[0].item():g}")
    if scale.numel():
        refuse_metres(name, scale.max().item())
    return scale
