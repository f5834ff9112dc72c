"""What ``read_field`` must get right on encoders and fields of which the truth is known.

Each function measures one claim and gives rows of a table: what was asked, what was measured, whether it holds.
``scripts/fields_truth.py`` prints them at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from satgpu.encoders import load_encoder
from satgpu.encoders.base import Encoder
from satgpu.encoders.harmonics import spherical_harmonics
from satgpu.fields import Field, FieldReading, Known, as_field, missing, read_fields
from satgpu.geometry import lonlat_deg_from_unit, random_rotation, uniform_on_sphere, unit_vectors
from satgpu.geometry.land import is_land
from satgpu.seeds import derive_seed

ISOTROPIC = ("sh-l12", "untrained-l10", "untrained-l40", "rff-2000km")
SPLITS = (
    *("random", "blocks-1000km", "blocks-1000km-buffer-500km"),
    *("blocks-2000km-buffer-1000km", "continents"),
)
_L_MAX = 12  # of random fields
_ZONAL = 0.3  # amplitude of the orders beyond 0 of a zonal field
_NULLS_AT_ONCE = 50


@dataclass(frozen=True)
class Truth:
    """One row: the point, what was asked of it, what was measured."""

    point: str
    asked: str
    measured: str
    holds: bool


class Nulls:
    """Random fields that no encoder can know, values of all at a place worked out together.

    Args:
        kind: "isotropic" (power C_l ∝ (l+1)⁻²), "thresholded" (its highest quarter), "zonal" (orders other than 0
            down to .3 of their amplitude) or "mask" (land, turned at random).
        n: how many.
        on_land: given on land only.
    """

    def __init__(self, kind: str, n: int, seed: int, on_land: bool = False):
        self.kind, self.n, self.on_land = kind, n, on_land
        generator = torch.Generator().manual_seed(derive_seed(seed, kind))
        self.rotations = random_rotation(generator, n)
        degree = torch.arange((_L_MAX + 1) ** 2).double().sqrt().floor()
        order = torch.cat([torch.arange(-one, one + 1) for one in range(_L_MAX + 1)])
        scale = (degree + 1) ** -1 * (torch.where(order == 0, 1.0, _ZONAL) if kind == "zonal" else 1.0)
        self.a = torch.randn(len(degree), n, generator=generator, dtype=torch.float64) * scale[:, None]
        self.a[0] = 0
        self._last: tuple[Tensor, Tensor] | None = None
        self.level = torch.zeros(n, dtype=torch.float64)
        if kind == "thresholded":
            self.level = self._values(uniform_on_sphere(4000, generator)).quantile(0.75, dim=0)

    def _values(self, lonlat_deg: Tensor) -> Tensor:
        """(N, n), remembered for the places asked last."""
        if self._last is None or not torch.equal(self._last[0], lonlat_deg):
            self._last = lonlat_deg, self._new_values(lonlat_deg)
        return self._last[1]

    def _new_values(self, lonlat_deg: Tensor) -> Tensor:
        if self.kind == "mask":
            turned = lonlat_deg_from_unit(unit_vectors(lonlat_deg) @ self.rotations.mT)
            return is_land(turned.flatten(0, 1)).reshape(self.n, -1).T.double()
        values = spherical_harmonics(lonlat_deg, _L_MAX + 1, "closed-form") @ self.a
        values = (values > self.level).double() if self.kind == "thresholded" else values
        return torch.where(is_land(lonlat_deg)[:, None], values, torch.nan) if self.on_land else values

    def fields(self) -> list[Field]:
        """Each as a field."""
        is_class = self.kind in ("thresholded", "mask")
        task, classes = ("classification", ("no", "yes")) if is_class else ("regression", ())

        def call(index: int) -> Callable[[Tensor], Tensor]:
            return lambda lonlat_deg: self._values(lonlat_deg)[:, index]

        return [Field(f"{self.kind} {i}", task, classes, call(i), not self.on_land) for i in range(self.n)]


def null_p(
    encoders: Sequence[object], kind: str, n_nulls: int, on_land: bool = False, **options: object
) -> pd.DataFrame:
    """DataFrame[encoder, p_polar, p_all, p_all_plain], a row for each of so many nulls and each encoder.

    Fifty nulls share places and turns.
    """
    rows = []
    for seed, first in enumerate(range(0, n_nulls, _NULLS_AT_ONCE)):
        nulls = Nulls(kind, min(_NULLS_AT_ONCE, n_nulls - first), seed, on_land)
        for found in read_fields(encoders, nulls.fields(), seed=seed, draws=1, **options):
            rows.append((found.encoder, found.p_polar, found.p_all, found.p_all_plain))
    return pd.DataFrame(rows, columns=["encoder", "p_polar", "p_all", "p_all_plain"])


def calibration(n_nulls: int, encoders: Sequence[object] = ISOTROPIC, **options: object) -> Iterator[Truth]:
    """Point 1: of nulls that aren't zonal, one in twenty is in the top 5 % of its turns."""
    asked = "rate in the top 5 %, polar and all turns: .01 to .10"
    for kind in ("isotropic", "thresholded", "mask"):
        p = null_p(encoders, kind, n_nulls, **options)
        for name, own in p.groupby("encoder", sort=False):
            rates = [(own[column] <= 0.05).mean() for column in ("p_polar", "p_all")]
            holds = all(0.01 <= rate <= 0.10 for rate in rates)
            yield Truth(f"1 {kind} nulls, {name}", asked, f"{rates[0]:.3f}, {rates[1]:.3f}", holds)


