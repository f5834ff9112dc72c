"""Sentences and their verdicts: supported, contradicted or undecided, as the intervals say.

A claim is a function of the evidence. It is *supported* only where an interval
over replicates lies within what the sentence says, *contradicted* where an
interval lies outside it, and undecided otherwise; without replicates nothing
is supported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from satgpu.answers.evidence import Evidence, evidence_of_published, evidence_of_run
from satgpu.answers.notebook_claims import NOTEBOOK_CLAIMS
from satgpu.answers.run_claims import RUN_CLAIMS
from satgpu.answers.verdicts import Finding
from satgpu.run.read import Run

CLAIM_COLUMNS = ("claim_id", "source", "protocol", "statement", "verdict", "evidence")


@dataclass(frozen=True)
class Claim:
    """A sentence, who says it, and how it is judged.

    Attributes:
        claim_id: short name, the same in every run.
        source: "notebook" (printed or written there) or "satgpu".
        statement: the sentence; {first} and {second} stand for the compared pair.
        judge: from the evidence to a Finding; None where the evidence holds nothing about it.
    """

    claim_id: str
    source: str
    statement: str
    judge: Callable[[Evidence], Finding | None]

    def row(self, evidence: Evidence) -> tuple[str, ...] | None:
        """(claim_id, source, protocol, statement, verdict, evidence)."""
        finding = self.judge(evidence)
        if finding is None:
            return None
        statement = finding.statement or self.statement.format(first=evidence.first, second=evidence.second)
        return self.claim_id, self.source, evidence.protocol, statement, finding.verdict, finding.evidence


CLAIMS = tuple(
    Claim(name, source, statement, judge)
    for source, claims in (("notebook", NOTEBOOK_CLAIMS), ("satgpu", RUN_CLAIMS))
    for name, (statement, judge) in claims.items()
)


def judge_claims(tables: Run) -> pd.DataFrame:
    """Every claim that the run has something to say about, once for each protocol it ran.

    Returns:
        DataFrame[claim_id, source, protocol, statement, verdict, evidence].
    """
    protocols = sorted(set(tables.results["protocol"]), key=lambda name: name != "geodesic")
    return _judge([evidence_of_run(tables, protocol) for protocol in protocols])


def judge_published() -> pd.DataFrame:
    """The notebook's claims, judged by the author's own published numbers (no replicates)."""
    return _judge([evidence_of_published()])


def _judge(evidences: list[Evidence]) -> pd.DataFrame:
    claims = [(claim, evidence) for evidence in evidences for claim in CLAIMS]
    rows = [
        claim.row(evidence) for claim, evidence in claims if claim.source == "notebook" or evidence.tables is not None
    ]
    return pd.DataFrame([row for row in rows if row is not None], columns=list(CLAIM_COLUMNS))
