"""Numbers in words: one way to write a share, a difference, a distance and their intervals."""

import math

from .style import km_text


def percent(share: float) -> str:
    """``63.2 %``, or ``n/a``."""
    return f"{100 * share:.1f} %" if _known(share) else "n/a"


def points(difference: float) -> str:
    """A difference of two shares in percentage points: ``+12.3``."""
    return f"{100 * difference:+.1f}" if _known(difference) else "n/a"


def points_interval(difference: float, low: float, high: float) -> str:
    """``+12.3 points [+9.1, +15.5]``; says so where one replicate gives no interval.

    >>> points_interval(0.123, 0.091, 0.155)
    '+12.3 points [+9.1, +15.5]'
    """
    if not _known(difference):
        return "n/a"
    interval = f" [{points(low)}, {points(high)}]" if _known(low) and _known(high) else " (no interval)"
    return f"{points(difference)} points{interval}"


def percent_interval(mean: float, low: float, high: float) -> str:
    """``63.2 % [61.0, 65.1]``."""
    interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if _known(low) and _known(high) else ""
    return percent(mean) + interval


def km_interval(km: float, low: float, high: float, censored: str = "") -> str:
    """``558 km [540, 581]``, ``finer than 100 km``; bounds of 0 and infinity are open, two unknown ones no interval.

    >>> km_interval(557.6, 540.1, 580.9), km_interval(100.0, 0.0, 110.0, "finer than")
    ('558 km [540, 581]', 'finer than 100 km')
    >>> km_interval(342.0, 0.0, 350.0), km_interval(342.0, float("nan"), float("nan"))
    ('342 km [open, 350]', '342 km (no interval)')
    """
    if censored:
        return f"{censored} {km_text(km)} km"
    if not _known(km):
        return "n/a"
    if math.isnan(low) or math.isnan(high):
        return f"{km_text(km)} km (no interval)"
    ends = ["open" if end == 0 or math.isinf(end) else km_text(end) for end in (low, high)]
    return f"{km_text(km)} km [{ends[0]}, {ends[1]}]"


def pattern_label(pattern: str) -> str:
    """``horizontal_stripes`` → ``horizontal stripes``."""
    return str(pattern).replace("_", " ")


def sampling_label(sampling: str) -> str:
    """What a value of the ``sampling`` column means."""
    labels = {
        "fixed_points": "the same number of points in every region",
        "fixed_density": "the same points per cell in every region",
        "fixed_per_cell": "global, the same points per cell at every scale",
        "local_caps": "local caps of a fixed number of cells",
    }
    return labels.get(sampling, pattern_label(sampling))


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``1 probe``, ``1,234 probes``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items) -> str:
    """``a, b and c``."""
    items = [str(item) for item in items]
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def _known(value) -> bool:
    return value is not None and math.isfinite(value)
