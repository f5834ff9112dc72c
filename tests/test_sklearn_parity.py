"""Statistical parity with scikit-learn, small enough for every run; scripts/parity.py takes hundreds of pairs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="compares with scikit-learn")

_PATH = Path(__file__).parent.parent / "scripts" / "parity.py"


@pytest.fixture(scope="module")
def parity():
    spec = importlib.util.spec_from_file_location("parity", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_equivalence_is_claimed_only_where_the_whole_interval_is_inside_the_margin(parity):
    rng = np.random.default_rng(0)
    assert parity.equivalence(rng.normal(0, 0.01, 400), 0.005)["equivalent"]
    assert not parity.equivalence(rng.normal(0.01, 0.01, 400), 0.005)["equivalent"]
    # Too few to tell: no difference found, and yet no equivalence shown.
    assert not parity.equivalence(rng.normal(0, 0.05, 10), 0.005)["equivalent"]


def test_equivalence_is_wrongly_claimed_at_the_margin_as_seldom_as_promised(parity):
    rng = np.random.default_rng(0)
    claims = [parity.equivalence(rng.normal(0.005, 0.02, 50), 0.005)["equivalent"] for _ in range(400)]
    # 5 % of 400 is 20, and 34 lies above it by more than three standard deviations.
    assert np.mean(claims) < 34 / 400


def test_scores_of_paired_fits_differ_by_no_more_than_chance(parity):
    rows = parity.fit_both(list(parity.make_problems(16, 500, ("sh-l4",), scales_km=(3000, 8000))))
    difference = rows[:, 0] - rows[:, 1]
    assert abs(difference.mean()) < 3 * difference.std(ddof=1) / 16**0.5 + 1e-12
    assert rows[:, :2].mean() > 0.6
    assert 0.5 < rows[:, 2].mean() / rows[:, 3].mean() < 2
