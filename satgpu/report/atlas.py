"""The atlas: one page that compares any number of encoders by their resolution cards, and reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from satgpu.readouts.world import coastlines, equal_earth
from satgpu.run.names import encoder_label

from .card import SHOWN_DEGREES, bands, estimate
from .style import nice_km_ticks
from .words import km_text, text

WIDTH, HEIGHT, LEFT, BOTTOM = 760.0, 400.0, 52.0, 46.0  # of the curves' drawing
MAP_WIDTH = 340.0
COLOURS, DASHES = 6, ("", "7 3", "2 2.5")
# Coasts in the small: a point in so many, and no island of fewer points.
_EVERY, _ISLAND = 4, 24
_COLUMNS = {
    "held": "held",
    "beyond": "held, finer",
    "read": "read",
    "plateau": "plateau",
    "cutoff": "cut-off",
    "local_km": "around a place",
}
_KM = ("cutoff", "local_km")


def atlas_page(cards: Sequence[Mapping[str, Any]], files: Sequence[str], others: Sequence[str], command: str) -> str:
    """The page as one string; opens from disk, without a network.

    Args:
        cards: of the encoders, as ``read_card`` gives them.
        files: where each card lies, relative to the page.
        others: names of encoders that would belong here and were not run.
        command: how the page was made.
    """
    loader = PackageLoader("satgpu.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    scales = [km for card in cards for km in card["summary"]["curve"]["scale_km"]]
    axis = _Axis(min(scales), max(scales))
    rows = [_row(i, card, file, axis) for i, (card, file) in enumerate(zip(cards, files, strict=True))]
    return environment.get_template("atlas.html.jinja").render(
        rows=rows,
        finest=km_text(axis.fine_km),
        columns=list(_COLUMNS.values()),
        settings=sorted({row["setting"] for row in rows}),
        axis=axis,
        numbers=_in_numbers(cards),
        coast=_coast_path() if any(row["places"] for row in rows) else "",
        outline=_path(_outline()),
        map_size=_map_size(),
        others=others,
        command=command,
    )


class _Axis:
    """Kilometres along a log axis, fine detail left, and shares upwards."""

    def __init__(self, fine_km: float, coarse_km: float):
        self.fine_km, self.coarse_km = fine_km, coarse_km
        self.width, self.height, self.left, self.floor = WIDTH, HEIGHT, LEFT, HEIGHT - BOTTOM
        ticks = nice_km_ticks(fine_km, coarse_km, width_in=6.0)
        self.ticks = [(round(float(self.x(km)), 1), f"{km:g}") for km in ticks]
        self.levels = [(round(float(self.y(share)), 1), f"{100 * share:g} %") for share in (0, 0.25, 0.5, 0.75, 1)]

    def x(self, km: Any) -> Any:
        part = np.log(np.asarray(km) / self.fine_km) / np.log(max(self.coarse_km / self.fine_km, 1.001))
        return LEFT + part * (WIDTH - LEFT - 12)

    def y(self, share: Any) -> Any:
        return self.floor - np.clip(np.asarray(share, dtype=float), -0.03, 1.03) * (HEIGHT - BOTTOM - 16)


def _row(i: int, card: Mapping[str, Any], file: str, axis: _Axis) -> dict[str, Any]:
    """One encoder: its line of the table, its curves and its map."""
    encoder, summary, options = card["encoder"], card["summary"], card["config"]["transfer"]
    curve = summary["curve"]
    cells = [_cell(summary.get(name), name in _KM) for name in _COLUMNS]
    x = axis.x(curve["scale_km"])
    return {
        "label": encoder_label(encoder["name"]),
        "name": encoder["name"],
        "file": file,
        "dim": encoder["dim"],
        "trained": "yes" if encoder["trained"] else "no",
        "cells": cells,
        "bands": bands(summary["pass_bands_km"]),
        "notes": "; ".join(summary["notes"]),
        "setting": f"{max(options['n_labels']):,} labels, noise {options['noise']:g}, degrees to {options['l_max']},"
        f" {card['config']['replicates']} draws",
        "colour": i % COLOURS,
        "dash": DASHES[i // COLOURS % len(DASHES)],
        "read": _path([np.column_stack([x, axis.y(curve["share"])])]),
        "held": _path([np.column_stack([x, axis.y(curve["ceiling"])])]),
        "places": _places(card),
        "local": text(estimate(summary["local_km"])) if "local_km" in summary else "",
    }


def _cell(given: Mapping[str, Any] | None, is_km: bool) -> dict[str, Any]:
    """A number of the table in words, and what it is sorted by: open ends lie beyond the numbers."""
    if given is None:
        return {"value": "–", "rest": "", "key": ""}
    words, _, rest = text(estimate(given)).partition(" [")
    key = given["value"]
    if given["censored"] and is_km:
        key = 0 if given["censored"] == "finer than" else 1e9
    return {"value": words, "rest": f"[{rest}" if rest else "", "key": "" if key is None else key}


def _places(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The places of a map: where they are drawn, and how fine relative to the median place."""
    found = card["rows"].get("map", [])
    middle = card["summary"].get("local_km") or {}
    median = middle.get("value") if not middle.get("censored") else None
    places = []
    for place in found:
        x, y = _on_map(np.array([place["lon"]]), np.array([place["lat"]]))
        km = place["fine_km"]
        octaves = np.log2(km / median) if km and median else None
        if km is None:
            words = "nothing read"
        elif km == 0:
            words = "read at every scale looked at"
        else:
            words = f"{km_text(km)} km"
        shade = "none" if octaves is None else str(int(np.clip(round(2 * octaves), -2, 2)) + 2)
        title = f"{place['lat']:.0f}°, {place['lon']:.0f}°: {words}"
        places.append({"x": round(float(x[0]), 1), "y": round(float(y[0]), 1), "shade": shade, "title": title})
    return places


