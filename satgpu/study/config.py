"""A run's options: typed, checked, read from YAML and the command line, written back as resolved.

Defaults live in the dataclasses and nowhere else.
"""

import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ActionYesNo, ArgumentError, ArgumentParser

from satgpu.errors import UserError, did_you_mean, refuse_repeats, unknown_choice
from satgpu.experiments import EXPERIMENTS, default_experiments
from satgpu.geometry import PROTOCOLS, Protocol
from satgpu.probes.options import ProbeOptions
from satgpu.study.looks import Look, LookPlan
from satgpu.study.option_file import check_file, check_keys, check_word, renamed
from satgpu.study.shipped import config_path

# What may differ between a run and its continuation: none of these changes a number.
FREE_ON_RESUME = ("minutes", "offline", "devices", "num_nodes", "memory_budget_gb")


@dataclass(frozen=True)
class Config:
    """One study.

    Args:
        device: where to train: auto, cpu, cuda or cuda:N.
        protocol: geodesic, notebook, or both in one run.
        encoders: encoders to compare, the first two as a pair; auto is SatCLIP L=10 and L=40 where they can be had.
        revision: branch, tag or commit of the hub repositories of SatCLIP.
        controls: also run untrained encoders, bare coordinates, nearest neighbours and shuffled labels.
        experiments: parts of the study to run.
        replicates: independent repetitions; auto is as many as ``minutes`` allow, 3 at least, planned before the
            first probe (the notebook's protocol has one).
        minutes: time for the measurements, where replicates are auto.
        looks: numbers of replicates at which verdicts are drawn, and the level of each; tasks decided at one get no
            more replicates. Planned where it is empty.
        seed: master seed; every other seed follows from it.
        offline: never look for weights on the network.
        devices: GPUs, or CPU processes, on this machine.
        num_nodes: machines; start the same command on each with torchrun or srun.
        memory_budget_gb: memory for training; the default is 80 % of what is free on a GPU.
        precision: of products on a GPU: ieee as on a CPU, tf32x3 (three TF32 products for one, near it), or tf32.
        probes: the probe and its training, in scikit-learn's words.
        parts: options of each experiment by its name; a part left out has its defaults.
    """

    device: str = "auto"
    protocol: Literal["geodesic", "notebook", "both"] = "geodesic"
    encoders: tuple[str, ...] = ("auto",)
    revision: str | None = None
    controls: bool = True
    experiments: tuple[str, ...] = field(default_factory=default_experiments)
    replicates: int | Literal["auto"] = "auto"
    minutes: float = 4.0
    looks: tuple[tuple[int, float], ...] = ()
    seed: int = 42
    offline: bool = False
    devices: int = 1
    num_nodes: int = 1
    memory_budget_gb: float | None = None
    precision: Literal["ieee", "tf32x3", "tf32"] = "ieee"
    probes: ProbeOptions = field(default_factory=ProbeOptions)
    parts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        given = dict(self.parts)
        parts = {name: given.pop(name, None) or entry.options() for name, entry in EXPERIMENTS.items()}
        object.__setattr__(self, "parts", parts)
        for name in (*given, *self.experiments):
            if name not in EXPERIMENTS:
                raise unknown_choice("experiment", name, EXPERIMENTS)
        if not self.experiments:
            raise UserError(f"experiments is empty; name at least one of {', '.join(EXPERIMENTS)}")
        if not self.encoders:
            raise UserError("encoders is empty; name at least one, or auto")
        refuse_repeats("encoders", self.encoders)
        refuse_repeats("experiments", self.experiments)
        for name in ("replicates", "devices", "num_nodes"):
            value = getattr(self, name)
            if value != "auto" and value < 1:
                raise UserError(f"{name} is {value}; give at least 1")
        if not 0 < self.minutes < math.inf:
            raise UserError(f"minutes is {self.minutes}; give a positive number")
        if self.looks:
            LookPlan(tuple(Look(*look) for look in self.looks))  # refuses what breaks the level
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed is {self.seed}; give a whole number from 0 to 4294967295")
        if self.memory_budget_gb is not None and not self.memory_budget_gb > 0:
            raise UserError(f"memory_budget_gb is {self.memory_budget_gb}; give a positive number of gigabytes")

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of this run, one or two."""
        return tuple(PROTOCOLS.values()) if self.protocol == "both" else (PROTOCOLS[self.protocol],)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and scalars, in the order of the fields; the experiments' options by their names."""
        values = dataclasses.asdict(self)
        return _plain(values | values.pop("parts"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):  # a number or an array of NumPy or torch
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


def make_parser(prog: str) -> ArgumentParser:
    """The parser of a run: every field of ``Config`` is an option and a YAML key."""
    parser = ArgumentParser(prog=prog, exit_on_error=False, description=_DESCRIPTION)
    words = "YAML file of options, or the name of one that comes with satgpu"
    parser.add_argument("--config", action="config", help=words)
    parser.add_argument("--out", type=str, default=None, help="run folder (default: logs/PROTOCOL-DATE-TIME)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out where it stopped")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and its cost, train nothing")
    parser.add_argument(
        "--report", action=ActionYesNo(no_prefix="no-"), default=True, help="figures, summary and report at the end"
    )
    docs = _field_docs(Config)
    defaults = Config()
    for name in ("encoders", "experiments"):
        parser.add_argument(f"--{name}", nargs="+", type=str, default=list(getattr(defaults, name)), help=docs[name])
    for name in ("controls", "offline"):
        action = ActionYesNo(no_prefix="no-")
        parser.add_argument(f"--{name}", action=action, default=getattr(Config, name), help=docs[name])
    parser.add_class_arguments(Config, skip={"encoders", "experiments", "controls", "offline", "parts"})
    for name, entry in EXPERIMENTS.items():
        parser.add_class_arguments(entry.options, name, help=entry.summary)
    return parser


_DESCRIPTION = "How fine a spatial detail can a location encoder tell apart? Runs the study and writes its report."


def parse_run(args: list[str], prog: str) -> tuple[Config, dict[str, Any]]:
    """The study, and the options that say where and how to run it (``out``, ``resume``, ``dry_run``, ``report``)."""
    args = _named_fields(_config_of_resumed_run(args) + args)
    for path in _config_files(args):
        check_file(path, _kinds())
    parser = make_parser(prog)
    _check_flags(args, parser)
    _check_words(args)
    try:
        values = parser.instantiate(parser.parse_args(_files_first(args)))
    except UserError:
        raise
    except (ArgumentError, TypeError, ValueError, OSError, RecursionError) as error:
        raise _explained(error) from error
    return _config(values)


def _config(values: Any) -> tuple[Config, dict[str, Any]]:
    """What the parser read, as the study and how to run it."""
    options = vars(values)
    how = {name: options.pop(name) for name in ("out", "resume", "dry_run", "report")}
    options.pop("config")
    if how["resume"] and not how["out"]:
        raise UserError("--resume continues the run in --out; give its folder")
    for name in ("encoders", "experiments"):
        options[name] = tuple(options[name])
    parts = {name: options.pop(name) for name in EXPERIMENTS}
    return Config(**options, parts=parts), how


def config_from(options: Mapping[str, Any]) -> Config:
    """The study that options in a dictionary describe, checked like a YAML file's."""
    values = _plain(dict(options))
    check_keys("Study", values, _kinds())
    parser = make_parser("Study")
    try:
        return _config(parser.instantiate(parser.parse_object(values)))[0]
    except UserError:
        raise
    except (ArgumentError, TypeError, ValueError) as error:
        raise _explained(error) from error


def _kinds() -> dict[str, Any]:
    """Every key of a YAML file, and its type."""
    kinds = typing.get_type_hints(Config) | {name: entry.options for name, entry in EXPERIMENTS.items()}
    del kinds["parts"]
    return kinds


def read_config(path: Path) -> Config:
    """The study that a run folder's ``config.yaml`` describes."""
    config, _ = parse_run(["--config", str(path)], "satgpu")
    return config


def differences(old: Config, new: Config) -> list[str]:
    """``key: old -> new`` for each option that changes a number."""
    flat_old, flat_new = _flat(old.as_dict()), _flat(new.as_dict())
    return [
        f"{key}: {flat_old[key]} -> {flat_new[key]}"
        for key in flat_new
        if key not in FREE_ON_RESUME and flat_old[key] != flat_new[key]
    ]


def _flat(values: dict, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _field_docs(cls: type) -> dict[str, str]:
    """The lines of the ``Args`` section, by field."""
    lines = [line.strip() for line in cls.__doc__.split("Args:")[1].splitlines()]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def _explained(error: Exception) -> UserError:
    """One line for the parser's complaint."""
    return UserError(f"{' '.join(str(error).split()).removesuffix('.'):.300}; see --help for what is accepted")


def _check_flags(args: list[str], parser: ArgumentParser) -> None:
    """Raise for an option that there isn't, with the nearest that there is."""
    names = [name.replace("dry_run", "dry-run") for name in parser.get_defaults().keys(branches=True)]
    known = [f"--{name}" for name in (*names, "help", "print_config", "no-report", "no-controls", "no-offline")]
    for flag in (arg.partition("=")[0] for arg in args if arg.startswith("--")):
        if flag not in known:
            guess = renamed(flag) or did_you_mean(flag, known) or "; see --help for the list"
            raise UserError(f"unknown option {flag!r}{guess}")


def _check_words(args: list[str]) -> None:
    """Raise for a value that YAML, which reads them, takes for something else than it looks."""
    for i, arg in enumerate(args):
        flag, is_whole, word = arg.partition("=")
        name, _, option = flag.removeprefix("--").partition(".")
        kind = _kinds().get(name)
        if arg.startswith("--") and kind is not None:
            word = word if is_whole else "".join(args[i + 1 : i + 2])
            check_word(flag, word, typing.get_type_hints(kind).get(option) if option else kind)


def _config_of_resumed_run(args: list[str]) -> list[str]:
    """A run that is continued begins with its own options: what else is given must agree with them."""
    named = [arg.partition("=")[2] for arg in args if arg.startswith("--out=")]
    named += [after for arg, after in zip(args, args[1:], strict=False) if arg == "--out"]
    path = Path(named[-1]).expanduser() / "config.yaml" if named else None
    return [f"--config={path}"] if "--resume" in args and path is not None and path.is_file() else []


def _named_fields(args: list[str]) -> list[str]:
    """``--fields land my.csv:price`` is short for ``--fields.names`` and its list."""
    if "--fields" not in args:
        return args
    first = args.index("--fields") + 1
    last = next((i for i in range(first, len(args)) if args[i].startswith("--")), len(args))
    if first == last:
        raise UserError("--fields names no field; give names such as land, or FILE:COLUMN")
    return [*args[: first - 1], f"--fields.names={json.dumps(args[first:last])}", *_named_fields(args[last:])]


def _files_first(args: list[str]) -> list[str]:
    """The command line overrides the file wherever ``--config`` stands in it."""
    if args and args[-1] == "--config":
        return args  # without its value: the parser says so
    files = [f"--config={path}" for path in _config_files(args)]
    rest, skip = [], False
    for arg in args:
        if not skip and arg != "--config" and not arg.startswith("--config="):
            rest.append(arg)
        skip = arg == "--config"
    return files + rest


def _config_files(args: list[str]) -> list[str]:
    named = [arg.partition("=")[2] for arg in args if arg.startswith("--config=")]
    named += [after for arg, after in zip(args, args[1:], strict=False) if arg == "--config"]
    return [config_path(word) for word in named]
