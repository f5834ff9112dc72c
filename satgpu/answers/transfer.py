"""How much of each scale does an embedding hold, how much do labels read of it, and what did the second buy for it?

An embedding of D numbers is a budget: no reader gets more than D independent patterns of the Earth out of it. The
transfer function says on which harmonic degrees it is spent.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import t as student

from satgpu.answers.sentences import listed, listing, own
from satgpu.answers.tables import given
from satgpu.answers.transfer_curves import (
    COORDINATES,
    SCALES_KM,
    Curve,
    curve,
    curves,
    curves_of_seeds,
    finest_km,
    km_word,
    labels_in_words,
    labels_needed,
    measured,
    numbers,
    over_draws,
    runs_in_words,
)
from satgpu.answers.types import Answer, Estimate, Unit, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "The budget: which scales each embedding holds, and labels read"
# Shares that differ by less than this are alike: what is bought and paid is told of the rest.
ALIKE = 0.01
_CALL = "satgpu.answers.transfer.headline(run)"


@once
def headline(run: Run) -> pd.DataFrame:
    """The headline table: one row per encoder, estimates and words.

    Returns:
        DataFrame[encoder, width, held, beyond, read, plateau, cutoff, runs, labels_2000, ..., labels_500, notes].
    """
    rows, needed = [], labels_needed(run)
    for name in measured(run):
        c = curve(run, name)
        row = {"encoder": name, "width": c.dim} | numbers(c) | {"runs": runs_in_words(c)}
        for found in needed[needed["encoder"] == name].itertuples():
            row[f"labels_{found.scale_km:g}"] = labels_in_words(found.labels, found.censored)
        rows.append(row | {"notes": "; ".join(notes(c))})
    return pd.DataFrame(rows)


def in_words(run: Run, text) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the headline table as people read it; ``text`` puts an Estimate into words."""
    table = headline(run)
    if table.empty:
        return [], []
    n, km = (f"{max(c.n_labels for c in curves(run) if c.reader == 'linear'):,}", km_word(finest_km(run)))
    header = {
        "encoder": "encoder", "width": "width", "held": f"held, down to {km} km", "beyond": "held, finer still",
        "read": f"read with {n} labels", "plateau": "plateau", "cutoff": "cut-off", "runs": "half or more is read at",
    }  # fmt: skip
    header |= {f"labels_{s:g}": f"labels for half of {s:g} km" for s in SCALES_KM}
    rows = []
    for row in table.to_dict("records"):
        cells = {name: text(row[name]) if isinstance(row[name], Estimate) else str(row[name]) for name in header}
        label = encoder_label(row["encoder"]) + ("" if row["encoder"] in run.compared else " (control)")
        rows.append([label, *list(cells.values())[1:]])
    alone = labels_needed(run)
    alone = alone[alone["encoder"] == COORDINATES]
    if len(alone):
        words = [labels_in_words(x.labels, x.censored) for x in alone.itertuples()]
        rows.append(["no encoder: coordinates alone", *["–"] * (len(header) - 1 - len(words)), *words])
    return list(header.values()), rows


def answer(run: Run) -> list[Answer]:
    """The budget, what the second encoder bought with it and what that cost, and each encoder's curve."""
    if not measured(run):
        return []
    told = [_budget(run)] if run.compared else []
    told += _trade(run) if run.pair and all(curve(run, name) for name in run.pair) else []
    told += [_curve_of(run, name) for name in measured(run)]
    return told + [one for one in (_mlp(run), _training(run), _composite(run)) if one]


def _budget(run: Run) -> Answer:
    """What D numbers can hold, and how much of it labels read."""
    found = [(name, curve(run, name)) for name in run.compared if curve(run, name)]
    parts = [f"{{r{i}}} out of {encoder_label(name)}" for i, (name, _) in enumerate(found)]
    values = {f"r{i}": numbers(c)["read"] for i, (_, c) in enumerate(found)}
    dims = sorted({c.dim for _, c in found})
    values |= {"dims": listing(dims), "n": f"{found[0][1].n_labels:,}", "noise": f"{100 * found[0][1].noise:g} %"}
    statement = (
        "An embedding is a budget: {dims} numbers a place can hold at most so many independent patterns of the Earth. "
        "With {n} labels ({noise} noise) a linear reader gets " + listing(parts)
    )
    return own(run, "transfer.budget", statement, values, recompute=_CALL, headline=True)


