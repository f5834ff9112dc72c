"""How cosine similarity falls with distance: no probe, only the embedding."""

from dataclasses import dataclass

from satgpu.experiments.make import check_sizes


@dataclass(frozen=True)
class Similarity:
    """Options of the similarity experiment.

    Args:
        distances_km: the notebook's distances.
        n_places: reference places, uniform by area (geodesic protocol; the notebook has one).
        n_bearings: points on each ring around a place (geodesic; the notebook has 200).
    """

    distances_km: tuple[float, ...] = (
        10.0, 25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1500.0, 2000.0, 3000.0,
    )  # fmt: skip
    n_places: int = 200
    n_bearings: int = 8

    def __post_init__(self):
        check_sizes("similarity", distances_km=self.distances_km, n_places=self.n_places, n_bearings=self.n_bearings)
