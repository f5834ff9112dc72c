"""Step 3 without probes: each read-out of each encoder, done once, its rows in the experiment's own table.

An experiment's read-out is a function here under ``@reads("name")``: one task, the
experiment's options and one encoder in, rows out.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch

from satgpu.encoders import Encoder, load_encoder
from satgpu.errors import UserError
from satgpu.geometry import unit_vectors
from satgpu.readouts import readers
from satgpu.readouts.circles import CircleDesign, distance_table, kernel_table
from satgpu.readouts.degrees import half_wavelength_km
from satgpu.readouts.embedding import CheckedEmbedding
from satgpu.readouts.harmonic_fields import PRIORS
from satgpu.readouts.map import resolution_map
from satgpu.readouts.places import EmbeddedPlaces, draw_places
from satgpu.readouts.transfer import Measured, measure, measure_ladder
from satgpu.run.folder import RunFolder
from satgpu.run.rows import MapRow, ReadoutDoneRow, ReadoutRow, SimilarityRow, TransferRow
from satgpu.study.interrupt import Interruption
from satgpu.study.prepared import PreparedStudy, Reading
from satgpu.study.progress import RunProgress
from satgpu.study.ranks import Ranks

Reader = Callable[[Reading, Any, PreparedStudy], Sequence[ReadoutRow]]
READERS: dict[str, Reader] = {}
_SIGNAL_S = 0.2  # how soon a signal is seen


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


def _one_by_one(read: Callable, readings: Iterable[Reading], interruption: Interruption) -> Iterator[tuple]:
    """Each reading with what was read; a signal ends one where it is, and it will be done again."""
    for reading in readings:
        with interruption.at_once():
            found = read(reading)
        yield reading, found


def _side_by_side(read: Callable, readings: Iterable[Reading], interruption: Interruption) -> Iterator[tuple]:
    """The same, a reading a core, as they come: small factorisations and draws gain little from several cores.

    After a signal none is begun, and those under way are finished: a few seconds.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, "satgpu-readouts", torch.set_num_threads, (1,)) as pool:
        try:
            futures = {pool.submit(read, reading): reading for reading in readings}
            while futures:
                for future in wait(futures, timeout=_SIGNAL_S, return_when=FIRST_COMPLETED).done:
                    yield futures.pop(future), future.result()
                if interruption.asked():
                    futures = {future: reading for future, reading in futures.items() if not future.cancel()}
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            torch.set_num_threads(threads)
    interruption.check()


class ReadoutRun:
    """The read-outs of this process that are not done yet."""

    def __init__(self, study: PreparedStudy, folder: RunFolder, done: set[str], ranks: Ranks):
        readings = [item for item in study.share(ranks) if isinstance(item, Reading)]
        self.study, self.folder = study, folder
        self.total = len(readings)
        self.todo = [reading for reading in readings if reading.row_id not in done]
        self.notices: list[str] = []

    def run(self, progress: RunProgress, interruption: Interruption) -> None:
        """Do them; what each finds depends neither on the others nor on how many run at once."""
        several = self.study.device.type == "cpu" and torch.get_num_threads() > 1
        for reading, found in (_side_by_side if several else _one_by_one)(self._read, self.todo, interruption):
            self._store(reading, *found)
            progress.advance(f"{reading.task.experiment} · {reading.encoder.name}")
        self.study.harmonics.forget()

    def _read(self, reading: Reading) -> tuple[Sequence[ReadoutRow], str]:
        experiment = reading.task.experiment
        try:
            return READERS[experiment](reading, self.study.config.parts[experiment], self.study), ""
        except UserError as error:
            self.notices.append(f"no {experiment} for {reading.encoder.name}: {error}")
            return [], " ".join(str(error).split())

    def _store(self, reading: Reading, rows: Sequence[ReadoutRow], failure: str) -> None:
        for row_type in dict.fromkeys(map(type, rows)):
            self.folder.append([row for row in rows if type(row) is row_type])
        task = reading.task
        who = {"experiment": task.experiment, "protocol": task.protocol.name, "encoder": reading.encoder.name}
        done = ReadoutDoneRow(
            task_id=reading.row_id, replicate=task.replicate, n_rows=len(rows), failure=failure, **who
        )
        self.folder.append([done])


@reads("similarity")
def similarity(reading: Reading, options: Any, study: PreparedStudy) -> list[SimilarityRow]:
    """Rings around places, or great circles."""
    task, encoder = reading.task, reading.encoder.encoder
    if task.part == "distances":
        sizes = {"n_places": options.n_places, "n_bearings": options.n_bearings}
        table = distance_table(encoder, options.distances_km, task.seed, protocol=task.protocol.name, **sizes)
    else:
        table = kernel_table(encoder, task.seed, design=CircleDesign(options.circles, options.circle_points))
    head = reading.head()
    return [SimilarityRow(**row | head) for row in table.to_dict("records")]


@reads("transfer")
def transfer(reading: Reading, options: Any, study: PreparedStudy) -> list[TransferRow]:
    """Shares of every degree by the reader that the task names."""
    by_part = {"linear": _read_linearly, "mlp": _read_by_mlps, "coordinates": _read_coordinates, "seeds": _read_seeds}
    return by_part[reading.task.part](reading, options, study)


