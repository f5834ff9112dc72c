"""The same answers in TensorBoard: figures, curves by scale, quantiles of training, hparams, the summary.

Aggregates only, so that 4096 probes stay far below 20 MB; TensorBoard slows
down with thousands of tags. Written with TensorBoard's own writer: no torch.
One sub-folder per encoder, because TensorBoard lays runs of one tag over each
other; the step of a curve by scale is the scale in km.
"""

from collections.abc import Iterator, Sequence
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

from .headline import effective_resolution
from .resolution import skill_means
from .sheet import DPI, Picture
from .view import RunView

SCALARS = {
    "sweet_spot": ["scale_km"],
    "region_size": ["sampling", "span_deg"],
    "patterns": ["pattern", "scale_km"],
    "scale_region": ["region", "span_deg", "scale_km"],
    "boundaries": ["width_km"],
    "coastline": [],
}


def write_events(
    views: Sequence[RunView], pictures: dict[str, Sequence[Picture]], summary: str, folder: Path
) -> list[Path]:
    """Write the event files, in place of those of an earlier report.

    Args:
        views: one per protocol.
        pictures: their figures.
        summary: Markdown for the text tab.
        folder: ``RUN/tensorboard``.

    Returns:
        The event files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("events.out.tfevents.*"):
        old.unlink()
    moment = _moment(views[0].tables.environment)
    with Run(folder, moment) as run:
        run.text("summary", summary)
        for view in views:
            for picture in pictures[view.protocol]:
                run.image(f"{view.protocol}/{picture.name}", picture)
        run.add(_hparams_columns(views))
    for view in views:
        curves = list(_curves(view))
        for spec in [*view.compared, *view.controls]:
            with Run(folder / f"{view.protocol}-{_file_name(spec)}", moment) as run:
                _encoder_events(run, view, spec, curves)
    return sorted(folder.rglob("events.out.tfevents.*"))


def _moment(environment: dict) -> float:
    """When the run started, so that its events carry the run's time and not the report's."""
    try:
        return datetime.fromisoformat(str(environment.get("started")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _file_name(spec: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in spec)


@dataclass
class Run:
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


def _encoder_events(run: Run, view: RunView, spec: str, curves: Sequence[tuple[str, list[str], pd.DataFrame]]) -> None:
    """Hparams, curves by scale and training quantiles of one encoder."""
    run.add(hparams_pb(_hparams(view, spec)))
    for tag, value in _headline_metrics(effective_resolution(view), spec).items():
        run.scalar(tag, value, 0)
    for name, by, means in curves:
        for tag, value, step in _scalars(name, means[means["encoder"] == spec], by):
            run.scalar(tag, value, step)
    for tag, value, step in _training(view, spec):
        run.scalar(tag, value, step)


def _hparams_columns(views: Sequence[RunView]) -> Summary:
    """The columns of the hparams tab; without them it stays empty."""
    names = dict.fromkeys(
        name for view in views for spec in [*view.compared, *view.controls] for name in _hparams(view, spec)
    )
    tables = [effective_resolution(view) for view in views]
    metrics = dict.fromkeys(
        tag for table in tables for spec in table["encoder"].unique() for tag in _headline_metrics(table, spec)
    )
    return hparams_config_pb(hparams=[HParam(name) for name in names], metrics=[Metric(tag) for tag in metrics])


def _hparams(view: RunView, spec: str) -> dict:
    """What distinguishes one encoder's rows from another's."""
    rows = view.results[(view.results["encoder"] == spec) & (view.results["probe"] == "mlp")]
    facts = {
        "encoder": spec,
        "role": "compared" if spec in view.compared else "control",
        "protocol": view.protocol,
        "replicates": view.replicates,
        "probes": len(rows),
    }
    if spec in view.legendre:
        facts["legendre_polys"] = float(view.legendre[spec])
    if len(rows):
        facts |= {
            "trained": bool(rows["trained"].iloc[0]),
            "hidden_layer_sizes": str(rows["hidden_layer_sizes"].iloc[0]),
            "standardize": bool(rows["standardize"].iloc[0]),
        }
    return facts


def _headline_metrics(table: pd.DataFrame, spec: str) -> dict[str, float]:
    """The headline numbers of one encoder, from ``effective_resolution``, as metrics of the hparams tab."""
    own = table[(table["encoder"] == spec) & (table["censored"] == "") & (table["unit"] == "km")]
    suffix = {"fixed_per_cell": "_global", "local_caps": "_local"}
    return {
        f"headline/{r['measure']}{suffix.get(r['sampling'], '')}_km": float(r["value"]) for r in own.to_dict("records")
    }


def _curves(view: RunView) -> Iterator[tuple[str, list[str], pd.DataFrame]]:
    """(name, factors, means of all encoders) of each experiment; the last factor, in km or degrees, is the step."""
    for experiment, by in SCALARS.items():
        yield f"{experiment}/test_accuracy", by, view.means(view.rows(experiment), ["encoder", *by])
    rows = view.results[(view.results["experiment"] == "resolution") & view.results["test_accuracy"].notna()]
    for sampling, group in rows.groupby("sampling"):
        yield f"resolution/{sampling}_skill", ["scale_km"], skill_means(view, group)
    yield "similarity/mean", ["distance_km"], view.similarity_means()


def _scalars(name: str, means: pd.DataFrame, by: list[str]) -> Iterator[tuple[str, float, int]]:
    """The mean of each row, tagged by its first factors and stepped by its last; intervals are in the figures."""
    for row in means.to_dict("records"):
        factors = [f"{row[factor]:g}" if isinstance(row[factor], float) else str(row[factor]) for factor in by[:-1]]
        yield "/".join([name, *factors]).replace(" ", "_"), row["mean"], round(row[by[-1]]) if by else 0


def _training(view: RunView, spec: str) -> Iterator[tuple[str, float, int]]:
    """Quantiles of loss and validation score by epoch."""
    curves = view.tables.training_curves
    own = curves[curves["encoder"] == spec]
    quantiles = [name for name in own.columns if "_q" in name]
    for row in own.to_dict("records"):
        for name in quantiles:
            yield f"training/{row['experiment']}/{name}", row[name], int(row["epoch"])
