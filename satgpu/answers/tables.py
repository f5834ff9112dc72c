"""The tables of estimates behind answers, figures, screen and JSON: each computed once a run, with one interval rule.

A table has one row per cell and the columns difference (or mean), low, high,
n_replicates; ``second`` and ``first`` are the run's compared pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.compare import compare
from satgpu.answers.moderated import Moderated, moderated
from satgpu.answers.pairs import paired_rows
from satgpu.answers.skill import skill
from satgpu.answers.types import Estimate, Unit
from satgpu.run.read import Run, once

NEAREST, SHUFFLED = "nearest-neighbour", "shuffled"  # beside the encoders in tables of means
TEST_COLUMNS = ["difference", "low", "high", "t", "df", "p", "n_replicates"]


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
        DataFrame[*by, first_mean, second_mean, difference, low, high, t, df, p, q, n_replicates, verdict]:
        verdict is "first", "second" or "undecided"; empty where the two have no task in common.
    """
    columns = [*by, "first_mean", "second_mean", *TEST_COLUMNS, "q", "verdict"]
    if experiments in run.given:
        return _of_one_replicate(run.given[experiments], list(by)).reindex(columns=columns)
    rows, pair = probe_rows(run, experiments, value, sampling), pair or run.pair
    if not pair or not set(pair) <= set(rows["encoder"]):
        return pd.DataFrame(columns=columns)
    return compare(rows, *pair, by=by, value=value)


@once
def pairs(
    run: Run,
    experiments: str | tuple[str, ...],
    by: tuple[str, ...],
    value: str = "test_accuracy",
    sampling: str | None = None,
    pair: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """[*by, replicate, difference]: what ``differences`` averages over replicates."""
    if experiments in run.given:
        return run.given[experiments].assign(replicate=0)
    rows, pair = probe_rows(run, experiments, value, sampling), pair or run.pair
    if not pair or not set(pair) <= set(rows["encoder"]):
        return pd.DataFrame(columns=[*by, "replicate", "difference"])
    return paired_rows(rows, *pair, list(by), value)


def contrasts(sides: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """For each (rows, others) of ``pairs``: mean difference of rows less that of others, paired by replicate.

    Returns:
        DataFrame[difference, low, high, t, df, p, n_replicates], in the order given.
    """
    gaps = [_by_replicate(rows) - _by_replicate(others) for rows, others in sides]
    table = pd.concat(gaps, axis=1).T if gaps else pd.DataFrame()
    return tested(moderated(table.to_numpy(dtype=float))) if table.size else pd.DataFrame(columns=TEST_COLUMNS)


def tested(found: Moderated) -> pd.DataFrame:
    """Means of cells with interval and test as a table."""
    low, high = found.interval()
    numbers = (found.mean, low, high, found.t, found.df, found.p, found.n)
    columns = {name: np.broadcast_to(x, found.mean.shape) for name, x in zip(TEST_COLUMNS, numbers, strict=True)}
    return pd.DataFrame(columns)


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
        DataFrame[encoder, *by, mean, low, high, n_replicates].
    """
    parts = [probe_rows(run, experiments, value, sampling)]
    name = experiments if isinstance(experiments, str) else experiments[0]
    nearest = run.probes(name, sampling=sampling, probe="nearest-neighbour")
    shuffled = run.probes(name, sampling=sampling, labels="shuffled")
    parts += [rows.assign(encoder=who) for rows, who in ((nearest, NEAREST), (shuffled, SHUFFLED)) if len(rows)]
    rows = pd.concat([part.assign(skill=skill(part)) if value == "skill" and len(part) else part for part in parts])
    return mean_table(rows[rows[value].notna()], ["encoder", *by], value)


def mean_table(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean of ``value`` by cell over replicates; rows of one cell and replicate are averaged first.

    Returns:
        DataFrame[*by, mean, low, high, n_replicates]; NaN bounds for one replicate.
    """
    by = list(by)
    if rows.empty:
        return pd.DataFrame(columns=[*by, "mean", "low", "high", "n_replicates"])
    keyed = rows.assign(**{name: rows[name].fillna(-np.inf) for name in by if rows[name].dtype.kind == "f"})
    wide = keyed.pivot_table(index=by, columns="replicate", values=value, aggfunc="mean", sort=True)
    found = moderated(wide.to_numpy(dtype=float), wide.mean(axis=1).to_numpy(), skewed=False)
    low, high = found.interval()
    table = wide.index.to_frame(index=False).replace(-np.inf, np.nan)
    return table.assign(mean=found.mean, low=low, high=high, n_replicates=found.n)


def difference(row: pd.Series | dict, unit: Unit = Unit.POINTS) -> Estimate:
    """A row of ``differences`` or ``contrasts`` as an estimate."""
    return Estimate(float(row["difference"]), float(row["low"]), float(row["high"]), int(row["n_replicates"]), unit)


def mean(row: pd.Series | dict, unit: Unit = Unit.SHARE) -> Estimate:
    """A row of ``means`` as an estimate."""
    return Estimate(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n_replicates"]), unit)


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
    return rows.groupby("replicate")["difference"].mean()


def _of_one_replicate(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Published differences by cell: no interval, no verdict."""
    keys = by or [pd.Series("all", index=rows.index, name="all")]
    table = rows.groupby(keys, sort=True)["difference"].mean().reset_index()
    return table.assign(n_replicates=1, verdict="undecided")
