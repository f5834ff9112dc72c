"""The tables of estimates behind answers, figures, screen and JSON: each computed once a run, with one interval rule.

A table has one row per cell and the columns difference (or mean), low, high,
n_replicates; ``second`` and ``first`` are the run's compared pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers import compare
from satgpu.answers import means as encoder_means
from satgpu.answers.moderated import moderated
from satgpu.answers.pairs import paired_rows
from satgpu.answers.skill import skill
from satgpu.answers.types import Estimate, Unit
from satgpu.run.read import Run, once

NEAREST, SHUFFLED = "nearest-neighbour", "shuffled"  # beside the encoders in tables of means
TEST_COLUMNS = ["difference", "low", "high", "t", "df", "p", "n_replicates"]
# Of the probes that learned: beside the mean wherever some of a cell's probes did and some never did.
LEARNED_COLUMNS = ["first_learned", "second_learned", "mixed"]
LEARNED_COLUMNS += ["skill_difference", "skill_low", "skill_high", "n_learned"]


@once
def probe_rows(run: Run, experiments: str | tuple[str, ...], value: str = "test_accuracy", sampling: str | None = None):
    """Scored MLP probes on real labels with a ``value``: a column of the results, or "skill"."""
    names = (experiments,) if isinstance(experiments, str) else experiments
    rows = pd.concat([run.probes(name, sampling=sampling) for name in names])
    rows = rows.assign(skill=skill(rows)) if len(rows) else rows.assign(skill=np.nan)
    return rows[rows[value].notna()]


@once
def differences(
    run: Run,
    experiments: str | tuple[str, ...],
    by: tuple[str, ...],
    value: str = "test_accuracy",
    sampling: str | None = None,
    pair: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """Second less first of the compared pair (or of ``pair``), paired by replicate, one row per cell of ``by``.

    Returns:
        DataFrame[*by, first_mean, second_mean, difference, low, high, t, df, p, q, n_replicates, verdict, and
        LEARNED_COLUMNS]: verdict is "first", "second" or "undecided"; empty where the two have no task in common.
    """
    columns = [*by, "first_mean", "second_mean", *TEST_COLUMNS, "q", "verdict", *LEARNED_COLUMNS]
    if experiments in run.given:
        return _of_one_replicate(run.given[experiments], list(by)).reindex(columns=columns)
    rows, pair = probe_rows(run, experiments, value, sampling), pair or run.pair
    if not pair or not set(pair) <= set(rows["encoder"]):
        return pd.DataFrame(columns=columns)
    rows = whole_replicates(rows, by) if run.looks else rows
    table = compare.compare(rows, *pair, by=by, value=value, looks=run.looks)
    return pd.concat([table, encoder_means.learned_differences(rows, *pair, by, value)[LEARNED_COLUMNS]], axis=1)


@once
def pairs(
    run: Run, experiments: str | tuple[str, ...], by: tuple[str, ...], pair: tuple[str, str] | None = None
) -> pd.DataFrame:
    """[*by, replicate, difference]: what ``differences`` averages over replicates."""
    if experiments in run.given:
        return run.given[experiments].assign(replicate=0)
    rows, pair = probe_rows(run, experiments), pair or run.pair
    if not pair or not set(pair) <= set(rows["encoder"]):
        return pd.DataFrame(columns=[*by, "replicate", "difference"])
    return paired_rows(rows, *pair, list(by))


def contrasts(sides: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """For each (rows, others) of ``pairs``: mean difference of rows less that of others, paired by replicate.

    Returns:
        DataFrame[difference, low, high, t, df, p, n_replicates], in the order given.
    """
    gaps = [_by_replicate(rows) - _by_replicate(others) for rows, others in sides]
    rounding = np.array([_rounding(rows) + _rounding(others) for rows, others in sides])
    found = moderated(pd.concat(gaps, axis=1).T.to_numpy(dtype=float), rounding_K=rounding)
    low, high = found.interval()
    df = np.where(found.n > 1, found.df, np.nan)
    return pd.DataFrame(dict(zip(TEST_COLUMNS, (found.mean, low, high, found.t, df, found.p, found.n), strict=True)))


@once
def means(
    run: Run,
    experiments: str | tuple[str, ...],
    by: tuple[str, ...] = (),
    value: str = "test_accuracy",
    sampling: str | None = None,
) -> pd.DataFrame:
    """Mean of every encoder by cell, nearest neighbour and shuffled labels under their own names.

    Returns:
        DataFrame[encoder, *by, mean, low, high, n_replicates, and what of the probes learned].
    """
    parts = [probe_rows(run, experiments, value, sampling)]
    name = experiments if isinstance(experiments, str) else experiments[0]
    nearest = run.probes(name, sampling=sampling, probe="nearest-neighbour")
    shuffled = run.probes(name, sampling=sampling, labels="shuffled")
    parts += [rows.assign(encoder=who) for rows, who in ((nearest, NEAREST), (shuffled, SHUFFLED)) if len(rows)]
    rows = pd.concat([part.assign(skill=skill(part)) if value == "skill" and len(part) else part for part in parts])
    return mean_table(rows[rows[value].notna()], ["encoder", *by], value)


def mean_table(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """``satgpu.answers.means.means``; empty in, empty out."""
    if rows.empty:
        return pd.DataFrame(columns=[*by, "mean", "low", "high", "n_replicates"])
    return encoder_means.means(rows, list(by), value)


def difference(row: pd.Series | dict, unit: Unit = Unit.POINTS) -> Estimate:
    """A row of ``differences`` or ``contrasts`` as an estimate."""
    return Estimate(float(row["difference"]), float(row["low"]), float(row["high"]), int(row["n_replicates"]), unit)


def learned_difference(row: pd.Series | dict) -> Estimate:
    """The same of the pairs in which both probes learned."""
    ends = float(row["skill_low"]), float(row["skill_high"])
    return Estimate(float(row["skill_difference"]), *ends, int(row["n_learned"]), Unit.POINTS)


def mean(row: pd.Series | dict, unit: Unit = Unit.SHARE) -> Estimate:
    """A row of ``means`` as an estimate."""
    return Estimate(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n_replicates"]), unit)


def extreme(row: pd.Series | dict, unit: Unit = Unit.POINTS) -> Estimate:
    """A row chosen for being the largest or smallest, without its interval, which knows nothing of the choice."""
    return Estimate(float(row["difference"]), n=0, unit=unit)


def given(value: float, unit: Unit = Unit.KM) -> Estimate:
    """A number that was chosen, not measured: a scale, a width, a count. It has no interval to miss."""
    return Estimate(float(value), n=0, unit=unit)


def p_above(table: pd.DataFrame, x: float) -> np.ndarray:
    """One-sided p of each row's difference being no more than ``x``; NaN for one replicate."""
    df = table["df"].to_numpy(dtype=float)
    half_width = (table["high"] - table["low"]).to_numpy(dtype=float) / 2
    se = np.maximum(half_width, 1e-12) / stats.t.ppf(0.975, df)
    return stats.t.sf((table["difference"].to_numpy(dtype=float) - x) / se, df)


