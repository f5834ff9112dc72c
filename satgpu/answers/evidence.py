"""What a claim is judged by: paired differences of one protocol, and the estimates and contrasts made of them.

With replicates an interval is the bootstrap's over replicates, or the test
sets' error where that is larger. With one
replicate (the published tables, the notebook protocol) the only error known is
that of the finite test set, a lower limit of the true one: enough to
contradict a claim, never to support it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from satgpu.answers.differences import paired_rows
from satgpu.answers.intervals import Interval, mean_interval
from satgpu.answers.published import published_pairs, published_similarity
from satgpu.readouts.kernel import first_crossing, half_crossing_km
from satgpu.run.read import Run

CELL_COLUMNS = (
    "experiment",
    "sampling",
    "pattern",
    "task",
    "region",
    "span_deg",
    "scale_km",
    "wavelength_km",
    "width_km",
)


@dataclass(frozen=True)
class Evidence:
    """The compared pair under one protocol.

    Attributes:
        first, second: names of the pair, as sentences call them.
        protocol: "notebook", "geodesic" or "published".
        pairs: [*CELL_COLUMNS, replicate, first, second, difference, error], one
            row per cell and replicate; accuracies, or R2 for regression;
            ``error`` is the difference's standard error from the test set alone.
        similarity: [distance_km, place, first, second, first_error, second_error].
        tables: the whole run; None for the published tables.
    """

    first: str
    second: str
    protocol: str
    pairs: pd.DataFrame
    similarity: pd.DataFrame
    tables: Run | None = field(default=None, repr=False)

    def cells(self, experiment: str, sampling: str | None = None, **equal) -> pd.DataFrame:
        """Rows of one experiment whose columns equal the values given."""
        rows = self.pairs[self.pairs["experiment"] == experiment]
        if sampling is not None:
            rows = rows[rows["sampling"] == sampling]
        for column, value in equal.items():
            rows = rows[rows[column] == value]
        return rows


def evidence_of_run(tables: Run, protocol: str) -> Evidence:
    """A run's evidence under one of its protocols."""
    first, second = tables.compared_pair
    results = tables.results[tables.results["protocol"] == protocol]
    parts = [_run_pairs(results, first, second, value) for value in ("test_accuracy", "test_r2")]
    pairs = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else parts[0]
    return Evidence(first, second, protocol, pairs, _run_similarity(tables.similarity, protocol, first, second), tables)


def evidence_of_published() -> Evidence:
    """The notebook author's tables, without replicates."""
    return Evidence("L=10", "L=40", "published", published_pairs(), published_similarity())


def estimate(rows: pd.DataFrame, column: str = "difference", confidence: float = 0.95) -> Interval:
    """Mean over the cells, with its interval over replicates, or the test set's error where there is one replicate.

    ``n`` of the result is the number of replicates: 1 tells that the interval is a lower limit.
    """
    per_replicate = rows.groupby("replicate")[column].mean()
    return _interval(per_replicate, _variance(rows), confidence)


def contrast(rows: pd.DataFrame, others: pd.DataFrame, confidence: float = 0.95) -> Interval:
    """Mean difference of ``rows`` less that of ``others``, paired by replicate."""
    means = [part.groupby("replicate")["difference"].mean() for part in (rows, others)]
    return _interval((means[0] - means[1]).dropna(), _variance(rows) + _variance(others), confidence)


def corrected(n_comparisons: int, confidence: float = 0.95) -> float:
    """Bonferroni: the confidence of each of n intervals that hold together with ``confidence``."""
    return 1 - (1 - confidence) / max(1, n_comparisons)


def similarity_at(evidence: Evidence, distance_km: float, which: str) -> Interval:
    """Mean similarity at a distance of the grid, over places; one place has the error of its ring."""
    rows = evidence.similarity[np.isclose(evidence.similarity["distance_km"], distance_km)]
    if len(rows) == 1:
        return _within_error(float(rows[which].iloc[0]), float(rows[f"{which}_error"].iloc[0]), 0.95)
    return mean_interval(rows[which].to_numpy())


