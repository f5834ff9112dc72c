"""Run the whole study: python scripts/run_all.py --device auto."""

import sys

from satgpu.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:]))
