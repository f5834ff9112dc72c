"""Step 3 without probes: each read-out of each encoder, done once, its rows in the experiment's own table.

An experiment's read-out is a function here under ``@reads("name")``: one task, the
experiment's options and one encoder in, rows out.
"""

from collections.abc import Callable, Sequence
from typing import Any

from satgpu.errors import UserError
from satgpu.readouts.circles import CircleDesign, distance_table, kernel_table
from satgpu.run.folder import RunFolder
from satgpu.run.rows import ReadoutDoneRow, ReadoutRow, SimilarityRow
from satgpu.study.interrupt import Interruption
from satgpu.study.progress import RunProgress
from satgpu.study.ranks import Ranks
from satgpu.study.study import Reading, Study

Reader = Callable[[Reading, Any, Study], Sequence[ReadoutRow]]
READERS: dict[str, Reader] = {}


def reads(experiment: str) -> Callable[[Reader], Reader]:
    """Register what does an experiment's read-outs.

    The function takes the ``Reading`` (``task``, ``encoder``, ``head()``: the columns that its rows
    begin with), the experiment's options and the study, and returns the rows. A ``UserError``
    means that this encoder can't be read; the run goes on and says why.
    """

    def register(reader: Reader) -> Reader:
        READERS[experiment] = reader
        return reader

    return register


class ReadoutRun:
    """The read-outs of this process that are not done yet."""

    def __init__(self, study: Study, folder: RunFolder, done: set[str], ranks: Ranks):
        readings = [item for item in study.share(ranks) if isinstance(item, Reading)]
        self.study, self.folder = study, folder
        self.total = len(readings)
        self.todo = [reading for reading in readings if reading.row_id not in done]
        self.notices: list[str] = []

    def run(self, progress: RunProgress, interruption: Interruption) -> None:
        """Do them, one after the other; a signal ends one where it is, and it will be done again."""
        for reading in self.todo:
            progress.say(f"{reading.task.experiment} · {reading.encoder.name}")
            with interruption.at_once():
                rows, failure = self._read(reading)
            self._store(reading, rows, failure)
            progress.advance(f"{reading.task.experiment} · {reading.encoder.name}")

    def _read(self, reading: Reading) -> tuple[Sequence[ReadoutRow], str]:
        experiment = reading.task.experiment
        try:
            return READERS[experiment](reading, self.study.config.parts[experiment], self.study), ""
        except UserError as error:
            self.notices.append(f"no {experiment} for {reading.encoder.name}: {error}")
            return [], " ".join(str(error).split())

    def _store(self, reading: Reading, rows: Sequence[ReadoutRow], failure: str) -> None:
        self.folder.append(rows)
        task = reading.task
        who = {"experiment": task.experiment, "protocol": task.protocol.name, "encoder": reading.encoder.name}
        done = ReadoutDoneRow(
            task_id=reading.row_id, replicate=task.replicate, n_rows=len(rows), failure=failure, **who
        )
        self.folder.append([done])


@reads("similarity")
def similarity(reading: Reading, options: Any, study: Study) -> list[SimilarityRow]:
    """Rings around places, or great circles."""
    task, encoder = reading.task, reading.encoder.encoder
    if task.part == "distances":
        sizes = {"n_places": options.n_places, "n_bearings": options.n_bearings}
        table = distance_table(encoder, options.distances_km, task.seed, protocol=task.protocol.name, **sizes)
    else:
        table = kernel_table(encoder, task.seed, design=CircleDesign(options.circles, options.circle_points))
    head = reading.head()
    return [SimilarityRow(**row | head) for row in table.to_dict("records")]
