"""Tables to pictures and pages: figures, summary, HTML report, TensorBoard, comparison of runs."""

from .across_runs import compare_runs
from .console import print_tables
from .write import write_report

__all__ = ["compare_runs", "print_tables", "write_report"]
