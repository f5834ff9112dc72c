"""Harmonic degrees and kilometres; numpy only, so that answers can use it."""

from __future__ import annotations

import math

import numpy as np

EARTH_RADIUS_KM = 6371.0088


def half_wavelength_km(degree: np.ndarray | float) -> np.ndarray:
    """Half a wavelength of a harmonic degree, πR/√(l(l+1)) km; altimetry quotes whole wavelengths.

    >>> half_wavelength_km(np.array([1, 10, 40])).round()
    array([14153.,  1908.,   494.])
    """
    degree = np.asarray(degree, dtype=float)
    return math.pi * EARTH_RADIUS_KM / np.sqrt(degree * (degree + 1))


def degree_of_half_wavelength(scale_km: float) -> float:
    """The degree l, between whole ones too, whose half wavelength is ``scale_km``: the inverse of the above."""
    return math.sqrt(0.25 + (math.pi * EARTH_RADIUS_KM / scale_km) ** 2) - 0.5
