"""The headline picture: skill against scale, and beside it the spectrum of the similarity kernel."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .curves import plot_means
from .headline import headline
from .sheet import Picture, close_sheet, open_sheet
from .style import EARTH_HALF_KM, FAINT, NEAREST, QUIET, SHUFFLED, km_text, log_km_axis, reference_line, say_empty
from .view import STARVED_BELOW, RunView
from .words import listing

PANELS = {"fixed_per_cell": "probes on the whole globe", "local_caps": "probes in small caps"}


def draw_resolution(view: RunView, narrow: bool = False) -> Picture:
    """Skill by scale on the globe and in caps, and kernel power by degree."""
    rows = view.results[(view.results["experiment"] == "resolution") & view.results["test_accuracy"].notna()]
    samplings = [name for name in PANELS if name in set(rows["sampling"])]
    n_panels = len(samplings) + bool(len(view.spectra))
    title = "Effective resolution: what probes read, and what the embedding holds"
    figure, axes = open_sheet(max(1, n_panels), narrow, height_in=3.9)
    if not n_panels:
        say_empty(axes[0], "neither resolution probes nor kernel samples in this run")
        close_sheet(figure, title, [], view.footer, view.notice)
        return Picture("resolution", figure, title, "Neither resolution probes nor kernel samples in this run.")
    handles: dict[str, object] = {}
    for panel, sampling in zip(axes, samplings, strict=False):
        _skill_panel(panel, view, rows[rows["sampling"] == sampling], sampling, handles)
    if len(view.spectra):
        _spectrum_panel(axes[-1], view, handles)
    title = _finding(view) or title
    close_sheet(figure, title, list(handles.values()), view.footer, view.notice)
    caption = (
        "Skill: (accuracy − chance) / (ceiling − chance) of checkerboard probes. The bar on the dashed "
        "level is each encoder's resolution with its interval. Right: power of the mean similarity kernel "
        "by harmonic degree; 90 % of it lies below l₉₀."
    )
    return Picture("resolution", figure, title, resolution_words(view), caption)


def _finding(view: RunView) -> str:
    """How much finer one embedding is than the other, where the intervals of 180°/l₉₀ are apart; else nothing."""
    rows = view.kernels.set_index("encoder")
    if not view.pair or not set(view.pair) <= set(rows.index):
        return ""
    coarse, fine = sorted(view.pair, key=lambda spec: -rows.loc[spec, "spectral_km"])
    if rows.loc[coarse, "spectral_low"] <= rows.loc[fine, "spectral_high"]:
        return ""
    names = dict(zip(view.pair, view.pair_labels, strict=True))
    fine_km, coarse_km = (km_text(rows.loc[spec, "spectral_km"]) for spec in (fine, coarse))
    return f"By its spectrum, {names[fine]}'s embedding resolves {fine_km} km, {names[coarse]}'s {coarse_km} km"


def skill_means(view: RunView, rows: pd.DataFrame) -> pd.DataFrame:
    """Mean skill by encoder and scale, nearest neighbour and shuffled labels under their own names."""
    named = view.with_skill(rows)
    encoder = (
        named["encoder"]
        .mask(named["probe"] == "nearest-neighbour", NEAREST)
        .mask(named["labels"] == "shuffled", SHUFFLED)
    )
    return view.means(named.assign(encoder=encoder), ["encoder", "scale_km"], "skill")


def _skill_panel(axes: Axes, view: RunView, rows: pd.DataFrame, sampling: str, handles: dict) -> None:
    """Skill against scale with chance, ceiling, nominal limits and the resolutions on the threshold."""
    means = skill_means(view, rows)
    for handle in plot_means(axes, view, means, "scale_km"):
        handles.setdefault(handle.get_label(), handle)
    found = view.probe_resolutions[view.probe_resolutions["sampling"] == sampling]
    log_km_axis(axes, means["scale_km"], "cell size (km)")
    axes.set_ylim(max(-0.3, min(-0.08, axes.get_ylim()[0])), 1.1)
    axes.set_ylabel("skill (0 chance, 1 best possible)")
    axes.set_title(PANELS[sampling])
    reference_line(axes, 0.0, "chance")
    reference_line(axes, 1.0, "best\npossible")
    threshold = view.tables.skill_threshold
    reference_line(axes, threshold, "½" if threshold == 0.5 else f"{threshold:g}")
    _mark_resolutions(axes, view, found)
    _mark_nominal(axes, view, handles)
    starved = rows[rows["train_points_per_cell"] < STARVED_BELOW]["scale_km"]
    if len(starved):
        axes.axvspan(
            axes.get_xlim()[0],
            starved.max() * 1.05,
            facecolor=FAINT,
            alpha=0.45,
            hatch="..",
            edgecolor="white",
            linewidth=0,
            zorder=0,
        )
        handles.setdefault(
            "starved",
            Patch(
                facecolor=FAINT,
                alpha=0.6,
                hatch="..",
                edgecolor="white",
                label=f"starved: under {STARVED_BELOW} points per cell",
            ),
        )


def _mark_resolutions(axes: Axes, view: RunView, found: pd.DataFrame) -> None:
    """A thick bar over each compared encoder's interval, on the threshold."""
    left, right = axes.get_xlim()
    for row in found.to_dict("records"):
        if row["encoder"] not in view.compared or row["censored"] or not np.isfinite(row["low_km"]):
            continue
        look = view.looks[row["encoder"]]
        low, high = max(row["low_km"], left), min(row["high_km"], right)
        axes.plot(
            [low, high],
            [row["threshold"]] * 2,
            color=look.colour,
            linewidth=5,
            solid_capstyle="butt",
            zorder=5,
            alpha=0.9,
        )


