"""Does an encoder know a real field, or merely resolve it? And which of the two did training give?

Skill is what is read of a field at places held back. Resolution is what is read of it however it is turned, zonal what
turns about the axis keep beyond that, longitude the rest: the only part that is evidence of knowledge.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from satgpu.answers.discoveries import FALSE_DISCOVERY_RATE, benjamini_hochberg
from satgpu.answers.sentences import listing, own
from satgpu.answers.types import Answer, Estimate, Unit, Verdict
from satgpu.run.names import encoder_label
from satgpu.run.read import Run, once

TITLE = "Real fields: what is resolution, what is zonal, what is known"
PARTS = ("resolution", "zonal", "longitude")
KNOWS, NO_EVIDENCE, UNTESTED = "knows", "no evidence", "cannot be tested"
_CALL = "satgpu.answers.fields.table(run)"


@once
def table(run: Run) -> pd.DataFrame:
    """One row per field, reader, split and encoder, the compared encoders first.

    Returns:
        DataFrame[the columns of ``FieldRow``, p, q, known]: p the larger of the two, q over all that could be tested
        (Benjamini and Hochberg), known the verdict once q is held at 5 %.
    """
    rows = run.fields
    if rows.empty:
        return rows.assign(p=[], q=[], known=[])
    order = {name: place for place, name in enumerate([*run.compared, *run.controls])}
    rows = rows[rows["failure"] == ""].sort_values("encoder", key=lambda names: names.map(order), kind="stable")
    places = {name: place for place, name in enumerate(rows["field"].drop_duplicates())}
    rows = rows.sort_values("field", key=lambda names: names.map(places), kind="stable").reset_index(drop=True)
    p = rows[["p_polar", "p_all"]].max(axis=1).where(rows["verdict"] != UNTESTED)
    q = benjamini_hochberg(p.to_numpy())
    firm = (rows["verdict"] != KNOWS) | (q < FALSE_DISCOVERY_RATE)
    return rows.assign(p=p, q=q, known=rows["verdict"].where(firm, NO_EVIDENCE))


def part(row: pd.Series | dict, name: str) -> Estimate:
    """A part of the skill, or the skill, as a share of the field's variance."""
    ends = (float(row[f"{name}_{end}"]) for end in ("low", "high"))
    return Estimate(float(row[name]), *ends, int(row["draws"]), Unit.SHARE)


def gain(row: pd.Series | dict, name: str) -> Estimate:
    """What training gave to a part, in points."""
    ends = (float(row[f"gain_{name}_{end}"]) for end in ("low", "high"))
    return Estimate(float(row[f"gain_{name}"]), *ends, int(row["draws"]), Unit.POINTS)


