"""Triton kernels of a minibatch of P probes: every program works for one probe, and returns at once if it rests.

Inputs are gathered from the pool inside the kernels; gradients are never written, Adam follows each tile of a product.
No two programs of a launch share anything that one of them writes, and sums have a fixed order, so a probe's numbers
depend on no neighbour. The order of a minibatch is ``hidden`` upwards, ``top``, ``back`` downwards, ``update``.
"""

import triton
import triton.language as tl

from satgpu.probes.gpu.triton_layers import (
    adam,
    against_many,
    against_one,
    downwards,
    layer,
    move_on,
    output,
    places,
    span,
    through,
    update_output,
)


@triton.jit
def hidden(source, table, flat, position, n_fit, n_validation, is_live, a, stride, chunk,
           N_IN: tl.constexpr, N_OUT: tl.constexpr, SIZE: tl.constexpr, W: tl.constexpr, B: tl.constexpr,
           BATCH: tl.constexpr, GATHER: tl.constexpr, EVAL: tl.constexpr, KIND: tl.constexpr,
           BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PREC: tl.constexpr):  # fmt: skip
    """Activations ``a`` of a hidden layer below the last one: a tile of BM rows and BN units."""
    p = tl.program_id(0).to(tl.int64)
    start, rows = span(p, position, n_fit, n_validation, is_live, BATCH, EVAL, chunk)
    if rows <= tl.program_id(1) * BM:
        return
    r, j = tl.program_id(1) * BM + tl.arange(0, BM), tl.program_id(2) * BN + tl.arange(0, BN)
    ok = r < rows
    at = places(p, r, ok, table, start, stride, N_IN, BATCH, GATHER)
    z, _ = layer(source, at, ok, flat + p * SIZE, W, B, j, N_IN, N_OUT, KIND, False, BM, BN, BK, PREC)
    tl.store(a + (p * BATCH + r)[:, None] * N_OUT + j[None, :], z, ok[:, None] & (j < N_OUT)[None, :])


@triton.jit
def top(source, table, labels, flat, position, n_fit, n_validation, is_live, is_regression, steps, learning_rate,
        d, d_below, part_w, part_b, losses, squares, now, rates, stride,
        N_IN: tl.constexpr, N_OUT: tl.constexpr, C: tl.constexpr, SIZE: tl.constexpr, W: tl.constexpr, B: tl.constexpr,
        W_OUT: tl.constexpr, B_OUT: tl.constexpr, BATCH: tl.constexpr, GATHER: tl.constexpr, KIND: tl.constexpr,
        LOG_B1: tl.constexpr, LOG_B2: tl.constexpr, SQUARES: tl.constexpr, TILES: tl.constexpr,
        BM: tl.constexpr, JP: tl.constexpr, BK: tl.constexpr, CP: tl.constexpr, PREC: tl.constexpr):  # fmt: skip
    """The last hidden layer, the output, the loss, and the way back to the layer below: a tile of BM rows.

    Writes the deltas ``d`` and ``d_below``, and by tile the sums that ``update`` needs for the output layer: part_w
    (TILES, C, JP), part_b (TILES, CP), losses (TILES,). The first tile writes what the kernels that follow know of the
    minibatch: ``now`` (first row, rows) and ``rates``, Adam's step size with its corrections.
    """
    p, t = tl.program_id(0).to(tl.int64), tl.program_id(1)
    start, rows = span(p, position, n_fit, n_validation, is_live, BATCH, False, 0)
    if t == 0:
        tl.store(now + 2 * p, start)
        tl.store(now + 2 * p + 1, rows)
    if rows <= t * BM:
        return
    r, j, c = t * BM + tl.arange(0, BM), tl.arange(0, JP), tl.arange(0, CP)
    ok, at_part = r < rows, p * TILES + t
    at = places(p, r, ok, table, start, stride, N_IN, BATCH, GATHER)
    a, square = layer(source, at, ok, flat + p * SIZE, W, B, j, N_IN, N_OUT, KIND, True, BM, JP, BK, PREC)
    out, w_out = output(a, flat + p * SIZE + W_OUT, flat + p * SIZE + B_OUT, j, N_OUT, C, CP, PREC)
    label = tl.load(labels + p * stride + start + r, ok, 0.0)
    share = tl.where(ok, 1.0 / rows.to(tl.float32), 0.0)
    if C == 1:
        delta, loss = against_one(out, label, tl.load(is_regression + p) != 0)
        delta = tl.where(ok, delta * share, 0.0)
        tl.store(part_w + at_part * JP + j, tl.sum(a * delta[:, None], 0))
        tl.store(part_b + at_part * CP, tl.sum(delta, 0))
        square += w_out * w_out
        e = delta[:, None] * w_out[None, :]
    else:
        delta, loss = against_many(out, label, C, CP)
        delta = tl.where(ok[:, None], delta * share[:, None], 0.0)
        g = tl.dot(tl.trans(delta), a, input_precision=PREC)
        tl.store(part_w + (at_part * C + c)[:, None] * JP + j[None, :], g, (c < C)[:, None])
        tl.store(part_b + at_part * CP + c, tl.sum(delta, 0))
        square += tl.sum(w_out * w_out, 0)
        e = tl.dot(delta, w_out, input_precision=PREC)
    tl.store(losses + at_part, tl.sum(tl.where(ok, loss, 0.0), 0))
    e = through(e, a, KIND)
    tl.store(d + (p * BATCH + r)[:, None] * N_OUT + j[None, :], e, ok[:, None] & (j < N_OUT)[None, :])
    if not GATHER:
        downwards(e, flat + p * SIZE + W, source, d_below, at, ok, j, N_IN, N_OUT, KIND, BK, PREC)
    if t == 0:
        tl.store(squares + p * SQUARES, tl.sum(square, 0))
        step = tl.load(steps + p) + 1.0
        correction = tl.sqrt(1.0 - tl.exp(step * LOG_B2)) / (1.0 - tl.exp(step * LOG_B1))
        tl.store(rates + p, (tl.load(learning_rate + p) * correction).to(tl.float32))


