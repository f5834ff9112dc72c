"""The command line: ``satgpu run | summarize | gate | card | atlas | extract-location``; scripts call the same."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from satgpu.errors import UserError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

_USAGE = """usage: satgpu COMMAND ...

  run                run the study (the same as python scripts/run_all.py)
  summarize          rebuild a run's figures and report, or compare several runs
  gate               planted truths that any measure of resolution must survive, or one encoder's share of them
  card               what one encoder of a run resolves, as a small file for a model's page; or check such a card
  atlas              one page that compares encoders by their cards
  extract-location   write the location part of a SatCLIP checkpoint as a small file

satgpu COMMAND --help tells more."""


def main(args: Sequence[str] | None = None) -> int:
    """The installed ``satgpu`` command: dispatches to the commands below."""
    return _guarded(lambda: _dispatch(list(sys.argv[1:] if args is None else args)))


def _dispatch(args: list[str]) -> int:
    commands = {
        "run": run_command,
        "summarize": summarize_command,
        "gate": gate_command,
        "card": card_command,
        "atlas": atlas_command,
        "extract-location": extract_command,
    }
    if not args or args[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if args else 2
    if args[0] not in commands:
        from satgpu.errors import unknown_choice

        return _fail(unknown_choice("command", args[0], commands))
    return commands[args[0]](args[1:], prog=f"satgpu {args[0]}")


def run_command(args: Sequence[str], prog: str = "run_all.py") -> int:
    """Run the study. Returns the exit status: 0 done, 2 bad input, 128 + signal when cut."""
    return _guarded(lambda: _run(list(args), prog))


def _run(args: list[str], prog: str) -> int:
    from satgpu.study.config import parse_run  # after --help of the dispatcher: reading the options loads torch

    config, how = parse_run(args, prog)
    from satgpu.study.forecast import print_forecast
    from satgpu.study.interrupt import Interrupted
    from satgpu.study.pipeline import run

    console = _Terminal()
    if how["dry_run"]:
        print_forecast(config, console)
        return 0
    try:
        run(config, how["out"], how["resume"], _command_words(args), console, how["report"])
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return stop.status
    return 0


class _Terminal(Console):
    """The terminal, or plain text wide enough for the tables: names as they are, and no end where nobody reads on."""

    def __init__(self):
        super().__init__(width=None if sys.stdout.isatty() else 120, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _let_go_of_output()


def _command_words(args: list[str]) -> list[str]:
    """The command as it would be typed again."""
    script = Path(sys.argv[0])
    if script.suffix == ".py":
        return ["python", os.path.relpath(script) if script.is_absolute() else str(script), *args]
    return ["satgpu", "run", *args]


def summarize_command(args: Sequence[str], prog: str = "summarize.py") -> int:
    """Rebuild a run's report from its tables, or compare several runs."""
    return _guarded(lambda: _summarize(list(args), prog))


def _summarize(args: list[str], prog: str) -> int:
    parser = _parser(prog, "Rebuild figures, summary and report from run folders alone.")
    parser.add_argument("runs", nargs="+", type=str, help="run folders; with more than one, compare them")
    parser.add_argument("--out", type=str, default="logs/comparison", help="folder for a comparison of several runs")
    options = _parsed(parser, args)
    from satgpu import report
    from satgpu.answers import read_run

    console = _Terminal()
    if len(options.runs) > 1:
        for path in report.compare_runs([Path(run) for run in options.runs], Path(options.out)):
            console.print(f"wrote {path}")
        return 0
    folder = Path(options.runs[0])
    report.write_report(folder)
    report.print_tables(read_run(folder), console)
    console.print(f"\nReport: {folder / 'report.html'}   Summary: {folder / 'summary.md'}")
    return 0


def gate_command(args: Sequence[str], prog: str = "satgpu gate") -> int:
    """Measure planted truths. Returns 0 where every row holds, 1 where one doesn't, 2 for bad input."""
    return _guarded(lambda: _gate(list(args), prog))


def _gate(args: list[str], prog: str) -> int:
    parser = _parser(prog, "Measure the truths that any number called a resolution must survive.")
    parser.add_argument("encoders", nargs="*", type=str, help="rows that can be asked of any encoder, for these")
    parser.add_argument("--small", action="store_true", help="the size of the tests: seconds")
    parser.add_argument("--out", type=str, default="", help="a Markdown file for the table")
    parser.add_argument("--device", type=str, default="cpu", help="where encoders compute")
    options = _parsed(parser, args)
    from satgpu.validation.gate_command import run_gate_command

    return run_gate_command(options.encoders, options.small, options.out, options.device, _Terminal())


