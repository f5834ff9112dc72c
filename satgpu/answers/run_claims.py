"""What satgpu itself says about a run: resolution, where each encoder is ahead, what is learned, and the controls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from satgpu.answers.differences import paired_differences, paired_rows
from satgpu.answers.evidence import Evidence, contrast, with_interval
from satgpu.answers.intervals import Interval, mean_interval
from satgpu.answers.judges import all_alike
from satgpu.answers.notebook_claims import smaller_is_better
from satgpu.answers.skill import probe_resolution, resolution_ratio, resolution_text
from satgpu.answers.verdicts import SUPPORTED, UNDECIDED, Finding, within
from satgpu.readouts.bootstrap import deviation_weights, percentiles
from satgpu.readouts.kernel import kernel_resolutions
from satgpu.run.read import field_rows

AT_CHANCE = 0.02  # shuffled labels read no better than 2 points above chance are at chance


def finer_kernel(evidence: Evidence) -> Finding | None:
    """Which encoder's similarity falls to one half sooner, its interval apart from the other's?"""
    similarity = evidence.tables.similarity
    rows = similarity[
        (similarity["protocol"] == evidence.protocol) & similarity["encoder"].isin([evidence.first, evidence.second])
    ]
    table = kernel_resolutions(rows).set_index("encoder")
    if not {evidence.first, evidence.second} <= set(table.index):
        return None
    sides = [table.loc[name] for name in (evidence.first, evidence.second)]
    bounds = [(s["half_similarity_km"], s["half_similarity_low"], s["half_similarity_high"]) for s in sides]
    words = [
        f"{name} {_km(b)}, l90 {s['l90']:.0f} ({s['spectral_km']:.0f} km)"
        for name, b, s in zip((evidence.first, evidence.second), bounds, sides, strict=True)
    ]
    (_, low_1, high_1), (_, low_2, high_2) = bounds
    evidently = f"half-similarity distance: {'; '.join(words)}"
    return _finer(evidence, high_2 < low_1, high_1 < low_2, evidently, "By its embedding alone")


def finer_probe_global(evidence: Evidence) -> Finding | None:
    """Which encoder's probes read finer cells over the globe, at constant points per cell?"""
    return _finer_probe(evidence, "fixed_per_cell", "By probes over the globe")


def finer_probe_local(evidence: Evidence) -> Finding | None:
    """Which encoder's probes read finer cells in small caps?"""
    return _finer_probe(evidence, "local_caps", "By probes in small caps")


def ahead_where(evidence: Evidence) -> Finding | None:
    """At which global scales is either encoder ahead beyond doubt (false discovery rate 5 %)?"""
    rows = _results(evidence, "sweet_spot")
    if not _has_both(rows, evidence):
        return None
    table = paired_differences(rows, evidence.first, evidence.second, ["scale_km"])
    ahead = {side: table[table["verdict"] == side] for side in ("second", "first")}
    parts = []
    for side, name in (("second", evidence.second), ("first", evidence.first)):
        if len(ahead[side]):
            gains = ahead[side]["difference"].abs()
            at = _scale_list(ahead[side]["scale_km"].tolist(), table["scale_km"].tolist())
            parts.append(f"{name} is ahead at {at} by {100 * gains.min():.1f} to {100 * gains.max():.1f} points")
    undecided = table[table["verdict"] == "undecided"]["scale_km"].tolist()
    words = f"checkerboards, paired over {int(table['n_replicates'].max())} replicate(s), q < 0.05"
    words += f"; undecided at {_scale_list(undecided, table['scale_km'].tolist())}"
    statement = (
        "; ".join(parts)
        or f"Neither {evidence.first} nor {evidence.second} is ahead beyond doubt on global checkerboards"
    )
    return Finding(SUPPORTED if parts else UNDECIDED, words, statement)


