"""Numbers in words: one way to write a share, a difference, a distance and their intervals."""

import math

from satgpu.answers.types import Answer, Estimate, Unit


def text(estimate: Estimate) -> str:
    """An estimate with its interval, the same everywhere.

    >>> text(Estimate(0.123, 0.091, 0.155, 3, Unit.POINTS)), text(Estimate(0.632, 0.61, 0.651, 3, Unit.SHARE))
    ('+12.3 points [+9.1, +15.5]', '63.2 % [61.0, 65.1]')
    >>> text(Estimate(557.6, 540.1, 580.9, 3, Unit.KM)), text(Estimate(550, n=0, unit=Unit.KM))
    ('558 km [540, 581]', '550 km')
    >>> text(Estimate(0.123, unit=Unit.POINTS)), text(Estimate(float("inf"), 900.0, float("inf"), 3, Unit.KM))
    ('+12.3 points (no interval)', 'never [900, open]')
    """
    value, unit = estimate.value, estimate.unit
    if value is None or math.isnan(value):
        return "n/a"
    if estimate.censored:
        return f"{estimate.censored} {number(estimate)}"
    if not estimate.has_interval:
        return number(estimate) + (" (no interval)" if estimate.n == 1 else "")
    ends = ["open" if end == 0 and unit is Unit.KM else _bare(end, unit) for end in (estimate.low, estimate.high)]
    return f"{number(estimate)} [{ends[0]}, {ends[1]}]"


def number(estimate: Estimate) -> str:
    """The value alone with its unit."""
    if math.isinf(estimate.value):
        return "never"
    bare = _bare(estimate.value, estimate.unit)
    if estimate.unit is Unit.HARMONIC:
        return f"l = {bare}"
    sign = {Unit.SHARE: " %", Unit.DEGREES: "°", Unit.NUMBER: ""}.get(estimate.unit, f" {estimate.unit}")
    return bare + sign


def _bare(value: float, unit: Unit) -> str:
    """Digits that matter, without the unit."""
    if math.isinf(value) or (value == 0 and unit is Unit.KM):
        return "open" if math.isinf(value) else "0"
    if unit is Unit.POINTS:
        return f"{100 * value:+.1f}"
    if unit is Unit.SHARE:
        return f"{100 * value:.1f}"
    if unit in (Unit.KM, Unit.KM2):
        return km_text(value)
    if unit in (Unit.DEGREES, Unit.HARMONIC):
        return f"{value:.3g}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def sentence(answer: Answer) -> str:
    """The statement with its numbers, as a sentence."""
    values = {name: text(value) if isinstance(value, Estimate) else value for name, value in answer.values.items()}
    words = answer.statement.format(**values)
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "?")) else ".")


def km_text(km: float) -> str:
    """Kilometres to at most three digits that matter.

    >>> km_text(1877.3), km_text(557.6), km_text(42.36), km_text(0)
    ('1880', '558', '42.4', '0')
    """
    if not math.isfinite(km) or km == 0:
        return "0" if km == 0 else "n/a"
    rounded = float(f"{km:.3g}")
    return f"{rounded:.0f}" if rounded >= 100 else f"{rounded:g}"


def percent(share: float) -> str:
    """``63.2 %``, or ``n/a``."""
    return f"{100 * share:.1f} %" if _known(share) else "n/a"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``1 probe``, ``1,234 probes``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def _known(value) -> bool:
    return value is not None and math.isfinite(value)
