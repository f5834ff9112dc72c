"""Rounds of a study: planned from the minutes, and after the first for undecided cells alone."""

import pandas as pd
import pytest
import synthetic
import yaml
from study import run_study, write_config

from satgpu.errors import UserError
from satgpu.study import speed
from satgpu.study.config import Config, config_from, parse_run
from satgpu.study.looks import cell_key
from satgpu.study.pipeline import prepare
from satgpu.study.plan import Round, plan_units
from satgpu.study.prepared import Speed
from satgpu.study.ranks import Ranks
from satgpu.study.rounds import undecided_cells


def _study(monkeypatch, flops_per_s, *words):
    fast = Speed(flops_per_s, dict.fromkeys(("sh-l4", "sh-l8", "xyz"), 1e9))
    monkeypatch.setattr(speed, "calibrate", lambda study: fast)
    config, _ = parse_run(["--device", "cpu", "--offline", "--encoders", "sh-l4", "sh-l8", *words], "satgpu")
    return prepare(config, Ranks())


def test_the_minutes_and_the_devices_speed_give_the_replicates(monkeypatch):
    words = ("--experiments", "boundaries", "--minutes", "1")
    slow, fast = (_study(monkeypatch, flops, *words) for flops in (1e9, 1e11))
    assert slow.plan.looks == ((3, 0.05),) and [look.replicates for look in fast.plan.looks[:3]] == [3, 6, 12]
    assert fast.config.replicates == fast.replicates
    longer = _study(monkeypatch, 1e11, *words[:2], "--minutes", "4")
    assert longer.replicates > fast.replicates


def test_a_number_of_replicates_is_one_look(monkeypatch):
    assert _study(monkeypatch, 1e12, "--replicates", "7").config.looks == ((7, 0.05),)
    assert _study(monkeypatch, 1e12, "--protocol", "notebook").config.looks == ((1, 0.05),)


def test_later_rounds_hold_the_undecided_cells_alone():
    config = Config(experiments=("sweet_spot", "boundaries"))
    cells = {"sweet_spot": frozenset({cell_key([300.0]), cell_key([325.0])})}
    units = list(plan_units(config, Round(range(3, 6), cells)))
    fields = [field for unit in units for tasks in unit.task_sets for field in tasks.fields]
    assert len(units) == 3 and {tasks.replicate for unit in units for tasks in unit.task_sets} == {3, 4, 5}
    assert {field.scale_km for field in fields if not field.shuffled} == {300.0, 325.0}
    assert sum(field.shuffled for field in fields) == 3  # the control follows its experiment


def test_cells_with_a_verdict_get_no_more_replicates(monkeypatch):
    study = _study(monkeypatch, 1e12, "--experiments", "sweet_spot", "--looks", "[[3, 0.02], [6, 0.03]]")
    object.__setattr__(study, "encoders", study.encoders[:2])
    names = dict(zip([synthetic.L10.name, synthetic.L40.name], ["sh-l4", "sh-l8"], strict=True))
    table = synthetic.make_results(6, experiments=("sweet_spot",), noise=0.1).replace({"encoder": names})
    early = undecided_cells(study, table, 1)["sweet_spot"]
    assert 0 < len(early) < 25
    # rows of later replicates, which a resumed run holds, change nothing
    assert early == undecided_cells(study, table[table["replicate"] < 3], 1)["sweet_spot"]
    later = undecided_cells(study, table, 2)["sweet_spot"]
    assert later <= early


def test_a_run_of_two_looks_spends_its_second_on_what_the_first_left_open(tmp_path):
    looks = {"replicates": "auto", "looks": [[3, 0.045], [4, 0.005]], "experiments": ["sweet_spot"]}
    # at 300 km both encoders read nothing, at 4000 km the finer one much more
    looks["sweet_spot"] = {"scales_km": [300.0, 4000.0], "n_points": 2000}
    probes = {"hidden_layer_sizes": [32], "max_iter": 60}
    run = run_study(write_config(tmp_path, encoders=["xyz", "sh-l8"], probes=probes, **looks), tmp_path / "run")
    rows = pd.read_csv(run / "results.csv").query("labels == 'field' and probe == 'mlp'")
    counts = rows.groupby(["experiment", "scale_km", "span_deg", "sampling"], dropna=False)["replicate"].nunique()
    assert counts.droplevel([0, 2, 3]).to_dict() == {300.0: 4, 4000.0: 3}
    assert yaml.safe_load((run / "config.yaml").read_text())["looks"] == [[3, 0.045], [4, 0.005]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minutes": 0.0}, "minutes is 0.0"),
        ({"looks": ((6, 0.01), (3, 0.01))}, r"looks \[6, 3\] must be at growing"),
        ({"looks": ((3, 1.5),)}, "add up to 0.05 at most"),
    ],
)
def test_impossible_plans_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        Config(**change)


def test_a_study_without_probes_is_looked_at_once_after_its_own_draws():
    def looks(*experiments):
        options = {"encoders": ["sh-l4", "sh-l8"], "experiments": list(experiments), "device": "cpu", "minutes": 600}
        config = config_from(options | {"transfer": {"draws": 5}})
        return prepare(config, Ranks.launch(config)).plan.looks

    assert looks("similarity") == ((1, 0.05),)
    assert looks("transfer") == ((5, 0.05),)
