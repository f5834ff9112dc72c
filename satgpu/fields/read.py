"""``read_field`` and ``read_fields``: many encoders, fields and readers at the same places and turns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from satgpu.encoders import load_encoder
from satgpu.encoders.base import Encoder
from satgpu.errors import UserError
from satgpu.fields.field import Field, as_field
from satgpu.fields.held import HeldOut, domain_km
from satgpu.fields.parts import LEVEL, PARTS, Known, interval_of_parts, parts_of_a_draw, ranks, verdict
from satgpu.fields.readers import reader_named
from satgpu.fields.reading import FieldReading
from satgpu.fields.shares import Shares, Together, measure
from satgpu.fields.splits import Places, Split, draw_places
from satgpu.fields.turns import Turns, draw_turns
from satgpu.fields.twins import gain_of_training, untrained_twins
from satgpu.seeds import derive_seed

# Where every turn costs an embedding, draws of places after the first have so many turns of each kind.
_TURNS_OF_FURTHER_DRAWS = 12
_DOMAIN_PLACES = 4000


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
    options = {"n_labels": n_labels, "split": split, "turns": turns, "draws": draws, "seed": seed}
    return read_fields([encoder], [field], [reader], **options, twins=twins, task=task, device=device)[0]


def read_fields(
    encoders: Sequence[object],
    fields: Sequence[object],
    readers: Sequence[str] = ("linear",),
    n_labels: int = 6000,
    split: str = "random",
    turns: int = 99,
    draws: int = 8,
    twins: int | Sequence[object] | None = None,
    task: str = "auto",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> list[FieldReading]:
    """Every encoder, field and reader as ``read_field`` reads one, in the order of nested loops.

    An embedding of a turn is computed and factorised once for all fields at the same places: all those given
    everywhere, all on land, all columns of a table. *Knows* is held to a false discovery rate of 5 % over all
    that is read here: where one of m readings knows its field, p can be that small with 20·m turns only.

    Args:
        encoders, fields: each as for ``read_field``.
        readers: names, as for ``read_field``.
        n_labels, split, turns, draws, twins, task, seed, device: as for ``read_field``; twins given as
            encoders serve all encoders.

    Raises:
        UserError: as ``read_field``.
    """
    made = [_loaded(encoder, device) for encoder in encoders]
    wanted = [as_field(one, task) for one in fields]
    if not (made and wanted and readers):
        raise UserError("give at least one encoder, one field and one reader")
    plan = _Plan(wanted, n_labels, readers, Split.parse(split), turns, draws, seed, device)
    of_encoders = [_twins(encoder, twins, device) for encoder in made]
    unlike = {id(twin): twin for some in of_encoders for twin in some}
    read = plan.read([*made, *unlike.values()], len(made))
    of_twin = dict(zip(unlike, read[len(made) :], strict=True))
    found = [
        plan.reading(encoder.name, index, reader, of_encoder, [of_twin[id(twin)] for twin in some], split)
        for encoder, of_encoder, some in zip(made, read, of_encoders, strict=False)
        for index in range(len(wanted))
        for reader in range(len(readers))
    ]
    return _held_together(found)


@dataclass(frozen=True)
class _Draws:
    """One encoder, field and reader at every draw of places."""

    shares: list[Shares]
    turns: list[Turns]

    def parts(self, n_turns: int | None = None) -> Tensor:
        """(D, 4), from the first n turns of each kind or from all."""
        rows = []
        for shares, turns in zip(self.shares, self.turns, strict=True):
            kept = turns.rows_of_first(len(turns.rotations) if n_turns is None else n_turns)
            few = dataclasses.replace(shares, field=shares.field[kept], bank=shares.bank[kept])
            rows.append(parts_of_a_draw(few, turns if n_turns is None else turns.first(n_turns)))
        return torch.stack(rows)


class _Plan:
    """The draws of places and turns of fields, the same for every encoder and reader."""

    def __init__(
        self,
        fields: Sequence[Field],
        n_labels: int,
        readers: Sequence[str],
        split: Split,
        turns: int,
        draws: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ):
        if n_labels < 10 or turns < 0 or draws < 1:
            raise UserError(f"n_labels must be 10 or more, draws 1 or more; got {n_labels}, {draws}, turns {turns}")
        self.fields, self.split, self.seed, self.device = fields, split, seed, device
        self.readers, self.n_turns, self.n_draws = [reader_named(name) for name in readers], turns, draws
        self.places = [[draw_places(field, split, n_labels, seed, draw) for draw in range(draws)] for field in fields]

    def _turns_of(self, field: Field, draw: int) -> Turns:
        """The same turns in every draw where the field is turned; fewer, and others, where its places are."""
        few = draw > 0 and not field.everywhere
        n = min(self.n_turns, _TURNS_OF_FURTHER_DRAWS) if few else self.n_turns
        return draw_turns(n, n if self.split.turns_all_ways else 0, derive_seed(self.seed, "draw", draw if few else 0))

    def _together(self, draw: int) -> list[tuple[list[int], Together]]:
        """The fields that one factorisation serves: those at the same places, turned in the same way."""
        groups: dict[object, list[int]] = {}
        for index, (field, places) in enumerate(zip(self.fields, self.places, strict=True)):
            own = places[draw]
            folds = b"" if own.folds is None else own.folds.numpy().tobytes()
            key = (field.everywhere, own.n_labels, own.lonlat_deg.numpy().tobytes(), folds)
            groups.setdefault(key, []).append(index)
        found = []
        for some in groups.values():
            fields, places = [self.fields[i] for i in some], [self.places[i][draw] for i in some]
            found.append((some, Together(fields, places, self._turns_of(fields[0], draw), self.seed)))
        return found

    def read(self, encoders: Sequence[Encoder], n_first: int) -> list[list[list[_Draws]]]:
        """By encoder, reader and field; encoders from ``n_first`` on are twins, which have few turns of places."""
        found = [[[_Draws([], []) for _ in self.fields] for _ in self.readers] for _ in encoders]
        for draw in range(self.n_draws):
            for some, together in self._together(draw):
                everywhere = together.fields[0].everywhere
                few = together if everywhere else together.first_turns(_TURNS_OF_FURTHER_DRAWS)
                for e, encoder in enumerate(encoders):
                    own, predict = (together if e < n_first else few), draw == 0 and e < n_first
                    by_reader = measure(encoder, own, self.readers, self.device, predict, self.seed)
                    for by_field, of_reader in zip(found[e], by_reader, strict=True):
                        for index, shares in zip(some, of_reader, strict=True):
                            by_field[index].shares.append(shares)
                            by_field[index].turns.append(own.turns)
        return found

    def reading(self, name: str, index: int, reader: int, read: list, of_twins: list, split: str) -> FieldReading:
        """The reading of one field."""
        field, first = self.fields[index], self.places[index][0]
        found: _Draws = read[reader][index]
        parts = found.parts()
        mean, intervals = parts.mean(0).tolist(), interval_of_parts(parts, found.shares, found.turns)
        rare = ranks(found.shares, found.turns)
        _, polar, _ = found.turns[0].parts(found.shares[0].field)
        predicted = float(found.shares[0].predicted[0])
        named = dict(zip(PARTS, mean, strict=True))
        named |= {f"{part}_interval": value for part, value in zip(PARTS, intervals, strict=True)}
        domain = self._domain_km(field, first)
        return FieldReading(
            encoder=name,
            field=field.name,
            reader=self.readers[reader].name,
            split=split,
            n_labels=first.n_labels,
            predicted=float(polar.mean()) if math.isnan(predicted) else predicted,
            p_polar=rare.polar,
            p_all=rare.all,
            p_polar_low=rare.polar_low,
            p_all_low=rare.all_low,
            p_all_plain=rare.all_plain,
            verdict=verdict(rare, named["longitude"]),
            gain=_gain(found, [twin[reader][index] for twin in of_twins], field.everywhere),
            left_out=dict(field.left_out),
            notes=first.notes,
            task=field.task,
            turns=self.n_turns,
            draws=len(found.shares),
            domain_km=domain,
            parts_by_draw=parts,
            **_of_held([shares.held for shares in found.shares], domain),
            **named,
        )

    def _domain_km(self, field: Field, places: Places) -> Tensor:
        """(K,) distance to the nearest label from anywhere the field is given, or from any of its own places."""
        if field.call is None:
            everywhere = domain_km(places, field.lonlat_deg)
            return everywhere[everywhere > 0]
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "domain"))
        return domain_km(places, field.draw(_DOMAIN_PLACES, generator)[0])


def _held_together(found: list[FieldReading]) -> list[FieldReading]:
    """q of all that could be tested, and *knows* held to it."""
    p = np.array([math.nan if one.verdict is Known.UNTESTED else one.p for one in found])
    tested = np.isfinite(p)
    q = np.full_like(p, math.nan)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested])
    firm = [one.verdict is not Known.KNOWS or q_one <= LEVEL for one, q_one in zip(found, q, strict=True)]
    return [
        dataclasses.replace(one, q=float(q_one), verdict=one.verdict if is_firm else Known.NO_EVIDENCE)
        for one, q_one, is_firm in zip(found, q, firm, strict=True)
    ]


def _gain(found: _Draws, of_twins: list[_Draws], everywhere: bool) -> dict | None:
    if not of_twins:
        return None
    n_turns = None if everywhere else _TURNS_OF_FURTHER_DRAWS
    return gain_of_training(found.parts(n_turns), torch.stack([twin.parts() for twin in of_twins]))


def _of_held(held: list[HeldOut], distances_km: Tensor) -> dict[str, object]:
    """What the test places of all draws say: scores, distances to labels, what is alike among neighbours."""
    nearest_km = torch.cat([one.nearest_km for one in held])
    return {
        "accuracy": _mean([one.right for one in held]),
        "macro_f1": _mean([one.macro_f1 for one in held]),
        "distance_km": (float(nearest_km.median()), float(nearest_km.quantile(0.9))),
        "wasserstein_km": float(stats.wasserstein_distance(held[0].nearest_km, distances_km)),
        "morans_i": _mean([one.morans_i for one in held]),
        "morans_z": _mean([one.morans_z for one in held]),
        "held": tuple(held),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _twins(encoder: Encoder, twins: int | Sequence[object] | None, device: object) -> list[Encoder]:
    if twins is None:
        return []
    if isinstance(twins, int):
        return untrained_twins(encoder, twins, device)
    return [_loaded(twin, device) for twin in twins]


def _loaded(encoder: object, device: object) -> Encoder:
    """An encoder as it is, or by its name in float32: what is rounded there, a reader never sees."""
    return encoder if isinstance(encoder, Encoder) else load_encoder(encoder, device, dtype=torch.float32)
