"""Measure what a study costs as it grows: processes, plan, rows, merge. Makes the tables of docs/scaling.md.

python scripts/scaling.py --processes 1 2 4 --json scaling.json
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from satgpu.run.folder import RunFolder
from satgpu.run.rows import ProbeRow, columns
from satgpu.study.config import Config, read_config
from satgpu.study.plan import deal, plan_units

ROOT = Path(__file__).parent.parent


def time_processes(counts: list[int], config: Path, replicates: int) -> list[dict]:
    """Whole-run seconds of the same study with 1, 2, … processes of one thread each."""
    rows = []
    for n in counts:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            command = [sys.executable, str(ROOT / "scripts/run_all.py"), "--config", str(config), "--offline"]
            command += ["--device", "cpu", "--devices", str(n), "--replicates", str(replicates), "--no-report"]
            command += ["--experiments", "sweet_spot", "patterns", "scale_region", "--out", str(out)]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
            seconds = time.perf_counter() - start
            inside = json.loads((out / "environment.json").read_text())
        rows.append({"processes": n, "seconds": round(seconds, 1), "probes": inside["probes"]})
    for row in rows:
        row["speed_up"] = round(rows[0]["seconds"] / row["seconds"], 2)
    return rows


def largest_share(config: Config, replicates: int, processes: int) -> float:
    """The busiest process's share of the work, times the number of processes: 1 is a perfect deal."""
    work = [sum(u.cost_s() for u in deal(plan_units(config, replicates), rank, processes)) for rank in range(processes)]
    return max(work) / sum(work) * processes


def time_plan(config: Config, replicates: int) -> dict:
    """Recipes listed per second: every process lists the whole plan."""
    start = time.perf_counter()
    probes = sum(unit.n_probes for unit in plan_units(config, replicates))
    return {"probes": probes, "probes_per_s": round(probes / (time.perf_counter() - start))}


def time_rows(n_rows: int, shards: int) -> dict:
    """Rows appended and merged per second, bytes a row, and the memory that the merge took."""
    row = {
        name: 0.123456789 if kind == "float" else 7 if kind == "int" else "word"
        for name, kind in columns(ProbeRow).items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        folders = [RunFolder.open_new(path, rank, shards) for rank in range(shards)]
        start = time.perf_counter()
        for i in range(n_rows):
            task_id = f"geodesic/sweet_spot/global/fixed_points/x/{i:09d}"
            folders[i % shards].append([ProbeRow(**row | {"task_id": task_id})])
        append_s = time.perf_counter() - start
        for other in folders[1:]:
            other.close()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        folders[0].merge()
        merge_s = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = (path / "results.csv").stat().st_size
        folders[0].close()
    return {
        "rows": n_rows,
        "append_rows_per_s": round(n_rows / append_s),
        "merge_rows_per_s": round(n_rows / merge_s),
        "bytes_per_row": round(size / n_rows),
        "merge_bytes_of_memory_per_row": round((after - before) * 1024 / n_rows),
    }


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--replicates", type=int, default=6)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    smoke = ROOT / "configs/smoke.yaml"
    study = replace(Config(), experiments=tuple(n for n in Config().experiments if n != "similarity"))
    found = {
        "processes": time_processes(options.processes, smoke, options.replicates),
        "deal": {n: round(largest_share(study, 32, n), 3) for n in (2, 4, 8, 64)},
        "plan": time_plan(read_config(ROOT / "configs/deep_dive.yaml"), 32),
        "rows": time_rows(options.rows, shards=4),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
