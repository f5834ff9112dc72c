"""How much of what is seen on checkerboards is learned: each encoder beside the same architecture without training."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.sentences import decided, own
from satgpu.answers.tables import contrasts, difference, differences, pairs
from satgpu.answers.types import Answer, Estimate, Unit, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import Run

TITLE = "How much of it is learned"
_CALL = "satgpu.compare(run.probes('sweet_spot'), untrained, trained, by=[])"


def untrained_pair(run: Run) -> tuple[str, str] | None:
    """The untrained twins of the compared pair, in its order; None where one is missing."""
    twins = tuple(run.twins.get(name) for name in run.pair or ())
    return twins if len(set(twins) - {None}) == 2 else None


def untrained_differences(run: Run, experiments: str, by: tuple[str, ...]) -> pd.DataFrame:
    """The same table of differences for the untrained twins; empty without them."""
    twins = untrained_pair(run)
    table = differences(run, experiments, by, "test_accuracy", None, twins or run.pair)
    return table if twins else table.iloc[:0]


def answer(run: Run) -> list[Answer]:
    """The pair's advantage beside that of its twins, and each encoder less its own twin."""
    if not run.pair or differences(run, "sweet_spot", ()).empty:
        return []
    if not any(run.trained[name] for name in run.pair):
        words = "Nothing here is learned: neither encoder of the pair is trained, so that every difference comes from "
        words += "harmonics, architecture and random weights alone"
        return [own(run, "learned.nothing", words, {}, Verdict.SUPPORTED, headline=True)]
    if not untrained_pair(run):
        alone = [name for name in run.pair if run.trained[name] and name in run.twins]
        if alone:
            return [_one(run, name) for name in alone]
        words = "Not known from this run: no untrained encoder of the same L ran beside both of the pair (--controls)"
        return [own(run, "learned.unknown", words, {}, headline=True)]
    return [_advantage(run), *(_one(run, name) for name in run.pair if run.trained[name])]


def _advantage(run: Run) -> Answer:
    full, bare = differences(run, "sweet_spot", ()), untrained_differences(run, "sweet_spot", ())
    values = {"full": difference(full.iloc[0]), "bare": difference(bare.iloc[0])}
    statement = "Averaged over the cell sizes {second} less {first} is {full}; of their untrained twins {bare}"
    sides = [_by_replicate(run, untrained_pair(run)), _by_replicate(run, run.pair)]
    rest = contrasts([(_pairs(run, run.pair), _pairs(run, untrained_pair(run)))]).iloc[0]
    values["rest"] = difference(rest)
    statement += ", so that training adds {rest} to it"
    share = ratio(*(side.to_numpy() for side in sides)) if sides[0].index.equals(sides[1].index) else None
    # A share of the whole means something where twins and pair differ the same way, both beyond doubt.
    if share is not None and _same_way(values["full"], values["bare"]):
        statement += "; the twins have {share} of the whole"
        values["share"] = share
    p = float(rest["p"])
    return own(run, "learned.advantage", statement, values, decided(p), p, _CALL, headline=True)


def _same_way(full: Estimate, bare: Estimate) -> bool:
    return all(one.decided_above(0) for one in (full, bare)) or all(one.decided_below(0) for one in (full, bare))


def _pairs(run: Run, pair: tuple[str, str]) -> pd.DataFrame:
    return pairs(run, "sweet_spot", (), pair)


def _by_replicate(run: Run, pair: tuple[str, str]) -> pd.Series:
    return _pairs(run, pair).groupby("replicate")["difference"].mean()


def ratio(top_R: np.ndarray, bottom_R: np.ndarray, confidence: float = 0.95) -> Estimate | None:
    """Mean of one over mean of another, paired by replicate, with Fieller's interval.

    Returns:
        a share; None where the lower one can't be told from 0, so that no ratio is bounded, and for one replicate.

    Source: Fieller 1954, "Some problems in interval estimation".
    """
    n = len(top_R)
    if n < 2:
        return None
    a, b = top_R.mean(), bottom_R.mean()
    (aa, ab), (_, bb) = np.cov(top_R, bottom_R) / n * stats.t.ppf(0.5 + confidence / 2, n - 1) ** 2
    if b * b <= bb:
        return None
    middle, spread = a * b - ab, np.sqrt(max(0.0, (a * b - ab) ** 2 - (a * a - aa) * (b * b - bb)))
    low, high = ((middle + sign * spread) / (b * b - bb) for sign in (-1, 1))
    return Estimate(a / b, low, high, n, Unit.SHARE)


def _one(run: Run, name: str) -> Answer:
    table = differences(run, "sweet_spot", (), "test_accuracy", None, (run.twins[name], name))
    if table.empty:
        return own(run, f"learned.{name}", "{name} and its untrained twin share no task", {"name": encoder_label(name)})
    row = table.iloc[0]
    values = {"name": encoder_label(name), "gain": difference(row)}
    verdict = Verdict.UNDECIDED if row["verdict"] == "undecided" else Verdict.SUPPORTED
    return own(run, f"learned.{name}", "{name} less its untrained twin: {gain}", values, verdict, row["p"], _CALL)