def cells(run: Run, text: Callable[[Estimate], str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table as people read it; ``text`` puts an Estimate into words."""
    rows = table(run)
    if rows.empty:
        return [], []
    header = ["field", "encoder", "read", *PARTS, "p, polar turns", "p, all turns", "verdict", "accuracy", "macro-F1"]
    header += ["nearest label, km"] + [f"training gave: {name}" for name in ("read", *PARTS)]
    words = [
        [
            row["field"] + (" (negative control)" if row["control"] else ""),
            encoder_label(row["encoder"]),
            *(text(part(row, name)) for name in ("skill", *PARTS)),
            *(_p(row[name]) for name in ("p_polar", "p_all")),
            row["known"],
            *(_share(row[name]) for name in ("accuracy", "macro_f1")),
            f"{row['median_km']:.0f} (90 %: {row['furthest_tenth_km']:.0f})",
            *(text(gain(row, name)) if row["twins"] else "" for name in ("skill", *PARTS)),
        ]
        for row in rows.to_dict("records")
    ]
    return header, words


def _p(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}"


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def answer(run: Run) -> list[Answer]:
    """Who knows what; each field and encoder; what training gave; what was left out."""
    if run.fields.empty:
        return []
    rows = table(run).to_dict("records")
    told = [_in_short(run)] if rows else []
    told += [_one(run, row) for row in rows if row["encoder"] in run.compared]
    told += [_gain(run, row) for row in rows if row["twins"]]
    told += [_left_out(run, row) for row in rows if row["left_out"] and row["encoder"] == rows[0]["encoder"]]
    return told + _not_read(run)


def _in_short(run: Run) -> Answer:
    """What each compared encoder knows, as far as all of it holds together."""
    rows = table(run)
    rows = rows[rows["encoder"].isin(run.compared)]
    known = rows[rows["known"] == KNOWS]
    parts = [
        f"{encoder_label(name)} knows {listing(known.loc[known['encoder'] == name, 'field']) or 'none'}"
        for name in run.compared
    ]
    values = {"fields": listing(rows["field"].drop_duplicates()), "known": "; ".join(parts)}
    p = float(known["p"].max()) if len(known) else None
    statement = "Of real fields ({fields}), each against itself turned on the sphere: {known}"
    verdict = Verdict.SUPPORTED if len(known) else Verdict.UNDECIDED
    return own(run, "fields.known", statement, values, verdict, p, _CALL, headline=True)


def _one(run: Run, row: dict) -> Answer:
    """One field and encoder; the sentence that is judged is that it knows the field."""
    values = {name: part(row, name) for name in ("skill", *PARTS)}
    values |= {"encoder": encoder_label(row["encoder"]), "field": row["field"], "n": f"{row['n_labels']:,}"}
    values |= {"polar": _p(row["p_polar"]), "all": _p(row["p_all"]), "known": row["known"]}
    ending = "it knows the field" if row["known"] == KNOWS else "{known}"
    statement = (
        "of {field} {encoder} reads {skill} with {n} labels; resolution {resolution}, zonal {zonal}, longitude "
        "{longitude}; p = {polar} among polar turns, {all} among all: " + ending
    )
    verdict = Verdict.SUPPORTED if row["known"] == KNOWS else Verdict.UNDECIDED
    p = None if np.isnan(row["p"]) else float(row["p"])
    return own(run, f"fields.{row['field']}.{row['encoder']}", statement, values, verdict, p, _CALL)


def _gain(run: Run, row: dict) -> Answer:
    values = {name: gain(row, name) for name in ("skill", *PARTS)}
    values |= {"encoder": encoder_label(row["encoder"]), "field": row["field"], "twins": "its untrained twin"}
    values |= {"twins": f"{row['twins']} untrained twins"} if row["twins"] > 1 else {}
    statement = (
        "on {field} training gave {encoder} {skill} over {twins}: resolution {resolution}, zonal {zonal}, longitude "
        "{longitude}"
    )
    return own(run, f"fields.gain.{row['field']}.{row['encoder']}", statement, values, recompute=_CALL)


def _left_out(run: Run, row: dict) -> Answer:
    values = {"field": row["field"], "used": f"{row['rows_used']:,}", "left_out": row["left_out"]}
    statement = "of {field} {used} rows can be used; left out: {left_out}"
    return own(run, f"fields.left_out.{row['field']}", statement, values, recompute="run.fields")


def _not_read(run: Run) -> list[Answer]:
    failed = run.fields[run.fields["failure"] != ""]
    reasons = "; ".join(dict.fromkeys(failed["failure"]))
    if not reasons:
        return []
    return [own(run, "fields.not_read", "not read: {reasons}", {"reasons": reasons}, headline=True)]


@once
def residuals(run: Run) -> tuple[str, bool, pd.DataFrame]:
    """The field whose skill differs most between the compared encoders, whether it has classes, and its residuals."""
    rows = table(run)
    rows = rows[rows["encoder"].isin(run.compared) & rows["field"].isin(set(run.field_residuals.get("field", ())))]
    if rows.empty:
        return "", False, pd.DataFrame({"encoder": []})
    skills = rows.groupby("field", sort=False)["skill"]
    field = (skills.max() - skills.min()).idxmax()
    is_class = bool((rows.loc[rows["field"] == field, "task"] == "classification").all())
    own_rows = run.field_residuals[run.field_residuals["field"] == field]
    return str(field), is_class, own_rows
