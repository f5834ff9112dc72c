"""How fast embeddings grow apart with distance, and how far the kernel's spectrum goes: no probe, no label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.sentences import all_within, decided, listed, own, printed
from satgpu.answers.types import Answer, Censoring, Estimate, Unit, Verdict
from satgpu.readouts.kernel import half_crossing_km, kernel_resolutions, kernel_spectrum, similarity_curve
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Similarity: how fast embeddings grow apart with distance"
VALUES = {"centred": "centred_similarity_mean", "plain": "similarity_mean"}
KINDS = {"centred": "with the mean embedding taken away", "plain": "plain, with the mean embedding in it"}
_CALL = "satgpu.readouts.kernel.kernel_resolutions(run.similarity)"


@once
def curve(run: Run, kind: str = "plain") -> pd.DataFrame:
    """Similarity against distance for every encoder: mean, low, high, q10, q90, std, n_places; ``kind`` of VALUES."""
    columns = ["encoder", "distance_km", "mean", "low", "high", "q10", "q90", "std", "n_places"]
    known = run.similarity[run.similarity[VALUES[kind]].notna()] if len(run.similarity) else run.similarity
    return similarity_curve(known, "distances", VALUES[kind]) if len(known) else pd.DataFrame(columns=columns)


@once
def spread(run: Run) -> pd.DataFrame:
    """[distance_km, encoder, mean, std]: plain similarity, and the deviation of all its points."""
    if run.similarity.empty:
        return pd.DataFrame(columns=["distance_km", "encoder", "mean", "std"])
    rows = run.similarity[run.similarity["grid"] == "distances"]
    groups = rows.assign(variance=rows["similarity_std"] ** 2).groupby(["distance_km", "encoder"], sort=True)
    between = groups["similarity_mean"].var(ddof=0)
    std = np.sqrt(groups["variance"].mean() + between)  # within places and between them
    return pd.DataFrame({"mean": groups["similarity_mean"].mean(), "std": std}).reset_index()


@once
def kernels(run: Run) -> pd.DataFrame:
    """Half-similarity distance and spectral extent of every encoder; empty without samples up to the antipode."""
    return kernel_resolutions(run.similarity) if len(run.similarity) else pd.DataFrame({"encoder": []})


@once
def spectra(run: Run) -> pd.DataFrame:
    """Power of the kernel by harmonic l; empty without samples up to the antipode."""
    if len(run.similarity) and (run.similarity["grid"] == "quadrature").any():
        return kernel_spectrum(run.similarity)
    return pd.DataFrame(columns=["encoder", "l", "power", "low", "high", "cumulative"])


@once
def half_distances(run: Run, kind: str) -> dict[str, Estimate]:
    """Distance at which each encoder's mean similarity falls to one half; infinite where it never does."""
    prefix = "centred_" if kind == "centred" else ""
    found = {}
    for row in kernels(run).to_dict("records"):
        km, low, high = (row[f"{prefix}half_similarity{end}"] for end in ("_km", "_low", "_high"))
        censored = Censoring.FINER if km <= row["finest_km"] else Censoring.NONE
        found[row["encoder"]] = Estimate(km, low, high, int(row["n_places"]), Unit.KM, censored)
    for name, rows in curve(run, kind).groupby("encoder", sort=False):
        if name not in found and len(rows) > 1:  # tables without samples up to the antipode
            rows = rows.sort_values("distance_km")
            km = half_crossing_km(rows["distance_km"].to_numpy(), rows["mean"].to_numpy()[None])[0]
            found[name] = Estimate(float(km), unit=Unit.KM)
    return found


@once
def spectral_extents(run: Run, kind: str) -> dict[str, Estimate]:
    """The harmonic l below which 90 % of each kernel's power lies."""
    prefix, found = ("centred_" if kind == "centred" else ""), {}
    for row in kernels(run).to_dict("records"):
        l90 = row[f"{prefix}l90"]
        censored = Censoring.AT_LEAST if l90 >= row["l_max"] else Censoring.NONE
        ends = (row[f"{prefix}l90_low"], row[f"{prefix}l90_high"])
        found[row["encoder"]] = Estimate(l90, *ends, int(row["n_places"]), Unit.HARMONIC, censored)
    return found


def answer(run: Run) -> list[Answer]:
    """Half distances and spectral extents, centred first; who changes faster; the notebook's sentences."""
    if run.similarity.empty:
        return []
    found = [_half(run, kind) for kind in VALUES if half_distances(run, kind)]
    found += [_extent(run, kind) for kind in VALUES if spectral_extents(run, kind)]
    if run.pair and set(run.pair) <= set(half_distances(run, "plain")):
        found += [_faster(run), _printed_faster(run), _printed_drop(run), *_printed_at_500(run)]
    return found


def _half(run: Run, kind: str) -> Answer:
    words, values = _of_all(run, half_distances(run, kind))
    statement = f"similarity, {KINDS[kind]}, falls to one half at: {words}"
    return own(run, f"similarity.half_{kind}", statement, values, Verdict.UNDECIDED, None, _CALL)