def _trade(run: Run) -> list[Answer]:
    """Scales at which the second reads more than the first, and those at which it reads less."""
    first, second = (curve(run, name) for name in run.pair)
    draws = min(len(first.share_RL), len(second.share_RL))
    gap_RL = second.share_RL[:draws] - first.share_RL[:draws]
    told = []
    for name, sign in (("bought", 1), ("cost", -1)):
        found = _largest_run(sign * _smooth(gap_RL.mean(0)) > ALIKE, first.degree)
        if found is not None:
            told.append(_side(run, name, sign, found, first, second, gap_RL))
    if not told:
        statement = "at every scale {second} reads what {first} reads, to within {alike}"
        told = [own(run, "transfer.alike", statement, {"alike": given(ALIKE, Unit.SHARE)}, headline=True)]
    return told


def _side(run: Run, name: str, sign: int, degrees: slice, first: Curve, second: Curve, gap_RL: np.ndarray) -> Answer:
    """One run of degrees at which one of the two reads more, by its mean over degrees."""
    km = first.scale_km[degrees]
    ends = {"coarse": given(float(km[0])), "fine": given(float(km[-1]))}
    mean = {side: over_draws(c.share_RL[:, degrees].mean(1), Unit.SHARE) for side, c in (("a", first), ("b", second))}
    gap = over_draws(gap_RL[:, degrees].mean(1), Unit.POINTS)
    p = _p_of(gap_RL[:, degrees].mean(1))
    verdict = Verdict.SUPPORTED if (gap.decided_above(0) if sign > 0 else gap.decided_below(0)) else Verdict.UNDECIDED
    statement = {
        "bought": "{second} bought the scales from {coarse} to {fine}: it reads {b} of them, {first} {a}",
        "cost": "what that cost: of the scales from {coarse} to {fine} {second} reads {b}, {first} {a}",
    }[name]
    return own(run, f"transfer.{name}", statement, ends | mean | {"gap": gap}, verdict, p, _CALL, headline=True)


def _curve_of(run: Run, name: str) -> Answer:
    """Where one encoder spends its budget."""
    c = curve(run, name)
    values = numbers(c) | {"encoder": encoder_label(name), "runs": runs_in_words(c), "finest": given(finest_km(run))}
    values |= {"dim": f"{c.dim}", "notes": "".join(f"; {note}" for note in notes(c))}
    statement = (
        "of its {dim} numbers {encoder} spends {held} on scales down to {finest} and {beyond} on finer ones; {read} "
        "are read. Half or more is read at: {runs}; its plateau is {plateau}, falling to half of that at "
        "{cutoff}{notes}"
    )
    if np.isnan(values["plateau"].value):
        statement = (
            "of its {dim} numbers {encoder} spends {held} on scales down to {finest}; nothing of them is read{notes}"
        )
    return own(run, f"transfer.curve.{name}", statement, values, recompute=_CALL)


def _mlp(run: Run) -> Answer | None:
    """What an MLP reads beyond a linear reader of about as many labels."""
    found = [(name, curve(run, name, "mlp")) for name in run.compared]
    found = [(name, c) for name, c in found if c is not None]
    if not found:
        return None
    parts, values = [], {"n": f"{found[0][1].n_labels:,}"}
    for i, (name, c) in enumerate(found):
        ladder = [x for x in curves(run) if (x.encoder, x.reader) == (name, "linear")]
        beside = min(ladder, key=lambda x: abs(math.log(x.n_labels / c.n_labels)), default=None)
        best = np.argmax(c.share - np.interp(c.degree, beside.degree, beside.share)) if beside else 0
        km = float(c.scale_km[best])
        parts.append(f"at {km_word(km)} km {{m{i}}} of {encoder_label(name)}, where a linear reader gets {{l{i}}}")
        values |= {
            f"m{i}": given(c.share[best], Unit.SHARE),
            f"l{i}": given(beside.at(km) if beside else np.nan, Unit.SHARE),
        }
    statement = "An MLP bends the embedding: with {n} labels it gets " + listing(parts)
    return own(run, "transfer.mlp", statement, values, recompute="satgpu.answers.transfer.curve(run, encoder, 'mlp')")


