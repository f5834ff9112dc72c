"""An experiment is one entry: plans, options, help and tables follow from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
from study import run_study, write_config

from satgpu.errors import UserError
from satgpu.experiments import EXPERIMENTS, experiment
from satgpu.experiments.make import Draw, field, global_points, readout_task, task_set
from satgpu.run.rows import TABLES, ReadoutRow, table
from satgpu.study.config import Config, parse_run
from satgpu.study.readouts import READERS, reads


@pytest.fixture
def dummies():
    """Two experiments that satgpu doesn't have, one of each kind, and gone again afterwards."""
    before = dict(EXPERIMENTS)

    @experiment("bands", summary="stripes of one width", section=900, factors=("scale_km",))
    @dataclass(frozen=True)
    class Bands:
        scale_km: float = 3000.0

        def task_sets(self, draw: Draw) -> Iterator:
            yield task_set(draw, "bands", global_points(draw, 300), [field(draw, "horizontal_stripes", self.scale_km)])

    @table("norms", side=True)
    @dataclass(frozen=True, kw_only=True)
    class NormRow(ReadoutRow):
        norm: float

    @experiment("norms", summary="length of embeddings", section=910, table="norms", default=False)
    @dataclass(frozen=True)
    class Norms:
        places: int = 5

        def readouts(self, draw: Draw) -> Iterator:
            yield readout_task(draw, "norms", "all", cost_s=0.1)

    @reads("norms")
    def norms(reading, options, study):
        if reading.encoder.name == "xyz":
            raise UserError("every length is 1")
        places = reading.task.protocol.globe(options.places, reading.task.seed).draw()
        lengths = reading.encoder.encoder(places).norm(dim=1).tolist()
        return [NormRow(norm=length, **reading.head()) for length in lengths]

    yield
    EXPERIMENTS.clear()
    EXPERIMENTS.update(before)
    del TABLES["norms"], READERS["norms"]


def test_an_experiment_added_by_its_entry_alone_runs_to_its_table(dummies, tmp_path):
    config = write_config(tmp_path, experiments=["bands", "norms"], norms={"places": 4})
    run = run_study(config, tmp_path / "run", "--bands.scale_km", "4000")
    results, norms = pd.read_csv(run / "results.csv"), pd.read_csv(run / "norms.csv")
    assert set(results["experiment"]) == {"bands"} and set(results["scale_km"]) == {4000.0}
    assert norms.groupby("encoder").size().to_dict() == {"sh-l4": 8, "sh-l8": 8}  # 2 replicates of 4 places
    done = pd.read_csv(run / "readouts.csv", keep_default_na=False).set_index("encoder")
    assert set(done.loc["xyz", "failure"]) == {"every length is 1"} and set(done.loc["xyz", "n_rows"]) == {0}
    before = {name: (run / f"{name}.csv").read_bytes() for name in ("results", "norms", "readouts")}
    run_study(config, run, "--bands.scale_km", "4000", resume=True)
    assert before == {name: (run / f"{name}.csv").read_bytes() for name in before}


def test_lists_follow_from_the_entry(dummies):
    config, _ = parse_run(["--experiments", "norms", "--norms.places", "3"], "satgpu")
    assert config.parts["norms"].places == 3
    assert "bands" in Config().experiments and "norms" not in Config().experiments


def test_half_of_a_read_outs_rows_never_count(dummies, tmp_path):
    from satgpu.run.folder import RunFolder

    folder = RunFolder.open_new(tmp_path / "run")
    head = {"protocol": "geodesic", "encoder": "e", "role": "compared", "trained": False}
    folder.append([TABLES["norms"](task_id="cut/e", norm=1.0, **head)])
    folder.merge()
    assert len(pd.read_csv(tmp_path / "run/norms.csv")) == 0 and folder.finished_tasks() == set()
