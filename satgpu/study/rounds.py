"""The study round by round: replicates up to a look, then more of them for what is still undecided."""

from collections.abc import Iterator, Mapping

import pandas as pd

from satgpu.errors import UserError
from satgpu.experiments import EXPERIMENTS
from satgpu.run.folder import RunFolder
from satgpu.study.looks import cell_key
from satgpu.study.plan import Round
from satgpu.study.prepared import PreparedStudy
from satgpu.study.ranks import Ranks

Cells = Mapping[str, frozenset[tuple]]


def rounds(study: PreparedStudy, folder: RunFolder, ranks: Ranks) -> Iterator[Round]:
    """The rounds of a study: each is to be finished by all processes before the next is asked for."""
    undecided = None
    for look in range(len(study.plan.looks)):
        if look:
            undecided = ranks.broadcast(undecided_cells(study, folder.read_results(), look))
            if not any(undecided.values()):
                return
        yield Round(study.plan.replicates_of(look), undecided)


def undecided_cells(study: PreparedStudy, results: pd.DataFrame, look: int) -> Cells:
    """By experiment, the cells that no look before ``look`` has decided for the compared pair.

    Args:
        results: rows of all processes; those of later replicates change nothing, so that a resumed run looks alike.
        look: index of the look that is to come.
    """
    pair = [encoder.name for encoder in study.encoders if encoder.role == "compared"][:2]
    repeated = [protocol.name for protocol in study.config.protocols if protocol.replicates(2) > 1]
    rows = results[(results["labels"] == "field") & (results["probe"] == "mlp") & (results["failure"] == "")]
    rows = rows[rows["protocol"].isin(repeated)]
    found = {}
    for entry in EXPERIMENTS.values():
        for name in (entry.name, *entry.series) if entry.trains_probes else ():
            cells = rows[rows["experiment"] == name]
            if len(cells):
                found[name] = frozenset(_undecided(study, cells, pair, list(entry.factors), look))
    return found


def _undecided(study: PreparedStudy, rows: pd.DataFrame, pair: list[str], by: list[str], look: int) -> set[tuple]:
    """Without a pair to compare, or a score in common, every cell."""
    everything = {cell_key(cell) for cell in rows[by].drop_duplicates().itertuples(index=False, name=None)}
    try:
        left = study.plan.undecided_cells(rows, *pair, by, look) if len(pair) == 2 else None
    except UserError:  # no pair of probes with a score
        left = None
    if left is None:
        return everything
    compared = rows[rows["test_accuracy"].notna()]  # a regression has no accuracy to be decided by
    judged = {cell_key(cell) for cell in compared[by].drop_duplicates().itertuples(index=False, name=None)}
    return left | (everything - judged)
