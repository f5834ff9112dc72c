"""One file per section of the deep dive: what to probe, at which places and scales."""

from satgpu.experiments.boundaries import Boundaries
from satgpu.experiments.coastline import Coastline
from satgpu.experiments.make import Draw
from satgpu.experiments.patterns import Patterns
from satgpu.experiments.region_size import RegionSize
from satgpu.experiments.resolution import Resolution
from satgpu.experiments.scale_region import ScaleRegion
from satgpu.experiments.similarity import Similarity
from satgpu.experiments.sweet_spot import SweetSpot
from satgpu.experiments.tasks import PROTOCOLS, Field, Points, Region, TaskSet

# In the order of the deep dive. ``coastline`` is left out of a run that doesn't ask for it: it needs a land mask.
EXPERIMENTS = {
    "sweet_spot": SweetSpot,
    "region_size": RegionSize,
    "patterns": Patterns,
    "scale_region": ScaleRegion,
    "similarity": Similarity,
    "boundaries": Boundaries,
    "resolution": Resolution,
    "coastline": Coastline,
}
DEFAULT_EXPERIMENTS = tuple(name for name in EXPERIMENTS if name != "coastline")

__all__ = [
    "DEFAULT_EXPERIMENTS",
    "EXPERIMENTS",
    "PROTOCOLS",
    "Boundaries",
    "Coastline",
    "Draw",
    "Field",
    "Patterns",
    "Points",
    "Region",
    "RegionSize",
    "Resolution",
    "ScaleRegion",
    "Similarity",
    "SweetSpot",
    "TaskSet",
]
