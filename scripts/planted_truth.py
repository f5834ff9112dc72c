"""Measure encoders of known resolution, again and again, and print how often the answer is right (Markdown)."""

import argparse
import time

from satgpu.planted_truth import all_studies, summarise_studies

HEADER = ("method", "encoder", "measure", "trials", "truth, km", "median, km", "ratio", "within 15 %", "covered")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40, help="kernel studies of each encoder")
    parser.add_argument("--probe-trials", type=int, default=20, help="probe studies of each case")
    parser.add_argument("--replicates", type=int, nargs="+", default=[3, 5], help="replicates of a probe study")
    parser.add_argument("--csv", help="write every single study here")
    arguments = parser.parse_args()
    started = time.time()
    studies = all_studies(arguments.trials, arguments.probe_trials, arguments.replicates)
    if arguments.csv:
        studies.to_csv(arguments.csv, index=False)
    print("| " + " | ".join(HEADER) + " |")
    print("| " + " | ".join("---" for _ in HEADER) + " |")
    for row in summarise_studies(studies).itertuples():
        covered = (
            f"{row.covers_drawn:.0%} (designed {row.covers_designed:.0%})"
            if row.method == "kernel"
            else f"{row.covers_drawn:.0%}"
        )
        numbers = (
            f"{row.designed:.0f}",
            f"{row.median_estimate:.0f}",
            f"{row.ratio:.3f}",
            f"{row.within_15_percent:.0%}",
        )
        print("| " + " | ".join((row.method, row.encoder, row.measure, str(row.trials), *numbers, covered)) + " |")
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
