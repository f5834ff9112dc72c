"""Draw tables of a known truth, judge them by the product's rules, and print how often those err (Markdown)."""

import argparse
import time
from collections.abc import Iterator

from satgpu.study.looks import THREE_LOOKS
from satgpu.validation.thresholds import Case, Finding, all_cases, markdown_table, measure


def measured(cases: list[Case], n_tables: int, seed: int, kept: list[Finding]) -> Iterator[list[Finding]]:
    """The findings of one case after another, each also put into ``kept``."""
    for case in cases:
        yield (findings := measure(case, n_tables, seed))
        kept += findings


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=2000, help="of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    started, kept = time.time(), []
    for contrast in (False, True):
        print("\n## Where it ends, and rules that fail\n" if contrast else "## The rule, measured\n")
        cases = [c for c in all_cases(THREE_LOOKS) if c.contrast is contrast and arguments.only in c.name]
        for line in markdown_table(measured(cases, arguments.tables, arguments.seed, kept)):
            print(line, flush=True)
    missed = sum(not found.holds for found in kept)
    print(f"\n{arguments.tables} tables a case; {missed} of {len(kept)} numbers miss; {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