def _read_linearly(
    reading: Reading, options: Any, study: PreparedStudy, encoder: Encoder | None = None, **head: Any
) -> list[TransferRow]:
    """Every number of labels, from one draw of places and one embedding of them."""
    draw = _draw(reading, options, study, max(options.n_labels), encoder)
    ladder = options.n_labels if encoder is None else options.n_labels[-1:]
    rows = []
    for n, found in zip(ladder, measure_ladder("linear", draw, ladder, options.l_max, options.noise), strict=True):
        rows += _transfer_rows(reading, options, found, reader="linear", n_labels=n, dim=draw.dim, **head)
    return rows


def _read_seeds(reading: Reading, options: Any, study: PreparedStudy) -> list[TransferRow]:
    """Other weights of an untrained encoder, so that its kind has an interval of its own."""
    name, rows = reading.encoder.name, []
    if not name.startswith("untrained-") or "-seed" in name:
        return []
    for seed in range(1, options.resolved("twin_seeds", study.device.type)):
        other = load_encoder(f"{name}-seed{seed}", device=study.device)
        rows += _read_linearly(reading, options, study, other, weights_seed=seed)
    return rows


def _read_by_mlps(reading: Reading, options: Any, study: PreparedStudy) -> list[TransferRow]:
    """Some degrees, two fields each, by the study's own probe on standardised inputs."""
    degrees = np.array([d for d in options.resolved("mlp_degrees", study.device.type) if 0 < d <= options.l_max])
    if not len(degrees):
        return []
    n = options.resolved("mlp_labels", study.device.type)
    draw = _draw(reading, options, study, n)
    fields = readers.some_degrees(readers.draw_fields(draw, options.l_max, options.noise, readers.MLP_FIELDS), degrees)
    fields = readers.without_composites(fields, len(degrees))
    probe = dataclasses.asdict(study.config.probes) | {"standardize": False}  # the reader has done it
    predicted = readers.read_by_mlps(draw, fields, options.noise, **probe)
    share = readers.pooled_r2(fields.truth, predicted, fields.groups)
    found = Measured(share, np.empty(0), np.zeros(len(degrees), dtype=bool))
    facts = {"reader": "mlp", "n_labels": n, "dim": draw.dim}
    return _transfer_rows(reading, options, found, degrees=degrees, **facts)


def _read_coordinates(reading: Reading, options: Any, study: PreparedStudy) -> list[TransferRow]:
    """What places alone allow, once a study: no encoder has a part in it."""
    if reading.encoder is not study.encoders[0]:
        return []
    numbers = sorted(options.resolved("coordinates_labels", study.device.type))
    draw = _draw(reading, options, study, numbers[-1], unit_vectors)
    who = {"encoder": "coordinates", "role": "control", "trained": False, "twin": "", "encoder_sha256": ""}
    rows = []
    for n in numbers:
        found = measure("coordinates", draw.first(n), options.l_max, options.noise)
        facts = {"reader": "coordinates", "n_labels": n, "dim": draw.dim}
        rows += _transfer_rows(reading, options, found, **facts, **who)
    return rows


def _draw(reading: Reading, options: Any, study: PreparedStudy, n: int, encoder: Any = None) -> EmbeddedPlaces:
    """The draw of places of this replicate, embedded: the same places for every encoder."""
    embedding = CheckedEmbedding(encoder or reading.encoder.encoder, study.device)
    task = reading.task
    return draw_places(embedding, n, options.n_test, task.seed, task.replicate, study.device, study.harmonics)


def _transfer_rows(
    reading: Reading, options: Any, found: Measured, degrees: np.ndarray | None = None, **facts: Any
) -> list[TransferRow]:
    """A row a degree, then one for each prior of the fields that mix all degrees."""
    degrees = np.arange(1, options.l_max + 1) if degrees is None else degrees
    nothing = np.full(len(degrees), np.nan)
    ceiling = nothing if found.ceiling is None else found.ceiling
    bound = nothing if found.bound is None else found.bound
    shared = reading.head() | {"noise": options.noise, "rank": found.rank or 0, "dropped": found.dropped} | facts
    columns = zip(degrees, half_wavelength_km(degrees), found.share, ceiling, bound, found.edge, strict=True)
    rows = [
        TransferRow(**shared, degree=int(d), scale_km=_round(km), share=_round(share), ceiling=_round(held),
                    bound=_round(most), penalty_on_edge=bool(edge))
        for d, km, share, held, most, edge in columns
    ]  # fmt: skip
    bounds = np.full(len(found.composite), np.nan) if found.composite_bound is None else found.composite_bound
    for prior, share, most in zip(PRIORS, found.composite, bounds, strict=False):
        rows.append(TransferRow(**shared, prior=prior, share=_round(share), bound=_round(most)))
    return rows


@reads("map")
def local_map(reading: Reading, options: Any, study: PreparedStudy) -> list[MapRow]:
    """Shares by place, scale and direction."""
    found = resolution_map(
        reading.encoder.encoder,
        options.places_on(study.device.type),
        options.scales_km,
        noise=options.noise,
        tolerance=options.tolerance,
        cells=options.cells,
        n_labels=options.n_labels,
        seed=reading.task.seed,
        device=study.device,
        progress=lambda *caps: None,  # the study has a bar of its own
    )
    head = reading.head()
    rows = found.local.shares.to_dict("records")
    return [MapRow(**head, **{k: _round(v) if isinstance(v, float) else v for k, v in row.items()}) for row in rows]


def _round(value: float) -> float:
    """Six digits: more would be noise and megabytes."""
    return float(f"{value:.6g}")
