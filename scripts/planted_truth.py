"""Measure encoders of known resolution, again and again, and print how often the answer is right (Markdown)."""

import argparse
import time

import pandas as pd

from satgpu.validation.studies import all_studies, summarise_studies

HEADER = ("method", "encoder", "measure", "trials", "truth, km", "median, km", "ratio", "within 15 %", "covered")


def line(row) -> str:
    """A row of the summary in Markdown."""
    covered = f"{row.covers_drawn:.0%}"
    if row.method == "kernel":
        covered += f" (designed: {row.covers_designed:.0%})"
    numbers = (f"{row.designed:.0f}", f"{row.median_estimate:.0f}", f"{row.ratio:.3f}", f"{row.within_15_percent:.0%}")
    return "| " + " | ".join((row.method, row.encoder, row.measure, str(row.trials), *numbers, covered)) + " |"


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40, help="kernel studies of each encoder")
    parser.add_argument("--probe-trials", type=int, default=20, help="probe studies of each case")
    parser.add_argument("--replicates", type=int, nargs="+", default=[3, 5], help="replicates of a probe study")
    parser.add_argument("--csv", help="write every single study here")
    arguments = parser.parse_args()
    started = time.time()
    print("| " + " | ".join(HEADER) + " |")
    print("| " + " | ".join("---" for _ in HEADER) + " |")
    parts = []
    for part in all_studies(arguments.trials, arguments.probe_trials, arguments.replicates):
        parts.append(part)
        for row in summarise_studies(part).itertuples():
            print(line(row), flush=True)
        if arguments.csv:
            pd.concat(parts).to_csv(arguments.csv, index=False)
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
