"""On a checkerboard over the whole globe: at which cell size is the second encoder ahead, and where most?"""

from __future__ import annotations

import pandas as pd

from satgpu.answers import patterns
from satgpu.answers.peak import Peak, peak
from satgpu.answers.sentences import all_within, decided, judged, least_to_most, own, printed, ranges, simes, tally
from satgpu.answers.tables import contrasts, differences, given, means, p_above, pairs, probe_rows
from satgpu.answers.types import Answer, Unit, Verdict
from satgpu.run.read import Run, once

TITLE = "Sweet spot: who leads at which cell size"
FACTORS = {"scale_km": "scale (km)"}
SWEET_KM = (500.0, 800.0)  # the notebook's sweet spot
_CALL = "satgpu.compare(run.probes('sweet_spot'), first, second, by=['scale_km'])"


def table(run: Run) -> pd.DataFrame:
    """Second less first by cell size."""
    return differences(run, "sweet_spot", ("scale_km",))


def accuracies(run: Run) -> pd.DataFrame:
    """Accuracy of every encoder by cell size."""
    return means(run, "sweet_spot", ("scale_km",))


@once
def the_peak(run: Run) -> Peak | None:
    """The largest difference, corrected for having been chosen, with the scales that may be it; None without a pair."""
    return None if table(run).empty else peak(probe_rows(run, "sweet_spot"), *run.pair)


def answer(run: Run) -> list[Answer]:
    """The peak with the scales that may be it, where either leads, and the notebook's sentences about it."""
    if table(run).empty:
        return []
    return [_peak(run), _ahead(run), _printed_range(run), _printed_peak(run), _printed_global(run)]


def _peak(run: Run) -> Answer:
    found, cells = the_peak(run), table(run)
    verdict = Verdict.SUPPORTED if found.difference.low > 0 else Verdict.UNDECIDED
    statement = "{second} less {first} is largest at {scale}: {gain}, corrected for having been chosen as the largest"
    values = {"scale": given(found.scale_km), "gain": found.difference}
    if found.difference.has_interval:
        statement += "; the peak may lie at {may_be}"
        values["may_be"] = ranges(found.possible_km, cells["scale_km"])
    p, call = simes(cells["p"]), "satgpu.answers.sweet_spot.the_peak(run)"
    return own(run, "sweet_spot.peak", statement, values, verdict, p, call, headline=True)


def _ahead(run: Run) -> Answer:
    cells = table(run)
    statement, values, verdict, p = tally(cells, "cell sizes")
    for side in ("second", "first", "undecided"):
        chosen = cells.loc[cells["verdict"] == side, "scale_km"]
        values[f"{side}_at"] = ranges(chosen, cells["scale_km"])
    statement = "{second} leads at {second_at}; {first} at {first_at}; undecided at {undecided_at} ({n_cells})"
    return own(run, "sweet_spot.ahead", statement, values, verdict, p, _CALL)


def _printed_range(run: Run) -> Answer:
    """The best scale inside the range is ahead of all outside, or the best outside of all inside."""
    cells, inside = _sides(run)
    p_in, p_out = _p_peak_among(cells, inside), _p_peak_among(cells, [km for km in cells if km not in inside])
    verdict, p = judged(p_in, p_out)
    statement = "{second} less {first} is largest at {scale}, {gain}"
    values = {"scale": given(the_peak(run).scale_km), "gain": the_peak(run).difference}
    claim = "L=40's sweet spot is about 500 to 800 km"
    return printed(run, "sweet_spot.range", claim, statement, values, verdict, p, _CALL)


def _printed_peak(run: Run) -> Answer:
    """One scale alone may be the peak."""
    found, (cells, _) = the_peak(run), _sides(run)
    p = _p_peak_among(cells, [found.scale_km])
    values = {"n": f"{len(found.possible_km)}", "may_be": ranges(found.possible_km, cells)}
    claim, statement = "L=40's peak advantage is +16.2 points, at 675 km", "{n} of the scales may be the peak: {may_be}"
    return printed(run, "sweet_spot.one_peak", claim, statement, values, decided(p), p, _CALL)


def _printed_global(run: Run) -> Answer:
    """The first is ahead in every global task."""
    cells = pd.concat([table(run), patterns.table(run)], ignore_index=True)
    verdict, p = all_within(cells, high=0.0)
    words, values = least_to_most(cells, scale_km=Unit.KM)
    statement, values = "over {n} {second} less {first} is " + words, values | {"n": f"{len(cells)} global tasks"}
    return printed(run, "sweet_spot.global", "For global tasks: use L=10", statement, values, verdict, p, _CALL)


def _sides(run: Run) -> tuple[dict[float, pd.DataFrame], list[float]]:
    """Paired differences by scale, and the scales inside the notebook's sweet spot."""
    cells = dict(list(pairs(run, "sweet_spot", ("scale_km",)).groupby("scale_km")))
    return cells, [km for km in cells if SWEET_KM[0] <= km <= SWEET_KM[1]]


def _p_peak_among(cells: dict[float, pd.DataFrame], chosen: list[float]) -> float:
    """p of "the peak is among these": the best of them is ahead of every other scale, whichever came out best."""
    others = [km for km in cells if km not in chosen]
    if not chosen or not others:
        return float("nan")
    best = max(chosen, key=lambda km: cells[km]["difference"].mean())
    gaps = contrasts([(cells[best], cells[km]) for km in others])
    return float(len(chosen) * p_above(gaps, 0.0).max())
