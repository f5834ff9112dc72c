"""Which encoders a run compares: what ``auto`` means here and now, and the controls that belong beside them."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from satgpu.encoders.base import Encoder
from satgpu.encoders.controls import untrained_spec
from satgpu.encoders.hub import SATCLIP_NAMES, HubFile, cached, demand, why_unreachable
from satgpu.encoders.mini import MINI_NAMES
from satgpu.encoders.siren import HarmonicSiren
from satgpu.errors import UserError

PREFERRED_PAIR = ("satclip-vit16-l10", "satclip-vit16-l40")
FALLBACK_PAIR = MINI_NAMES


@dataclass(frozen=True)
class Choice:
    """The encoders to compare, and what the reader of every figure must be told about them.

    Args:
        specs: for :func:`~satgpu.encoders.load.load_encoder`, in order, each once.
        notice: why other encoders stand in for trained ones; None where they don't.
    """

    specs: list[str]
    notice: str | None = None


def choose_encoders(
    specs: list[str],
    offline: bool = False,
    timeout_s: float = 15,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
) -> Choice:
    """Resolve ``auto``, and make sure that SatCLIP names asked for can be had.

    Args:
        specs: encoder names or paths; ``auto`` stands for the SatCLIP ViT16 pair
            where it is cached or the hub answers, else for satgpu's own small pair.
        offline: never ask the hub.
        timeout_s: upper limit for asking.
        revision: branch, tag or commit of the hub repositories.
        cache_dir: the hub's cache folder, where it isn't the usual one.

    Returns:
        The specs without ``auto`` and without repeats.

    Raises:
        UserError: no specs, or a SatCLIP model asked for by name is not to be had.
    """
    if not specs:
        raise UserError("no encoders given; give 'auto' or names such as satclip-vit16-l10 satclip-vit16-l40")
    asker = _Asker(offline, revision, cache_dir, time.monotonic() + timeout_s)
    chosen: list[str] = []
    notice = None
    for spec in specs:
        if spec == "auto":
            reason = asker.why_not(PREFERRED_PAIR)
            chosen += FALLBACK_PAIR if reason else PREFERRED_PAIR
            notice = _notice(reason) if reason else None
        else:
            if spec in SATCLIP_NAMES:
                asker.require(spec)
            chosen.append(spec)
    return Choice(list(dict.fromkeys(chosen)), notice)


def control_specs(compared: Iterable[str | Encoder]) -> list[str]:
    """The controls to run beside the compared encoders: the same architecture untrained, and coordinates alone.

    Args:
        compared: specs, or the loaded encoders, which know L and the sizes of a local file too.

    Returns:
        ``untrained-lL`` for every trained encoder of L harmonics, and ``xyz``;
        what is compared already is not repeated.

    >>> control_specs(["satclip-vit16-l10", "geoclip"])
    ['untrained-l10', 'xyz']
    """
    compared = list(compared)
    wanted = [twin for each in compared if (twin := untrained_twin(each))] + ["xyz"]
    names = {each if isinstance(each, str) else each.name for each in compared}
    return [spec for spec in dict.fromkeys(wanted) if spec not in names]


def untrained_twin(compared: str | Encoder) -> str | None:
    """The spec of the untrained encoder of the same architecture, None where there is none to be had."""
    if isinstance(compared, HarmonicSiren):
        return untrained_spec(compared) if compared.provenance.trained else None
    if isinstance(compared, Encoder):
        legendre_polys = compared.provenance.legendre_polys
        return f"untrained-l{legendre_polys}" if compared.provenance.trained and legendre_polys else None
    match = re.search(r"satclip-\w+-l(\d+)", str(compared))
    return f"untrained-l{match[1]}" if match else None


@dataclass(frozen=True)
class _Asker:
    """Asks cache and hub for SatCLIP models, all questions within one deadline."""

    offline: bool
    revision: str | None
    cache_dir: str | Path | None
    deadline_s: float

    def why_not(self, names: Iterable[str]) -> str:
        """Why these models can't be used, "" where they can."""
        missing = [name for name in names if not self._cached(name)]
        if missing and self.offline:
            return f"{missing[0]} is not cached, and offline mode was asked for"
        for name in missing:
            reason = why_unreachable(HubFile.of_satclip(name), self.revision, self._time_left_s())
            if reason:
                return f"{name} is not cached, and the hub could not give it: {reason}"
        return ""

    def require(self, name: str) -> None:
        """UserError unless the model is cached or the hub has it."""
        if not self._cached(name):
            demand(HubFile.of_satclip(name), self.revision, self.offline, self._time_left_s())

    def _cached(self, name: str) -> bool:
        return cached(HubFile.of_satclip(name), self.revision, self.cache_dir) is not None

    def _time_left_s(self) -> float:
        # Each question leaves half of what is left for the next; a late one still gets a moment.
        return max(0.5, min(6.0, (self.deadline_s - time.monotonic()) / 2))


def _notice(reason: str) -> str:
    return (
        "satgpu's own small pair, trained by us on one picture, stands in for SatCLIP (its weights could not be had: "
        f"{reason}). Nothing here says anything about SatCLIP."
    )