def advantage_learned(evidence: Evidence) -> Finding | None:
    """How much of the pair's advantage an untrained pair of the same architecture has already."""
    rows = _results(evidence, "sweet_spot")
    if not _has_both(rows, evidence):
        return None
    learned = rows[rows["encoder"].isin([evidence.first, evidence.second])].groupby("encoder")["trained"].first()
    if not learned.any():
        statement = f"Nothing in the advantage of {evidence.second} over {evidence.first} is learned"
        return Finding(
            SUPPORTED, "neither of the two carries learned weights: what is seen here is architecture", statement
        )
    controls = _untrained_pair(rows, evidence)
    if controls is None:
        return Finding(UNDECIDED, "no untrained pair of the same L was run beside them; run with --controls")
    full = _by_replicate(rows, evidence.first, evidence.second)
    untrained = _by_replicate(rows, *controls)
    share = _ratio(untrained, full)
    words = f"mean over global scales: compared pair {with_interval(mean_interval(full))}"
    words += f", {controls[1]} less {controls[0]} {with_interval(mean_interval(untrained))}"
    if np.isnan(share.low) or not share.low > -np.inf or mean_interval(full).low <= 0 <= mean_interval(full).high:
        statement = f"How much of {evidence.second}'s advantage is learned can't be told"
        return Finding(UNDECIDED, words, statement)
    statement = f"An untrained pair already has {100 * share.mean:.0f} % of {evidence.second}'s advantage"
    statement += f" ({100 * share.low:.0f} to {100 * share.high:.0f} %)"
    return Finding(SUPPORTED, words, statement)


def beats_xyz(evidence: Evidence) -> Finding | None:
    """Do both encoders read more than the coordinates alone, through the same probe?"""
    return _against(evidence, "xyz", "the coordinates alone (xyz)")


def beats_nearest(evidence: Evidence) -> Finding | None:
    """Do both encoders read more than nearest neighbours in space, which know nothing but the samples?"""
    return _against(evidence, "coordinates", "the nearest neighbour in space")


def shuffled_at_chance(evidence: Evidence) -> Finding | None:
    """Do probes of shuffled labels stay at chance, or below it? Beating it would mean a leak."""
    results = evidence.tables.results
    rows = results[
        (results["protocol"] == evidence.protocol)
        & (results["labels"] == "shuffled")
        & results["test_accuracy"].notna()
    ]
    if rows.empty:
        return None
    above = rows.assign(above=rows["test_accuracy"] - rows["chance"]).groupby("replicate")["above"].mean()
    interval = mean_interval(above.to_numpy())
    if interval.n == 1:
        reach = 1.96 * 0.5 / np.sqrt(rows["n_test"].min())  # all read the same labels
        interval = Interval(interval.mean, interval.mean - reach, interval.mean + reach, 1)
    return Finding(
        within(interval, -np.inf, AT_CHANCE),
        f"test accuracy less chance {with_interval(interval)}, {len(rows)} probes",
    )


def smaller_is_better_at_equal_density(evidence: Evidence) -> Finding | None:
    """The region effect with the same points per cell in every region."""
    return smaller_is_better(evidence, "fixed_density")


def patterns_alike_at_equal_wavelength(evidence: Evidence) -> Finding | None:
    """Do the advantages lie within 5 points of each other where all patterns repeat after the same 1200 to 2000 km?"""
    boards, others = evidence.cells("patterns_wavelength"), evidence.cells("patterns", task="classification")
    if boards.empty:
        return None
    rows = pd.concat([boards, others[others["pattern"] != "checkerboard"]])
    rows = rows.assign(wavelength_km=rows["wavelength_km"].round(1))
    return all_alike(rows[rows["wavelength_km"].between(1200, 2000)], "pattern", ["wavelength_km"])


