"""The one list of experiments: an entry each, from which every other list is derived."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """What the rest of the package has to know of an experiment.

    Args:
        name: in options, tables and file names.
        options: the dataclass of its options; it holds ``task_sets`` (probes) or ``readouts`` (no probes).
        summary: one line for ``--help``.
        section: its place among the others: plans and lists follow this number.
        factors: columns that are varied from probe to probe: together they tell one cell of its table from another.
        table: the table that its rows go to (see ``satgpu.run.rows``).
        default: part of a run that doesn't say which experiments it wants.
        needs: raises ``UserError`` where something that it needs is missing.
        series: further names that its rows carry in the table.
    """

    name: str
    options: type
    summary: str
    section: int
    factors: tuple[str, ...] = ()
    table: str = "results"
    default: bool = True
    needs: Callable[[], object] | None = None
    series: tuple[str, ...] = ()

    @property
    def trains_probes(self) -> bool:
        """Its plan lists label fields for probes; otherwise read-outs of the embedding alone."""
        return hasattr(self.options, "task_sets")


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(name: str, **facts) -> Callable[[type], type]:
    """Register a dataclass of options as an experiment; ``facts`` are those of ``Experiment``."""

    def register(options: type) -> type:
        entries = [*EXPERIMENTS.values(), Experiment(name, options=options, **facts)]
        EXPERIMENTS.clear()
        EXPERIMENTS.update({entry.name: entry for entry in sorted(entries, key=lambda entry: entry.section)})
        return options

    return register


def default_experiments() -> tuple[str, ...]:
    """Names of the experiments that a run holds unless told otherwise."""
    return tuple(name for name, entry in EXPERIMENTS.items() if entry.default)
