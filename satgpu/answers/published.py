"""The notebook author's results with SatCLIP's real weights: as a run of one replicate, and beside this one."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd

from satgpu.answers import boundaries, scale_region, similarity, sweet_spot
from satgpu.answers.sentences import listing, own, plain
from satgpu.answers.tables import means
from satgpu.answers.types import Answer, Estimate, Source, Unit, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once
from satgpu.run.rows import ProbeRow, SimilarityRow, columns

TITLE = "Beside the published numbers"
# Test rows behind every accuracy: 30 % of the points that the notebook drew.
N_TEST = {"sweet_spot": 1800, "region_size": 1200, "patterns": 1800, "scale_region": 900, "boundaries": 1500}
KEYS = {
    "sweet_spot": ["scale_km"],
    "region_size": ["span_deg"],
    "patterns": ["pattern", "scale_km"],
    "scale_region": ["region", "span_deg", "scale_km"],
    "boundaries": ["width_km"],
    "similarity": ["distance_km"],
}
NAMES = {"l10": "satclip-vit16-l10", "l40": "satclip-vit16-l40"}
RING_POINTS = 200  # behind every published similarity
_RENAMED = {"center": "region", "region_deg": "span_deg"}
_CALL = "satgpu.answers.published.beside(run)"


def load_published() -> dict[str, pd.DataFrame]:
    """The published tables, tidy: one row per key and encoder.

    Returns:
        dict of sweet_spot, region_size, patterns, scale_region, boundaries and
        similarity; DataFrame[*keys, encoder, value, std], encoder "l10" or "l40",
        or "difference" where only that was published (scale_region). ``value`` is
        an accuracy, a difference of two, or a cosine similarity; ``std`` its
        spread over points, for the similarity only.
    """
    return {name: _tidy(name, _read(name)) for name in KEYS}


@lru_cache(maxsize=1)
def published_run() -> Run:
    """The published tables as a run: one replicate, one place, so that nothing in them decides."""
    probed = pd.concat([_probe_rows(name, table) for name, table in load_published().items() if name in N_TEST])
    given = _read("scale_region").rename(columns={"diff": "difference"})
    facts = {"role": "compared", "trained": True}
    entries = [facts | {"name": name, "legendre_polys": int(key[1:])} for key, name in NAMES.items()]
    return Run(
        probed.reset_index(drop=True),
        _similarity_rows(load_published()["similarity"]),
        environment={"encoders": entries},
        name="published",
        given={"scale_region": given},
    )


@lru_cache(maxsize=1)
def published_answers() -> tuple[Answer, ...]:
    """The notebook's sentences beside its author's own tables; one draw decides none of them."""
    from satgpu.answers.questions import answer_run  # this file is one of its questions

    return tuple(answer for answer in answer_run(published_run()) if answer.source is Source.NOTEBOOK)


@once
def beside(run: Run) -> pd.DataFrame:
    """The run beside the published numbers, one row per published value that the run has too.

    The run's compared pair plays L=10 and L=40. Only the notebook protocol asks
    what the author asked; another protocol's rows show what a change of geometry does.

    Returns:
        DataFrame[table, pattern, region, span_deg, scale_km, width_km, distance_km, encoder, run_encoder,
        published, run, low, high, difference]: ``difference`` is run less published.
    """
    keys = list(dict.fromkeys(key for names in KEYS.values() for key in names))
    columns = ["table", *keys, "encoder", "run_encoder", "published", "run", "low", "high", "difference"]
    found = []
    for name, expected in load_published().items() if run.pair else ():
        measured = _measured(run, name).rename(columns={"mean": "run"})
        if len(measured):
            merged = expected.rename(columns={"value": "published"}).merge(measured, on=[*KEYS[name], "encoder"])
            found.append(merged.assign(table=name))
    if not found:
        return pd.DataFrame(columns=columns)
    table = pd.concat(found, ignore_index=True)
    return table.assign(difference=table["run"] - table["published"]).reindex(columns=columns)


def answer(run: Run) -> list[Answer]:
    """How far the run lies from each published table, under the notebook protocol."""
    if run.protocol != "notebook" or beside(run).empty:
        return []
    names = listing(encoder_label(name) for name in run.pair)
    if run.is_satclip and all(name in NAMES.values() for name in run.pair):
        words = "the published numbers came from the same weights ({names}), points, labels and splits: a reproduction"
    else:
        words = (
            "the published numbers came from SatCLIP ViT16 L=10 and L=40 with trained weights; this run asked the same "
            "questions (points, labels and splits) of {names}. It is no reproduction: what agrees was there without "
            "that training, what differs is learned or is probe noise"
        )
    found = [own(run, "published.kind", words, {"names": names})]
    return [*found, *(_closeness(run, name, rows) for name, rows in beside(run).groupby("table", sort=False))]


def _closeness(run: Run, name: str, rows: pd.DataFrame) -> Answer:
    """Mean and largest deviation from one published table."""
    first, second = run.labels
    roles = {"l10": first, "l40": second, "difference": f"{second} less {first}"}
    unit = Unit.NUMBER if name == "similarity" else Unit.POINTS
    words, values = [], {}
    for encoder, own_rows in rows.groupby("encoder", sort=False):
        worst = own_rows.loc[own_rows["difference"].abs().idxmax()]
        values[f"{encoder}_mean"] = Estimate(float(own_rows["difference"].mean()), n=0, unit=unit)
        values[f"{encoder}_most"] = Estimate(float(worst["difference"]), n=0, unit=unit)
        where = ", ".join(_key_words(key, worst[key]) for key in KEYS[name])
        words.append(f"{roles[encoder]} {{{encoder}_mean}} on average, at most {{{encoder}_most}} ({where})")
    statement = f"{plain(name)}, run less published: " + "; ".join(words)
    return own(run, f"published.{name}", statement, values, Verdict.UNDECIDED, None, _CALL)


def _key_words(key: str, value: object) -> str:
    if isinstance(value, str):
        return plain(value)
    return f"{value:g}°" if key == "span_deg" else f"{value:g} km"


def _measured(run: Run, name: str) -> pd.DataFrame:
    """[*keys, encoder, run_encoder, mean, low, high] of the run's table of that name."""
    if name == "scale_region":
        table = scale_region.table(run).rename(columns={"difference": "mean"})
        return table.assign(encoder="difference", run_encoder=" - ".join(reversed(run.pair)))
    table = {
        "sweet_spot": lambda: sweet_spot.accuracies(run),
        "region_size": lambda: means(run, "region_size", ("span_deg",), "test_accuracy", "fixed_points"),
        "patterns": lambda: means(run, "patterns", ("pattern", "scale_km")),
        "boundaries": lambda: boundaries.accuracies(run),
        "similarity": lambda: similarity.curve(run),
    }[name]()
    if table.empty:
        return table
    roles = dict(zip(run.pair, NAMES, strict=True))
    table = table[table["encoder"].isin(roles)].rename(columns={"encoder": "run_encoder"})
    table = table.drop(columns=["std"], errors="ignore")
    return table.assign(encoder=table["run_encoder"].map(roles))