def zonal_nulls(n_nulls: int, encoders: Sequence[object] = ISOTROPIC[1:3], **options: object) -> Iterator[Truth]:
    """Point 2: zonal fields that nobody knows are rare among turns in all directions, not among polar ones."""
    p = null_p(encoders, "zonal", n_nulls, **options)
    for name, own in p.groupby("encoder", sort=False):
        polar, plain, every = ((own[c] <= 0.05).mean() for c in ("p_polar", "p_all_plain", "p_all"))
        yield Truth(f"2 zonal nulls, {name}", "polar turns: at most .10", f"{polar:.3f}", polar <= 0.10)
        measured = f"{plain:.3f}; by what T(l,m) leaves {every:.3f}"
        yield Truth(f"2 zonal nulls, {name}", "a fact: all turns fail, .5 or more", measured, plain >= 0.5)


def uneven_resolution(n_nulls: int, encoders: Sequence[object] = ("geoclip",), **options: object) -> Iterator[Truth]:
    """Point 3: fields on land that nobody can know, read by an encoder that is finer where people live."""
    p = null_p(encoders, "isotropic", n_nulls, on_land=True, **options)
    for name, own in p.groupby("encoder", sort=False):
        rates = [(own[column] <= 0.05).mean() for column in ("p_polar", "p_all")]
        measured = f"{rates[0]:.3f}, {rates[1]:.3f}"
        yield Truth(f"3 nulls on land, {name}", "less the bank, both at most .10", measured, max(rates) <= 0.10)


class Planted:
    """An encoder that has been given a field.

    Args:
        base: the encoder without it.
        field: values at (N, 2) degrees, NaN where it is not given, which counts as the mean.
        mixed: how much of the field, in standard deviations, is added to every dimension of the base with a random
            sign; 0 for a dimension of its own, correlated .5 with the field.
    """

    CORRELATION = 0.5

    def __init__(self, base: Encoder, field: Field, mixed: float = 0.0):
        self.base, self.field, self.mixed = base, field, mixed
        self.name = f"{base.name} + {field.name}, " + (f"mixed at {mixed:g}" if mixed else "a dimension of its own")
        self.dim, self.provenance = base.dim + (not mixed), base.provenance
        generator = torch.Generator().manual_seed(0)
        places = uniform_on_sphere(4000, generator)
        values = self.field.at(places)[:, 0]
        self.mean, self.std = values.nanmean(), values[values.isfinite()].std()
        self.signs = torch.randint(0, 2, (base.dim,), generator=generator).double() * 2 - 1
        self.scale = base(places).double().std(0)

    def __call__(self, lonlat_deg: Tensor) -> Tensor:
        value = ((self.field.at(lonlat_deg)[:, 0] - self.mean) / self.std).nan_to_num(0.0)
        Z = self.base(lonlat_deg).double()
        if self.mixed:
            return Z + self.mixed * value[:, None] * self.signs * self.scale
        own = self.CORRELATION * value + (1 - self.CORRELATION**2) ** 0.5 * _white(lonlat_deg)
        return torch.cat([Z, own[:, None]], 1)


def _white(lonlat_deg: Tensor) -> Tensor:
    """(N,) noise of variance 1 that belongs to the place."""
    return torch.sin(lonlat_deg.double() @ torch.tensor([91.7e3, 77.3e3], dtype=torch.float64)) * 2**0.5


def gain_of_a_dimension(skill: float, correlation: float = Planted.CORRELATION) -> float:
    """What a reader that misses 1 - ``skill`` of a field gains from one more dimension, correlated with it.

    Less what is read already the dimension is correlation·e + √(1 - correlation²)·noise, e the part missed.

    >>> round(gain_of_a_dimension(0.0), 12), gain_of_a_dimension(1.0)
    (0.25, 0.0)
    """
    signal = correlation**2 * (1 - skill)
    return (1 - skill) * signal / (signal + 1 - correlation**2)


def power(names: Sequence[str], bases: Sequence[str], **options: object) -> Iterator[Truth]:
    """Point 4: a planted field comes out first among its turns, and as much of it as was planted; none without."""
    wanted = [as_field(name) for name in names]
    for base in [load_encoder(name, dtype=torch.float32) for name in bases]:
        plain = {found.field: found for found in read_fields([base], wanted, **options)}
        for field in wanted:
            yield from _planted(base, field, plain[field.name], options)


