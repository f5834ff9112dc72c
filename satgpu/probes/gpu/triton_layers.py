"""What the Triton kernels of a minibatch are made of: rows and their places, a layer, the loss, Adam.

Formulas, and what NaN does, are those of ``backprop`` and ``adam``, the oracle of the tests. p is a probe, r rows of
the minibatch, i units below, j units above, C outputs; JP and CP are units and outputs filled up to a power of two.
"""

import triton
import triton.language as tl


@triton.jit
def span(p, position, n_fit, n_validation, is_live, BATCH: tl.constexpr, EVAL: tl.constexpr, chunk):
    """First row and number of rows of a probe's minibatch; at the end of its epoch, of a chunk of its validation rows.

    No rows for a probe that has nothing of it to do.
    """
    is_busy = tl.load(is_live + p) != 0
    if EVAL:
        is_busy &= tl.load(position + p) * BATCH >= tl.load(n_fit + p)
        start = tl.load(n_fit + p) + chunk * BATCH
        end = tl.load(n_fit + p) + tl.load(n_validation + p)
    else:
        start = tl.load(position + p) * BATCH
        end = tl.load(n_fit + p)
    rows = tl.minimum(tl.maximum(end - start, 0), BATCH)
    return start, tl.where(is_busy, rows, 0)


@triton.jit
def places(p, r, ok, table, start, stride, N_IN: tl.constexpr, BATCH: tl.constexpr, GATHER: tl.constexpr):
    """Where rows of a layer's inputs begin: in the pool, by the table of row numbers, or in the activations below."""
    row = tl.load(table + p * stride + start + r, ok, 0).to(tl.int64) if GATHER else p * BATCH + r
    return row * N_IN


@triton.jit
def activated(z, KIND: tl.constexpr):
    """f(z); what is not a number stays so."""
    if KIND == "relu":
        z = tl.where(z < 0, 0.0, z)
    elif KIND == "logistic":
        z = 1.0 / (1.0 + tl.exp(-z))
    elif KIND == "tanh":
        t = tl.exp(-2.0 * tl.abs(z))
        z = tl.where(z < 0, -1.0, 1.0) * ((1.0 - t) / (1.0 + t))
    return z


@triton.jit
def through(delta, a, KIND: tl.constexpr):
    """delta times f', written with a = f(z)."""
    if KIND == "relu":
        delta = tl.where(a <= 0, 0.0, delta)
    elif KIND == "logistic":
        delta = delta * (1.0 - a) * a
    elif KIND == "tanh":
        delta = delta * (1.0 - a * a)
    return delta


@triton.jit
def layer(source, at, ok, flat, W: tl.constexpr, B: tl.constexpr, j, N_IN: tl.constexpr, N_OUT: tl.constexpr,
          KIND: tl.constexpr, SQUARES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
          PREC: tl.constexpr):  # fmt: skip
    """(BM, BN) activations of a layer, zero past its units, and (BN,) sums of its squared weights if asked for."""
    z, square = tl.zeros((BM, BN), tl.float32), tl.zeros((BN,), tl.float32)
    is_unit = j < N_OUT
    for k in range(0, N_IN, BK):
        i = k + tl.arange(0, BK)
        x = tl.load(source + at[:, None] + i[None, :], ok[:, None] & (i < N_IN)[None, :], 0.0)
        w = tl.load(flat + W + j[None, :] * N_IN + i[:, None], (i < N_IN)[:, None] & is_unit[None, :], 0.0)
        if SQUARES:
            square += tl.sum(w * w, 0)
        z = tl.dot(x, w, z, input_precision=PREC)
    z += tl.load(flat + B + j, is_unit, 0.0)[None, :]
    return tl.where(is_unit[None, :], activated(z, KIND), 0.0), square


@triton.jit
def output(a, w_ptr, b_ptr, j, N_OUT: tl.constexpr, C: tl.constexpr, CP: tl.constexpr, PREC: tl.constexpr):
    """(BM, CP) raw outputs and (CP, JP) weights; a single output is (BM,) and its weights (JP,)."""
    if C == 1:
        w = tl.load(w_ptr + j, j < N_OUT, 0.0)
        out = tl.sum(a * w[None, :], 1) + tl.load(b_ptr)
    else:
        c = tl.arange(0, CP)
        w = tl.load(w_ptr + c[:, None] * N_OUT + j[None, :], (c < C)[:, None] & (j < N_OUT)[None, :], 0.0)
        out = tl.dot(a, tl.trans(w), input_precision=PREC) + tl.load(b_ptr + c, c < C, 0.0)[None, :]
    return out, w


@triton.jit
def log_loss(chance):
    """-log of a probability, clipped as scikit-learn does; what is not a number stays so."""
    chance = tl.where(chance < 1.1920928955078125e-07, 1.1920928955078125e-07, chance)
    return -tl.log(tl.where(chance > 0.99999988079071044921875, 0.99999988079071044921875, chance))


