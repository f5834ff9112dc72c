"""A study small enough to run many times, and ways to run it."""

from pathlib import Path

import yaml
from rich.console import Console

from satgpu.study.config import parse_run
from satgpu.study.pipeline import run

TINY = {
    "encoders": ["sh-l4", "sh-l8"],
    "experiments": ["sweet_spot", "region_size", "similarity", "boundaries"],
    "replicates": 2,
    "probes": {"hidden_layer_sizes": [8], "max_iter": 12, "n_iter_no_change": 3},
    "sweet_spot": {"scales_km": [1000.0, 3000.0], "n_points": 400, "map_scales_km": [3000.0]},
    "region_size": {"spans_deg": [20.0, 60.0], "n_points": 200, "points_per_cell": 6.0},
    "similarity": {"n_places": 8, "n_bearings": 2, "circles": 4, "circle_points": 64},
    "boundaries": {"widths_km": [0.0, 1000.0], "n_points": 300},
}


def write_config(folder: Path, **changes) -> Path:
    """TINY with changes, as a YAML file."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(TINY | changes))
    return path


def run_study(config: Path, out: Path, *args: str, resume: bool = False, report: bool = False) -> Path:
    """Run it in this process, quietly; by default for its tables alone."""
    words = ["--config", str(config), "--device", "cpu", "--offline", *args]
    options, _ = parse_run(words, "run_all.py")
    return run(options, str(out), resume, ["python", "scripts/run_all.py", *words], Console(quiet=True), report)
