"""Which places are learned from and which are read: at random, by blocks, by continents, by a column of one's own.

A random split asks how well labels are filled in between near neighbours; blocks and continents ask what is
known where there is no label near. Blocks are HEALPix cells, all of one area (Górski et al. 2005).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.fields.field import Field
from satgpu.geometry import EARTH_RADIUS_KM, unit_vectors
from satgpu.seeds import derive_seed

# Cells of side sqrt(area): 502, 1087 and 2173 km.
NSIDE_OF_KM = {500: 13, 1000: 6, 2000: 3}
SPLIT_FORMS = ("random", "blocks-500km", "blocks-1000km", "blocks-1000km-buffer-500km", "continents", "column")
_TEST_SHARE = 0.3
_MOST_TEST_PLACES = 4000
_FEWEST = 10
_POOL_TRIES = 12

# Outlines of continents, rough and out at sea where that costs nothing; Europe ends at the Urals and the Caucasus.
_CONTINENTS: dict[str, list[tuple[float, float]]] = {
    "Antarctica": [(-180, -90), (180, -90), (180, -60), (-180, -60)],
    "Europe": [(-30, 66), (-26, 35.5), (-6, 35.9), (11, 38), (12, 34), (36, 34.8), (26.5, 36), (26, 40), (29, 41.2),
               (41, 42), (48, 42), (50, 46.5), (51, 51), (60, 51), (60, 66), (66, 69), (66, 84), (-8, 84), (-8, 66)],
    "Africa": [(-30, 35.4), (-6, 35.9), (11, 38), (12, 34), (33, 31.7), (32.6, 29.8), (43.2, 12.6), (52, 12), (60, -28),
               (30, -45), (0, -45), (-30, 0)],
    "North America": [(-170, 50), (-168.9, 66), (-168, 84), (-12, 84), (-12, 75), (-42, 58), (-50, 20), (-60, 11),
                      (-77.3, 8.6), (-77.9, 7.2), (-95, 5), (-140, 15)],
    "South America": [(-77.3, 8.6), (-77.9, 7.2), (-95, 5), (-95, -60), (-25, -60), (-25, 5), (-58, 11), (-72, 13)],
    "Oceania": [(110, -12), (127, -9.5), (129, -1), (131, 3), (131, 22), (180, 30), (180, -60), (110, -60)],
}  # fmt: skip


@dataclass(frozen=True)
class Places:
    """The places of one draw, those learned from first.

    Args:
        lonlat_deg: (N + M, 2).
        targets: (N + M, C).
        n_labels: N.
        folds: (N,) int64 groups of places left out together where a penalty is chosen; None for one by one.
        notes: what was not as asked for.
    """

    lonlat_deg: Tensor
    targets: Tensor
    n_labels: int
    folds: Tensor | None = None
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def nearest_km(self) -> Tensor:
        """(M,) distance of the places to be read to the nearest learned from."""
        return nearest_km(self.lonlat_deg[self.n_labels :], self.lonlat_deg[: self.n_labels])

    def first(self, n: int) -> Places:
        """The same with the first n labels only."""
        kept = torch.cat([torch.arange(n), torch.arange(self.n_labels, len(self.targets))])
        folds = None if self.folds is None else self.folds[:n]
        return Places(self.lonlat_deg[kept], self.targets[kept], n, folds, self.notes)


@dataclass(frozen=True)
class Split:
    """How places are split, as parsed by :meth:`parse`.

    Args:
        kind: "random", "blocks", "continents" or "column".
        block_km, buffer_km: of blocks.
    """

    kind: str
    block_km: int = 0
    buffer_km: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Split:
        """From "random", "blocks-1000km", "blocks-1000km-buffer-500km", "continents" or "column".

        Raises:
            UserError: none of these.
        """
        if text in ("random", "continents", "column"):
            return cls(text)
        found = re.fullmatch(r"blocks-(\d+)km(?:-buffer-(\d+)km)?", text)
        if not found or int(found[1]) not in NSIDE_OF_KM:
            raise unknown_choice("split", text, SPLIT_FORMS)
        return cls("blocks", int(found[1]), float(found[2] or 0))

    @property
    def turns_all_ways(self) -> bool:
        """Turns in all directions are a null; where whole continents are held out they are not: a continent's
        latitude is then part of what the split asks."""
        return self.kind != "continents"

    def groups(self, lonlat_deg: Tensor) -> Tensor:
        """(N,) int64 block or continent of places; -1 on no continent."""
        return blocks(lonlat_deg, self.block_km) if self.kind == "blocks" else continents(lonlat_deg)


def blocks(lonlat_deg: Tensor, block_km: int) -> Tensor:
    """(N,) int64 equal-area cell of side 500, 1000 or 2000 km (about) of (N, 2) places.

    Raises:
        UserError: the package ``healpix`` is not installed.
    """
    try:
        import healpix
    except ImportError:
        raise UserError("splits by blocks need healpix; run: pip install 'satgpu[fields]'") from None
    lon, lat = lonlat_deg.double().cpu().numpy().T
    return torch.from_numpy(healpix.ang2pix(NSIDE_OF_KM[block_km], lon % 360, lat, lonlat=True).astype(np.int64))


def continents(lonlat_deg: Tensor) -> Tensor:
    """(N,) int64 continent of (N, 2) places, in the order of ``CONTINENTS``; Asia is what no outline holds."""
    lon, lat = lonlat_deg.double().cpu().numpy().T
    found = np.full(len(lon), len(_CONTINENTS))
    for index, outline in reversed(list(enumerate(_CONTINENTS.values()))):
        found[_inside(np.array(outline, dtype=float), lon, lat)] = index
    # Across the antimeridian: Chukotka is Asia, the islands of the Pacific are Oceania.
    found[(lon < -130) & (lat < 15) & (lat > -60)] = CONTINENTS.index("Oceania")
    return torch.from_numpy(found)


CONTINENTS = (*_CONTINENTS, "Asia")


def _inside(outline: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points are inside a polygon: an odd number of its sides lies to the east."""
    inside = np.zeros(len(x), bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, 0), strict=True):
        if y0 != y1:
            crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
            inside ^= crosses
    return inside