def density_makes_the_effect(evidence: Evidence) -> Finding | None:
    """Is the region effect larger with a fixed number of points than at a fixed density?"""
    gaps = []
    for sampling in ("fixed_points", "fixed_density"):
        rows = evidence.cells("region_size", sampling)
        spans = sorted(rows["span_deg"].unique())
        if len(spans) < 2:
            return None
        ends = [rows[rows["span_deg"] == span] for span in (spans[0], spans[-1])]
        by_replicate = [end.groupby("replicate")["difference"].mean() for end in ends]
        gaps.append((by_replicate[0] - by_replicate[1], contrast(*ends)))
    extra = mean_interval((gaps[0][0] - gaps[1][0]).dropna().to_numpy())
    series = [with_interval(gap) for _, gap in gaps]
    words = f"smallest less largest region: fixed number of points {series[0]}, fixed density {series[1]}"
    verdict = (
        UNDECIDED if np.isnan(extra.low) or extra.low <= 0 <= extra.high else SUPPORTED if extra.n > 1 else UNDECIDED
    )
    return Finding(verdict, words)


RUN_CLAIMS: dict[str, tuple[str, Callable[[Evidence], Finding | None]]] = {
    "finer_kernel": ("By its embedding alone one encoder is finer", finer_kernel),
    "finer_probe_global": ("By probes over the globe one encoder is finer", finer_probe_global),
    "finer_probe_local": ("By probes in small caps one encoder is finer", finer_probe_local),
    "advantage_learned": ("How much of {second}'s advantage is learned", advantage_learned),
    "beats_xyz": ("Both encoders read more than the coordinates alone", beats_xyz),
    "beats_nearest": ("Both encoders read more than the nearest neighbour in space", beats_nearest),
    "shuffled_at_chance": ("Probes of shuffled labels stay at chance", shuffled_at_chance),
    "smaller_regions_equal_density": (
        "At equal density of points, too, smaller regions favour {second}",
        smaller_is_better_at_equal_density,
    ),
    "patterns_alike_wavelength": (
        "At equal wavelength all patterns show a similar advantage of {second}",
        patterns_alike_at_equal_wavelength,
    ),
    "density_effect": ("Part of the region effect is the density of the samples", density_makes_the_effect),
}


def _results(evidence: Evidence, experiment: str) -> pd.DataFrame:
    rows = field_rows(evidence.tables.results)
    return rows[
        (rows["protocol"] == evidence.protocol) & (rows["experiment"] == experiment) & rows["test_accuracy"].notna()
    ]


def _has_both(rows: pd.DataFrame, evidence: Evidence) -> bool:
    return {evidence.first, evidence.second} <= set(rows["encoder"])


def _finer_probe(evidence: Evidence, sampling: str, where: str) -> Finding | None:
    rows = _results(evidence, "resolution")
    rows = rows[(rows["sampling"] == sampling) & (rows["probe"] == "mlp")]
    if not _has_both(rows, evidence):
        return None
    rows = rows[rows["encoder"].isin([evidence.first, evidence.second])]
    threshold = evidence.tables.skill_threshold
    table = probe_resolution(rows, threshold).set_index("encoder")
    if not table.index.is_unique:
        return None
    sides = [table.loc[name] for name in (evidence.first, evidence.second)]
    ratio = resolution_ratio(rows, evidence.first, evidence.second, threshold)
    described = "; ".join(
        f"{name} {resolution_text(side)}"
        for name, side in zip(table.loc[[evidence.first, evidence.second]].index, sides, strict=True)
    )
    probe = f"MLP {sides[0]['hidden_layer_sizes']}{', standardised inputs' if sides[0]['standardize'] else ''}"
    density = (
        f"{sides[0]['points_per_cell_low']:.0f} to {sides[0]['points_per_cell_high']:.0f} training points per cell"
    )
    words = f"skill crosses {threshold:g} at: {described} ({probe}, {density})"
    words += f"; {evidence.second} needs {_share(ratio)} of {evidence.first}'s scale, paired by replicate"
    return _finer(evidence, ratio.high < 1, ratio.low > 1, words, where)


def _share(ratio: Interval) -> str:
    reach = "no interval" if np.isnan(ratio.low) else f"{ratio.low:.2f} to {ratio.high:.2f}"
    return f"{ratio.mean:.2f} ({reach})"


