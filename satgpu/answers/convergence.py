"""Probes that should not be trusted as they stand: counted, named, and what leaving them out changes."""

from __future__ import annotations

import pandas as pd

from satgpu.answers.differences import paired_rows
from satgpu.answers.intervals import mean_interval
from satgpu.run.read import field_rows, is_starved

TROUBLES = {
    "unconverged": "stopped at max_iter or failed before it settled",
    "not_learned": "training accuracy within 3 standard errors of the majority class",
    "failed": "no score",
    "starved": "fewer than 5 training points per cell",
}


def troubles(results: pd.DataFrame) -> pd.DataFrame:
    """Which trouble each probe has: DataFrame of bools with the columns of ``TROUBLES``.

    Shuffled labels can't be learned and are not counted as not learned; nearest
    neighbours don't train and are never unconverged.
    """
    mlp = results["probe"] == "mlp"
    failed = results["failure"] != ""
    return pd.DataFrame(
        {
            "unconverged": mlp & ~results["converged"] & ~failed,
            "not_learned": mlp & ~results["learned"] & ~failed & (results["labels"] == "field"),
            "failed": failed,
            "starved": is_starved(results) & mlp,
        }
    )


def convergence_table(results: pd.DataFrame) -> pd.DataFrame:
    """How many probes of each experiment and encoder have which trouble.

    Returns:
        DataFrame[protocol, experiment, encoder, n_probes, unconverged,
        not_learned, failed, starved], encoders that train no probe left out.
    """
    by = ["protocol", "experiment", "encoder"]
    mlp = results["probe"] == "mlp"
    counted = pd.concat([results[by], troubles(results).astype(int)], axis=1)[mlp]
    groups = counted.groupby(by, sort=True)
    table = groups.sum()
    table.insert(0, "n_probes", groups.size())
    return table.reset_index()


def named_troubles(results: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The probes with one trouble: what they were asked, and why they stand here.

    Returns:
        DataFrame[task_id, encoder, experiment, pattern, scale_km, width_km,
        region, span_deg, replicate, epochs, stop_reason, train_accuracy,
        test_accuracy, failure].
    """
    columns = ["task_id", "encoder", "experiment", "pattern", "scale_km", "width_km", "region", "span_deg", "replicate"]
    columns += ["epochs", "stop_reason", "train_accuracy", "test_accuracy", "failure"]
    return results.loc[troubles(results)[kind], columns].reset_index(drop=True)


def effect_of_leaving_out(results: pd.DataFrame, first: str, second: str, kind: str = "unconverged") -> pd.DataFrame:
    """The mean difference of each experiment with all probes, and without the pairs that hold a troubled one.

    A pair is left out when either of its two probes is, so that what remains
    is still compared with its like.

    Returns:
        DataFrame[protocol, experiment, n_pairs, n_left_out, difference, low,
        high, difference_without, low_without, high_without].
    """
    results = results[results["test_accuracy"].notna()]
    rows = field_rows(results.assign(troubled=troubles(results)[kind].astype(float)))
    found = []
    for (protocol, experiment), group in rows.groupby(["protocol", "experiment"], sort=True):
        if not {first, second} <= set(group["encoder"]):
            continue
        pairs = paired_rows(group, first, second, [])
        trouble = paired_rows(group, first, second, [], "troubled")
        left_out = (trouble["first"] + trouble["second"]) > 0
        found.append([protocol, experiment, len(pairs), int(left_out.sum()), *_mean(pairs), *_mean(pairs[~left_out])])
    columns = ["protocol", "experiment", "n_pairs", "n_left_out", "difference", "low", "high"]
    return pd.DataFrame(found, columns=[*columns, "difference_without", "low_without", "high_without"])


def _mean(pairs: pd.DataFrame) -> tuple[float, float, float]:
    interval = mean_interval(pairs.groupby("replicate")["difference"].mean().to_numpy())
    return interval.mean, interval.low, interval.high