def _by_replicate(rows: pd.DataFrame) -> pd.Series:
    """Mean difference of each replicate that has all of the rows' cells: later looks leave decided cells out."""
    replicate = rows["replicate"].to_numpy(dtype=int)
    size, total = np.bincount(replicate), np.bincount(replicate, rows["difference"].to_numpy(dtype=float))
    whole = np.flatnonzero(size == size.max())
    return pd.Series(total[whole] / size[whole], index=whole)


def _rounding(rows: pd.DataFrame) -> float:
    """Variance of a replicate's mean that comes of the steps of 1/n_test in two accuracies; 0 where unknown."""
    if "n_test" not in rows:
        return 0.0
    replicate, n_test = rows["replicate"].to_numpy(dtype=int), rows["n_test"].to_numpy(dtype=float)
    size, total = np.bincount(replicate), np.bincount(replicate, 1 / (6 * np.maximum(n_test, 1) ** 2))
    return float((total[size > 0] / size[size > 0] ** 2).mean())


def whole_replicates(rows: pd.DataFrame, by: tuple[str, ...]) -> pd.DataFrame:
    """The replicates in which a cell of ``by`` has all of its tasks: later looks leave decided tasks out."""
    keys = [rows[name] for name in by] or [pd.Series("all", index=rows.index)]
    size = rows.groupby([*keys, rows["encoder"], rows["replicate"]], dropna=False)["replicate"].transform("size")
    return rows[size == size.groupby([*keys, rows["encoder"]], dropna=False).transform("max")]


def _of_one_replicate(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Published differences by cell: no interval, no verdict."""
    keys = by or [pd.Series("all", index=rows.index, name="all")]
    table = rows.groupby(keys, sort=True)["difference"].mean().reset_index()
    return table.assign(n_replicates=1, verdict="undecided")
