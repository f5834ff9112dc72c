"""The one table people came for: the effective resolution of each encoder, measured in two ways."""

import numpy as np
import pandas as pd

from satgpu.run.names import encoder_label

from .style import EARTH_HALF_KM, km_text
from .view import STARVED_BELOW, RunView
from .words import km_interval

NOTHING = "–"
EARTH_KM = EARTH_HALF_KM / np.pi
OPEN = (
    "An open end: the data set no limit there. Starved: the crossing lies where a cell holds fewer than "
    f"{STARVED_BELOW} training points, and more points might show a finer resolution."
)
_PROBE_FACTS = (
    "sampling",
    "threshold",
    "hidden_layer_sizes",
    "standardize",
    "pattern",
    "starved",
    "starved_up_to_km",
    "points_per_cell_low",
    "points_per_cell_high",
    "extent_km2_low",
    "extent_km2_high",
    "n_replicates",
)


def effective_resolution(view: RunView) -> pd.DataFrame:
    """Every measured resolution as a row of numbers, for ``effective_resolution.csv``.

    Returns:
        DataFrame[protocol, encoder, role, trained, nominal_km, measure, value,
        low, high, unit, censored, and what a probe's resolution belongs to]:
        measure is half_similarity, spectral, l90 (each also centred_...) from
        the embedding, or probe. An open bound is 0 or inf.
    """
    rows = [*_kernel_rows(view), *_probe_rows(view)]
    columns = [
        "protocol",
        "encoder",
        "role",
        "trained",
        "nominal_km",
        "measure",
        "value",
        "low",
        "high",
        "unit",
        "censored",
        *_PROBE_FACTS,
    ]
    return pd.DataFrame(rows, columns=columns)


def _kernel_rows(view: RunView) -> list[dict]:
    """Half-similarity distance, l₉₀ and 180°/l₉₀, as it is and centred."""
    rows = []
    for kernel in view.kernels.to_dict("records"):
        facts = {name: kernel[name] for name in ("protocol", "encoder", "role", "trained")} | {
            "nominal_km": nominal_km(view, kernel["encoder"])
        }
        for prefix in ("", "centred_"):
            for measure, unit in (("half_similarity", "km"), ("spectral", "km"), ("l90", "degree")):
                value = kernel[f"{prefix}{measure}" + ("_km" if unit == "km" else "")]
                low, high = kernel[f"{prefix}{measure}_low"], kernel[f"{prefix}{measure}_high"]
                rows.append(
                    facts
                    | {
                        "measure": prefix + measure,
                        "value": value,
                        "low": low,
                        "high": high,
                        "unit": unit,
                        "censored": _kernel_censored(kernel, measure, value),
                    }
                )
    return rows


def _kernel_censored(kernel: dict, measure: str, value: float) -> str:
    """Where the number lies at the edge of what was sampled."""
    if measure == "half_similarity":
        return "finer than" if value <= kernel["finest_km"] else "not reached by" if np.isinf(value) else ""
    at_edge = value >= kernel["l_max"] if measure == "l90" else value <= EARTH_HALF_KM / kernel["l_max"]
    return {"l90": "at least", "spectral": "finer than"}[measure] if at_edge else ""


def _probe_rows(view: RunView) -> list[dict]:
    """Where the probes' skill crosses the threshold, with all that this number belongs to."""
    rows = []
    for found in view.probe_resolutions.to_dict("records"):
        is_nearest = found["probe"] == "nearest-neighbour"
        facts = {name: found[name] for name in ("protocol", "role", "trained")} | {
            "encoder": "nearest-neighbour" if is_nearest else found["encoder"]
        }
        numbers = {
            "measure": "probe",
            "value": found["resolution_km"],
            "low": found["low_km"],
            "high": found["high_km"],
            "unit": "km",
            "censored": found["censored"],
        }
        rows.append(
            facts | numbers | {"nominal_km": found["nominal_km"]} | {name: found[name] for name in _PROBE_FACTS}
        )
    return rows


