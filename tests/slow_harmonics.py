"""The slow references of scripts/harmonics_accuracy.py, for the tests."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[1] / "scripts" / "harmonics_accuracy.py"
_SPEC = importlib.util.spec_from_file_location("harmonics_accuracy", _PATH)
accuracy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(accuracy)
