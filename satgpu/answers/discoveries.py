"""False discoveries: of the things called decided, the share that is not so, over a table and over a whole report.

Within a table Benjamini and Hochberg (1995). Over the sentences of a report
Benjamini and Bogomolov (2014, "Selective inference on multiple families of
hypotheses"): each question is a family with one p-value for "something here is
true" (Simes); the families are selected by Benjamini-Hochberg; inside a
selected one Benjamini-Hochberg runs at the level times the share of families
selected. So a page of many dull questions makes each sentence dearer, and a
question of many sentences does not buy its neighbours anything.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from satgpu.answers.types import Answer, Verdict

FALSE_DISCOVERY_RATE = 0.05


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values over the last axis; NaN stays NaN and does not count as a test.

    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan])).tolist()
    [0.02, 0.04, nan]
    """
    p = np.asarray(p, dtype=float)
    n_tests = (~np.isnan(p)).sum(-1, keepdims=True)
    order = np.argsort(p, axis=-1)  # NaN sorts last
    scaled = np.take_along_axis(p, order, -1) * n_tests / np.arange(1, p.shape[-1] + 1)
    scaled = np.where(np.isnan(scaled), np.inf, scaled)
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum.accumulate(scaled[..., ::-1], -1)[..., ::-1], -1)
    return np.where(np.isnan(p), np.nan, np.minimum(q, 1.0))


def hierarchical_q(p: Sequence[float], family: Sequence[str]) -> np.ndarray:
    """For each p-value the lowest level at which it is a discovery, families selected first.

    Args:
        p: of each sentence; NaN where nothing was tested.
        family: the question that each belongs to.

    Returns:
        (n,) q-values, NaN where p is: "decided" where below the level. The average share of false
        discoveries over the families selected is held at that level.

    >>> hierarchical_q([0.001, 0.04, 0.5], ["peak", "region", "patterns"]).round(3).tolist()
    [0.003, 0.06, 0.5]
    """
    p, family = np.asarray(p, dtype=float), np.asarray(family)
    names = [name for name in dict.fromkeys(family.tolist()) if not np.isnan(p[family == name]).all()]
    q = np.full(len(p), np.nan)
    if not names:
        return q
    within = {name: benjamini_hochberg(p[family == name]) for name in names}
    of_families = benjamini_hochberg(np.array([np.nanmin(within[name]) for name in names]))  # Simes: the least q
    levels = np.sort(of_families)
    share = np.searchsorted(levels, levels, side="right") / len(names)  # of the families, selected at each level
    for name, own_level in zip(names, of_families, strict=True):
        open_levels = levels >= own_level
        at_level = np.maximum(levels[open_levels], within[name][:, None] / share[open_levels])
        q[family == name] = np.minimum(at_level.min(-1), 1.0)
    return q


def control_discoveries(answers: Sequence[Answer], level: float = FALSE_DISCOVERY_RATE) -> list[Answer]:
    """The answers of a report, with those undecided that do not survive the number of sentences beside them.

    Answers without a p-value are left as they are, and count for nothing.
    """
    q = hierarchical_q([np.nan if a.p is None else a.p for a in answers], [a.question for a in answers])
    return [replace(a, verdict=Verdict.UNDECIDED) if q_of >= level else a for a, q_of in zip(answers, q, strict=True)]
