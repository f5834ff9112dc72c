"""``from satgpu.sklearn import MLPProbeClassifier as MLPClassifier``: the drop-ins, under the name people import."""

from satgpu.probes.sklearn import MLPProbeClassifier, MLPProbeRegressor

__all__ = ["MLPProbeClassifier", "MLPProbeRegressor"]