def _mark_nominal(axes: Axes, view: RunView, handles: dict) -> None:
    """Ticks on the upper edge at 180°/L of the compared encoders."""
    left, right = axes.get_xlim()
    drawn = set()
    for spec in view.compared:
        nominal = EARTH_HALF_KM / view.legendre[spec] if spec in view.legendre else np.nan
        if not left <= nominal <= right or view.legendre[spec] in drawn:
            continue
        drawn.add(view.legendre[spec])
        axes.axvline(nominal, color=view.looks[spec].colour, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
        axes.text(
            nominal,
            0.985,
            f"180°/{view.legendre[spec]:g} ",
            transform=axes.get_xaxis_transform(),
            ha="right",
            va="top",
            fontsize=7.5,
            rotation=90,
            color=view.looks[spec].colour,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
        handles.setdefault(
            "nominal", Line2D([], [], color=QUIET, linewidth=1.0, linestyle=(0, (1, 2)), label="nominal limit 180°/L")
        )


def _spectrum_panel(axes: Axes, view: RunView, handles: dict) -> None:
    """Power by degree on a log axis, l₉₀ marked, kilometres along the top."""
    spectra, kernels = view.spectra, view.kernels.set_index("encoder")
    top = min(float(spectra["l"].max()), 1.6 * kernels["l90"].max() + 4)
    for spec in [*view.compared, *view.controls]:
        curve = spectra[(spectra["encoder"] == spec) & (spectra["l"] <= top)]
        if curve.empty:
            continue
        look = view.looks[spec]
        options = look.line_options() | {"marker": "", "drawstyle": "steps-mid"}
        axes.plot(curve["l"], 100 * curve["power"].clip(lower=0), **options)
        handles.setdefault(look.label, look.handle())
        if not look.control:
            axes.fill_between(
                curve["l"],
                100 * curve["low"].clip(lower=0),
                100 * curve["high"].clip(lower=0),
                step="mid",
                color=look.colour,
                alpha=0.18,
                linewidth=0,
            )
            _mark_l90(axes, look, kernels.loc[spec], view.compared.index(spec))
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    axes.set_ylim(0, 130)
    axes.set_yticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlim(-0.5, top)
    axes.set_ylabel("power of the kernel (%)")
    axes.set_xlabel("harmonic degree l\n(in the second line: 180°/l, km)")
    ticks = [tick for tick in axes.get_xticks() if 0 < tick <= top]
    axes.set_xticks([0, *ticks], ["0", *(f"{tick:g}\n{km_text(EARTH_HALF_KM / tick)}" for tick in ticks)])
    axes.set_title("spectrum of the embedding")


def _mark_l90(axes: Axes, look, row: pd.Series, place: int) -> None:
    """A vertical line at l₉₀ with its interval, each label one line below the last."""
    axes.axvline(row["l90"], color=look.colour, linewidth=1.2, linestyle=look.line, zorder=2)
    axes.axvspan(row["l90_low"], min(row["l90_high"], axes.get_xlim()[1]), color=look.colour, alpha=0.12, linewidth=0)
    axes.text(
        row["l90"],
        0.985 - 0.05 * place,
        f" l₉₀ = {row['l90']:.3g}",
        transform=axes.get_xaxis_transform(),
        ha="left",
        va="top",
        fontsize=8,
        color=look.colour,
    )


def resolution_words(view: RunView) -> str:
    """The headline numbers of the compared encoders."""

    rows = headline(view)
    phrases = []
    for row in rows[rows["role"] == "compared"].to_dict("records"):
        parts = [
            f"{name} {row[name]}"
            for name in rows.columns
            if name not in ("encoder", "role", "nominal 180°/L") and row[name] != "–"
        ]
        phrases.append(f"{row['encoder']}: {listing(parts)}.")
    return " ".join(phrases)