@triton.jit
def back(d, flat, a, now, d_below, N_IN: tl.constexpr, N_OUT: tl.constexpr, SIZE: tl.constexpr, W: tl.constexpr,
         BATCH: tl.constexpr, KIND: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
         PREC: tl.constexpr):  # fmt: skip
    """Deltas of the layer below from those of a middle layer, in networks of three hidden layers and more."""
    p = tl.program_id(0).to(tl.int64)
    rows = tl.load(now + 2 * p + 1)
    if rows <= tl.program_id(1) * BM:
        return
    r, i = tl.program_id(1) * BM + tl.arange(0, BM), tl.program_id(2) * BN + tl.arange(0, BN)
    ok, total = r < rows, tl.zeros((BM, BN), tl.float32)
    for k in range(0, N_OUT, BK):
        j = k + tl.arange(0, BK)
        e = tl.load(d + (p * BATCH + r)[:, None] * N_OUT + j[None, :], ok[:, None] & (j < N_OUT)[None, :], 0.0)
        inside = (j < N_OUT)[:, None] & (i < N_IN)[None, :]
        w = tl.load(flat + p * SIZE + W + j[:, None] * N_IN + i[None, :], inside, 0.0)
        total = tl.dot(e, w, total, input_precision=PREC)
    at, inside = (p * BATCH + r)[:, None] * N_IN + i[None, :], ok[:, None] & (i < N_IN)[None, :]
    tl.store(d_below + at, through(total, tl.load(a + at, inside, 0.0), KIND), inside)


