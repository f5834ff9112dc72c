"""Harmonic degrees and kilometres; numpy only, so that answers can use it."""

from __future__ import annotations

import math

import numpy as np

from satgpu.earth import HALF_TURN_KM


def half_wavelength_km(degree: np.ndarray | float) -> np.ndarray:
    """Half a wavelength of a harmonic degree, πR/√(l(l+1)) km; altimetry quotes whole wavelengths.

    >>> half_wavelength_km(np.array([1, 10, 40])).round()
    array([14153.,  1908.,   494.])
    """
    degree = np.asarray(degree, dtype=float)
    return HALF_TURN_KM / np.sqrt(degree * (degree + 1))


def degree_of_half_wavelength(scale_km: float) -> float:
    """The degree l, between whole ones too, whose half wavelength is ``scale_km``: the inverse of the above."""
    return math.sqrt(0.25 + (HALF_TURN_KM / scale_km) ** 2) - 0.5