def nominal_km(view: RunView, spec: str) -> float:
    """180°/L in km; NaN for an encoder without an L."""
    return EARTH_HALF_KM / view.legendre[spec] if spec in view.legendre else np.nan


def headline(view: RunView) -> pd.DataFrame:
    """The same in words, one row per encoder, for people.

    Returns:
        DataFrame[encoder, role, nominal 180°/L, half similarity, 180°/l₉₀,
        probes on the globe, probes in local caps]; a column nobody has is left out.
    """
    table = effective_resolution(view)
    rows = []
    for spec in [*view.compared, *view.controls, "nearest-neighbour"]:
        own = table[table["encoder"] == spec]
        if own.empty:
            continue
        nominal = nominal_km(view, spec)
        rows.append(
            {
                "encoder": encoder_label(spec),
                "role": "compared" if spec in view.compared else "control",
                "nominal 180°/L": f"{km_text(nominal)} km" if np.isfinite(nominal) else NOTHING,
                "half similarity": _cell(own, "half_similarity"),
                "180°/l₉₀": _cell(own, "spectral"),
                "probes on the globe": _cell(own, "probe", "fixed_per_cell"),
                "probes in local caps": _cell(own, "probe", "local_caps"),
            }
        )
    frame = pd.DataFrame(
        rows,
        columns=[
            "encoder",
            "role",
            "nominal 180°/L",
            "half similarity",
            "180°/l₉₀",
            "probes on the globe",
            "probes in local caps",
        ],
    )
    return frame.loc[:, [name in ("encoder", "role") or (frame[name] != NOTHING).any() for name in frame.columns]]


def _cell(own: pd.DataFrame, measure: str, sampling: str | None = None) -> str:
    """One measured resolution in words, or a dash."""
    found = own[own["measure"] == measure]
    found = found if sampling is None else found[found["sampling"] == sampling]
    if found.empty:
        return NOTHING
    row = found.iloc[0]
    if row["censored"] == "not reached by" and measure == "half_similarity":
        return "never falls to ½"
    words = km_interval(row["value"], row["low"], row["high"], row["censored"])
    return words + (" (starved)" if row["starved"] is True and not row["censored"] else "")


def conditions(view: RunView) -> list[str]:
    """What the probes' resolutions belong to, one sentence per kind of probe."""
    sentences = []
    found = view.probe_resolutions
    found = found[found["probe"] == "mlp"] if len(found) else found
    for sampling, rows in found.groupby("sampling"):
        first = rows.iloc[0]
        low, high = rows["points_per_cell_low"].min(), rows["points_per_cell_high"].max()
        density = f"{low:.3g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.3g} to {high:.3g}"
        small, large = (
            km_text(cap_radius_km(area)) for area in (rows["extent_km2_low"].min(), rows["extent_km2_high"].max())
        )
        extent = "the whole globe" if sampling == "fixed_per_cell" else f"caps of {small} to {large} km radius"
        scaling = "standardised" if first["standardize"] else "unscaled"
        sentences.append(
            f"Probes on {extent}: {pattern(first)}, MLP {first['hidden_layer_sizes']} on {scaling} embeddings, "
            f"{density} training points per cell, skill {first['threshold']:g}, "
            f"{km_text(rows['finest_km'].min())} to {km_text(rows['coarsest_km'].max())} km tried."
        )
    if any("open" in cell for cell in headline(view).to_numpy().ravel()):
        sentences.append(OPEN)
    return sentences


def cap_radius_km(area_km2: float) -> float:
    """Radius along the sphere of a cap of an area."""
    return float(EARTH_KM * np.arccos(np.clip(1 - area_km2 / (2 * np.pi * EARTH_KM**2), -1, 1)))


def pattern(row: pd.Series) -> str:
    """The label field of a row of ``probe_resolution``."""
    return str(row["pattern"]).replace("_", " ")
