"""Stripes, rings and checkerboards over the whole globe: who reads which, and is one read better?"""

from __future__ import annotations

import pandas as pd

from satgpu.answers.tables import differences
from satgpu.run.read import Run

TITLE = "Patterns: who reads which, at which scale"
FACTORS = {"pattern": "pattern", "scale_km": "scale (km)"}


def table(run: Run) -> pd.DataFrame:
    """Second less first by pattern and scale."""
    return differences(run, "patterns", tuple(FACTORS))
