"""Tables of probes drawn from a known truth, many at once, to count how often the rules of ``satgpu.answers`` err.

A cell has an accuracy between 0.62 and 0.92, and paired differences of two encoders whose standard deviation falls
with it (``SIGMA`` in the middle, by e^-4 for a whole unit of accuracy) and scatters by a quarter around that. What a
replicate's draw of points does to both encoders alike is in both and not in the difference. Accuracies are counts of
``N_TEST`` test places. What is asked of the counts is in ``satgpu.validation.thresholds``.

Shapes: T tables, K cells (scales, in a peak), R replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from satgpu.answers.compare import judge
from satgpu.answers.discoveries import FALSE_DISCOVERY_RATE, benjamini_hochberg, hierarchical_q
from satgpu.answers.learning import is_stuck, scale_kernel, two_parts
from satgpu.answers.means import bounds
from satgpu.answers.moderated import moderated
from satgpu.answers.pairs import PairedCells, neighbouring_cells
from satgpu.answers.peak import peak_of

N_TEST, CHANCE = 1800, 0.5
SIGMA = 0.025  # of a paired difference at an accuracy of 0.77
SHARED = 0.02  # what a replicate does to both encoders
ROUNDING = 1 / (6 * N_TEST**2)
SCALES_KM = np.arange(300.0, 925, 25)

Judge = Callable[[PairedCells], Mapping[str, np.ndarray]]


def _normal(draw: np.random.Generator, shape: tuple) -> np.ndarray:
    return draw.standard_normal(shape)


def _exponential(draw: np.random.Generator, shape: tuple) -> np.ndarray:
    return draw.standard_exponential(shape) - 1


def _lognormal(draw: np.random.Generator, shape: tuple, s: float = 0.75) -> np.ndarray:
    """Skewness 3.3."""
    variance = np.exp(s**2)
    return (np.exp(s * draw.standard_normal(shape)) - variance**0.5) / (variance * (variance - 1)) ** 0.5


def _heavy(draw: np.random.Generator, shape: tuple) -> np.ndarray:
    """Skewness 6.2."""
    return _lognormal(draw, shape, 1.0)


def _correlated(draw: np.random.Generator, shape: tuple) -> np.ndarray:
    """Half of the variance moves all cells of a replicate alike."""
    return np.sqrt(0.5) * (draw.standard_normal((shape[0], 1, shape[2])) + draw.standard_normal(shape))


def _alternating(draw: np.random.Generator, shape: tuple) -> np.ndarray:
    """Skewness of one sign in one cell and of the other in the next."""
    return _lognormal(draw, shape) * np.where(np.arange(shape[1]) % 2, 1, -1)[:, None]


NOISES = {
    "normal": _normal,
    "correlated": _correlated,
    "exponential": _exponential,
    "lognormal of skewness 3.3": _lognormal,
    "lognormal of skewness 6.2": _heavy,
    "alternating": _alternating,
}


@dataclass(frozen=True)
class Tables:
    """How tables of two encoders are drawn.

    Attributes:
        cells: 25 scales on one line, or 90: 5 scales in 18 regions.
        replicates: of each cell.
        noise: shape of the paired differences' scatter, a name of ``NOISES``.
        gain: of the second encoder in every other cell; 0 for a null table.
        stuck: share of each encoder's probes that never learn.
        saturated: share of the cells where both encoders are right to the last test place.
        two_variances: the cells of one half scatter eight times as much, whatever their accuracy.
    """

    cells: int = 25
    replicates: int = 3
    noise: str = "normal"
    gain: float = 0.0
    stuck: tuple[float, float] = (0.0, 0.0)
    saturated: float = 0.0
    two_variances: bool = False

    @property
    def keys(self) -> pd.DataFrame:
        """One row a cell."""
        if self.cells == len(SCALES_KM):
            return pd.DataFrame({"scale_km": SCALES_KM})
        regions = self.cells // 5
        return pd.DataFrame(
            {"region": np.repeat(np.arange(regions), 5), "scale_km": np.tile(SCALES_KM[4:25:5], regions)}
        )

    def draw(self, n_tables: int, draw: np.random.Generator) -> tuple[PairedCells, np.ndarray]:
        """Cells of T tables, and their true differences (T, K)."""
        shape = (n_tables, self.cells, self.replicates)
        accuracy = draw.uniform(0.62, 0.92, shape[:2])
        gain = np.where(np.arange(self.cells) % 2 == 0, self.gain, 0.0) + np.zeros(shape[:2])
        sigma = SIGMA * np.exp(-4 * (accuracy - 0.77) + 0.25 * draw.standard_normal(shape[:2]))
        if self.two_variances:
            sigma = sigma * np.where(np.arange(self.cells) % 4 < 2, 8.0, 1.0)
        both = accuracy[..., None] + SHARED * np.clip(draw.standard_normal((n_tables, 1, self.replicates)), -1.5, 1.5)
        gap = gain[..., None] + sigma[..., None] * NOISES[self.noise](draw, shape)
        full = np.arange(self.cells) % 6 < 6 * self.saturated if self.saturated else np.zeros(self.cells, bool)
        gain = np.where(full, 0.0, gain)
        values = []
        for encoder, rate in zip((both - gap / 2, both + gap / 2), self.stuck, strict=True):
            encoder = np.where(full[:, None], 1 - 2e-4 * draw.random(shape), encoder)
            lost = draw.random(shape) < rate
            chance = CHANCE + np.sqrt(CHANCE * (1 - CHANCE) / N_TEST) * draw.standard_normal(shape)
            values.append(np.round(np.where(lost, chance, encoder) * N_TEST) / N_TEST)
        stuck = tuple(is_stuck(value, CHANCE, N_TEST).astype(float) for value in values)
        rounding, replicates = np.full(self.cells, ROUNDING), np.arange(self.replicates)
        return PairedCells(self.keys, *values, stuck, rounding, neighbouring_cells(self.keys), replicates), gain


def verdicts(tables: Tables, judge: Judge = judge) -> Callable:
    """What the verdicts on such tables are, by the product's rule or by another one.

    Returns:
        a function of (number of tables, generator) to arrays over tables: false (some verdict is), fdr (share of
        the verdicts that are), power (share of true differences decided), coverage, decided coverage (of the cells
        with a verdict), decided (share).
    """

    def count(n_tables: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        cells, gain = tables.draw(n_tables, draw)
        found = judge(cells)
        decided = found["q"] < FALSE_DISCOVERY_RATE
        wrong = decided & ~((gain != 0) & (np.sign(found["difference"]) == np.sign(gain)))
        inside = (found["low"] <= gain) & (gain <= found["high"])
        return {
            "false": wrong.any(-1),
            "fdr": wrong.sum(-1) / np.maximum(decided.sum(-1), 1),
            "power": _share(decided & ~wrong, gain != 0),
            "coverage": inside.mean(-1),
            "decided coverage": _share(inside, decided),
            "decided": decided.mean(-1),
        }

    return count


def _share(of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(T,), NaN for a table with none."""
    n = among.sum(-1)
    return np.where(n > 0, (of & among).sum(-1) / np.maximum(n, 1), np.nan)


