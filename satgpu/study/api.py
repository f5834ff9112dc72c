"""A study from Python: three lines in a notebook, the same run folder as the command line's."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from satgpu.answers.questions import answer_run
from satgpu.answers.types import Answer
from satgpu.errors import UserError
from satgpu.report.words import sentence
from satgpu.run.read import Run, read_run
from satgpu.run.rows import TABLES
from satgpu.study.config import config_from


class Study:
    """Compare location encoders; what ``satgpu run`` does, with the results as attributes.

    Args:
        encoders: names or paths, the first two as a pair; "auto" by default.
        device: auto, cpu, cuda or cuda:N.
        out: the run folder; a new one under ``logs/`` by default. An existing run there is continued by ``run``,
            and can be read without running anything.
        **options: every option of ``satgpu run`` by its name: ``replicates=8``, ``experiments=["transfer"]``,
            ``sweet_spot={"n_points": 2000}``, ``probes={"max_iter": 100}``.

    Raises:
        UserError: an unknown option, or a value out of its range.

    Example:
        >>> study = Study(encoders=["sh-l4", "sh-l8"], experiments=["similarity"])
        >>> study
        Study(sh-l4, sh-l8: not run yet)
    """

    def __init__(
        self,
        encoders: str | Sequence[str] = ("auto",),
        device: str = "auto",
        out: str | Path | None = None,
        **options: Any,
    ):
        given = {name: asdict(value) if is_dataclass(value) else value for name, value in options.items()}
        names = [encoders] if isinstance(encoders, str | Path) else list(encoders or ())
        self.config = config_from({"encoders": names, "device": device, **given})
        self.path = None if out is None else Path(out).expanduser()

    def run(self, report: bool = True, progress: bool = True) -> Study:
        """Run what isn't done yet, and write the report.

        An interrupt (the notebook's stop button) keeps what is finished; ``run()`` again goes on from there.

        Args:
            report: figures, summary and page at the end.
            progress: a bar; a notebook shows its own.

        Returns:
            itself.
        """
        from satgpu.study.pipeline import run

        console = Console(quiet=not progress, markup=False, emoji=False)
        resume = self.path is not None and (self.path / "config.yaml").exists()
        words = ["python", "-c", f"import satgpu; satgpu.Study(out={str(self.path)!r}).run()"]
        self.path = run(self.config, self.path and str(self.path), resume, words, console, report)
        for name in ("tables", "answers", "figures"):
            self.__dict__.pop(name, None)
        return self

    @cached_property
    def tables(self) -> Run:
        """Every table of the run, typed, as answers and report read them."""
        if self.path is None or not self.path.exists():
            raise UserError("this study has not been run yet; call run() first, or give out= of one that was")
        return read_run(self.path)

    @property
    def results(self) -> pd.DataFrame:
        """One row per probe."""
        return self.tables.results

    @cached_property
    def answers(self) -> Answers:
        """Every answer of the run, with its estimates, intervals and verdict."""
        return Answers(answer_run(self.tables))

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """The figures by name; a notebook shows each."""
        folder = self._made("figures")
        return {path.stem: Figure(path) for path in sorted(folder.glob("*.svg"))}

    @property
    def summary(self) -> Text:
        """``summary.md``, which a notebook renders."""
        return Text(self._made("summary.md").read_text(encoding="utf-8"))

    @property
    def report(self) -> Page:
        """``report.html``, which a notebook shows in a frame."""
        return Page(self._made("report.html"))

    def _made(self, name: str) -> Path:
        """A file of the report; made now where the run was made without one."""
        folder = self.tables and self.path
        if not (folder / name).exists():
            from satgpu.report import write_report

            write_report(folder)
        return folder / name

    def __getattr__(self, name: str) -> pd.DataFrame:
        """The other tables by name: ``study.transfer``, ``study.map``, ``study.fields``, ``study.similarity``."""
        if name in TABLES:
            return getattr(self.tables, name)
        known = ", ".join(("run", "answers", "figures", "report", "summary", *TABLES))
        raise AttributeError(f"a study has no {name!r}; it has {known}")

    def __repr__(self) -> str:
        state = str(self.path) if self.path is not None and self.path.exists() else "not run yet"
        return f"Study({', '.join(self.config.encoders)}: {state})"

    def _repr_markdown_(self) -> str:
        return self.summary if self.path is not None and self.path.exists() else f"`{self!r}`"


class Answers(list[Answer]):
    """A list of answers that shows itself in a notebook, and finds one by its id."""

    def __getitem__(self, which: int | str) -> Answer:
        if not isinstance(which, str):
            return super().__getitem__(which)
        found = [answer for answer in self if answer.id == which]
        if not found:
            raise KeyError(f"no answer {which!r}; there are {', '.join(answer.id for answer in self)}")
        return found[0]

    def __repr__(self) -> str:
        return f"Answers({', '.join(answer.id for answer in self)})"

    def _repr_html_(self) -> str:
        cells = [(html.escape(sentence(answer)), html.escape(answer.verdict)) for answer in self]
        rows = "".join(f"<tr><td>{words}</td><td>{verdict}</td></tr>" for words, verdict in cells)
        return f"<table><thead><tr><th>answer</th><th>verdict</th></tr></thead><tbody>{rows}</tbody></table>"


class Text(str):
    """Markdown that a notebook renders."""

    def _repr_markdown_(self) -> str:
        return str(self)


class Figure:
    """One figure of a report."""

    def __init__(self, path: Path):
        self.path = path

    def _repr_svg_(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def __repr__(self) -> str:
        return f"Figure({self.path})"


class Page:
    """The report's page."""

    def __init__(self, path: Path):
        self.path = path

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" title="report" style="width:100%;height:80vh;border:0"></iframe>'

    def __repr__(self) -> str:
        return f"Page({self.path})"
