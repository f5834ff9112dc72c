"""The grammar of encoder names: a kind, then options as letters and a number, joined by hyphens."""

import re
from dataclasses import dataclass

from satgpu.errors import UserError


@dataclass(frozen=True)
class Options:
    """What a name like ``untrained-l40-w256-seed3`` asks for.

    Args:
        numbers: option letters to their numbers, ``{"l": 40, "w": 256, "seed": 3}``.
        flags: options without a number, such as ``closedform``.
        wavelengths_km: parts like ``500km``, in the order given.
    """

    numbers: dict[str, int]
    flags: frozenset[str]
    wavelengths_km: tuple[int, ...]


def parse_options(
    spec: str, numbers: dict[str, str], flags: tuple[str, ...] = (), wavelengths: bool = False
) -> Options:
    """Read the options behind the first word of ``spec``.

    Args:
        spec: the whole name.
        numbers: allowed options with a number, and what each means, for the message.
        flags: allowed options without a number.
        wavelengths: parts like ``500km`` are allowed.

    Raises:
        UserError: an option is unknown, given twice, or lacks its number.
    """
    found: dict[str, int] = {}
    seen_flags: set[str] = set()
    found_km: list[int] = []
    for part in spec.split("-")[1:]:
        match = re.fullmatch(r"([a-z]*)(\d{1,9})?(km)?", part)
        key, value, unit = match.groups() if match else (part, None, None)
        if wavelengths and match and not key and value and unit:
            found_km.append(int(value))
        elif part in flags and part not in seen_flags:
            seen_flags.add(part)
        elif key in numbers and value and not unit and key not in found:
            found[key] = int(value)
        else:
            raise UserError(_complaint(spec, part, numbers, flags, wavelengths))
    return Options(found, frozenset(seen_flags), tuple(found_km))


def _complaint(spec: str, part: str, numbers: dict[str, str], flags: tuple[str, ...], wavelengths: bool) -> str:
    allowed = [f"{key}N ({meaning})" for key, meaning in numbers.items()] + list(flags)
    if wavelengths:
        allowed.insert(0, "Nkm (a wavelength)")
    return f"encoder {spec!r}: cannot read {part!r}; options, each at most once: {', '.join(allowed)}"


def number_within(spec: str, what: str, value: int, low: int, high: int) -> int:
    """``value`` if it is within the limits, else a UserError that names ``what``."""
    if not low <= value <= high:
        raise UserError(f"encoder {spec!r}: {what} must be {low} to {high}; got {value}")
    return value