@triton.jit
def against_one(out, label, is_number):
    """(BM,) gradient and loss of a single output: a number, or the logit of class 1."""
    chance = 1.0 / (1.0 + tl.exp(-out))
    error = out - label
    loss = tl.where(is_number, 0.5 * error * error, log_loss(tl.where(label > 0.5, chance, 1.0 - chance)))
    return tl.where(is_number, error, chance - label), loss


@triton.jit
def against_many(out, label, C: tl.constexpr, CP: tl.constexpr):
    """(BM, CP) gradient and (BM,) loss of the classes' logits."""
    c = tl.arange(0, CP)[None, :]
    out = tl.where(c < C, out, float("-inf"))
    chances = tl.exp(out - tl.max(out, 1)[:, None])
    chances = chances / tl.sum(chances, 1)[:, None]
    is_label = c.to(tl.float32) == label[:, None]
    loss = log_loss(tl.sum(tl.where(is_label, chances, 0.0), 1))
    return tl.where(c < C, chances - is_label.to(tl.float32), 0.0), loss


@triton.jit
def downwards(e, w_ptr, a, d_below, at, ok, j, N_IN: tl.constexpr, N_OUT: tl.constexpr, KIND: tl.constexpr,
              BK: tl.constexpr, PREC: tl.constexpr):  # fmt: skip
    """Deltas of the layer below from all of a layer's deltas ``e`` (BM, JP)."""
    for k in range(0, N_IN, BK):
        i = k + tl.arange(0, BK)
        w = tl.load(w_ptr + j[:, None] * N_IN + i[None, :], (j < N_OUT)[:, None] & (i < N_IN)[None, :], 0.0)
        inside = ok[:, None] & (i < N_IN)[None, :]
        below = tl.load(a + at[:, None] + i[None, :], inside, 0.0)
        tl.store(d_below + at[:, None] + i[None, :], through(tl.dot(e, w, input_precision=PREC), below, KIND), inside)


@triton.jit
def adam(flat, m_ptr, v_ptr, at, ok, g, rate, decay, C1: tl.constexpr, C2: tl.constexpr, EPS: tl.constexpr):
    """Update parameters with gradient ``g`` and penalty ``decay``; C1, C2 are 1 - β₁, 1 - β₂. Gives their squares."""
    w, m, v = tl.load(flat + at, ok, 0.0), tl.load(m_ptr + at, ok, 0.0), tl.load(v_ptr + at, ok, 0.0)
    g += decay * w
    m += C1 * (g - m)
    v += C2 * (g * g - v)
    tl.store(flat + at, w - rate * (m / (tl.sqrt_rn(v) + EPS)), ok)
    tl.store(m_ptr + at, m, ok)
    tl.store(v_ptr + at, v, ok)
    return w * w


@triton.jit
def update_output(p, n_tiles, flat, m, v, part_w, part_b, rate, decay, N_OUT: tl.constexpr, C: tl.constexpr,
                  SIZE: tl.constexpr, W_OUT: tl.constexpr, B_OUT: tl.constexpr, TILES: tl.constexpr, JP: tl.constexpr,
                  CP: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, EPS: tl.constexpr):  # fmt: skip
    """Adam on the output layer, its gradients being sums over tiles of rows."""
    j, c = tl.arange(0, JP), tl.arange(0, CP)
    for k in range(C):
        g = tl.zeros((JP,), tl.float32)
        for t in range(n_tiles.to(tl.int32)):
            g += tl.load(part_w + ((p * TILES + t) * C + k) * JP + j)
        adam(flat, m, v, p * SIZE + W_OUT + k * N_OUT + j, j < N_OUT, g, rate, decay, C1, C2, EPS)
    bias = tl.zeros((CP,), tl.float32)
    for t in range(n_tiles.to(tl.int32)):
        bias += tl.load(part_b + (p * TILES + t) * CP + c, c < C, 0.0)
    adam(flat, m, v, p * SIZE + B_OUT + c, c < C, bias, rate, 0.0, C1, C2, EPS)


@triton.jit
def move_on(p, n_tiles, losses, squares, penalty, position, steps, epoch_loss,
            TILES: tl.constexpr, SQUARES: tl.constexpr):  # fmt: skip
    """The minibatch's loss and penalty into the epoch's; one minibatch and one step further."""
    loss = tl.load(epoch_loss + p)
    for t in range(n_tiles.to(tl.int32)):
        loss += tl.load(losses + p * TILES + t).to(tl.float64)
    square = loss * 0.0
    for k in range(SQUARES):
        square += tl.load(squares + p * SQUARES + k).to(tl.float64)
    tl.store(epoch_loss + p, loss + 0.5 * penalty * square)
    tl.store(position + p, tl.load(position + p) + 1)
    tl.store(steps + p, tl.load(steps + p) + 1.0)
