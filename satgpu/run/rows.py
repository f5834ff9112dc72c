"""The rows of the tables a run writes: one dataclass a table, from which names, kinds and keys derive.

A new table is a new class here or beside its read-out: ``@table("name")`` over a
frozen dataclass whose first field is ``task_id``. What writes, merges, reads and
tests it asks ``columns`` and ``keys`` and knows no column by itself.

Missing numbers are NaN in memory and empty cells on disk. No times: the same run
must give the same bytes.
"""

import dataclasses
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass, field

TABLES: dict[str, type] = {}  # table name -> row class
KINDS = {str: "str", int: "int", float: "float", bool: "bool"}


def table(name: str, side: bool = False) -> Callable[[type], type]:
    """Register a row class as the rows of ``name``.csv.

    Args:
        name: of the file, without its ending.
        side: its rows belong to tasks whose line in another table says that they are finished.
    """

    def register(row_type: type) -> type:
        row_type.table, row_type.side = name, side
        TABLES[name] = row_type
        return row_type

    return register


def columns(row_type: type) -> dict[str, str]:
    """Names and kinds ('str', 'int', 'float', 'bool') of a table's columns, in order.

    >>> list(columns(CurveRow))[:3]
    ['experiment', 'encoder', 'epoch']
    """
    hints = typing.get_type_hints(row_type)
    return {f.name: KINDS[hints[f.name]] for f in dataclasses.fields(row_type)}


def keys(row_type: type, kind: str) -> tuple[str, ...]:
    """The columns marked ``key=kind``: together they tell one ``kind`` from another.

    >>> keys(SimilarityRow, "place")
    ('grid', 'place', 'distance_km')
    """
    return tuple(f.name for f in dataclasses.fields(row_type) if f.metadata.get("key") == kind)


def added(row_type: type) -> set[str]:
    """Columns that the tables of satgpu's first version lack; they read as missing there."""
    return {f.name for f in dataclasses.fields(row_type) if f.metadata.get("added")}


def _key(kind: str, **more) -> typing.Any:
    """A column that is part of the key of ``kind``."""
    return field(metadata={"key": kind}, **more)


