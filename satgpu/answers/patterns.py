"""Stripes, rings and checkerboards over the whole globe: who reads which, and is one read better?"""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from satgpu.answers.sentences import all_within, by_cell, decided, least_to_most, own, plain, printed, tally
from satgpu.answers.tables import contrasts, difference, differences, extreme, given, p_above, pairs
from satgpu.answers.types import Answer, Unit, Verdict
from satgpu.run.read import Run

TITLE = "Patterns: who reads which, at which scale"
FACTORS = {"pattern": "pattern", "scale_km": "scale (km)"}
ALIKE = 0.05  # accuracies that differ by less than 5 points are called alike
MEDIUM_KM = (600.0, 1000.0)
EQUAL_WAVELENGTHS_KM = (1200.0, 2000.0)
_CALL = "satgpu.compare(run.probes('patterns'), first, second, by=['pattern', 'scale_km'])"


def table(run: Run) -> pd.DataFrame:
    """Second less first by pattern and scale."""
    return differences(run, "patterns", tuple(FACTORS))


def by_wavelength(run: Run) -> pd.DataFrame:
    """Second less first by pattern and wavelength, checkerboards laid at the stripes' wavelengths too."""
    return differences(run, ("patterns", "patterns_wavelength"), ("pattern", "wavelength_km"))


def averages(run: Run) -> pd.DataFrame:
    """Second less first by pattern, over the scales; the largest first."""
    return differences(run, "patterns", ("pattern",)).sort_values("difference", ascending=False, ignore_index=True)


def regression(run: Run) -> pd.DataFrame:
    """Second less first in R² of the smooth field, by scale."""
    return differences(run, "patterns", ("scale_km",), "test_r2")


def answer(run: Run) -> list[Answer]:
    """Who reads which pattern, the averages, the smooth field, and the notebook's sentences."""
    found = []
    if len(table(run)):
        statement, values, verdict, p = tally(table(run), "patterns and scales")
        found += [own(run, "patterns.cells", statement, values, verdict, p, _CALL), _averages(run)]
        found += [_printed_alike(run), _printed_best(run)] if len(averages(run)) > 1 else []
        found += _alike_at_equal_wavelength(run)
    return found + ([_regression(run), _printed_regression(run)] if len(regression(run)) else [])


def _averages(run: Run) -> Answer:
    lead = "averaged over the scales {second} less {first} is, by pattern"
    call = "satgpu.compare(run.probes('patterns'), first, second, by=['pattern'])"
    return by_cell(run, "patterns.averages", lead, averages(run), "pattern", call)


def _printed_best(run: Run) -> Answer:
    """One pattern's average is larger than every other's."""
    cells = dict(list(pairs(run, "patterns", ("pattern",)).groupby("pattern")))
    names = list(averages(run)["pattern"])
    gaps = contrasts([(cells[names[0]], cells[name]) for name in names[1:]])
    p = float(len(names) * p_above(gaps, 0.0).max())  # whichever came out best
    values = {"best": plain(names[0]), "next": plain(names[1]), "gap": difference(gaps.iloc[0])}
    statement = "largest on average for {best}, next {next}; {best} less {next} {gap}"
    claim = "The best pattern for L=40 is the checkerboard (+4.4 points on average)"
    return printed(run, "patterns.best", claim, statement, values, decided(p), p, _CALL)


def _printed_alike(run: Run) -> Answer:
    rows = pairs(run, "patterns", tuple(FACTORS))
    rows = rows[rows["scale_km"].between(*MEDIUM_KM)]
    claim = "All patterns show a similar advantage of L=40 at medium scales"
    statement, values, verdict, p = alike(rows, "pattern", ["scale_km"])
    return printed(run, "patterns.alike", claim, statement, values, verdict, p, _CALL)


def _alike_at_equal_wavelength(run: Run) -> list[Answer]:
    """The same where all patterns repeat after the same distance."""
    rows = pairs(run, ("patterns", "patterns_wavelength"), ("pattern", "wavelength_km", "experiment"))
    rows = rows.assign(wavelength_km=rows["wavelength_km"].astype(float).round(1))
    boards, others = rows["experiment"] == "patterns_wavelength", rows["pattern"] != "checkerboard"
    rows = rows[(boards | others) & rows["wavelength_km"].between(*EQUAL_WAVELENGTHS_KM)]
    if not boards.any():
        return []
    statement, values, verdict, p = alike(rows, "pattern", ["wavelength_km"])
    statement = "at equal wavelength, " + statement
    return [own(run, "patterns.equal_wavelength", statement, values, verdict, p)]


def alike(rows: pd.DataFrame, what: str, at: list[str]) -> tuple[str, dict, Verdict, float | None]:
    """Do pairs of ``what`` at equal ``at`` lie within 5 points of each other? Statement, values, verdict and p."""
    cells = [group for _, group in rows.groupby(at, sort=True) if group[what].nunique() > 1]
    couples = [(cell, *two) for cell in cells for two in combinations(sorted(cell[what].unique()), 2)]
    if not couples:
        return "no two were read at the same place", {}, Verdict.UNDECIDED, None
    gaps = contrasts([(cell[cell[what] == a], cell[cell[what] == b]) for cell, a, b in couples])
    verdict, p = all_within(gaps, -ALIKE, ALIKE)
    widest = gaps["difference"].abs().idxmax()
    cell, a, b = couples[widest]
    units = {"span_deg": Unit.DEGREES}
    values = {f"at{i}": given(cell[name].iloc[0], units.get(name, Unit.KM)) for i, name in enumerate(at)}
    values |= {"a": plain(a), "b": plain(b), "gap": extreme(gaps.loc[widest]), "n": f"{len(couples)} pairs"}
    where = ", ".join(f"{{at{i}}}" for i in range(len(at)))
    statement = f"of {{n}} the advantages differ most at {where}: {{a}} less {{b}} {{gap}}"
    return statement, values, verdict, p


def _regression(run: Run) -> Answer:
    lead = "predicting a smooth field, R² of {second} less that of {first}"
    call = "satgpu.compare(run.probes('patterns'), first, second, by=['scale_km'], value='test_r2')"
    return by_cell(run, "patterns.regression", lead, regression(run), "scale_km", call, Unit.NUMBER)


def _printed_regression(run: Run) -> Answer:
    """The first is ahead at every scale."""
    rows = regression(run)
    verdict, p = all_within(rows, high=0.0)
    _, values = least_to_most(rows, Unit.NUMBER, scale_km=Unit.KM)
    statement = "R² of {second} less that of {first} is at most {most}, at {most_scale_km}"
    return printed(run, "patterns.use_first", "For regression: use L=10", statement, values, verdict, p)
