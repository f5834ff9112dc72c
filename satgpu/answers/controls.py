"""What the same probe reads from shuffled labels, from the bare coordinates, and what the nearest neighbour reads."""

from __future__ import annotations

import pandas as pd

from satgpu.answers.sentences import all_within, own, simes
from satgpu.answers.tables import difference, differences, mean_table, probe_rows
from satgpu.answers.types import Answer, Estimate, Unit, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import COORDINATES, Run, once

TITLE = "Controls: shuffled labels, coordinates, nearest neighbour"
AT_CHANCE = 0.02  # within 2 points of chance is at chance
XYZ = "xyz"


def answer(run: Run) -> list[Answer]:
    """Each control that the run has, beside the compared encoders."""
    found = [_shuffled(run)] if len(run.probes(None, labels="shuffled")) else []
    experiments = run.experiments()
    if "sweet_spot" in experiments and len(probe_rows(run, "sweet_spot")):
        found += [_against(run, name, XYZ) for name in run.compared if name != XYZ and _has(run, XYZ)]
        if len(run.probes("sweet_spot", probe="nearest-neighbour")):
            found += [_against(run, name, COORDINATES) for name in run.compared]
    return [one for one in found if one is not None]


@once
def above_chance(run: Run) -> pd.DataFrame:
    """How far probes of shuffled labels lie above chance, over all of them: one row of a table of means."""
    rows = run.probes(None, labels="shuffled")
    return mean_table(rows.assign(above=rows["test_accuracy"] - rows["chance"], all="all"), ["all"], "above")


def _shuffled(run: Run) -> Answer:
    row = above_chance(run).iloc[0]
    above = Estimate(row["mean"], row["low"], row["high"], int(row["n_replicates"]), Unit.POINTS)
    bounds = {"difference": above.value, "low": above.low, "high": above.high, "df": max(1, above.n - 1)}
    verdict, p = all_within(pd.DataFrame([bounds]), high=AT_CHANCE)
    n = len(run.probes(None, labels="shuffled"))
    words = {
        Verdict.SUPPORTED: "less than 2 points, as it must be",
        Verdict.CONTRADICTED: "more than 2 points: test labels leak into training",
    }
    statement = "with shuffled labels the probes read {above} more than chance, over {n} probes"
    statement += f"; {words.get(verdict, 'whether that is less than 2 points is undecided')}"
    values = {"above": above, "n": f"{n:,}"}
    return own(run, "controls.shuffled", statement, values, verdict, p, "satgpu.answers.controls.above_chance(run)")


def _has(run: Run, name: str) -> bool:
    return (probe_rows(run, "sweet_spot")["encoder"] == name).any()


@once
def against(run: Run, name: str, control: str) -> pd.DataFrame:
    """An encoder less a control, over the global checkerboards: one row of a table of differences."""
    if control != COORDINATES:
        return differences(run, "sweet_spot", (), "test_accuracy", None, (control, name))
    from satgpu.answers.compare import compare  # the neighbours' rows are another kind of probe

    rows = pd.concat([probe_rows(run, "sweet_spot"), run.probes("sweet_spot", probe="nearest-neighbour")])
    return compare(rows, COORDINATES, name, by=[])


def _against(run: Run, name: str, control: str) -> Answer | None:
    table = against(run, name, control)
    if table.empty:
        return None
    row = table.iloc[0]
    values = {"name": encoder_label(name), "gain": difference(row)}
    if control == XYZ:
        statement = "{name} less the same MLP on the bare coordinates: {gain}. That compares probes: an MLP bends "
        statement += "three coordinates badly, and a kernel reader of them reads far more"
    else:
        statement = "{name} less the nearest neighbour in space, which knows the sample alone: {gain}"
    verdict = Verdict.UNDECIDED if row["verdict"] == "undecided" else Verdict.SUPPORTED
    call = f"satgpu.answers.controls.against(run, {name!r}, {control!r})"
    return own(run, f"controls.{control}.{name}", statement, values, verdict, simes([row["p"]]), call)
