"""Triton kernels at both ends of an epoch: the numbers that order its rows, and scikit-learn's stopping rule.

They compute what ``draws.hashed_orders`` and ``SlotRule.update`` do with some fifty and sixty launches, one program for
each probe (and block of rows); a probe that is elsewhere in its epoch returns at once.
"""

import triton
import triton.language as tl


@triton.jit
def mixed(x):
    """SplitMix64's finaliser on uint64."""
    x += 0x9E3779B97F4A7C15
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB
    return x ^ (x >> 31)


@triton.jit
def order_bits(seeds, epochs, position, n_fit, is_live, bits, width, FIRST: tl.constexpr, BLOCK: tl.constexpr):
    """(P, width) int64 hashes whose order is that of an epoch's rows, the largest number past the last row."""
    p = tl.program_id(0).to(tl.int64)
    if (tl.load(is_live + p) == 0) | (tl.load(position + p) != 0):
        return
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    golden = tl.full((BLOCK,), 0x9E3779B97F4A7C15, tl.uint64)
    seed = tl.load(seeds + p).to(tl.uint64) + tl.zeros((BLOCK,), tl.uint64)
    epoch = (tl.load(epochs + p) + FIRST).to(tl.uint64)
    found = mixed(mixed(mixed(seed) + epoch * golden) + i.to(tl.uint64) * golden).to(tl.int64)
    found = tl.where(i < tl.load(n_fit + p), found, 0x7FFFFFFFFFFFFFFF)
    tl.store(bits + p * width + i, found, i < width)


@triton.jit
def close(
    flat, best_flat, position, n_fit, n_validation, is_regression, validation_total, epoch_loss, hits, residuals,
    best_ptr, stale_ptr, epochs, is_live, is_finite, losses, scores,
    SIZE: tl.constexpr, BATCH: tl.constexpr, TILES: tl.constexpr, MAX_ITER: tl.constexpr, TOL: tl.constexpr,
    PATIENCE: tl.constexpr, HAS_VALIDATION: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The end of an epoch: loss and score into the curves, the stopping rule, best weights, and back to the start."""
    p = tl.program_id(0).to(tl.int64)
    if (tl.load(is_live + p) == 0) | (tl.load(position + p) * BATCH < tl.load(n_fit + p)):
        return
    loss = tl.load(epoch_loss + p) / tl.load(n_fit + p).to(tl.float64)
    gain = -loss
    if HAS_VALIDATION:
        right, error = tl.full((), 0.0, tl.float64), tl.full((), 0.0, tl.float64)
        for t in range(TILES):
            right += tl.load(hits + p * TILES + t)
            error += tl.load(residuals + p * TILES + t)
            tl.store(hits + p * TILES + t, 0.0)
            tl.store(residuals + p * TILES + t, 0.0)
        total = tl.load(validation_total + p)
        r2 = tl.where(total == 0, tl.where(error == 0, 1.0, 0.0), 1.0 - error / tl.where(total == 0, 1.0, total))
        accuracy = right / tl.maximum(tl.load(n_validation + p), 1).to(tl.float64)
        gain = tl.where(tl.load(is_regression + p) != 0, r2, accuracy)
    epoch, best = tl.load(epochs + p), tl.load(best_ptr + p)
    here = p * MAX_ITER + tl.minimum(epoch, MAX_ITER - 1)
    tl.store(losses + here, loss.to(tl.float32))
    tl.store(scores + here, gain.to(tl.float32))
    finite = (tl.load(is_finite + p) != 0) & (tl.abs(loss) < float("inf"))
    stale = tl.where(gain < best + TOL, tl.load(stale_ptr + p) + 1, 0)
    tl.store(stale_ptr + p, stale)
    tl.store(epochs + p, epoch + 1)
    tl.store(is_finite + p, finite.to(tl.uint8))
    tl.store(is_live + p, (finite & (stale <= PATIENCE) & (epoch + 1 < MAX_ITER)).to(tl.uint8))
    tl.store(position + p, 0)
    tl.store(epoch_loss + p, 0.0)
    if finite & (gain > best):
        tl.store(best_ptr + p, gain)
        for first in range(0, SIZE, BLOCK):
            i = first + tl.arange(0, BLOCK)
            tl.store(best_flat + p * SIZE + i, tl.load(flat + p * SIZE + i, i < SIZE, 0.0), i < SIZE)
