"""Counter-based random numbers: what is drawn depends on its key alone, on no generator and no device.

A draw is a hash of (seed, stream, index), so a probe gets the same numbers alone or among thousands,
in any slot, on a CPU or a GPU. The mixing function is SplitMix64's finaliser, whose output passes
BigCrush on consecutive counters.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014;
constants of variant 13 by D. Stafford.
"""

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd: successive counters differ in many bits
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def hash_bits(seed: int | Tensor, stream: int | Tensor, index: Tensor) -> Tensor:
    """64 random bits for each index.

    Args:
        seed: an integer, or (...) int64 that broadcasts against ``index``.
        stream: tells apart the uses of one seed; an integer, or int64 that broadcasts against ``seed``.
        index: (...) int64 counters.

    Returns:
        (...) int64, every bit pattern equally likely, the same on every device.
    """
    if isinstance(seed, int):
        seed = torch.tensor(_signed(seed), device=index.device)
    step = _signed(stream * _GOLDEN) if isinstance(stream, int) else stream * _signed(_GOLDEN)
    key = _mix(_mix(seed) + step)
    return _mix(key + index * _signed(_GOLDEN))


def hash_uniform(seed: int | Tensor, stream: int, index: Tensor) -> Tensor:
    """(...) float64 in [0, 1), from the upper 53 bits of ``hash_bits``."""
    return _shift_right(hash_bits(seed, stream, index), 11).to(torch.float64) * 2.0**-53


def hash_order(seed: int, stream: int, n: int, device: torch.device) -> Tensor:
    """(n,) int64: a random order of ``range(n)``."""
    return torch.argsort(hash_bits(seed, stream, torch.arange(n, device=device)), stable=True)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser; int64 products wrap, which is what it asks for."""
    x = x + _signed(_GOLDEN)
    x = (x ^ _shift_right(x, 30)) * _signed(_MULTIPLIERS[0])
    x = (x ^ _shift_right(x, 27)) * _signed(_MULTIPLIERS[1])
    return x ^ _shift_right(x, 31)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Shift zeros in from the left: torch shifts copies of the sign in."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(pattern: int) -> int:
    """The int64 with the same lowest 64 bits."""
    pattern &= (1 << 64) - 1
    return pattern - (1 << 64) if pattern >= 1 << 63 else pattern