def half_distance(evidence: Evidence, which: str) -> Interval:
    """Distance where the mean similarity falls to one half, interpolated in log distance; n counts places."""
    table = evidence.similarity.pivot_table(index="place", columns="distance_km", values=which)
    km = table.columns.to_numpy(dtype=float)
    middle = half_crossing_km(km, table.mean().to_numpy()[None])[0]
    if len(table) > 1:
        draws = np.random.default_rng(0).integers(len(table), size=(1000, len(table)))
        crossings = half_crossing_km(km, table.to_numpy()[draws].mean(axis=1))
    else:
        errors = evidence.similarity.groupby("distance_km")[f"{which}_error"].mean().to_numpy()
        shifts = stats.norm.ppf([0.025, 0.975])[:, None]
        crossings = half_crossing_km(km, table.to_numpy() + shifts * errors)
    low, high = np.quantile(crossings, [0.025, 0.975], method="inverted_cdf")
    return Interval(float(middle), float(low), float(high), len(table))


def half_distance_linear_km(evidence: Evidence, which: str) -> float:
    """The same crossing interpolated in plain distance, as a reader of the notebook's table would."""
    curve = evidence.similarity.groupby("distance_km")[which].mean()
    return float(first_crossing(curve.index.to_numpy(dtype=float), curve.to_numpy()[None], 0.5)[0])


def points(value: float) -> str:
    """A difference of accuracies for people: ``+16.2 points``."""
    return f"{100 * value:+.1f} points"


def with_interval(interval: Interval) -> str:
    """``+16.2 points (95 % interval +13.0 to +19.1, 3 replicates)``."""
    if np.isnan(interval.low):
        return f"{points(interval.mean)} (no interval)"
    source = "test-set error alone, one replicate" if interval.n == 1 else f"{interval.n} replicates"
    return f"{points(interval.mean)} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f}, {source})"


def _interval(per_replicate: pd.Series, variance: float, confidence: float) -> Interval:
    """Over replicates, and never narrower than the test sets' error: a few replicates may agree by luck."""
    if len(per_replicate) == 0:
        return mean_interval([])
    known = _within_error(float(per_replicate.mean()), np.sqrt(variance), confidence)
    if len(per_replicate) == 1:
        return known
    seen = mean_interval(per_replicate.to_numpy(), confidence)
    return Interval(seen.mean, float(np.fmin(seen.low, known.low)), float(np.fmax(seen.high, known.high)), seen.n)


def _variance(rows: pd.DataFrame) -> float:
    """Variance of the mean of the rows' differences by the finite test sets; NaN where it is not known."""
    return float((rows["error"] ** 2).sum(skipna=False) / max(1, len(rows)) ** 2)


def _within_error(value: float, error: float, confidence: float) -> Interval:
    reach = stats.norm.ppf(0.5 + confidence / 2) * error
    return Interval(value, value - reach, value + reach, 1)


def _run_pairs(results: pd.DataFrame, first: str, second: str, value: str) -> pd.DataFrame:
    rows = results[results["encoder"].isin([first, second]) & results[value].notna() & (results["failure"] == "")]
    if rows["encoder"].nunique() < 2:
        return pd.DataFrame(columns=[*CELL_COLUMNS, "replicate", "first", "second", "difference", "error"])
    pairs = paired_rows(rows, first, second, [*CELL_COLUMNS, "n_test"], value)
    variance = sum(pairs[who] * (1 - pairs[who]) for who in ("first", "second")) / pairs["n_test"]
    pairs["error"] = np.sqrt(variance.where(pairs["task"] == "classification").clip(lower=0))
    return pairs


def _run_similarity(similarity: pd.DataFrame, protocol: str, first: str, second: str) -> pd.DataFrame:
    rows = similarity[(similarity["protocol"] == protocol) & (similarity["grid"] == "distances")]
    sides = []
    for name, which in ((first, "first"), (second, "second")):
        side = rows[rows["encoder"] == name].set_index(["distance_km", "replicate", "place"])
        error = side["similarity_std"] / np.sqrt(side["n_bearings"])
        sides.append(pd.DataFrame({which: side["similarity_mean"], f"{which}_error": error}))
    return sides[0].join(sides[1], how="inner").reset_index()
