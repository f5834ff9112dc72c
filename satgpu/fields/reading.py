"""``read_field``: what an encoder reads of a field, and how much of that is resolution, zonal, or knowledge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from satgpu.encoders import load_encoder
from satgpu.encoders.base import Encoder
from satgpu.errors import UserError
from satgpu.fields.field import Field, as_field
from satgpu.fields.parts import PARTS, Interval, Known, interval_of_parts, parts_of_a_draw, ranks, verdict
from satgpu.fields.readers import reader_named
from satgpu.fields.shares import Shares, measure
from satgpu.fields.splits import Places, Split, draw_places, nearest_km
from satgpu.fields.turns import Turns, draw_turns
from satgpu.seeds import derive_seed

# Where every turn costs an embedding, draws of places after the first have so many turns of each kind.
_TURNS_OF_FURTHER_DRAWS = 12


@dataclass(frozen=True)
class FieldReading:
    """What an encoder reads of a field.

    Shares are of the variance about the training mean: R² of numbers, the Brier skill score of classes.
    Intervals are 95 %, over draws of places; the gain's over draws and untrained seeds.

    Args:
        encoder, field, reader, split, n_labels: what was read, how.
        skill: share read at places held back; the three parts add up to it.
        predicted: the share that the field's power by degree and order predicts; the mean of polar turns where
            the field isn't given everywhere or the reader isn't linear.
        resolution, zonal, longitude: see :func:`satgpu.fields.parts.parts_of_a_draw`.
        p_polar, p_all: how rare the skill is among turns; ``p_polar_low``, ``p_all_low`` the lower tails,
            ``p_all_plain`` without the correction for zonal fields.
        verdict: knows, zonal only, no evidence, cannot be tested.
        gain: parts less those of the untrained twins, each with its interval; None without twins.
        accuracy, macro_f1: of classes; NaN for numbers.
        distance_km: from a place held back to the nearest learned from: median, 90 %.
        left_out: rows of a table left out, by reason.
        notes: what was not as asked for.
        places, residual: of the first draw: (M, 2) places held back and (M,) what was missed there.
    """

    encoder: str
    field: str
    reader: str
    split: str
    n_labels: int
    skill: float
    skill_interval: Interval
    predicted: float
    resolution: float
    resolution_interval: Interval
    zonal: float
    zonal_interval: Interval
    longitude: float
    longitude_interval: Interval
    p_polar: float
    p_all: float
    p_polar_low: float
    p_all_low: float
    p_all_plain: float
    verdict: Known
    gain: Mapping[str, tuple[float, Interval]] | None
    accuracy: float
    macro_f1: float
    distance_km: tuple[float, float]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    task: str = "regression"
    turns: int = 0
    draws: int = 0
    places: Tensor | None = field(default=None, repr=False, compare=False)
    residual: Tensor | None = field(default=None, repr=False, compare=False)
    parts_by_draw: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def p(self) -> float:
        """The larger of ``p_polar`` and ``p_all``: knowledge needs both."""
        return max(p for p in (self.p_polar, self.p_all, 0.0) if not math.isnan(p))

    def table(self):
        """One row as a pandas DataFrame, without places."""
        import pandas as pd

        row = {k: getattr(self, k) for k in ("encoder", "field", "task", "reader", "split", "n_labels")}
        for part in PARTS:
            row[part] = getattr(self, part)
            row[f"{part}_low"], row[f"{part}_high"] = getattr(self, f"{part}_interval")
        row |= {k: getattr(self, k) for k in ("predicted", "accuracy", "macro_f1", "p_polar", "p_all")}
        median_km, far_km = self.distance_km
        row |= {"verdict": str(self.verdict), "median_km": median_km, "furthest_tenth_km": far_km}
        for part, (value, (low, high)) in (self.gain or {}).items():
            row |= {f"gain_{part}": value, f"gain_{part}_low": low, f"gain_{part}_high": high}
        return pd.DataFrame([row])


def read_field(
    encoder: object,
    field: object,
    n_labels: int = 6000,
    reader: str = "linear",
    split: str = "random",
    turns: int = 99,
    draws: int = 8,
    twins: int | Sequence[object] | None = None,
    task: str = "auto",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> FieldReading:
    """What an encoder reads of a field, against the field turned on the sphere.

    Args:
        encoder: a name, path or encoder, as for ``load_encoder``.
        field: the name of a field of the world, a callable from (n, 2) degrees to (n,)
            values, or a pair ``(lonlat_deg, values)``.
        n_labels: places learned from, as far as the field has them.
        reader: "linear" (ridge; classes by one indicator each, the largest is named), "mlp", "neighbours"
            (in the embedding) or "coordinates" (a Gaussian process on unit vectors, whatever the encoder).
        split: "random", "blocks-1000km", "blocks-1000km-buffer-500km", "continents", or "column" for a
            table's own.
        turns: of each kind, about the axis and in all directions; p is at least 1/(turns + 1).
        draws: of places, at least 2 for intervals and 8 for intervals to be trusted.
        twins: untrained encoders to take the gain of training from, or how many seeds of the encoder's own
            architecture; at least five.
        task: "regression", "classification", or "auto".
        device: where embeddings are read; "cpu" or "cuda".

    Raises:
        UserError: an argument can't be used; the message says what was wanted.

    Example:
        >>> north = lambda lonlat_deg: lonlat_deg[:, 1].numpy()
        >>> read_field("xyz", north, n_labels=200, turns=9, draws=2).skill > 0.9
        True
    """
    made = encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device)
    wanted = as_field(field, task)
    plan = _Plan(wanted, n_labels, reader, Split.parse(split), turns, draws, seed, device)
    found = plan.read(made)
    gain = None if twins is None else plan.gain(found, _twins(made, twins, device))
    return plan.reading(made.name, found, split, gain)


@dataclass(frozen=True)
class _Draws:
    """One encoder at every draw of places."""

    shares: list[Shares]
    parts: Tensor  # (D, 4)


class _Plan:
    """The draws of places and turns of one field, the same for every encoder read."""

    def __init__(
        self,
        wanted: Field,
        n_labels: int,
        reader: str,
        split: Split,
        turns: int,
        draws: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ):
        if n_labels < 10 or turns < 0 or draws < 1:
            raise UserError(f"n_labels must be 10 or more, draws 1 or more; got {n_labels}, {draws}, turns {turns}")
        self.field, self.split, self.seed, self.device = wanted, split, seed, device
        self.reader, self.n_turns = reader_named(reader), turns
        self.places = [draw_places(wanted, split, n_labels, seed, draw) for draw in range(draws)]
        self.turns = [self._turns_of(draw) for draw in range(draws)]

    def _turns_of(self, draw: int) -> Turns:
        """The same turns in every draw where the field is turned; fewer, and others, where its places are."""
        few = draw > 0 and not self.field.everywhere
        n = min(self.n_turns, _TURNS_OF_FURTHER_DRAWS) if few else self.n_turns
        return draw_turns(n, n if self.split.turns_all_ways else 0, derive_seed(self.seed, "draw", draw if few else 0))

    def read(self, encoder: Encoder, predict: bool = True) -> _Draws:
        shares = [
            measure(encoder, self.field, places, turns, self.reader, self.device, predict and draw == 0, self.seed)
            for draw, (places, turns) in enumerate(zip(self.places, self.turns, strict=True))
        ]
        return _Draws(shares, torch.stack([parts_of_a_draw(*both) for both in zip(shares, self.turns, strict=True)]))

    def gain(self, found: _Draws, twins: list[Encoder]) -> dict[str, tuple[float, Interval]]:
        from satgpu.fields.twins import gain_of_training

        return gain_of_training(found.parts, torch.stack([self.read(twin, False).parts for twin in twins]))

    def reading(self, name: str, found: _Draws, split: str, gain: dict | None) -> FieldReading:
        first: Places = self.places[0]
        held = first.lonlat_deg[first.n_labels :]
        distance = nearest_km(held, first.lonlat_deg[: first.n_labels])
        mean, intervals = found.parts.mean(0).tolist(), interval_of_parts(found.parts, found.shares, self.turns)
        rare = ranks(found.shares, self.turns)
        _, polar, _ = self.turns[0].parts(found.shares[0].field)
        predicted = float(found.shares[0].predicted[0])
        named = dict(zip(PARTS, mean, strict=True))
        named |= {f"{part}_interval": value for part, value in zip(PARTS, intervals, strict=True)}
        return FieldReading(
            encoder=name,
            field=self.field.name,
            reader=self.reader.name,
            split=split,
            n_labels=first.n_labels,
            predicted=float(polar.mean()) if math.isnan(predicted) else predicted,
            p_polar=rare.polar,
            p_all=rare.all,
            p_polar_low=rare.polar_low,
            p_all_low=rare.all_low,
            p_all_plain=rare.all_plain,
            verdict=verdict(rare, named["longitude"]),
            gain=gain,
            accuracy=_mean([s.right for s in found.shares]),
            macro_f1=_mean([s.macro_f1 for s in found.shares]),
            distance_km=(float(distance.median()), float(distance.quantile(0.9))),
            left_out=dict(self.field.left_out),
            notes=first.notes,
            task=self.field.task,
            turns=self.n_turns,
            draws=len(found.shares),
            places=held,
            residual=found.shares[0].residual,
            parts_by_draw=found.parts,
            **named,
        )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _twins(encoder: Encoder, twins: int | Sequence[object], device) -> list[Encoder]:
    from satgpu.fields.twins import untrained_twins

    if isinstance(twins, int):
        return untrained_twins(encoder, twins, device)
    return [twin if isinstance(twin, Encoder) else load_encoder(twin, device) for twin in twins]