def at_looks(looks) -> Judge:
    """The product's rule at several looks."""
    return lambda cells: judge(cells, looks)


def without_luck_rule(cells: PairedCells) -> Mapping[str, np.ndarray]:
    """The product's rule for probes of which nobody knows that they never learned."""
    return judge(replace(cells, stuck_KR=tuple(np.zeros_like(stuck) for stuck in cells.stuck_KR)))


def unpaired(cells: PairedCells) -> Mapping[str, np.ndarray]:
    """The product's rule on replicates that are not paired by their number."""
    return judge(replace(cells, second_KR=np.roll(cells.second_KR, 1, -1)))


def pooled(**options) -> Judge:
    """Another way of pooling: ``cap=0`` is the plain t, ``cap=inf`` trusts the other cells without end."""

    def rule(cells: PairedCells) -> dict[str, np.ndarray]:
        accuracy = ((cells.first_KR + cells.second_KR) / 2).mean(-1)
        found = moderated(cells.difference_KR, accuracy, cells.rounding_K, **options)
        low, high = found.interval()
        return {"difference": found.mean, "q": benjamini_hochberg(found.p), "low": low, "high": high}

    return rule


def peaks(replicates: int, height: float, width: float = 0.25, noise: str = "normal") -> Callable:
    """A curve over 25 scales with a peak of ``height`` at 550 km; flat where that is 0.

    Returns:
        as ``verdicts``: interval (holds the true height), set (holds the true scale), bias of the height, and of
        the plain maximum.
    """
    truth = height * np.exp(-0.5 * (np.log(SCALES_KM / 550) / width) ** 2)

    def count(n_tables: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        shape = (n_tables, len(SCALES_KM), replicates)
        curves = truth[:, None] + 1.5 * SIGMA * NOISES[noise](draw, shape)
        found = peak_of(curves, ROUNDING)
        top = truth.max()
        return {
            "interval": (found.low <= top) & (top <= found.high),
            "set": found.possible_K[:, truth.argmax()],
            "bias": found.value - top,
            "bias of the maximum": curves.mean(-1).max(-1) - top,
        }

    return count


def half_learned(replicates: int, rate: Callable | float, together: float = 0.0, two: bool = True) -> Callable:
    """One encoder over 25 scales whose probes never learn at a ``rate``, a number or a function of the scale in km.

    Args:
        together: share of the replicates in which one draw decides for all scales at once.
        two: by the interval of two parts; else by the moderated t of all probes.

    Returns:
        as ``verdicts``: coverage of the mean accuracy, width of its interval.
    """
    never = np.broadcast_to(rate(SCALES_KM) if callable(rate) else rate, SCALES_KM.shape)
    kernel = scale_kernel(pd.DataFrame({"scale_km": SCALES_KM}), replicates)

    def count(n_tables: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        shape = (n_tables, len(SCALES_KM), replicates)
        luck = draw.random(shape)
        alike = draw.random((n_tables, 1, replicates)) < together
        lost = np.where(alike, luck[:, :1], luck) < never[:, None]
        skill = 0.85 + SIGMA * draw.standard_normal(shape)
        values = np.where(lost, CHANCE + 0.012 * draw.standard_normal(shape), skill)
        stuck = is_stuck(values, CHANCE, N_TEST).astype(float)
        found = moderated(values, values.mean(-1), ROUNDING / 2)
        chance = np.full(shape[:2], CHANCE)
        low, high = bounds(found, two_parts(values, stuck, chance, kernel, ROUNDING / 2)) if two else found.interval()
        mean = CHANCE + (1 - never) * (0.85 - CHANCE)
        return {"coverage": ((low <= mean) & (mean <= high)).mean(-1), "width": (high - low).mean(-1)}

    return count


def means_of_replicates(replicates: int, cells: int = 25) -> Callable:
    """Coverage of the pooled Student interval, and of the percentiles of a plain bootstrap of the same values."""

    def count(n_tables: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        values = draw.standard_normal((n_tables, cells, replicates))
        low, high = moderated(values).interval()
        resampled = values[:, 0, draw.integers(0, replicates, (1000, replicates))].mean(-1)
        ends = np.quantile(resampled, [0.025, 0.975], axis=-1)
        return {
            "coverage": ((low <= 0) & (high >= 0)).mean(-1),
            "bootstrap": (ends[0] <= 0) & (ends[1] >= 0),
        }

    return count


def reports(true_families: tuple[str, ...]) -> Callable:
    """Reports of 19 sentences to 4 questions; false: average share of false ones over the questions with some."""
    family = np.repeat(list("abcd"), [6, 8, 1, 4])
    true = np.isin(family, true_families) & (np.arange(len(family)) % 2 == 0)

    def count(n_tables: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
        shares = []
        for _ in range(n_tables):
            p = np.where(true, draw.random(len(family)) ** 12, draw.random(len(family)))
            found = hierarchical_q(p, family) < FALSE_DISCOVERY_RATE
            of = [(found & ~true)[family == f].sum() / found[family == f].sum() for f in set(family[found])]
            shares.append(np.mean(of) if of else 0.0)
        return {"fdr": np.array(shares)}

    return count