def _read(name: str) -> pd.DataFrame:
    with (files("satgpu.answers") / "published" / f"{name}.csv").open() as stream:
        table = pd.read_csv(stream).rename(columns=_RENAMED)
    return table.astype({key: float for key in KEYS[name] if key.endswith(("_km", "_deg"))})


def _tidy(name: str, table: pd.DataFrame) -> pd.DataFrame:
    values = {"difference": "diff"} if name == "scale_region" else {"l10": "l10", "l40": "l40"}
    if name == "similarity":
        values = {"l10": "l10_sim_mean", "l40": "l40_sim_mean"}
    parts = []
    for encoder, column in values.items():
        std = table[f"{encoder}_sim_std"] if name == "similarity" else np.nan
        parts.append(table[KEYS[name]].assign(encoder=encoder, value=table[column], std=std))
    return pd.concat(parts, ignore_index=True)


def _probe_rows(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Published accuracies as rows of results.csv; none where only differences were published."""
    rows = table[table["encoder"].isin(NAMES)].rename(columns={"value": "test_accuracy"})
    pattern = {"patterns": rows.get("pattern"), "boundaries": "boundary"}.get(name, "checkerboard")
    facts = {"experiment": name, "protocol": "published", "role": "compared", "trained": True, "replicate": 0}
    facts |= {"probe": "mlp", "labels": "field", "task": "classification", "sampling": "fixed_points", "failure": ""}
    rows = rows.assign(**facts, pattern=pattern, encoder=rows["encoder"].map(NAMES), n_test=N_TEST[name])
    rows = rows.assign(scale_km=500.0) if name == "region_size" else rows
    return rows.reindex(columns=list(columns(ProbeRow))).assign(failure="", hidden_layer_sizes="", standardize=False)


def _similarity_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Published similarities as rows of similarity.csv, around the one place."""
    rows = table.rename(columns={"value": "similarity_mean", "std": "similarity_std"})
    facts = {"protocol": "published", "role": "compared", "trained": True, "replicate": 0}
    rows = rows.assign(**facts, grid="distances", place=0, encoder=rows["encoder"].map(NAMES), n_bearings=RING_POINTS)
    return rows.reindex(columns=list(columns(SimilarityRow)))
