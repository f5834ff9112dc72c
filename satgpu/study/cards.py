"""Resolution cards: written from a run, and checked by measuring again."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from satgpu.answers.card import FORMAT, KIND, card_of, differences, digest_of, rows_of, summary_of
from satgpu.answers.transfer_curves import measured
from satgpu.encoders.hub import SATCLIP_NAMES
from satgpu.errors import UserError, refuse_repeats, unknown_choice
from satgpu.report.atlas import atlas_page
from satgpu.report.card import card_markdown
from satgpu.run.durable import write_atomically
from satgpu.run.read import Run, read_run
from satgpu.study.config import config_from
from satgpu.study.pipeline import prepare
from satgpu.study.prepared import PreparedStudy, Reading
from satgpu.study.ranks import Ranks
from satgpu.study.readouts import READERS

# Another machine adds in another order: the last digits of a share differ, and rarely a penalty by a step of its grid.
WITHIN = 1e-3
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, whether it holds, and in words what was found."""

    what: str
    holds: bool
    words: str

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'BROKEN'}  {self.what}: {self.words}"


def write_cards(run_folder: str | Path, encoders: Sequence[str] = (), out: str | Path | None = None) -> list[Path]:
    """``NAME.card.json`` and ``NAME.card.md`` for encoders of a run.

    Args:
        run_folder: a run with the experiment ``transfer``; ``map`` and ``fields`` are taken where it has them.
        encoders: names; every encoder of the run by default.
        out: folder for the cards, ``cards`` in the run's by default.

    Returns:
        the files written.

    Raises:
        UserError: the run or its transfer functions aren't there, or an encoder isn't in it.
    """
    run = read_run(run_folder)
    cards = [card_of(run, name) for name in encoders or measured(run.under("geodesic")) or [""]]
    folder = Path(run_folder) / "cards" if out is None else Path(out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for card in cards:
        paths = [folder / f"{_stem(card)}.card.{ending}" for ending in ("json", "md")]
        write_atomically(paths[0], json.dumps(card, allow_nan=False) + "\n")
        write_atomically(paths[1], card_markdown(card, paths[0].name))
        written += paths
    return written


def read_card(path: str | Path) -> dict[str, Any]:
    """A card from its JSON file; what it says is not checked here.

    Raises:
        UserError: there is no such file, or it holds no card.
    """
    path = Path(path).expanduser()
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not a JSON file; give the .card.json that satgpu card wrote") from None
    if not isinstance(card, dict) or card.get("kind") != KIND:
        raise UserError(f"{path}: not a resolution card; give the .card.json that satgpu card wrote")
    if card.get("format") != FORMAT:
        raise UserError(f"{path}: a card of format {card.get('format')!r:.20}; this satgpu reads format {FORMAT}")
    return card


def check_card(
    path: str | Path, row: str | None = None, encoder: str | None = None, device: str = "cpu"
) -> list[Check]:
    """Look whether a card holds: its digest, its arithmetic, its weights, and rows measured again from scratch.

    The digest finds a changed number unless who changed it made the digest anew. The arithmetic finds a headline
    that does not follow from the card's own rows. Measuring again finds a row that the weights don't give, to within
    a thousandth, and vouches for the rows that were measured again and no others. None says who made the card.

    Args:
        path: the card's JSON file.
        row: one of the card's rows, such as ``transfer-0`` (a draw of places), ``seeds``, ``map``, ``fields-0``; or
            ``all``. A draw of places by chance by default.
        encoder: name or path of the weights, where the name on the card is not enough to load them.
        device: where to measure.

    Returns:
        what was looked at, in order.

    Raises:
        UserError: no card, no such row, or an encoder that can't be had.
    """
    card = read_card(path)
    try:
        checks = [_digest(card), _arithmetic(card)]
        again = _Again(card, encoder, device)
        names = again.names
    except UserError:
        raise
    except _MALFORMED as error:
        raise _unwhole(path, error) from None
    if row not in (None, "all", *names):
        raise unknown_choice("row", row, (*names, "all"))
    chosen = names if row == "all" else [row or random.choice([name for name in names if name.startswith("transfer")])]
    return [*checks, again.weights(), *(again.measure(name) for name in chosen)]


def _digest(card: dict[str, Any]) -> Check:
    same = digest_of(card) == card.get("digest")
    return Check("digest", same, "as it was written" if same else "the card was changed after it was written")


def _arithmetic(card: dict[str, Any]) -> Check:
    off = list(differences(card["summary"], summary_of(card["rows"], card["config"])))
    words = "; ".join(f"{at} is {there}, its rows give {here}" for at, there, here in off[:3])
    return Check("summary", not off, words or "follows from the card's own rows")


class _Again:
    """The measurements of a card once more, from its options and the encoder's weights."""

    def __init__(self, card: dict[str, Any], encoder: str | None, device: str):
        self.card, self.name, self.device = card, card["encoder"]["name"], device
        self.spec, rows = encoder or self.name, card["rows"]
        self.names = [f"transfer-{draw}" for draw in sorted({one["draw"] for one in rows["transfer"]})]
        self.names += [part for part in ("seeds", "map") if part in rows]
        self.names += [f"fields-{i}" for i in range(card["config"]["replicates"])] if rows.get("fields") else []

    @cached_property
    def study(self) -> PreparedStudy:
        """A study of this encoder alone, with the card's options."""
        config = self.card["config"]
        parts = [part for part in ("transfer", "map", "fields") if part in config]
        options = {"encoders": [self.spec], "device": self.device, "controls": False, "experiments": parts}
        try:
            return prepare(config_from(options | config), Ranks())
        except UserError as error:
            hint = "" if self.spec != self.name else "; --encoder names a file of the weights"
            raise UserError(f"{self.spec} cannot be measured again: {error}{hint}") from None

    def weights(self) -> Check:
        """The weights at hand are those of the card."""
        here, there = self.study.encoders[0].encoder.provenance.sha256, self.card["encoder"]["sha256"]
        words = f"sha256 {here or 'none, no weights'}"
        return Check("weights", here == there, words if here == there else f"{words}, the card's {there}")

    def measure(self, name: str) -> Check:
        """One row, from scratch."""
        part, _, draw = name.partition("-")
        reading = next(one for one in self.study.readings() if self._belongs(one, part, int(draw or 0)))
        experiment = reading.task.experiment
        made = READERS[experiment](reading, self.study.config.parts[experiment], self.study)
        run = Run(results=pd.DataFrame(), **{experiment: pd.DataFrame([vars(one) for one in made])})
        here = rows_of(run, self.study.encoders[0].name).get(part, [])
        there = self.card["rows"][part]
        if part == "transfer":
            here = [one | {"draw": int(draw)} for one in here]
            there = [one for one in there if one["draw"] == int(draw)]
        off = list(differences({part: there}, {part: here}, WITHIN, WITHIN))
        words = "; ".join(f"{at} is {a} on the card, {b} measured again" for at, a, b in off[:3])
        more = f"; {len(off) - 3} more" if len(off) > 3 else ""
        return Check(name, not off, words + more or f"measured again, the same to within {WITHIN:g}")

    def _belongs(self, reading: Reading, part: str, draw: int) -> bool:
        task = reading.task
        wanted = {"transfer": ("transfer", "linear"), "seeds": ("transfer", "seeds")}.get(part, (part, task.part))
        return (task.experiment, task.part, task.replicate) == (*wanted, draw)


def write_atlas(cards: Sequence[str | Path], out: str | Path) -> Path:
    """One page that compares encoders, with the cards it was made from beside it.

    Args:
        cards: their JSON files.
        out: a folder; gets ``index.html`` and ``cards/``.

    Raises:
        UserError: a file that is no whole card or was changed after it was written, or one encoder twice.
    """
    read = [_whole(path) for path in cards]
    names = [card["encoder"]["name"] for card in read]
    refuse_repeats("the cards", names)
    folder = Path(out).expanduser()
    (folder / "cards").mkdir(parents=True, exist_ok=True)
    files = [f"cards/{_stem(card)}.card.json" for card in read]
    for card, file in zip(read, files, strict=True):
        write_atomically(folder / file, json.dumps(card, allow_nan=False) + "\n")
    others = [name for name in (*SATCLIP_NAMES, "geoclip") if name not in names]
    command = " ".join(["satgpu atlas", *files, "--out ."])
    write_atomically(folder / "index.html", atlas_page(read, files, others, command))
    return folder / "index.html"


def _whole(path: str | Path) -> dict[str, Any]:
    """A card whose digest and arithmetic hold."""
    card = read_card(path)
    try:
        broken = [check for check in (_digest(card), _arithmetic(card)) if not check.holds]
    except _MALFORMED as error:
        raise _unwhole(path, error) from None
    if broken:
        raise UserError(f"{path}: {broken[0].what}: {broken[0].words}; make the card again")
    return card


def _unwhole(path: str | Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a whole card ({type(error).__name__}: {error}); make it again")


def _stem(card: dict[str, Any]) -> str:
    """An encoder's name as a file can have it."""
    return re.sub(r"[^\w.-]+", "_", card["encoder"]["name"])
