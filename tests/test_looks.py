"""Looks are planned from the budget, add up to five percent, and give replicates to undecided cells alone."""

import numpy as np
import pandas as pd
import pytest
from test_answers_compare import noisy

import satgpu
from satgpu.errors import UserError
from satgpu.study.looks import Look, LookPlan, cell_key, plan_looks


def test_the_budget_fixes_the_plan():
    assert plan_looks(3.4) == (Look(3, 0.05),) and plan_looks(0.5) == (Look(3, 0.05),)
    assert plan_looks(7) == (Look(7, 0.05),)
    assert plan_looks(8) == (Look(3, 0.005), Look(6, 0.014), Look(12, 0.031))
    assert [look.replicates for look in plan_looks(30)] == [3, 6, 12, 24, 48]
    for affordable in np.geomspace(0.5, 1000, 40):
        plan = LookPlan(plan_looks(affordable))
        assert plan.looks[0].replicates >= 3  # a look that can't decide is never planned
        assert sum(plan.levels) <= 0.05 + 1e-12
        # half of the cells are decided at the first look: what the plan then costs is within the budget
        assert 3 + 0.5 * (plan.replicates - 3) <= max(affordable, 3)
    assert LookPlan.from_budget(4, 80) == LookPlan.single(3)
    assert [list(LookPlan(plan_looks(8)).replicates_of(k)) for k in (0, 1)] == [[0, 1, 2], [3, 4, 5]]


def test_a_plan_that_breaks_its_level_is_refused():
    with pytest.raises(UserError, match=r"add up to 0.05 at most"):
        LookPlan((Look(3, 0.05), Look(6, 0.05)))
    with pytest.raises(UserError, match=r"looks \[6, 3\] must be at growing numbers"):
        LookPlan((Look(6, 0.01), Look(3, 0.01)))
    with pytest.raises(UserError, match="must be positive"):
        LookPlan.from_budget(0, 60)


def test_undecided_cells_go_on_and_decided_ones_stand():
    plan = LookPlan(plan_looks(8))
    table = noisy(0.0, replicates=12, noise=0.01)
    clear = (table["encoder"] == "b") & (table["scale_km"] <= 1000)
    table.loc[clear, "test_accuracy"] += 0.08
    doubtful = (table["encoder"] == "b") & (table["scale_km"] == 2000)
    table.loc[doubtful, "test_accuracy"] += 0.014
    assert plan.undecided_cells(table, "a", "b", ["scale_km"], look=0) is None
    early = table[table["replicate"] < 3]
    todo = plan.undecided_cells(early, "a", "b", ["scale_km"], look=1)
    assert todo == {(100.0 * k,) for k in range(11, 26)}
    assert plan.undecided_cells(table, "a", "b", ["scale_km"], look=1) == todo  # later rows change nothing
    # decided cells get no more rows: what is left out of the table is what nobody looks at
    grown = table[(table["replicate"] < 3) | table["scale_km"].isin([key for (key,) in todo])]
    judged = satgpu.compare(grown, "a", "b", looks=plan.looks).set_index("scale_km")
    pd.testing.assert_frame_equal(judged, satgpu.compare(table, "a", "b", looks=plan.looks).set_index("scale_km"))
    first_look = satgpu.compare(early, "a", "b", looks=plan.looks[:1]).set_index("scale_km")
    assert judged.loc[:1000].equals(first_look.loc[:1000]) and (judged.loc[:1000, "n_replicates"] == 3).all()
    assert judged.loc[2000, "verdict"] == "second" and judged.loc[2000, "n_replicates"] in (6, 12)
    assert (judged.loc[1100:, "n_replicates"] >= 6).all() and (judged["verdict"] != "first").all()


def test_a_look_that_the_table_does_not_reach_is_skipped():
    plan = LookPlan(plan_looks(8))
    early = noisy(0.03, replicates=3)
    once = satgpu.compare(early, "a", "b", looks=plan.looks[:1])
    assert satgpu.compare(early, "a", "b", looks=plan.looks).equals(once)
    plain = satgpu.compare(early, "a", "b")
    assert np.allclose(once["q"], np.minimum(10 * plain["q"], 1))  # 0.05 is the mark at every look
    assert satgpu.compare(early, "a", "b", looks=LookPlan.single(3).looks).equals(plain)


def test_cells_without_a_scale_have_a_key_too():
    assert cell_key((np.nan, "Asia", np.int64(500))) == (None, "Asia", 500.0) == cell_key([None, "Asia", 500])
