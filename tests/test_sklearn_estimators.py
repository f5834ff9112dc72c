"""The drop-in estimators: scikit-learn's own checks, and scikit-learn's own weights."""

import pytest

pytest.importorskip("sklearn", reason="the drop-in estimators need scikit-learn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from satgpu.sklearn import MLPProbeClassifier, MLPProbeRegressor  # noqa: E402


# Checks fit on data that take more epochs than they allow.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([MLPProbeClassifier(max_iter=100), MLPProbeRegressor(max_iter=100)])
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)
