"""A run as its pages see it: one protocol's rows, who is compared with whom, and each answer computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from satgpu.answers import paired_differences, probe_resolution, read_run, skill, summarise
from satgpu.answers.evidence import Evidence, evidence_of_run
from satgpu.answers.published import compare_with_published
from satgpu.answers.questions import answer_run
from satgpu.answers.types import Answer
from satgpu.readouts.kernel import kernel_resolutions, kernel_spectrum, similarity_curve
from satgpu.run.names import encoder_label, short_labels
from satgpu.run.read import STARVED_POINTS_PER_CELL, Run, read_table
from satgpu.run.rows import PredictionRow, columns

from .coast import accuracy_by_distance
from .style import EncoderStyle, assign_styles
from .words import count

PROBE_EXPERIMENTS = ("sweet_spot", "region_size", "patterns", "scale_region", "boundaries", "resolution", "coastline")
EXPERIMENT_TITLES = {
    "sweet_spot": "Sweet spot",
    "region_size": "Region size",
    "patterns": "Patterns",
    "patterns_wavelength": "Patterns at equal wavelength",
    "scale_region": "Scale and region",
    "similarity": "Embedding similarity",
    "boundaries": "Boundaries",
    "resolution": "Effective resolution",
    "coastline": "Land or ocean",
}
PATTERN_ORDER = ("checkerboard", "horizontal_stripes", "vertical_stripes", "diagonal_stripes", "concentric_rings")
REGION_ORDER = ("Europe", "North America", "Asia")
STARVED_BELOW = int(STARVED_POINTS_PER_CELL)


def open_views(folder: Path) -> list["RunView"]:
    """A view per protocol that the run holds rows of, geodesic first.

    Raises:
        UserError: the folder holds no results.
    """
    tables = read_run(folder)
    path = folder / "predictions.csv"
    kept = read_table(path, PredictionRow) if path.exists() else pd.DataFrame(columns=list(columns(PredictionRow)))
    found = set(tables.results["protocol"]) | set(tables.similarity["protocol"])
    protocols = sorted(found) or [str(tables.environment.get("protocol", "geodesic"))]
    return [RunView(tables, protocol, folder.resolve().name, kept) for protocol in protocols]


@dataclass(frozen=True, eq=False)
class RunView:
    """What figures, summary and pages read.

    Attributes:
        tables: the run's tables, all protocols.
        protocol: the protocol this view shows.
        name: the run folder's name.
        predictions: kept test predictions, possibly empty.
    """

    tables: Run
    protocol: str
    name: str
    predictions: pd.DataFrame

    @cached_property
    def results(self) -> pd.DataFrame:
        """Rows of results.csv under this protocol."""
        return self.tables.results[self.tables.results["protocol"] == self.protocol]

    @cached_property
    def similarity(self) -> pd.DataFrame:
        """Rows of similarity.csv under this protocol."""
        return self.tables.similarity[self.tables.similarity["protocol"] == self.protocol]

    def rows(self, experiment: str) -> pd.DataFrame:
        """Scored and failed rows of MLP probes on real labels."""
        table = self.results
        return table[(table["experiment"] == experiment) & (table["probe"] == "mlp") & (table["labels"] == "field")]

    def nearest(self, experiment: str) -> pd.DataFrame:
        """Rows of the nearest-neighbour ceiling from coordinates."""
        return self.results[(self.results["experiment"] == experiment) & (self.results["probe"] == "nearest-neighbour")]

    def shuffled(self, experiment: str | None = None) -> pd.DataFrame:
        """Rows trained on shuffled labels, which must stay at chance."""
        table = self.results[self.results["labels"] == "shuffled"]
        return table if experiment is None else table[table["experiment"] == experiment]

    @cached_property
    def encoders(self) -> list[dict]:
        """Provenance of each encoder, from environment.json; from the tables where it is silent."""
        listed = list(self.tables.environment.get("encoders") or [])
        known = {entry["name"] for entry in listed}
        probes = self.results[self.results["probe"] == "mlp"]
        similar = self.similarity.assign(legendre_polys=np.nan)
        facts = ["encoder", "role", "trained", "legendre_polys", "encoder_sha256"]
        for row in pd.concat([probes[facts], similar[facts]]).drop_duplicates("encoder").to_dict("records"):
            if row["encoder"] not in known:
                degree = int(row["legendre_polys"]) if np.isfinite(row["legendre_polys"]) else None
                entry = {"name": row["encoder"], "sha256": row["encoder_sha256"], "legendre_polys": degree}
                listed.append(entry | {"role": row["role"], "trained": bool(row["trained"])})
        return listed

    @cached_property
    def compared(self) -> list[str]:
        """Encoders under comparison, in the order they were asked for."""
        return [entry["name"] for entry in self.encoders if entry.get("role") == "compared"]

    @cached_property
    def controls(self) -> list[str]:
        """Control encoders."""
        return [entry["name"] for entry in self.encoders if entry.get("role") != "compared"]

    @cached_property
    def pair(self) -> tuple[str, str] | None:
        """The compared pair: the first two encoders, or None with fewer than two."""
        return tuple(self.compared[:2]) if len(self.compared) >= 2 else None

    @cached_property
    def pair_labels(self) -> tuple[str, str]:
        """Short names of the pair, such as L=10 and L=40."""
        return short_labels(*self.pair) if self.pair else (self.label(self.compared[0]) if self.compared else "", "")

    @cached_property
    def legendre(self) -> dict[str, float]:
        """Encoder to its number of Legendre polynomials L, where it has one."""
        return {entry["name"]: entry["legendre_polys"] for entry in self.encoders if entry.get("legendre_polys")}

    @cached_property
    def untrained_pair(self) -> tuple[str, str] | None:
        """The untrained controls with the same L as the pair, if the pair itself is something else."""
        if not self.pair:
            return None
        degrees = [self.legendre.get(spec) for spec in self.pair]
        controls = [spec for spec in self.controls if spec.startswith("untrained") and spec in self.legendre]
        untrained = {self.legendre[spec]: spec for spec in reversed(controls)}
        twins = [untrained[degree] for degree in degrees if degree in untrained]
        return tuple(twins) if len(set(twins)) == 2 else None

    @cached_property
    def looks(self) -> dict[str, EncoderStyle]:
        """Colour, marker and line style of every encoder."""
        return assign_styles(self.compared, self.controls, self.legendre)

    def label(self, spec: str) -> str:
        """The encoder's name in print."""
        return encoder_label(spec)

    @cached_property
    def replicates(self) -> int:
        """How many replicates the rows hold."""
        return int(self.results["replicate"].nunique())

    @property
    def notice(self) -> str | None:
        """What the run wants said everywhere, such as that untrained weights stand in."""
        return self.tables.environment.get("notice") or None

    @property
    def footer(self) -> str:
        """The line under every figure."""
        encoders = ", ".join(self.label(spec) for spec in self.compared[:6])
        bands = (
            "bands: 95 % bootstrap intervals over replicates"
            if self.replicates > 1
            else "one replicate, so no intervals"
        )
        return (
            f"{self.protocol} protocol · {count(self.replicates, 'replicate')} · {bands} · encoders: "
            f"{encoders} · run {self.name}"
        )

    def present(self, experiment: str) -> bool:
        """Whether the run has rows of an experiment under this protocol."""
        return bool(len(self.similarity)) if experiment == "similarity" else bool(len(self.rows(experiment)))

    def means(self, table: pd.DataFrame, by: Sequence[str], value: str = "test_accuracy") -> pd.DataFrame:
        """Mean and interval over replicates of scored rows; empty in, empty out."""
        scored = table[table[value].notna()]
        if scored.empty:
            return pd.DataFrame(columns=[*by, "mean", "low", "high", "n_replicates"])
        return summarise(scored, by=list(by), value=value)

    def differences(
        self, table: pd.DataFrame, by: Sequence[str], pair: tuple[str, str] | None = None, value: str = "test_accuracy"
    ) -> pd.DataFrame:
        """Paired differences, second minus first, of the compared pair or of another one."""
        columns = [
            *by,
            "first_mean",
            "second_mean",
            "difference",
            "low",
            "high",
            "n_replicates",
            "p_value",
            "q_value",
            "verdict",
        ]
        pair = pair or self.pair
        scored = table[table[value].notna()] if pair else table.iloc[:0]
        if not pair or not set(pair) <= set(scored["encoder"]):
            return pd.DataFrame(columns=columns)
        return paired_differences(scored, pair[0], pair[1], by=list(by), value=value)

    @cached_property
    def run(self) -> Run:
        """The run under this protocol."""
        return self.tables.under(self.protocol)

    @cached_property
    def answers(self) -> list[Answer]:
        """The answers under this protocol."""
        return [answer for answer in answer_run(self.tables) if answer.protocol == self.protocol]

    def with_skill(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows with a ``skill`` column: (accuracy - chance) / (ceiling - chance)."""
        return table.assign(skill=skill(table))

    @cached_property
    def evidence(self) -> Evidence:
        """The pair's differences by cell and replicate, as the claims are judged from."""
        return evidence_of_run(self.tables, self.protocol)

    @cached_property
    def probe_resolutions(self) -> pd.DataFrame:
        """``probe_resolution`` of the resolution experiment; the caps of one scale count as one region."""
        rows = self.results[self.results["experiment"] == "resolution"]
        rows = rows.assign(region=rows["region"].mask(rows["sampling"] == "local_caps", "caps"))
        return probe_resolution(rows, self.tables.skill_threshold)

    @cached_property
    def kernels(self) -> pd.DataFrame:
        """``kernel_resolutions`` of the similarity table."""
        return kernel_resolutions(self.similarity)

    @cached_property
    def spectra(self) -> pd.DataFrame:
        """``kernel_spectrum`` of the similarity table; empty where it has no quadrature rows."""
        if not (self.similarity["grid"] == "quadrature").any():
            return pd.DataFrame(columns=["encoder", "l", "power", "low", "high", "cumulative"])
        return kernel_spectrum(self.similarity)

    def similarity_means(self, value: str = "similarity_mean") -> pd.DataFrame:
        """``similarity_curve`` at the notebook's distances."""
        return similarity_curve(self.similarity, "distances", value)

    @cached_property
    def coast_shares(self) -> pd.DataFrame:
        """``accuracy_by_distance`` of the kept predictions; empty without the optional land mask."""
        return accuracy_by_distance(self.predictions[self.predictions["experiment"] == "coastline"])

    @cached_property
    def published(self) -> pd.DataFrame:
        """``compare_with_published`` under this protocol; empty without a pair."""
        if not self.pair or not set(self.pair) <= set(self.tables.results["encoder"]) | set(
            self.tables.similarity["encoder"]
        ):
            return pd.DataFrame(columns=["protocol", "table", "encoder", "published", "run", "difference"])
        table = compare_with_published(self.tables)
        return table[table["protocol"] == self.protocol]


def in_order(values, order: Sequence[str]) -> list[str]:
    """Distinct values, those of ``order`` first."""
    found = list(dict.fromkeys(values))
    return [value for value in order if value in found] + sorted(value for value in found if value not in order)