def _in_numbers(cards: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The curves in numbers: a row an encoder, share read and held at some scales."""
    longest = max((card["summary"]["curve"] for card in cards), key=lambda curve: len(curve["degree"]))
    shown = [i for i, degree in enumerate(longest["degree"]) if degree in SHOWN_DEGREES]
    head = [f"{km_text(longest['scale_km'][i])} km" for i in shown]
    rows = []
    for card in cards:
        curve = card["summary"]["curve"]
        pairs = [
            f"{100 * curve['share'][i]:.0f} / {100 * curve['ceiling'][i]:.0f}" if i < len(curve["degree"]) else "–"
            for i in shown
        ]
        rows.append([encoder_label(card["encoder"]["name"]), *pairs])
    return head, rows


def _outline() -> list[np.ndarray]:
    lat = np.linspace(-90, 90, 61)
    edges = [np.column_stack(_on_map(np.full_like(lat, lon), lat)) for lon in (-180.0, 180.0)]
    return [np.vstack([edges[0], edges[1][::-1], edges[0][:1]])]


def _coast_path() -> str:
    """The coasts as one path; empty where the optional land mask is not installed."""
    pieces = [coast for coast in coastlines() if len(coast) >= _ISLAND]
    return _path([np.column_stack(_on_map(*np.vstack([p[::_EVERY], p[-1:]]).T)) for p in pieces])


def _on_map(lon_deg: np.ndarray, lat_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a map ``MAP_WIDTH`` wide."""
    x, y = equal_earth(lon_deg, lat_deg)
    half_x, half_y = _half_world()
    scale = (MAP_WIDTH - 4) / (2 * half_x)
    return (x + half_x) * scale + 2, (half_y - y) * scale + 2


def _map_size() -> tuple[float, float]:
    half_x, half_y = _half_world()
    return MAP_WIDTH, round((MAP_WIDTH - 4) * half_y / half_x + 4, 1)


def _half_world() -> tuple[float, float]:
    return float(equal_earth(180.0, 0.0)[0]), float(equal_earth(0.0, 90.0)[1])


def _path(lines: Sequence[np.ndarray]) -> str:
    """SVG path data of (k, 2) lines, to a tenth of a pixel."""
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) for line in lines)
