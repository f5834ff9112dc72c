"""Differences between runs: the pair's, run against run, and encoder against encoder where runs share their draws."""

import numpy as np
import pandas as pd

from satgpu.answers import paired_differences

from .view import PROBE_EXPERIMENTS, RunView

RUN_COLUMNS = ["experiment", "run", "pair", "difference", "low", "high", "n_replicates"]
RUN_COLUMNS += ["minus_first_run", "minus_first_low", "minus_first_high", "verdict"]
ENCODER_COLUMNS = ["experiment", "first", "second", "first_mean", "second_mean"]
ENCODER_COLUMNS += ["difference", "low", "high", "n_replicates", "verdict"]
DRAWN = ["protocol", "experiment", "pattern", "scale_km", "width_km", "region", "span_deg", "sampling"]
DRAWN += ["replicate", "points_seed", "label_seed", "split_seed"]  # what two runs must share to be paired


def run_differences(views: dict[str, RunView]) -> pd.DataFrame:
    """The pair's mean difference in every experiment of every run, and run against run.

    Runs have their own draws, so run minus run is not paired: its interval is
    that of two independent means.

    Returns:
        DataFrame[experiment, run, pair, difference, low, high, n_replicates,
        minus_first_run, minus_first_low, minus_first_high, verdict].
    """
    rows = [
        _pair_row(name, view, experiment, row) for name, view in views.items() for experiment, row in _averages(view)
    ]
    if not rows:
        return pd.DataFrame(columns=RUN_COLUMNS)
    parts = [_against_first(group) for _, group in pd.DataFrame(rows).groupby("experiment", sort=False)]
    return pd.concat(parts, ignore_index=True)[RUN_COLUMNS]


def _averages(view: RunView) -> list[tuple[str, dict]]:
    """(experiment, row of ``paired_differences``) of each experiment that the pair has scores in."""
    tables = {experiment: view.differences(view.rows(experiment), []) for experiment in PROBE_EXPERIMENTS}
    return [(experiment, row) for experiment, table in tables.items() for row in table.to_dict("records")]


def _pair_row(name: str, view: RunView, experiment: str, row: dict) -> dict:
    """One run's average in one experiment."""
    first, second = view.pair_labels
    numbers = {column: row[column] for column in ("difference", "low", "high", "n_replicates")}
    return {"experiment": experiment, "run": name, "pair": f"{second} minus {first}"} | numbers


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


def encoder_differences(views: dict[str, RunView]) -> pd.DataFrame:
    """Encoders of later runs against those of the first, paired where both runs drew the same points and labels.

    Runs of one protocol and seed share their draws, so their encoders can be
    compared as if they had run together; tasks with other draws are left out.

    Returns:
        DataFrame[experiment, first, second, first_mean, second_mean, difference,
        low, high, n_replicates, verdict]: names are ``run: encoder``, difference
        is second minus first.
    """
    (first_name, first), *others = views.items()
    found = [
        _paired_across(_renamed(first, a, f"{first_name}: {a}"), _renamed(view, b, f"{name}: {b}"))
        for name, view in others
        for a in first.compared
        for b in view.compared
        if (a, first.protocol) != (b, view.protocol)
        or first.legendre.get(a) != view.legendre.get(b)
        or _sha(first, a) != _sha(view, b)
    ]
    found = [table for table in found if len(table)]
    return pd.concat(found, ignore_index=True)[ENCODER_COLUMNS] if found else pd.DataFrame(columns=ENCODER_COLUMNS)


def _sha(view: RunView, spec: str) -> str:
    """What tells two encoders of one name apart."""
    return str(view.results.loc[view.results["encoder"] == spec, "encoder_sha256"].iloc[:1].squeeze())


def _renamed(view: RunView, spec: str, name: str) -> pd.DataFrame:
    """Scored probe rows of one encoder under the name it has beside other runs."""
    rows = view.results
    return rows[
        (rows["encoder"] == spec)
        & (rows["probe"] == "mlp")
        & (rows["labels"] == "field")
        & rows["test_accuracy"].notna()
    ].assign(encoder=name)


def _paired_across(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Paired differences by experiment over the tasks that both runs drew alike."""
    keys = [pd.MultiIndex.from_frame(table[DRAWN].astype(str)) for table in (first, second)]
    both = pd.concat([first[keys[0].isin(keys[1])], second[keys[1].isin(keys[0])]], ignore_index=True)
    if both.empty:
        return both
    names = first["encoder"].iloc[0], second["encoder"].iloc[0]
    return paired_differences(both, *names, by=["experiment"]).assign(first=names[0], second=names[1])
