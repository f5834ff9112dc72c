"""A resolution card: what one encoder resolves, with the rows it follows from and all that is needed to measure again.

A card is a dictionary that JSON can hold. ``rows`` are measurements: a row for every draw of places and number of
labels, for every other seed of an untrained encoder, for every place of the map and for every real field. ``summary``
follows from the rows by ``summary_of``, ``digest`` from everything else.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from satgpu.answers import map as maps
from satgpu.answers.transfer import notes
from satgpu.answers.transfer_curves import (
    SCALES_KM,
    Curve,
    curves,
    curves_of_seeds,
    labels_for_half,
    measured,
    numbers,
    over_draws,
)
from satgpu.answers.types import Estimate
from satgpu.errors import UserError, unknown_choice
from satgpu.readouts.levels import runs_km
from satgpu.run.read import Run

KIND, FORMAT = "satgpu resolution card", 1
PARTS = ("transfer", "map", "fields")
_ENCODER = ("name", "source", "revision", "sha256", "trained", "licence", "legendre_polys", "dim")
_PLACE = ("place", "lon", "lat", "n_draws", "fine_km", "low", "high", "anisotropy", "finest_bearing_deg", "bands")
_MADE_BY = ("satgpu", "torch", "numpy", "scipy")


def card_of(run: Run, encoder: str) -> dict[str, Any]:
    """The card of one encoder of a run.

    Raises:
        UserError: the run holds no transfer function of the encoder.
    """
    run = run.under("geodesic")
    if encoder not in measured(run):
        if not measured(run):
            raise UserError(f"run {run.name!r} holds no transfer function; run with --experiments transfer map")
        raise unknown_choice("encoder of this run", encoder, measured(run))
    entry = next(entry for entry in run.encoders if entry["name"] == encoder)
    versions = run.environment.get("versions") or {}
    rows = rows_of(run, encoder)
    config = _config(run, rows)
    card = {
        "kind": KIND,
        "format": FORMAT,
        "encoder": {name: entry.get(name) for name in _ENCODER},
        "made_by": {name: versions[name] for name in _MADE_BY if name in versions},
        "config": config,
        "summary": summary_of(rows, config),
        "rows": rows,
    }
    return card | {"digest": digest_of(card)}


def rows_of(run: Run, encoder: str) -> dict[str, list[dict[str, Any]]]:
    """The measurements of one encoder, by part."""
    own = [c for c in curves(run) if (c.encoder, c.reader) == (encoder, "linear")]
    seeds = [c for c in curves_of_seeds(run) if c.encoder == encoder]
    rows = {"transfer": [row for c in own for row in _draws(c)], "seeds": [row for c in seeds for row in _draws(c)]}
    places = maps.table(run)
    if len(places):
        rows["map"] = places.loc[places["encoder"] == encoder, list(_PLACE)].to_dict("records")
    if len(run.fields):
        dropped = ["task_id", "protocol", "encoder", "role", "trained", "encoder_sha256", "replicate"]
        rows["fields"] = run.fields[run.fields["encoder"] == encoder].drop(columns=dropped).to_dict("records")
    return {name: [_plain(row) for row in found] for name, found in rows.items() if found}


def summary_of(rows: Mapping[str, list[dict[str, Any]]], config: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says first: every number follows from its rows, and the scales that its map looked at."""
    ladder = [_curve(rows["transfer"], n) for n in sorted({row["n_labels"] for row in rows["transfer"]})]
    c = ladder[-1]
    low, high = c.interval
    summary = {name: _estimate(value) for name, value in numbers(c).items()}
    summary["pass_bands_km"] = [list(run) for run in runs_km(c.share, c.share_RL if len(c.share_RL) > 1 else None)]
    summary["labels_for_half"] = {f"{km:g}": _labels(ladder, km) for km in SCALES_KM}
    summary["notes"] = notes(c)
    columns = {"degree": c.degree, "scale_km": c.scale_km, "share": c.share, "low": low, "high": high}
    summary["curve"] = {name: list(x) for name, x in (columns | {"ceiling": c.ceiling_RL.mean(0)}).items()}
    if "seeds" in rows:
        kind = [c.share, *(np.array(row["share"]) for row in rows["seeds"])]
        summary["read_over_seeds"] = _estimate(over_draws(np.stack(kind) @ (2 * c.degree + 1), whole=True))
    if "map" in rows:
        summary["local_km"] = _estimate(_local(rows["map"], config["map"]))
    return _plain(summary)


