"""Probes that never learned, did not settle, failed or were starved: how many, which, and what they change."""

from __future__ import annotations

import numpy as np
import pandas as pd

from satgpu.answers.compare import compare
from satgpu.answers.learning import is_stuck
from satgpu.answers.sentences import own, plain
from satgpu.answers.tables import difference, whole_replicates
from satgpu.answers.types import Answer
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once
from satgpu.run.read_table import is_starved

TITLE = "How far the probes got"
TROUBLES = {
    "never_learned": "test accuracy within 3 standard errors of chance",
    "unconverged": "stopped at max_iter or failed before it settled",
    "failed": "no score",
    "starved": "fewer than 5 training points per cell",
}
MOST_NAMED = 5


def troubles(rows: pd.DataFrame) -> pd.DataFrame:
    """Which trouble each MLP probe has: DataFrame of bools with the columns of ``TROUBLES``.

    Shuffled labels can't be learned and do not count as never learned; nor does
    a regression, which has no accuracy.
    """
    failed = rows["failure"] != ""
    classified = (rows["labels"] == "field") & (rows["task"] == "classification")
    stuck = is_stuck(rows["test_accuracy"], rows["chance"], rows["n_test"])
    return pd.DataFrame(
        {
            "never_learned": classified & stuck & ~failed,
            "unconverged": ~rows["converged"].astype(bool) & ~failed,
            "failed": failed,
            "starved": is_starved(rows),
        }
    )


@once
def probes(run: Run) -> pd.DataFrame:
    """All MLP probes with a column of bools for each trouble."""
    rows = run.probes(None, labels=None, scored=False)
    return rows.join(troubles(rows)) if len(rows) else rows.assign(**dict.fromkeys(TROUBLES, False))


@once
def table(run: Run) -> pd.DataFrame:
    """How many probes of each experiment and encoder have which trouble.

    Returns:
        DataFrame[experiment, encoder, n_probes, never_learned, unconverged, failed, starved].
    """
    groups = probes(run).groupby(["experiment", "encoder"], sort=True)
    counted = groups[list(TROUBLES)].sum().astype(int)
    counted.insert(0, "n_probes", groups.size())
    return counted.reset_index()


@once
def mixed(run: Run) -> pd.DataFrame:
    """Cells where some replicates of an encoder learned and others never did: their skill, given that they learned.

    Returns:
        DataFrame[experiment, encoder, pattern, scale_km, region, span_deg, sampling, n_probes, n_learned,
        accuracy, accuracy_learned].
    """
    rows = probes(run)
    rows = rows[(rows["labels"] == "field") & (rows["task"] == "classification") & (rows["failure"] == "")]
    by = ["experiment", "encoder", "pattern", "scale_km", "width_km", "region", "span_deg", "sampling"]
    rows = rows.assign(
        learned_test=(~rows["never_learned"].astype(bool)).astype(int),
        accuracy_learned=rows["test_accuracy"].mask(rows["never_learned"].astype(bool)),
    )
    groups = rows.groupby(by, dropna=False, sort=True)
    found = groups.agg(
        n_probes=("learned_test", "size"),
        n_learned=("learned_test", "sum"),
        accuracy=("test_accuracy", "mean"),
        accuracy_learned=("accuracy_learned", "mean"),
    ).reset_index()
    return found[found["n_learned"].between(1, found["n_probes"] - 1)].reset_index(drop=True)


@once
def named(run: Run, kind: str) -> pd.DataFrame:
    """The probes with one trouble: what they were asked, and why they stand here."""
    columns = ["task_id", "encoder", "experiment", "pattern", "scale_km", "width_km", "region", "span_deg", "replicate"]
    columns += ["epochs", "stop_reason", "train_accuracy", "test_accuracy", "failure"]
    rows = probes(run)
    return rows.loc[rows[kind].astype(bool), columns].reset_index(drop=True)


@once
def without(run: Run, kind: str) -> pd.DataFrame:
    """The pair's mean difference in each experiment with all probes, and without the pairs that hold a troubled one.

    A task and replicate is left out when either of the pair's probes is
    troubled, so that what remains is still compared with its like.

    Returns:
        DataFrame[experiment, n_pairs, n_left_out, difference, low, high, n_replicates, difference_without,
        low_without, high_without, n_without].
    """
    found, rows = [], probes(run)
    for experiment, own_rows in rows[(rows["labels"] == "field") & rows["test_accuracy"].notna()].groupby("experiment"):
        both = own_rows[own_rows["encoder"].isin(run.pair or ())]
        if both["encoder"].nunique() < 2:
            continue
        both = whole_replicates(both, ()) if run.looks else both
        keys = ["pattern", "scale_km", "width_km", "region", "span_deg", "sampling", "replicate"]
        pair_of = both.groupby(keys, dropna=False).ngroup()
        bad = both[kind].astype(bool).groupby(pair_of).transform("any")
        kept = [compare(part, *run.pair, by=[]).iloc[0] if len(part) else None for part in (both, both[~bad])]
        numbers = [x for row in kept for x in _numbers(row)]
        found.append([experiment, pair_of.nunique(), pair_of[bad].nunique(), *numbers])
    names = ["difference", "low", "high", "n_replicates"]
    columns = ["experiment", "n_pairs", "n_left_out", *names, *(f"{name}_without" for name in names)]
    return pd.DataFrame(found, columns=columns)