def card_command(args: Sequence[str], prog: str = "satgpu card") -> int:
    """Write cards, or check one. Returns 0 where it holds, 1 where it doesn't, 2 for bad input."""
    return _guarded(lambda: _card(list(args), prog))


def _card(args: list[str], prog: str) -> int:
    parser = _parser(prog, "Write the resolution cards of a run's encoders, or check a card by measuring a row again.")
    parser.add_argument("run", nargs="?", default=None, type=str, help="a run folder")
    parser.add_argument("--encoder", nargs="+", default=[], type=str, help="encoders of the run; all by default")
    parser.add_argument("--out", default=None, type=str, help="folder for the cards (default: RUN/cards)")
    parser.add_argument("--check", default=None, type=str, metavar="CARD", help="a .card.json to be checked")
    parser.add_argument("--row", default=None, type=str, help="transfer-N, seeds, map, fields-N, or all")
    parser.add_argument("--device", default="cpu", type=str, help="where to measure again")
    options = _parsed(parser, args)
    if (options.run is None) == (options.check is None):
        raise UserError(f"give a run folder, or --check CARD; see {prog} --help")
    if options.check and len(options.encoder) > 1:
        raise UserError(f"--encoder names the weights of one card; got {len(options.encoder)} words")
    from satgpu.study import cards

    if options.run is not None:
        for path in cards.write_cards(options.run, options.encoder, options.out):
            print(f"wrote {path}")
        return 0
    found = cards.check_card(options.check, options.row, next(iter(options.encoder), None), options.device)
    print(*found, sep="\n")
    return 0 if all(one.holds for one in found) else 1


def atlas_command(args: Sequence[str], prog: str = "satgpu atlas") -> int:
    """Compare encoders by their cards alone, on one page."""
    return _guarded(lambda: _atlas(list(args), prog))


def _atlas(args: list[str], prog: str) -> int:
    parser = _parser(prog, "Make one page that compares encoders, from their resolution cards alone.")
    parser.add_argument("cards", nargs="+", type=str, help=".card.json files")
    parser.add_argument("--out", default="atlas", type=str, help="folder of the page")
    options = _parsed(parser, args)
    from satgpu.study.cards import write_atlas

    print(f"wrote {write_atlas(options.cards, options.out)}")
    return 0


def extract_command(args: Sequence[str], prog: str = "satgpu extract-location") -> int:
    """Write the location part of a SatCLIP checkpoint, a few MB, without the image tower."""
    return _guarded(lambda: _extract(list(args), prog))


def _extract(args: list[str], prog: str) -> int:
    parser = _parser(prog, "Write the location part of a SatCLIP checkpoint as safetensors.")
    parser.add_argument("checkpoint", type=str, help="a SatCLIP .ckpt file")
    parser.add_argument("out", type=str, help="the .safetensors file to write")
    options = _parsed(parser, args)
    from satgpu.encoders import extract_location

    extract_location(Path(options.checkpoint), Path(options.out))
    print(f"wrote {options.out}")
    return 0


def _parser(prog: str, description: str) -> "ArgumentParser":
    from jsonargparse import ArgumentParser

    return ArgumentParser(prog=prog, description=description, exit_on_error=False)


def _parsed(parser: "ArgumentParser", args: list[str]) -> "Namespace":
    from jsonargparse import ArgumentError

    try:
        return parser.parse_args(args)
    except ArgumentError as error:
        raise UserError(f"{error}; see {parser.prog} --help") from None


def _guarded(work: Callable[[], int]) -> int:
    """User errors become one line and status 2; Ctrl-C outside a run, status 130; ``| head`` is no error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without a sign such as Δ shows a question mark
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except UserError as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _let_go_of_output()
    except OSError as error:  # no such folder, no right to write, no space left
        what = f"{error.filename or 'a file'}: {error.strerror or error}"
        return _fail(UserError(f"{what}; choose another path, or make room"))


def _let_go_of_output() -> int:
    """Nobody reads standard output any more: what is still printed there goes nowhere, and quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(error: UserError) -> int:
    print(f"satgpu: error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