def _training(run: Run) -> Answer | None:
    """Capacity of trained encoders beside untrained ones of the same architecture, over seeds of the weights."""
    parts, values = [], {}
    for i, (name, twin) in enumerate(run.twins.items()):
        here, beside = curve(run, name), curve(run, twin)
        if here is None or beside is None:
            continue
        seeds = [c for c in curves_of_seeds(run) if c.encoder == twin and c.n_labels == beside.n_labels]
        shares = [beside.share, *(share for c in seeds for share in c.share_RL)]
        values |= {
            f"t{i}": numbers(here)["read"],
            f"u{i}": over_draws(np.stack(shares) @ (2 * here.degree + 1), whole=True),
        }
        parts.append(f"{{t{i}}} patterns are read of {encoder_label(name)}, {{u{i}}} of its untrained twins")
    if not parts:
        return None
    statement = "What training did to the budget: " + listing(parts) + " (twins: interval over seeds of the weights)"
    return own(run, "transfer.training", statement, values, recompute="satgpu.answers.transfer.curves_of_seeds(run)")


def _composite(run: Run) -> Answer | None:
    """Shares of fields that mix all degrees, beside the greatest share places alone allow."""
    rows = run.transfer[(run.transfer["prior"] == "power-law") & (run.transfer["weights_seed"] == 0)]
    bounds = rows[rows["reader"] == COORDINATES]
    if bounds.empty:
        return None
    n = int(bounds["n_labels"].max())
    most = bounds[bounds["n_labels"] == n].iloc[0]
    at_n = rows[(rows["reader"] == "linear") & (rows["n_labels"] == n) & rows["encoder"].isin(run.compared)]
    if at_n.empty:
        return None
    by_encoder = at_n.groupby("encoder", sort=False)["share"]
    items = [(encoder_label(name), over_draws(share, Unit.SHARE)) for name, share in by_encoder]
    words, values = listed(items, between=" ")
    values |= {"n": f"{n:,}", "most": given(most["bound"], Unit.SHARE), "gp": given(most["share"], Unit.SHARE)}
    statement = (
        "Of fields that mix all scales (power l⁻²) {n} labels read: " + words + "; a Gaussian process on the "
        "coordinates alone reads {gp}, and no reader of places can expect more than {most}"
    )
    return own(run, "transfer.composite", statement, values, recompute="run.transfer")


def notes(c: Curve) -> list[str]:
    """What a reader of a curve's numbers has to know."""
    found = []
    if c.is_n_limited:
        found.append(f"n-limited: {c.n_labels:,} labels are fewer than 10 for each of {c.dim} dimensions")
    if c.is_at_threshold:
        found.append("at the threshold: with a plateau near ½ its runs are a matter of chance")
    if c.on_edge:
        found.append("a penalty lies on the edge of its grid")
    if c.dropped:
        found.append(f"{c.dropped} flat dimensions dropped")
    return found


def _smooth(gap: np.ndarray) -> np.ndarray:
    """(L,) running mean over five degrees: one degree's luck must not cut a run in two."""
    return pd.Series(gap).rolling(5, center=True, min_periods=1).mean().to_numpy()


def _largest_run(chosen: np.ndarray, degree: np.ndarray) -> slice | None:
    """The connected run of degrees with the most harmonics in it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    runs = [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return max(runs, key=lambda run: (2 * degree[run] + 1).sum(), default=None)


def _p_of(gaps: np.ndarray) -> float | None:
    """Two-sided p of a mean of zero, over draws of places; None for one draw."""
    if len(gaps) < 2:
        return None
    error = max(gaps.std(ddof=1) / math.sqrt(len(gaps)), 1e-9)
    return float(2 * student.sf(abs(gaps.mean()) / error, len(gaps) - 1))