def digest_of(card: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a card but the digest, whatever the order of keys and the white space."""
    content = {name: value for name, value in card.items() if name != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(
    there: Any, here: Any, relative: float = 1e-5, absolute: float = 1e-9, at: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """(where, there, here) for everything in which two plain values differ; numbers to within the tolerances."""
    numbers = [x for x in (there, here) if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys([*there, *here]):
            yield from differences(there.get(name), here.get(name), relative, absolute, f"{at}.{name}".lstrip("."))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, pair in enumerate(zip(there, here, strict=True)):
            yield from differences(*pair, relative, absolute, f"{at}[{i}]")
    elif len(numbers) == 2:
        if not abs(there - here) <= absolute + relative * abs(here):
            yield at, there, here
    elif there != here:
        yield at, there, here


def _draws(c: Curve) -> Iterator[dict[str, Any]]:
    """A row for every draw of places."""
    for draw, share in enumerate(c.share_RL):
        facts = {"draw": draw, "n_labels": c.n_labels, "noise": c.noise, "dim": c.dim, "rank": c.rank_R[draw]}
        facts |= {"weights_seed": c.weights_seed, "dropped": c.dropped, "on_edge": c.on_edge}
        yield facts | {"share": list(share), "ceiling": list(c.ceiling_RL[draw])}


def _curve(rows: list[dict[str, Any]], n_labels: int) -> Curve:
    """The curve that some rows of a card make."""
    own = sorted((row for row in rows if row["n_labels"] == n_labels), key=lambda row: row["draw"])
    share, ceiling = (np.array([row[name] for row in own], dtype=float) for name in ("share", "ceiling"))
    degree, rank = np.arange(1, share.shape[1] + 1), np.array([row["rank"] for row in own], dtype=float)
    facts = ("", "linear", n_labels, own[0]["noise"], own[0]["dim"], degree, share, ceiling)
    return Curve(*facts, np.full_like(share, np.nan), rank, own[0]["dropped"], own[0]["on_edge"])


def _labels(ladder: list[Curve], km: float) -> dict[str, Any]:
    n, share = np.array([c.n_labels for c in ladder]), np.array([c.at(km) for c in ladder])
    labels, censored = labels_for_half(n, share)
    return {"labels": labels, "censored": str(censored)}


def _local(places: list[dict[str, Any]], options: Mapping[str, Any]) -> Estimate:
    km = pd.Series([place["fine_km"] for place in places], dtype=float)
    return maps.edge_over_places(km, pd.Series(options["scales_km"], dtype=float))


def _estimate(x: Estimate) -> dict[str, Any]:
    return {"value": x.value, "low": x.low, "high": x.high, "n": x.n, "unit": str(x.unit), "censored": str(x.censored)}


def _config(run: Run, rows: Mapping[str, list]) -> dict[str, Any]:
    """The options that give the rows again, none of them left to the machine."""
    config = {"seed": run.environment.get("seed"), "replicates": len({row["draw"] for row in rows["transfer"]})}
    config |= {name: dict(run.config.get(name) or {}) for name in PARTS if name in rows}
    seeds = {row["weights_seed"] for row in rows.get("seeds", [])}
    config["transfer"] |= {"mlp_degrees": [0], "twin_seeds": 1 + len(seeds)}
    for name in ("mlp_labels", "coordinates_labels"):  # other readers' options
        config["transfer"].pop(name, None)
    if "map" in rows:
        config["map"]["places"] = len(rows["map"])
    return config


def _plain(value: Any) -> Any:
    """As JSON has it: six digits, no NaN, no array."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        value = float(f"{value:.6g}") if math.isfinite(value) else None
        return int(value) if value is not None and value.is_integer() else value
    return value
