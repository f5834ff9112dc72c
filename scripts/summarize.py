"""Rebuild a run's figures and report from its folder: python scripts/summarize.py logs/NAME."""

import sys

from satgpu.cli import summarize_command

if __name__ == "__main__":
    sys.exit(summarize_command(sys.argv[1:]))