def _numbers(row: pd.Series | None) -> list[float]:
    names = ("difference", "low", "high", "n_replicates")
    return [np.nan] * 3 + [0] if row is None else [row[name] for name in names]


def answer(run: Run) -> list[Answer]:
    """How many probes are in which trouble, the first of them by name, and what leaving them out changes."""
    counted = table(run)
    n_probes = int(counted["n_probes"].sum())
    if not n_probes:
        return [own(run, "convergence.none", "no probe was trained under this protocol", {})]
    found = [_counted(run, counted, kind, n_probes) for kind in TROUBLES]
    found += [one for kind in ("failed", "unconverged") for one in _named(run, kind)]
    return found + (_mixed(run) if len(mixed(run)) else []) + (_without(run, "unconverged") if run.pair else [])


def _counted(run: Run, counted: pd.DataFrame, kind: str, n_probes: int) -> Answer:
    by = counted.groupby("experiment")[kind].sum().sort_values(ascending=False)
    where = ", ".join(f"{n:,} in {plain(name)}" for name, n in by[by > 0].head(4).items())
    n = int(counted[kind].sum())
    values = {"n": f"{n:,} of {n_probes:,} probes", "where": f" ({where})" if where else ""}
    statement = f"{plain(kind)} ({TROUBLES[kind]}): {{n}}{{where}}"
    return own(run, f"convergence.{kind}", statement, values, recompute="satgpu.answers.convergence.table(run)")


def _named(run: Run, kind: str) -> list[Answer]:
    rows = named(run, kind)
    if rows.empty:
        return []
    more = f" and {len(rows) - MOST_NAMED:,} more" if len(rows) > MOST_NAMED else ""
    values = {"probes": "; ".join(_probe(row) for row in rows.head(MOST_NAMED).to_dict("records")) + more}
    call = f"satgpu.answers.convergence.named(run, {kind!r})"
    return [own(run, f"convergence.{kind}_named", f"{kind}: {{probes}}", values, recompute=call)]


def _probe(row: dict) -> str:
    """One probe: encoder, question, replicate, why."""
    size = row["scale_km"] if np.isfinite(row["scale_km"]) else row["width_km"]
    span = f" {row['span_deg']:g}°" if np.isfinite(row["span_deg"]) else ""
    where = "" if row["region"] in ("global", "") else f" in {row['region']}{span}"
    why = row["failure"] or f"{row['stop_reason']} after {row['epochs']:g} epochs"
    km = f" {size:g} km" if np.isfinite(size) else ""
    return f"{encoder_label(row['encoder'])}, {plain(row['pattern'])}{km}{where}, replicate {row['replicate']} ({why})"


def _mixed(run: Run) -> list[Answer]:
    rows = mixed(run)
    gap = float((rows["accuracy_learned"] - rows["accuracy"]).mean())
    values = {"n": f"{len(rows):,}", "gap": f"{100 * gap:.1f}"}
    statement = "in {n} cells some replicates learned and others never did; there the mean is {gap} points below the "
    statement += "accuracy of those that learned, and verdicts stand on the mean"
    return [own(run, "convergence.mixed", statement, values, recompute="satgpu.answers.convergence.mixed(run)")]


def _without(run: Run, kind: str) -> list[Answer]:
    found = []
    for row in without(run, kind).to_dict("records"):
        if row["n_left_out"]:
            rest = {name: row[f"{name}_without"] for name in ("difference", "low", "high", "n_replicates")}
            values = {"n": f"{row['n_left_out']:,} of {row['n_pairs']:,}", "experiment": plain(row["experiment"])}
            values |= {"all": difference(row), "rest": difference(rest)}
            statement = "{second} less {first} in {experiment} is {all}; without the {n} pairs that hold an "
            statement += "unconverged probe {rest}"
            call = f"satgpu.answers.convergence.without(run, {kind!r})"
            found.append(own(run, f"convergence.without.{row['experiment']}", statement, values, recompute=call))
    return found