def n_to_read(n_labels: int) -> int:
    """Places to be read for so many labels: two thirds of them, as many for few, 4000 at most."""
    return min(_MOST_TEST_PLACES, max(min(n_labels, 1000), 2 * n_labels // 3))


def draw_places(field: Field, split: Split, n_labels: int, seed: int, draw: int = 0) -> Places:
    """The places of one draw: uniform by area where the field is given, or some of the field's own.

    Raises:
        UserError: fewer than ten places to learn from or to read are left.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "places", draw))
    n_test = n_to_read(n_labels)
    if field.call is None:
        return _from_own(field, split, n_labels, n_test, generator, draw)
    if split.kind == "column":
        raise UserError(f"split 'column' needs a table with a column to split by; field {field.name!r} has none")
    lonlat, targets = field.draw(n_labels + n_test, generator)
    if split.kind == "random":
        return Places(lonlat, targets, n_labels)
    for _ in range(_POOL_TRIES):  # until the pool leaves as many places as asked for
        learn, read = _divide(lonlat, split.groups(lonlat), split, generator, draw)
        if len(learn) >= n_labels and len(read) >= n_test:
            break
        more = field.draw(len(lonlat), generator)
        lonlat, targets = torch.cat([lonlat, more[0]]), torch.cat([targets, more[1]])
    return _chosen(lonlat, targets, split, learn[:n_labels], read[:n_test], n_labels, generator)


def _from_own(field: Field, split: Split, n_labels: int, n_test: int, generator: torch.Generator, draw: int) -> Places:
    """A draw from the places that the field has."""
    lonlat, targets = field.lonlat_deg, field.targets(field.values)
    if split.kind == "random":
        order = torch.randperm(len(lonlat), generator=generator)
        n = min(n_labels, int(len(lonlat) * (1 - _TEST_SHARE)))
        return _chosen(lonlat, targets, split, order[:n], order[n : n + n_test], n_labels, generator)
    if split.kind == "column" and field.groups is None:
        raise UserError(f"split 'column' needs a column to split by; field {field.name!r} came without one")
    groups = field.groups if split.kind == "column" else split.groups(lonlat)
    learn, read = _divide(lonlat, groups, split, generator, draw)
    return _chosen(lonlat, targets, split, learn[:n_labels], read[:n_test], n_labels, generator, groups)


def _chosen(
    lonlat: Tensor,
    targets: Tensor,
    split: Split,
    learn: Tensor,
    read: Tensor,
    n_labels: int,
    generator: torch.Generator,
    groups: Tensor | None = None,
) -> Places:
    """The places chosen, with the folds of those learned from."""
    if min(len(learn), len(read)) < _FEWEST:
        raise UserError(f"the split leaves {len(learn)} places to learn from and {len(read)} to read; 10 are needed")
    chosen = torch.cat([learn, read])
    notes = () if len(learn) == n_labels else (f"{len(learn)} labels for {n_labels} asked for",)
    folds = None
    if split.kind != "random":
        groups = split.groups(lonlat) if groups is None else groups
        if split.kind == "continents":
            groups = blocks(lonlat, 1000)
        folds = _folds(groups[learn], generator)
    return Places(lonlat[chosen], targets[chosen], len(learn), folds, notes)


def _folds(groups: Tensor, generator: torch.Generator, n_folds: int = 5) -> Tensor | None:
    """Groups dealt to folds at random, five of them or as many as there are groups; None for one group."""
    _, index = groups.unique(return_inverse=True)
    n_groups = int(index.max()) + 1
    if n_groups < 2:
        return None
    dealt = torch.arange(n_groups) % min(n_folds, n_groups)
    return dealt[torch.randperm(n_groups, generator=generator)][index]


def _divide(
    lonlat: Tensor, groups: Tensor, split: Split, generator: torch.Generator, draw: int
) -> tuple[Tensor, Tensor]:
    """Rows to learn from and rows to read, in random order: whole groups, none nearer than the buffer."""
    order = torch.randperm(len(lonlat), generator=generator)
    names = groups.unique()
    if len(names) < 2:
        raise UserError("all places are in one block, continent or group: there is nothing to hold out")
    if split.kind == "continents":
        held = names[names != CONTINENTS.index("Antarctica")]
        held = held[draw % len(held)][None]
    else:
        n_held = max(1, min(len(names) - 1, round(_TEST_SHARE * len(names))))
        held = names[torch.randperm(len(names), generator=generator)[:n_held]]
    read = torch.isin(groups[order], held)
    learn = ~read
    if split.buffer_km:
        learn[learn.clone()] = nearest_km(lonlat[order[learn]], lonlat[order[read]]) >= split.buffer_km
    return order[learn], order[read]


def nearest_km(from_deg: Tensor, to_deg: Tensor) -> Tensor:
    """(N,) great-circle distance of each place (N, 2) to the nearest of (M, 2) others."""
    from scipy.spatial import cKDTree

    chord, _ = cKDTree(unit_vectors(to_deg.double()).numpy()).query(unit_vectors(from_deg.double()).numpy())
    return torch.from_numpy(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1)))
