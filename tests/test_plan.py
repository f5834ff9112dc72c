"""Units of work: shared points together, dealt evenly, the same in every process."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satgpu.seeds import derive_seed
from satgpu.study.config import Config, read_config
from satgpu.study.plan import deal, plan_units

SMOKE = Path(__file__).parent.parent / "configs/smoke.yaml"


def test_experiments_over_the_same_points_share_a_unit():
    units = list(plan_units(Config(experiments=("sweet_spot", "patterns")), round_=1))
    assert len(units) == 1
    assert {tasks.experiment for tasks in units[0].task_sets} == {"sweet_spot", "patterns", "patterns_wavelength"}
    assert units[0].n_probes == 25 + 1 + 25 + 5  # one of them with shuffled labels


def test_controls_off_leaves_out_the_shuffled_labels():
    units = list(plan_units(Config(experiments=("sweet_spot",), controls=False), round_=1))
    assert [unit.n_probes for unit in units] == [25]


def test_both_protocols_run_the_notebook_once():
    units = list(plan_units(Config(protocol="both", experiments=("boundaries",)), round_=3))
    assert sorted(unit.protocol.name for unit in units) == ["geodesic"] * 3 + ["notebook"]


@given(world_size=st.integers(min_value=1, max_value=9))
def test_every_unit_is_dealt_to_exactly_one_process(world_size):
    config = Config(experiments=("sweet_spot", "scale_region", "region_size", "boundaries"))
    everything = list(plan_units(config, 2))
    dealt = [unit for rank in range(world_size) for unit in deal(plan_units(config, 2), rank, world_size)]
    assert sorted(u.task_ids() for u in dealt) == sorted(u.task_ids() for u in everything)


def test_processes_get_about_the_same_work():
    config = Config()
    for world_size in (2, 4):
        work = [sum(u.cost_s() for u in deal(plan_units(config, 8), rank, world_size)) for rank in range(world_size)]
        assert max(work) < 1.1 * sum(work) / world_size


def test_task_ids_are_unique_over_a_whole_study():
    ids = [i for unit in plan_units(read_config(SMOKE), 2) for i in unit.task_ids()]
    assert len(ids) == len(set(ids))


def test_seeds_are_fixed_by_their_names_for_ever():
    # a change here would change every number of every run
    assert derive_seed(42, "points", "global", 6000) == 2754793193
    assert derive_seed(42, 0, "x") != derive_seed(42, 1, "x")


@pytest.mark.parametrize("replicates", [1, 3])
def test_a_replicate_does_not_depend_on_how_many_follow(replicates):
    config = Config(experiments=("boundaries",))
    first = next(iter(plan_units(config, replicates)))
    assert first == next(iter(plan_units(config, 7)))