@table("results")
@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One probe: who read which labels from how many points, and how well."""

    task_id: str
    experiment: str = _key("task")
    protocol: str = _key("task")
    encoder: str = _key("reader")
    role: str  # compared | control
    trained: bool  # the encoder carries learned weights
    twin: str = field(default="", metadata={"added": True})  # the encoder's untrained twin in this run, "" if none
    encoder_sha256: str = ""
    replicate: int = _key("replicate")
    probe: str = _key("reader")  # mlp | nearest-neighbour
    labels: str = _key("task", default="field")  # field | shuffled
    pattern: str = _key("task")
    task: str = _key("task")  # classification | regression
    scale_km: float = _key("task", default=math.nan)
    width_km: float = _key("task", default=math.nan)  # boundaries only
    wavelength_km: float = math.nan
    region: str = _key("task", default="global")
    center_lon_deg: float = _key("task", default=math.nan)
    center_lat_deg: float = _key("task", default=math.nan)
    span_deg: float = _key("task", default=math.nan)
    extent_km2: float = math.nan
    sampling: str = _key("task", default="fixed_points")  # fixed_points | fixed_density | fixed_per_cell | local_caps
    points_seed: int = 0
    label_seed: int = 0
    split_seed: int = 0
    probe_seed: int = 0
    hidden_layer_sizes: str = _key("reader", default="")  # "128-64"
    standardize: bool = _key("reader", default=False)
    legendre_polys: float = math.nan  # L of the encoder, where it has one
    n_train: int = 0
    n_validation: int = 0
    n_test: int = 0
    train_points_per_cell: float = math.nan
    chance: float = math.nan  # accuracy of the training majority class on the test rows
    ceiling: float = math.nan  # best possible accuracy, below 1 where labels are noisy
    train_accuracy: float = math.nan
    validation_accuracy: float = math.nan
    test_accuracy: float = math.nan
    train_r2: float = math.nan
    validation_r2: float = math.nan
    test_r2: float = math.nan
    test_iou: float = math.nan
    epochs: int = 0
    stop_reason: str = ""  # early_stopping | max_iter | failed | not_trained
    converged: bool = False  # stopped by itself, with finite weights
    learned: bool = False  # training accuracy beats the majority rate by 3 standard errors
    failure: str = ""  # why there is no score


@table("readouts")
@dataclass(frozen=True, kw_only=True)
class ReadoutDoneRow:
    """One read-out of one encoder that is finished: written after its rows, so that half of them never count."""

    task_id: str
    experiment: str
    protocol: str
    encoder: str
    replicate: int
    n_rows: int
    failure: str = ""  # why there are no rows


@dataclass(frozen=True, kw_only=True)
class ReadoutRow:
    """What every row of a read-out without probes begins with: the task, and whose embedding was read."""

    task_id: str = field(default="", metadata={"added": True})
    protocol: str
    encoder: str = _key("reader")
    role: str  # compared | control
    trained: bool
    twin: str = field(default="", metadata={"added": True})
    encoder_sha256: str = ""
    replicate: int = _key("replicate", default=0)


@table("similarity", side=True)
@dataclass(frozen=True, kw_only=True)
class SimilarityRow(ReadoutRow):
    """Cosine similarity around one place, or along one circle, at one distance."""

    grid: str = _key("place")  # distances | quadrature
    place: int = _key("place")
    place_lon_deg: float
    place_lat_deg: float
    distance_km: float = _key("place")
    n_bearings: int
    similarity_mean: float
    similarity_std: float
    centred_similarity_mean: float


@table("transfer", side=True)
@dataclass(frozen=True, kw_only=True)
class TransferRow(ReadoutRow):
    """How much of the fields of one harmonic degree one reader gives back, from one draw of places."""

    reader: str = _key("reader")  # linear | mlp | coordinates (a Gaussian process on the places alone)
    weights_seed: int = _key("reader", default=0)  # of an untrained twin's weights; 0 is the run's control itself
    n_labels: int = _key("task")
    noise: float
    prior: str = _key("task", default="degree")  # degree: fields of one degree; power-law, flat: of all degrees
    degree: int = _key("task", default=0)  # 0 where the field mixes all degrees
    scale_km: float = math.nan  # half a wavelength
    share: float  # R² against the noise-free field, at places never seen
    ceiling: float = math.nan  # share in the span of the embedding
    bound: float = math.nan  # greatest share any reader of places can expect (reader coordinates)
    dim: int
    rank: int
    dropped: int = 0  # dimensions that are flat
    penalty_on_edge: bool = False
    probes_failed: int = 0


@table("map", side=True)
@dataclass(frozen=True, kw_only=True)
class MapRow(ReadoutRow):
    """How much of the plane waves of one cap a linear reader gives back, by direction."""

    place: int = _key("place")
    lon: float
    lat: float
    draw: int = _key("place")
    cells: float = _key("place")
    tolerance: float = _key("place")
    scale_km: float = _key("place")
    share: float  # mean over directions
    share_000_0: float
    share_022_5: float
    share_045_0: float
    share_067_5: float
    share_090_0: float
    share_112_5: float
    share_135_0: float
    share_157_5: float


@table("fields", side=True)
@dataclass(frozen=True, kw_only=True)
class FieldRow(ReadoutRow):
    """What one reader reads of one real field; intervals are 95 %, over draws of places (``satgpu.fields``)."""

    field: str = _key("task")
    task: str = ""  # regression | classification
    control: bool = False  # a negative control: nothing that an encoder learns from could tell it
    reader: str = _key("reader", default="")
    split: str = _key("task", default="")
    n_labels: int = 0
    turns: int = 0  # of each kind
    draws: int = 0
    skill: float = math.nan  # R² of numbers, Brier skill score of classes; the three parts add up to it
    skill_low: float = math.nan
    skill_high: float = math.nan
    resolution: float = math.nan
    resolution_low: float = math.nan
    resolution_high: float = math.nan
    zonal: float = math.nan
    zonal_low: float = math.nan
    zonal_high: float = math.nan
    longitude: float = math.nan
    longitude_low: float = math.nan
    longitude_high: float = math.nan
    predicted: float = math.nan
    accuracy: float = math.nan
    macro_f1: float = math.nan
    p_polar: float = math.nan
    p_all: float = math.nan
    verdict: str = ""  # knows | zonal only | no evidence | cannot be tested
    median_km: float = math.nan  # from a place held back to the nearest learned from
    furthest_tenth_km: float = math.nan
    wasserstein_km: float = math.nan  # between these distances and those of the whole domain
    morans_i: float = math.nan  # of what is missed at the places held back
    morans_z: float = math.nan  # standard deviations of chance that it is above none
    twins: int = 0  # untrained encoders that the gain is taken from
    gain_skill: float = math.nan
    gain_skill_low: float = math.nan
    gain_skill_high: float = math.nan
    gain_resolution: float = math.nan
    gain_resolution_low: float = math.nan
    gain_resolution_high: float = math.nan
    gain_zonal: float = math.nan
    gain_zonal_low: float = math.nan
    gain_zonal_high: float = math.nan
    gain_longitude: float = math.nan
    gain_longitude_low: float = math.nan
    gain_longitude_high: float = math.nan
    rows_used: int = 0  # of a file of labels
    left_out: str = ""  # of its rows, by reason
    notes: str = ""
    failure: str = ""  # why the field was not read at all


@table("field_residuals", side=True)
@dataclass(frozen=True, kw_only=True)
class FieldResidualRow(ReadoutRow):
    """What was missed at one place held back, of the first draw of places."""

    field: str = _key("task")
    lon_deg: float
    lat_deg: float
    residual: float  # value less what was read; of classes 1 less the share given to the true one


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """Training of one experiment and encoder at one epoch: quantiles over the probes still training."""

    experiment: str = _key("curve")
    encoder: str = _key("curve")
    epoch: int
    n_probes: int
    loss_q10: float
    loss_q50: float
    loss_q90: float
    validation_q10: float
    validation_q50: float
    validation_q90: float


@table("probe_curves", side=True)
@dataclass(frozen=True, kw_only=True)
class ProbeCurveRow:
    """One epoch of one probe of the sample whose curves are kept, until they are folded into ``CurveRow``s."""

    task_id: str
    experiment: str
    encoder: str
    epoch: int
    loss: float
    validation: float


@table("predictions", side=True)
@dataclass(frozen=True, kw_only=True)
class PredictionRow:
    """One test point of a probe whose predictions are kept, for the map."""

    task_id: str
    experiment: str
    encoder: str
    replicate: int
    scale_km: float
    lon_deg: float
    lat_deg: float
    label: int
    prediction: int