def _finer(evidence: Evidence, second_is: bool, first_is: bool, words: str, where: str) -> Finding:
    """Which of the two is finer, where that is beyond doubt."""
    for name, other, finer in (
        (evidence.second, evidence.first, second_is),
        (evidence.first, evidence.second, first_is),
    ):
        if finer:
            return Finding(SUPPORTED, words, f"{where}, {name} is finer than {other}")
    return Finding(UNDECIDED, words, f"{where}, which of {evidence.first} and {evidence.second} is finer is undecided")


def _km(bounds: tuple[float, float, float]) -> str:
    return f"{bounds[0]:.0f} km ({bounds[1]:.0f} to {bounds[2]:.0f})"


def _scale_list(scales: list[float], grid: list[float]) -> str:
    """``300 to 850 km, 900 km``: runs of neighbours on the grid are joined."""
    if not scales:
        return "no scale"
    order = sorted(grid)
    runs: list[list[float]] = []
    for km in sorted(scales):
        if runs and order.index(km) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(km)
        else:
            runs.append([km])
    return ", ".join(f"{run[0]:.0f} km" if len(run) == 1 else f"{run[0]:.0f} to {run[-1]:.0f} km" for run in runs)


def _untrained_pair(rows: pd.DataFrame, evidence: Evidence) -> tuple[str, str] | None:
    """The control encoders of the same L as the pair, untrained."""
    names = []
    for encoder in (evidence.first, evidence.second):
        own = rows[rows["encoder"] == encoder]
        if not own["trained"].iloc[0]:
            names.append(encoder)
            continue
        same_l = rows[
            (rows["legendre_polys"] == own["legendre_polys"].iloc[0])
            & ~rows["trained"]
            & rows["encoder"].str.startswith("untrained")
        ]
        if same_l.empty:
            return None
        names.append(same_l["encoder"].iloc[0])
    return names[0], names[1]


def _by_replicate(rows: pd.DataFrame, first: str, second: str) -> np.ndarray:
    return paired_rows(rows, first, second, []).groupby("replicate")["difference"].mean().to_numpy()


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> Interval:
    """Ratio of the means over replicates, paired, with its bootstrap interval."""
    n = min(len(numerator), len(denominator))
    value = float(numerator.mean() / denominator.mean())
    if n < 2 or len(numerator) != len(denominator):
        return Interval(value, np.nan, np.nan, n)
    weights = deviation_weights(n)
    tops, bottoms = (x.mean() + weights @ (x - x.mean()) for x in (numerator, denominator))
    if (np.sign(bottoms) != np.sign(bottoms[0])).any():
        return Interval(value, -np.inf, np.inf, n)
    return Interval(value, *percentiles(tops / bottoms), n)


def _against(evidence: Evidence, control: str, name: str) -> Finding | None:
    """Mean difference of both encoders from a control over the global scales."""
    rows = _results(evidence, "sweet_spot")
    if not _has_both(rows, evidence) or control not in set(rows["encoder"]):
        return None
    gains = {who: mean_interval(_by_replicate(rows, control, who)) for who in (evidence.first, evidence.second)}
    words = "; ".join(f"{who} {with_interval(gain)}" for who, gain in gains.items())
    ahead = [who for who, gain in gains.items() if gain.low > 0]
    behind = [who for who, gain in gains.items() if gain.high < 0]
    parts = [f"{' and '.join(ahead)} read{'s' if len(ahead) == 1 else ''} more than {name}"] if ahead else []
    parts += [f"{' and '.join(behind)} read{'s' if len(behind) == 1 else ''} less than {name}"] if behind else []
    statement = "; ".join(parts) or f"Whether {evidence.first} and {evidence.second} read more than {name} is undecided"
    verdict = SUPPORTED if parts else UNDECIDED
    return Finding(verdict, f"mean over global checkerboards less {name}: {words}", statement)
