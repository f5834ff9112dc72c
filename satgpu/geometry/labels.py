"""Labels of a named pattern at given points, with everything checked: the door for people."""

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.patterns import check_size_km, pattern_named
from satgpu.geometry.protocols import GEODESIC, protocol_named
from satgpu.geometry.sphere import check_lonlat, check_points


def make_labels(
    pattern: str,
    lonlat_deg: Tensor,
    scale_km: float | Tensor,
    protocol: str = "geodesic",
    rotation: Tensor | None = None,
    generator: torch.Generator | None = None,
    center_deg: tuple[float, float] | None = None,
) -> Tensor:
    """Labels of a named pattern at given points.

    Args:
        pattern: a key of ``PATTERNS``.
        lonlat_deg: (n, 2) degrees, longitude first; 190° and -170° are one place under both protocols.
        scale_km: float or (P,) kilometres; for "boundary" its width, where 0 is allowed.
        protocol: "geodesic", or "notebook" for the notebook's labels in km/111 degrees.
        rotation: (3, 3), applied to the points first; geodesic only.
        generator: label noise of a geodesic boundary, or turn and shift of a board about a centre. The
            notebook's noise follows its points in the stream of seed 42 instead.
        center_deg: centre of a region for the plane form of the geodesic checkerboard.

    Returns:
        (n,) or (P, n): int64 classes, or float64 targets for "gradient".

    Raises:
        UserError: unknown pattern or protocol, a scale that is not positive, points
            that are not (n, 2) degrees on the Earth, a rotation for the notebook, a
            centre for a pattern or protocol without a plane form.
    """
    chosen, how = pattern_named(pattern), protocol_named(protocol)
    lonlat = check_points(lonlat_deg)
    scale = check_size_km(scale_km, chosen.size or "scale_km", zero=chosen.is_noisy)
    if center_deg is not None:
        if how is not GEODESIC or chosen.in_region is None or rotation is not None:
            raise UserError(f"{protocol} {pattern!r} has no form about a centre; leave center_deg=None")
        return chosen.in_region(lonlat, scale, _center(center_deg), generator)
    if how is GEODESIC:
        noise = {"generator": generator} if chosen.is_noisy else {}
        return chosen.on_sphere(lonlat, scale, rotation, **noise)
    if rotation is not None:
        raise UserError("the notebook protocol has no rotations; leave rotation=None or use protocol='geodesic'")
    if chosen.is_noisy and scale.ndim:
        return torch.stack([how.labels(chosen, lonlat, width, seed=0) for width in scale.tolist()])
    return how.labels(chosen, lonlat, scale if scale.ndim else float(scale), seed=0)


def _center(center_deg: tuple[float, float]) -> tuple[float, float]:
    center = check_lonlat(center_deg, "center_deg")
    if center.ndim != 1:
        raise UserError(f"center_deg must be one place (2,), longitude first; got {tuple(center.shape)}")
    return tuple(center.tolist())
