"""Which encoders a run compares: what ``auto`` means here and now, and the controls that belong beside them."""

import re
import time
from dataclasses import dataclass

from satgpu.encoders.hub import SATCLIP_NAMES, HubFile, cached, fetch, why_unreachable
from satgpu.errors import UserError

PREFERRED_PAIR = ("satclip-vit16-l10", "satclip-vit16-l40")
FALLBACK_PAIR = ("untrained-l10", "untrained-l40")


@dataclass(frozen=True)
class Choice:
    """The encoders to compare, and what the reader of every figure must be told about them.

    Args:
        specs: for :func:`~satgpu.encoders.load.load_encoder`, in order, each once.
        notice: why other encoders stand in for trained ones; None where they don't.
    """

    specs: list[str]
    notice: str | None = None


def choose_encoders(specs: list[str], offline: bool = False, timeout_s: float = 15) -> Choice:
    """Resolve ``auto``, and make sure that SatCLIP names asked for can be had.

    Args:
        specs: encoder names or paths; ``auto`` stands for the SatCLIP ViT16 pair
            where it is cached or the hub answers, else for the untrained pair.
        offline: never ask the hub.
        timeout_s: upper limit for asking.

    Returns:
        The specs without ``auto`` and without repeats.

    Raises:
        UserError: no specs, or a SatCLIP model asked for by name is not to be had.
    """
    if not specs:
        raise UserError("no encoders given; give 'auto' or names such as satclip-vit16-l10 satclip-vit16-l40")
    deadline = time.monotonic() + timeout_s
    chosen: list[str] = []
    notice = None
    for spec in specs:
        if spec == "auto":
            reason = _why_no_pair(offline, deadline)
            chosen += FALLBACK_PAIR if reason else PREFERRED_PAIR
            notice = _notice(reason) if reason else None
        else:
            if spec in SATCLIP_NAMES:
                _require(spec, offline, deadline)
            chosen.append(spec)
    return Choice(list(dict.fromkeys(chosen)), notice)


def control_specs(compared_specs: list[str]) -> list[str]:
    """The controls to run beside the compared encoders: the same architecture untrained, and coordinates alone.

    Every trained encoder of L harmonics gets ``untrained-lL``; ``xyz`` is always
    there. What is compared already is not repeated.

    >>> control_specs(["satclip-vit16-l10", "geoclip"])
    ['untrained-l10', 'xyz']
    """
    wanted = []
    for spec in compared_specs:
        match = re.search(r"satclip-\w+-l(\d+)", str(spec))
        if match:
            wanted.append(f"untrained-l{match[1]}")
    wanted.append("xyz")
    return [spec for spec in dict.fromkeys(wanted) if spec not in compared_specs]


def _why_no_pair(offline: bool, deadline: float) -> str:
    """Why the preferred pair can't be used, "" where it can."""
    missing = [name for name in PREFERRED_PAIR if cached(HubFile.of_satclip(name)) is None]
    if not missing:
        return ""
    if offline:
        return f"{missing[0]} is not cached, and offline mode was asked for"
    for name in missing:
        reason = why_unreachable(HubFile.of_satclip(name), timeout_s=_time_left(deadline))
        if reason:
            return f"{name} is not cached, and the hub gave no answer: {reason}"
    return ""


def _notice(reason: str) -> str:
    return (
        "Untrained encoders stand in for SatCLIP (its weights could not be had: "
        f"{reason}). Nothing here says anything about what SatCLIP learned."
    )


def _require(name: str, offline: bool, deadline: float) -> None:
    """UserError unless the SatCLIP model is cached or can be downloaded."""
    file = HubFile.of_satclip(name)
    if cached(file) is None:
        fetch(file, offline=offline, timeout_s=_time_left(deadline))


def _time_left(deadline: float) -> float:
    # Two models of a pair share the limit; never less than a moment, so that a late question still gets asked.
    return max(0.5, min(6.0, (deadline - time.monotonic()) / 2))
