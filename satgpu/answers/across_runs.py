"""Differences between runs: the pair's, run against run, and encoder against encoder where runs share their draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from satgpu.answers.compare import compare
from satgpu.answers.tables import differences
from satgpu.run.read import Run

RUN_COLUMNS = ["experiment", "run", "pair", "difference", "low", "high", "n_replicates"]
RUN_COLUMNS += ["minus_first_run", "minus_first_low", "minus_first_high", "verdict"]
ENCODER_COLUMNS = ["experiment", "first", "second", "first_mean", "second_mean"]
ENCODER_COLUMNS += ["difference", "low", "high", "p", "q", "n_replicates", "verdict"]
DRAWN = ["protocol", "experiment", "pattern", "scale_km", "width_km", "region", "span_deg", "sampling"]
DRAWN += ["replicate", "points_seed", "label_seed", "split_seed"]  # what two runs must share to be paired


def run_differences(runs: dict[str, Run]) -> pd.DataFrame:
    """The pair's mean difference in every experiment of every run, and run against run.

    Runs have their own draws, so run minus run is not paired: its interval is
    that of two independent means.

    Returns:
        DataFrame[experiment, run, pair, difference, low, high, n_replicates,
        minus_first_run, minus_first_low, minus_first_high, verdict].
    """
    rows = [row for name, run in runs.items() for row in _averages(name, run)]
    if not rows:
        return pd.DataFrame(columns=RUN_COLUMNS)
    parts = [_against_first(group) for _, group in pd.DataFrame(rows).groupby("experiment", sort=False)]
    return pd.concat(parts, ignore_index=True)[RUN_COLUMNS]


def _averages(name: str, run: Run) -> list[dict]:
    """One run's average in each experiment that the pair has scores in."""
    pair, found = " minus ".join(reversed(run.labels)), []
    for experiment in sorted(set(run.results["experiment"])) if len(run.results) else ():
        for row in differences(run, experiment, ()).to_dict("records"):
            numbers = {column: row[column] for column in ("difference", "low", "high", "n_replicates")}
            found.append({"experiment": experiment, "run": name, "pair": pair} | numbers)
    return found


def _against_first(group: pd.DataFrame) -> pd.DataFrame:
    """Each run's difference minus the first run's, half-widths added in quadrature."""
    first = group.iloc[0]
    change = group["difference"] - first["difference"]
    down = np.hypot(group["difference"] - group["low"], first["high"] - first["difference"])
    up = np.hypot(group["high"] - group["difference"], first["difference"] - first["low"])
    low, high = change - down, change + up
    verdict = np.select([low > 0, high < 0], ["larger", "smaller"], "undecided")
    own = np.arange(len(group)) == 0
    return group.assign(
        minus_first_run=change.where(~own),
        minus_first_low=low.where(~own),
        minus_first_high=high.where(~own),
        verdict=np.where(own, "", verdict),
    )


def encoder_differences(runs: dict[str, Run]) -> pd.DataFrame:
    """Encoders of later runs against those of the first, paired where both runs drew the same points and labels.

    Runs of one protocol and seed share their draws, so their encoders can be
    compared as if they had run together; tasks with other draws are left out.

    Returns:
        DataFrame[experiment, first, second, first_mean, second_mean, difference,
        low, high, p, q, n_replicates, verdict]: names are ``run: encoder``, difference
        is second minus first.
    """
    (first_name, first), *others = runs.items()
    found = [
        _paired_across(_renamed(first, a, f"{first_name}: {a}"), _renamed(run, b, f"{name}: {b}"))
        for name, run in others
        for a in first.compared
        for b in run.compared
        if _identity(first, a) != _identity(run, b)
    ]
    found = [table for table in found if len(table)]
    return pd.concat(found, ignore_index=True)[ENCODER_COLUMNS] if found else pd.DataFrame(columns=ENCODER_COLUMNS)


def _identity(run: Run, spec: str) -> tuple:
    """What tells two encoders of one name apart, and the protocol they were read under."""
    sha256 = next((str(entry.get("sha256")) for entry in run.encoders if entry["name"] == spec), "")
    return spec, run.protocol, run.legendre.get(spec), sha256


def _renamed(run: Run, spec: str, name: str) -> pd.DataFrame:
    """Scored probe rows of one encoder under the name it has beside other runs."""
    rows = run.probes(None, task="classification")
    return rows[rows["encoder"] == spec].assign(encoder=name)


def _paired_across(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Paired differences by experiment over the tasks that both runs drew alike."""
    keys = [pd.MultiIndex.from_frame(table[DRAWN].astype(str)) for table in (first, second)]
    both = pd.concat([first[keys[0].isin(keys[1])], second[keys[1].isin(keys[0])]], ignore_index=True)
    if both.empty:
        return both
    names = first["encoder"].iloc[0], second["encoder"].iloc[0]
    return compare(both, *names, by=["experiment"]).assign(first=names[0], second=names[1])
