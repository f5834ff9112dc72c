"""The same answers in TensorBoard: figures, curves by scale, quantiles of training, hparams, the summary.

Aggregates only, so that 4096 probes stay far below 20 MB; TensorBoard slows
down with thousands of tags. Written with TensorBoard's own writer: no torch.
One sub-folder per encoder, because TensorBoard lays runs of one tag over each
other; the step of a curve by scale is the scale in km.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams.summary_v2 import HParam, Metric, hparams_config_pb, hparams_pb
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from satgpu.answers import resolution, similarity
from satgpu.answers.questions import questions
from satgpu.answers.tables import means
from satgpu.run.read import Run

from .sheet import DPI, Picture

TRAINING = "training"  # the folder that satgpu.study.board writes while the run goes


def write_events(
    views: dict[str, Run], pictures: dict[str, dict[str, Picture]], summary: str, folder: Path
) -> list[Path]:
    """Write the event files, in place of those of an earlier report.

    Args:
        views: protocol to its rows.
        pictures: their figures by name.
        summary: Markdown for the text tab.
        folder: ``RUN/tensorboard``.

    Returns:
        The event files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in _own_events(folder):
        old.unlink()
    moment = _moment(next(iter(views.values())).environment)
    with Events(folder, moment) as events:
        events.text("summary", summary)
        for protocol, own in pictures.items():
            for picture in own.values():
                events.image(f"{protocol}/{picture.name}", picture)
        events.add(_hparams_columns(views.values()))
    for protocol, run in views.items():
        curves = list(_curves(run))
        for spec in [*run.compared, *run.controls]:
            with Events(folder / f"{protocol}-{_file_name(spec)}", moment) as events:
                _encoder_events(events, run, spec, curves)
    return _own_events(folder)


def _own_events(folder: Path) -> list[Path]:
    """Event files of a report: all but those that the run wrote while it went."""
    return sorted(path for path in folder.rglob("events.out.tfevents.*") if path.parent.name != TRAINING)


def _moment(environment: dict) -> float:
    """When the run started, so that its events carry the run's time and not the report's."""
    try:
        return datetime.fromisoformat(str(environment.get("started")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _file_name(spec: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in spec)


@dataclass
class Events:
    """One TensorBoard run: an event file and the verbs this report needs."""

    folder: Path
    wall_time: float

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.writer = EventFileWriter(str(self.folder))
        return self

    def __exit__(self, *_):
        self.writer.close()

    def add(self, summary: Summary, step: int = 0) -> None:
        self.writer.add_event(Event(summary=summary, step=step, wall_time=self.wall_time))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Missing values are left out."""
        if np.isfinite(value):
            self.add(Summary(value=[Summary.Value(tag=tag, simple_value=float(value))]), step)

    def text(self, tag: str, markdown: str) -> None:
        """Markdown, shown in the text tab."""
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode("utf-8")], tensor_shape=shape)
        self.add(
            Summary(
                value=[
                    Summary.Value(tag=f"{tag}/text_summary", metadata=create_summary_metadata(tag, ""), tensor=tensor)
                ]
            )
        )

    def image(self, tag: str, picture: Picture) -> None:
        width, height = (round(side * DPI) for side in picture.figure.get_size_inches())
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=picture.png)
        self.add(Summary(value=[Summary.Value(tag=tag, image=image)]))


def _encoder_events(events: Events, run: Run, spec: str, curves: Sequence[tuple[str, list[str], pd.DataFrame]]) -> None:
    """Hparams, curves by scale and training quantiles of one encoder."""
    events.add(hparams_pb(_hparams(run, spec)))
    for tag, value in _metrics(run, spec).items():
        events.scalar(tag, value, 0)
    for name, by, table in curves:
        for tag, value, step in _scalars(name, table[table["encoder"] == spec], by):
            events.scalar(tag, value, step)
    for tag, value, step in _training(run, spec):
        events.scalar(tag, value, step)


def _hparams_columns(runs: Iterable[Run]) -> Summary:
    """The columns of the hparams tab; without them it stays empty."""
    specs = [(run, spec) for run in runs for spec in [*run.compared, *run.controls]]
    names = dict.fromkeys(name for run, spec in specs for name in _hparams(run, spec))
    metrics = dict.fromkeys(tag for run, spec in specs for tag in _metrics(run, spec))
    return hparams_config_pb(hparams=[HParam(name) for name in names], metrics=[Metric(tag) for tag in metrics])


def _hparams(run: Run, spec: str) -> dict:
    """What distinguishes one encoder's rows from another's."""
    rows = run.probes(None, labels=None, scored=False)
    rows = rows[rows["encoder"] == spec] if len(rows) else rows
    role = "compared" if spec in run.compared else "control"
    facts = {"encoder": spec, "role": role, "protocol": run.protocol, "replicates": run.replicates, "probes": len(rows)}
    facts |= {"legendre_polys": float(run.legendre[spec])} if spec in run.legendre else {}
    if len(rows):
        row = rows.iloc[0]
        facts |= {"trained": bool(row["trained"]), "standardize": bool(row["standardize"])}
        facts |= {"hidden_layer_sizes": str(row["hidden_layer_sizes"])}
    return facts


def _metrics(run: Run, spec: str) -> dict[str, float]:
    """The resolutions of one encoder as metrics of the hparams tab; what is beyond the measured range is left out."""
    columns = {name: found[spec] for name, found in resolution.headline(run).items() if spec in found}
    return {
        f"resolution/{name.replace(' ', '_')}": float(found.value)
        for name, found in columns.items()
        if not found.censored and not name.startswith("nominal")
    }


def _curves(run: Run) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """(name, factors, means of all encoders) of each experiment; the last factor, in km or degrees, is the step."""
    for name, module in questions().items():
        factors = list(getattr(module, "FACTORS", {}))
        if factors and name in run.experiments() and len(table := means(run, name, tuple(factors))):
            yield f"{name}/test_accuracy", factors, table
    for sampling in resolution.SAMPLINGS:
        yield f"resolution/{sampling}_skill", ["scale_km"], resolution.skills(run, sampling)
    yield "similarity/plain", ["distance_km"], similarity.curve(run)
    yield "similarity/centred", ["distance_km"], similarity.curve(run, "centred")


def _scalars(name: str, table: pd.DataFrame, by: list[str]) -> Iterator[tuple[str, float, int]]:
    """The mean of each row, tagged by its first factors and stepped by its last; no curve of one point."""
    groups = table.groupby(by[:-1], sort=False) if by[:-1] else [((), table)]
    for key, rows in groups:
        if len(rows) < 2 or isinstance(rows[by[-1]].iloc[0], str):
            continue
        factors = [f"{value:g}" if isinstance(value, float) else str(value) for value in key]
        for row in rows.to_dict("records"):
            yield "/".join([name, *factors]).replace(" ", "_"), row["mean"], round(row[by[-1]])


def _training(run: Run, spec: str) -> Iterator[tuple[str, float, int]]:
    """Quantiles of loss and validation score by epoch."""
    curves = run.training_curves
    own = curves[curves["encoder"] == spec] if len(curves) else curves
    quantiles = [name for name in own.columns if "_q" in name]
    for row in own.to_dict("records"):
        for name in quantiles:
            yield f"training/{row['experiment']}/{name}", row[name], int(row["epoch"])
