"""Skill of probes against scale, and beside it the spectrum of the similarity kernel."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from satgpu.answers import resolution, similarity
from satgpu.answers.types import Answer, Estimate
from satgpu.earth import HALF_TURN_KM
from satgpu.run.read import Run
from satgpu.run.read_table import STARVED_POINTS_PER_CELL

from ..sheet import Picture, close_figure, open_sheet
from ..style import FAINT, QUIET, EncoderStyle, log_km_axis, reference_line, styles_of
from ..words import km_text, number, sentence
from .curves import plot_means

NAME, PLAIN = "resolution", "What probes read by cell size, and what the embedding holds"


def draw(run: Run, answers: Sequence[Answer], narrow: bool = False) -> Picture | None:
    """Skill by scale on the globe and in caps, and kernel power by harmonic."""
    samplings = [name for name in resolution.SAMPLINGS if len(resolution.skills(run, name))]
    has_spectra = bool(len(similarity.spectra(run)))
    if not samplings and not has_spectra:
        return None
    figure, axes = open_sheet(len(samplings) + has_spectra, narrow, height_in=3.9)
    handles: dict[str, object] = {}
    for panel, sampling in zip(axes, samplings, strict=False):
        _skill_panel(panel, run, sampling, handles)
    if has_spectra:
        _spectrum_panel(axes[-1], run, handles)
    close_figure(figure, PLAIN, list(handles.values()), run)
    caption = (
        "Skill: (accuracy − chance) / (ceiling − chance) of checkerboard probes; the bar on the dashed level is where "
        "an encoder crosses it, with its interval. Right: power of the centred similarity kernel by harmonic l."
    )
    shown = [one for one in answers if one.question == "resolution" or one.id.startswith("similarity.extent")]
    return Picture(NAME, figure, PLAIN, " ".join(sentence(one) for one in shown), caption)


def _skill_panel(axes: Axes, run: Run, sampling: str, handles: dict) -> None:
    """Skill against scale with chance, ceiling, nominal limits and the resolutions on the threshold."""
    means = resolution.skills(run, sampling)
    for handle in plot_means(axes, run, means, "scale_km"):
        handles.setdefault(handle.get_label(), handle)
    log_km_axis(axes, means["scale_km"], "cell size (km)")
    axes.set_ylim(max(-0.3, min(-0.08, axes.get_ylim()[0])), 1.1)
    axes.set_ylabel("skill (0 chance, 1 best possible)")
    axes.set_title(f"probes {resolution.SAMPLINGS[sampling]}")
    reference_line(axes, 0.0, "chance")
    reference_line(axes, 1.0, "best\npossible")
    threshold = run.skill_threshold
    reference_line(axes, threshold, "½" if threshold == 0.5 else f"{threshold:g}")
    _mark_resolutions(axes, run, sampling)
    _mark_nominal(axes, run, handles)
    starved_km = resolution.starved_up_to_km(run, sampling)
    if starved_km > 0:
        look = {"facecolor": FAINT, "hatch": "..", "edgecolor": "white", "linewidth": 0}
        axes.axvspan(axes.get_xlim()[0], starved_km * 1.05, alpha=0.45, zorder=0, **look)
        label = f"starved: under {STARVED_POINTS_PER_CELL:g} points per cell"
        handles.setdefault("starved", Patch(alpha=0.6, label=label, **look))


def _mark_resolutions(axes: Axes, run: Run, sampling: str) -> None:
    """A thick bar over each compared encoder's interval, on the threshold."""
    left, right = axes.get_xlim()
    for name, found in resolution.by_probes(run, sampling).items():
        if name in run.compared and not found.censored and found.has_interval:
            ends = max(found.low, left), min(found.high, right)
            bar = {"color": styles_of(run)[name].colour, "linewidth": 5, "solid_capstyle": "butt", "alpha": 0.9}
            axes.plot(ends, [run.skill_threshold] * 2, zorder=5, **bar)


def _mark_nominal(axes: Axes, run: Run, handles: dict) -> None:
    """Ticks on the upper edge at 180°/L of the compared encoders."""
    left, right = axes.get_xlim()
    drawn = set()
    for spec in run.compared:
        nominal = HALF_TURN_KM / run.legendre[spec] if spec in run.legendre else np.nan
        if not left <= nominal <= right or run.legendre[spec] in drawn:
            continue
        drawn.add(run.legendre[spec])
        axes.axvline(nominal, color=styles_of(run)[spec].colour, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
        axes.text(
            nominal,
            0.985,
            f"180°/{run.legendre[spec]:g} ",
            transform=axes.get_xaxis_transform(),
            ha="right",
            va="top",
            fontsize=7.5,
            rotation=90,
            color=styles_of(run)[spec].colour,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
        handles.setdefault(
            "nominal", Line2D([], [], color=QUIET, linewidth=1.0, linestyle=(0, (1, 2)), label="nominal limit 180°/L")
        )


def _spectrum_panel(axes: Axes, run: Run, handles: dict) -> None:
    """Power by degree on a log axis, l₉₀ marked, kilometres along the top."""
    spectra, extents = similarity.spectra(run), similarity.spectral_extents(run, "centred")
    top = min(float(spectra["l"].max()), 1.6 * max(extent.value for extent in extents.values()) + 4)
    for spec in [*run.compared, *run.controls]:
        curve = spectra[(spectra["encoder"] == spec) & (spectra["l"] <= top)]
        if curve.empty:
            continue
        style = styles_of(run)[spec]
        options = style.line_options() | {"marker": "", "drawstyle": "steps-mid"}
        axes.plot(curve["l"], 100 * curve["centred_power"].clip(lower=0), **options)
        handles.setdefault(style.label, style.handle())
        if not style.control:
            axes.fill_between(
                curve["l"],
                100 * curve["centred_low"].clip(lower=0),
                100 * curve["centred_high"].clip(lower=0),
                step="mid",
                color=style.colour,
                alpha=0.18,
                linewidth=0,
            )
            _mark_extent(axes, style, extents[spec], run.compared.index(spec))
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    axes.set_ylim(0, 130)
    axes.set_yticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xlim(-0.5, top)
    axes.set_ylabel("power of the kernel (%)")
    axes.set_xlabel("harmonic l\n(in the second line: 180°/l, km)")
    ticks = [tick for tick in axes.get_xticks() if 0 < tick <= top]
    axes.set_xticks([0, *ticks], ["0", *(f"{tick:g}\n{km_text(HALF_TURN_KM / tick)}" for tick in ticks)])
    axes.set_title("spectrum of the centred kernel")


def _mark_extent(axes: Axes, style: EncoderStyle, extent: Estimate, place: int) -> None:
    """A vertical line at the spectral extent with its interval, each label one line below the last."""
    axes.axvline(extent.value, color=style.colour, linewidth=1.2, linestyle=style.line, zorder=2)
    if extent.has_interval:
        high = min(extent.high, axes.get_xlim()[1])
        axes.axvspan(extent.low, high, color=style.colour, alpha=0.12, linewidth=0)
    axes.text(
        extent.value,
        0.985 - 0.05 * place,
        f" 90 % below {number(extent)}",
        transform=axes.get_xaxis_transform(),
        ha="left",
        va="top",
        fontsize=8,
        color=style.colour,
    )