@triton.jit
def update(source, table, d, flat, m, v, now, rates, alpha, squares, part_w, part_b, losses, position, steps,
           epoch_loss, stride, N_IN: tl.constexpr, N_OUT: tl.constexpr, C: tl.constexpr, SIZE: tl.constexpr,
           W: tl.constexpr, B: tl.constexpr, W_OUT: tl.constexpr, B_OUT: tl.constexpr, BATCH: tl.constexpr,
           GATHER: tl.constexpr, LAST: tl.constexpr, FIRST_SQUARE: tl.constexpr, SQUARES: tl.constexpr,
           TILES: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BR: tl.constexpr, BM: tl.constexpr,
           JP: tl.constexpr, CP: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, EPS: tl.constexpr,
           PREC: tl.constexpr):  # fmt: skip
    """A hidden layer's weight gradient and Adam on it: a tile of BN units above and BK below.

    The launch for the last hidden layer ends a minibatch. It has one program more for each probe, which updates the
    output layer from the sums that ``top`` left, adds up the loss and moves the probe on.
    """
    p, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    start, rows = tl.load(now + 2 * p), tl.load(now + 2 * p + 1)
    if rows == 0:
        return
    rate, penalty = tl.load(rates + p), tl.load(alpha + p)
    decay = (penalty / rows).to(tl.float32)
    ACROSS: tl.constexpr = (N_IN + BK - 1) // BK
    if LAST and tile == ACROSS * ((N_OUT + BN - 1) // BN):
        n_tiles = (rows + BM - 1) // BM
        update_output(p, n_tiles, flat, m, v, part_w, part_b, rate, decay, N_OUT, C, SIZE, W_OUT, B_OUT,
                      TILES, JP, CP, C1, C2, EPS)  # fmt: skip
        move_on(p, n_tiles, losses, squares, penalty, position, steps, epoch_loss, TILES, SQUARES)
        return
    i, j = tile % ACROSS * BK + tl.arange(0, BK), tile // ACROSS * BN + tl.arange(0, BN)
    g, bias = tl.zeros((BN, BK), tl.float32), tl.zeros((BN,), tl.float32)
    for first in range(0, rows.to(tl.int32), BR):
        r = first + tl.arange(0, BR)
        ok = r < rows
        at = places(p, r, ok, table, start, stride, N_IN, BATCH, GATHER)
        x = tl.load(source + at[:, None] + i[None, :], ok[:, None] & (i < N_IN)[None, :], 0.0)
        inside = ok[None, :] & (j < N_OUT)[:, None]
        e = tl.load(d + (p * BATCH + r)[None, :] * N_OUT + j[:, None], inside, 0.0)
        g = tl.dot(e, x, g, input_precision=PREC)
        bias += tl.sum(e, 1)
    inside = (j < N_OUT)[:, None] & (i < N_IN)[None, :]
    at_weights = p * SIZE + W + j[:, None] * N_IN + i[None, :]
    square = adam(flat, m, v, at_weights, inside, g, rate, decay, C1, C2, EPS)
    if not LAST:
        tl.store(squares + p * SQUARES + FIRST_SQUARE + tile, tl.sum(tl.sum(square, 1), 0))
    if tile % ACROSS == 0:
        adam(flat, m, v, p * SIZE + B + j, j < N_OUT, bias, rate, 0.0, C1, C2, EPS)


@triton.jit
def judge(source, table, labels, flat, position, n_fit, n_validation, is_live, hits, residuals, stride, chunk,
          N_IN: tl.constexpr, N_OUT: tl.constexpr, C: tl.constexpr, SIZE: tl.constexpr, W: tl.constexpr,
          B: tl.constexpr, W_OUT: tl.constexpr, B_OUT: tl.constexpr, BATCH: tl.constexpr, GATHER: tl.constexpr,
          KIND: tl.constexpr, TILES: tl.constexpr, BM: tl.constexpr, JP: tl.constexpr, BK: tl.constexpr,
          CP: tl.constexpr, PREC: tl.constexpr):  # fmt: skip
    """The last hidden layer and the output on a chunk of validation rows: right answers and squared errors, by tile."""
    p, t = tl.program_id(0).to(tl.int64), tl.program_id(1)
    start, rows = span(p, position, n_fit, n_validation, is_live, BATCH, True, chunk)
    if rows <= t * BM:
        return
    r, j = t * BM + tl.arange(0, BM), tl.arange(0, JP)
    ok = r < rows
    at = places(p, r, ok, table, start, stride, N_IN, BATCH, GATHER)
    a, _ = layer(source, at, ok, flat + p * SIZE, W, B, j, N_IN, N_OUT, KIND, False, BM, JP, BK, PREC)
    out, _ = output(a, flat + p * SIZE + W_OUT, flat + p * SIZE + B_OUT, j, N_OUT, C, CP, PREC)
    label = tl.load(labels + p * stride + start + r, ok, 0.0)
    at_sum = p * TILES + t
    if C == 1:
        right = tl.where(out > 0, 1.0, 0.0) == label
        error = tl.where(ok, label.to(tl.float64) - out.to(tl.float64), 0.0)
        tl.store(residuals + at_sum, tl.load(residuals + at_sum) + tl.sum(error * error, 0))
    else:
        c = tl.arange(0, CP)
        right = tl.argmax(tl.where((c < C)[None, :], out, float("-inf")), 1).to(tl.float32) == label
    tl.store(hits + at_sum, tl.load(hits + at_sum) + tl.sum(tl.where(ok & right, 1.0, 0.0), 0).to(tl.float64))