def _planted(base: Encoder, field: Field, without: FieldReading, options: dict) -> Iterator[Truth]:
    lowest = 1 / (options["turns"] + 1)
    yield Truth(
        f"4 {field.name}, {base.name} as it is",
        "not known",
        f"{without.verdict}, longitude part {without.longitude:+.3f}",
        without.verdict is not Known.KNOWS,
    )
    for mixed in (0.02, 0.0):
        found = read_fields([Planted(base, field, mixed)], [field], **options)[0]
        first = max(found.p_polar, found.p_all) <= lowest + 1e-9
        measured = f"p {found.p_polar:.2f}, {found.p_all:.2f}; skill {found.skill:.3f} from {without.skill:.3f}"
        measured += f", longitude part {found.longitude:+.3f}"
        yield Truth(f"4 {field.name} in {found.encoder}", "rank 1 among both kinds of turns", measured, first)
        if not mixed:
            gained, expected = found.skill - without.skill, gain_of_a_dimension(without.skill)
            measured = f"{gained:.3f}, longitude part {found.longitude - without.longitude:+.3f}"
            asked = f"arithmetic says that skill gains {expected:.3f}; within .03"
            yield Truth(f"4 {field.name} in {found.encoder}", asked, measured, abs(gained - expected) <= 0.03)


def coarse_knowledge(**options: object) -> Truth:
    """Point 4, its limit: what the encoder reads anyway can't be known."""
    coarse = Nulls("isotropic", 1, 3)
    coarse.a[16:] = 0  # degrees to 3
    field = coarse.fields()[0]
    found = read_fields([Planted(load_encoder("sh-l12"), field)], [field], **options)[0]
    measured = f"{found.verdict}, skill {found.skill:.3f}, longitude part {found.longitude:+.3f}"
    return Truth(
        "4 a field of degrees 1 to 3 planted in sh-l12",
        "invisible: coarser than the cut-off, all turns are read as well",
        measured,
        found.verdict is not Known.KNOWS,
    )


def prediction(names: Sequence[str], encoders: Sequence[object], **options: object) -> Iterator[Truth]:
    """Point 5: what untrained encoders read is what the field's power by degree and order says."""
    found = read_fields(encoders, [as_field(name) for name in names], draws=1, turns=1, **options)
    off = np.array([one.predicted - one.skill for one in found])
    for one, error in zip(found, off, strict=True):
        measured = f"predicted {one.predicted:.3f}, measured {one.skill:.3f}"
        yield Truth(f"5 {one.field}, {one.encoder}", "within .05", measured, abs(error) <= 0.05)
    mean = np.abs(off).mean()
    yield Truth("5 all of them", "mean error at most .02", f"{mean:.4f}", mean <= 0.02)


def negative_controls(encoders: Sequence[object], **options: object) -> Iterator[Truth]:
    """Point 6: fields that nothing a location encoder learns from could tell it."""
    controls = [as_field("magnetic")] if not missing("magnetic") else []
    controls += Nulls("mask", 2, 7).fields()
    for one in read_fields(encoders, controls, **options):
        name = one.field.replace("mask", "land turned at random,")
        measured = f"{one.verdict}, p {one.p_polar:.2f}, {one.p_all:.2f}, longitude part {one.longitude:+.3f}"
        yield Truth(f"6 {name}, {one.encoder}", "never known", measured, one.verdict is not Known.KNOWS)


def splits(encoders: Sequence[object], field: str = "koppen", **options: object) -> Iterator[FieldReading]:
    """Every split of one field: each encoder by ridge, and the coordinates alone."""
    for split in SPLITS:
        found = read_fields(encoders, [field], ["linear"], split=split, **options)
        found += read_fields(encoders[:1], [field], ["coordinates"], split=split, **options)
        yield from found


def of_splits(found: Sequence[FieldReading], knowing: str = "geoclip") -> Iterator[Truth]:
    """Point 7: no share far below 0, and an encoder that knows is last at random and first where labels are far."""
    lowest = min(float(one.parts_by_draw[:, 0].min()) for one in found)
    yield Truth("7 all splits", "no share of a draw below -.5", f"lowest {lowest:.2f}", lowest >= -0.5)
    skills = pd.DataFrame([(o.split, o.encoder if o.reader == "linear" else o.reader, o.skill) for o in found])
    skills = skills.pivot_table(index=0, columns=1, values=2, sort=False)
    place = skills.rank(axis=1, ascending=False)[knowing]
    last = place["random"] == len(skills.columns)
    yield Truth("7 random split", f"{knowing} is last", f"place {place['random']:.0f} of {len(skills.columns)}", last)
    for split in SPLITS[2:4]:
        yield Truth(f"7 {split}", f"{knowing} is first", f"place {place[split]:.0f}", place[split] == 1)


def not_to_be_tested(**options: object) -> Iterator[Truth]:
    """Point 8: readers that don't change when places are turned."""
    nulls = Nulls("isotropic", 1, 0, on_land=True).fields()
    for one in read_fields(["xyz"], nulls, ["linear", "coordinates"], **options):
        what = "xyz" if one.reader == "linear" else "a Gaussian process on xyz"
        untested = one.verdict is Known.UNTESTED
        yield Truth(f"8 places turned, {what}", "cannot be tested", str(one.verdict), untested)
