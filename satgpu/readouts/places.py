"""One draw of places: labelled, test and further ones, embedded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from satgpu.errors import UserError
from satgpu.geometry.sampling import uniform_on_sphere
from satgpu.readouts.harmonic_fields import SharedHarmonics, harmonics_of_two
from satgpu.seeds import derive_seed

# A ceiling wants so many places for each dimension (see ``linear.ceiling_curve``).
PLACES_A_RANK = 8
_ELEMENTS = 1 << 27  # of one draw's embeddings: 1 GB in float64, and some times that while they are factorised


@dataclass(frozen=True)
class EmbeddedPlaces:
    """Places uniform by area and their embeddings; the first ``n`` are labelled, the last ones make the test.

    Args:
        all_deg: (N_all, 2) degrees.
        Z_all: (N_all, D) embeddings, in the encoder's dtype, on the device of the arithmetic.
        n: labelled places.
        n_test: places at which shares are measured: ``all_deg[n_most:n_most + n_test]``.
        n_most: the most labels of any smaller draw made from this one.
        seed, replicate: what it was drawn from.
        shared: keeps the harmonics of all places, for draws of the same places by other encoders.
    """

    all_deg: Tensor
    Z_all: Tensor
    n: int
    n_test: int
    n_most: int
    seed: int
    replicate: int
    shared: SharedHarmonics | None = None

    places_deg = property(lambda self: self.all_deg[: self.n])
    test_deg = property(lambda self: self.all_deg[self.n_most : self.n_most + self.n_test])
    Z = property(lambda self: self.Z_all[: self.n])
    Z_test = property(lambda self: self.Z_all[self.n_most : self.n_most + self.n_test])
    dim = property(lambda self: self.Z_all.shape[1])

    def first(self, n: int) -> EmbeddedPlaces:
        """The same draw with fewer labels; test places stay."""
        return replace(self, n=n)

    def harmonics(self, l_max: int) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """As ``harmonic_fields.harmonics_of_two`` gives them for the labelled and the test places."""
        if self.shared is None:
            yield from harmonics_of_two(self.places_deg.double(), self.test_deg.double(), l_max)
            return
        n = self.n_most
        for first, last, values in self.shared.blocks(self.all_deg[: n + self.n_test].double(), l_max):
            yield first, last, values[: self.n], values[n:]

    def generator(self, *words: object) -> torch.Generator:
        """A CPU generator of this draw, by name."""
        return torch.Generator().manual_seed(derive_seed(self.seed, "transfer", *words, self.replicate))


def draw_places(
    embedding: Callable,
    n: int,
    n_test: int,
    seed: int,
    replicate: int,
    device: torch.device,
    shared: SharedHarmonics | None = None,
) -> EmbeddedPlaces:
    """A draw for ``n`` labels; with further places where a ceiling needs more than there are.

    Raises:
        UserError: the embeddings would take more than 1 GB.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "transfer", "places", replicate))
    places = uniform_on_sphere(n + n_test, generator)
    Z = embedding(places)
    missing = PLACES_A_RANK * Z.shape[1] - len(places)
    if max(len(places), len(places) + missing) * Z.shape[1] > _ELEMENTS:
        raise UserError(
            f"{len(places)} places of {Z.shape[1]} dimensions need over 1 GB; give fewer labels or n_test, or"
            " project the embedding to fewer dimensions first"
        )
    if missing > 0:
        further = uniform_on_sphere(missing, generator)
        places, Z = torch.cat([places, further]), torch.cat([Z, embedding(further)])
    return EmbeddedPlaces(places.to(device), Z.to(device), n, n_test, n, seed, replicate, shared)
