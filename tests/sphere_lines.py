"""Lines of points on the sphere, and where labels change along them."""

import math

import torch

from satgpu.geometry import EARTH_RADIUS_KM

HALF_TURN_KM = math.pi * EARTH_RADIUS_KM


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def crossings(labels):
    """Positions where a sequence of labels changes."""
    return torch.nonzero(labels[1:] != labels[:-1]).flatten().double()


def meridian(lon=0.0, n=50_001):
    lat = torch.linspace(-90, 90, n, dtype=torch.float64)
    return torch.stack([torch.full_like(lat, lon), lat], dim=-1)


def parallel(lat, n=50_001):
    lon = torch.linspace(-180, 180, n, dtype=torch.float64)[:-1]
    return torch.stack([lon, torch.full_like(lon, lat)], dim=-1)