def _extent(run: Run, kind: str) -> Answer:
    words, values = _of_all(run, spectral_extents(run, kind))
    statement = f"spectral extent, {KINDS[kind]} (90 % of the kernel's power lies below it, noise included): {words}"
    return own(run, f"similarity.extent_{kind}", statement, values, Verdict.UNDECIDED, None, _CALL)


def _of_all(run: Run, estimates: dict[str, Estimate]) -> tuple[str, dict]:
    names = [name for name in [*run.compared, *run.controls] if name in estimates]
    return listed((encoder_label(name), estimates[name]) for name in names)


def _p_second_shorter(run: Run, kind: str) -> float:
    """One-sided p of "the second's half distance is shorter": their logarithms, over places."""
    first, second = (half_distances(run, kind)[name] for name in run.pair)
    if not (first.has_interval and second.has_interval and first.low > 0 and second.low > 0):
        return float("nan")
    if not np.isfinite([first.value, second.value, first.high, second.high]).all():
        return float("nan")
    reach = stats.norm.ppf(0.975)
    errors = [np.log(half.high / half.low) / (2 * reach) for half in (first, second)]
    z = np.log(first.value / second.value) / max(float(np.hypot(*errors)), 1e-9)
    return float(stats.t.sf(z, min(first.n, second.n) - 1))


def _faster(run: Run) -> Answer:
    """Whose centred similarity halves sooner."""
    kind = "centred" if set(run.pair) <= set(half_distances(run, "centred")) else "plain"
    values = dict(zip(("half_first", "half_second"), (half_distances(run, kind)[n] for n in run.pair), strict=True))
    p = _p_second_shorter(run, kind)
    two_sided = 2 * min(p, 1 - p)
    statement = f"{{second}}'s embedding changes {'faster' if p < 0.5 else 'slower'} with distance than {{first}}'s: "
    if not two_sided < 0.05:
        statement = "which embedding changes faster with distance is undecided: "
    statement += "{half_second} against {half_first} to one half, " + KINDS[kind]
    return own(run, "similarity.faster", statement, values, decided(two_sided), two_sided, _CALL, headline=True)


def _printed_faster(run: Run) -> Answer:
    halves = [half_distances(run, "plain")[name] for name in run.pair]
    p = _p_second_shorter(run, "plain")
    verdict = Verdict.SUPPORTED if p < 0.5 else Verdict.CONTRADICTED
    statement = "plain similarity falls to one half at {half_first} ({first}) and {half_second} ({second})"
    values = {"half_first": halves[0], "half_second": halves[1]}
    claim = "L=40's embeddings change much faster with distance"
    return printed(run, "similarity.changes_faster", claim, statement, values, verdict, 2 * min(p, 1 - p), _CALL)


def _printed_drop(run: Run) -> Answer:
    """Within 5 % of 2000 and 600 km."""
    halves = [half_distances(run, "plain")[name] for name in run.pair]
    ratios = [_relative(half, km) for half, km in zip(halves, (2000.0, 600.0), strict=True)]
    verdict, p = all_within(pd.DataFrame(ratios), 0.95, 1.05)
    statement = "plain similarity falls to one half at {half_first} ({first}) and {half_second} ({second})"
    values = {"half_first": halves[0], "half_second": halves[1]}
    claim = "Similarity drops below 0.5 at about 2000 km (L=10) and 600 km (L=40)"
    return printed(run, "similarity.drop", claim, statement, values, verdict, p, _CALL)


def _relative(estimate: Estimate, to: float) -> dict:
    """An estimate as a share of a number, in the form of a row of differences."""
    ends = {"difference": estimate.value / to, "low": estimate.low / to, "high": estimate.high / to}
    return ends | {"df": max(1, estimate.n - 1)}


def _printed_at_500(run: Run) -> list[Answer]:
    rows = curve(run)
    rows = rows[rows["distance_km"] == 500].set_index("encoder")
    if not set(run.pair) <= set(rows.index):
        return []
    pair = [rows.loc[name] for name in run.pair]
    found = [Estimate(row["mean"], row["low"], row["high"], int(row["n_places"])) for row in pair]
    off = [_relative(value, 1.0) for value in found]
    for row, middle in zip(off, (0.9, 0.3), strict=True):
        row.update({key: row[key] - middle for key in ("difference", "low", "high")})
    verdict, p = all_within(pd.DataFrame(off), -0.05, 0.05)
    values = {"at_first": found[0], "at_second": found[1]}
    statement = "plain similarity at 500 km: {at_first} ({first}) and {at_second} ({second})"
    claim = "At 500 km the similarity of L=40 is about 0.3, of L=10 about 0.9"
    call = "satgpu.readouts.kernel.similarity_curve(run.similarity)"
    return [printed(run, "similarity.at_500", claim, statement, values, verdict, p, call)]
