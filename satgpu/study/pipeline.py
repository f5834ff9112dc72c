"""plan → embed → train → table → analyse → report. The only file that knows every room."""

import shlex
import time
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from satgpu import report
from satgpu.answers import read_run
from satgpu.devices import git_commit, machine_facts, package_versions, resolve_device
from satgpu.encoders import Encoder, choose_encoders, control_specs, load_encoder, untrained_twin
from satgpu.errors import UserError, refuse_repeats
from satgpu.experiments import EXPERIMENTS
from satgpu.geometry import Points
from satgpu.run.folder import RunFolder
from satgpu.run.names import READERS_OF_PLACES
from satgpu.study.board import TrainingBoard
from satgpu.study.config import Config, differences, read_config
from satgpu.study.fields import check_fields
from satgpu.study.interrupt import Interruption
from satgpu.study.looks import LookPlan
from satgpu.study.plan import plan_units
from satgpu.study.prepared import PLAIN, PreparedStudy, StudyEncoder
from satgpu.study.probing import ProbeRun
from satgpu.study.progress import RunProgress, spinner
from satgpu.study.ranks import Ranks
from satgpu.study.readouts import ReadoutRun
from satgpu.study.rounds import rounds
from satgpu.study.speed import with_plan


def prepare(config: Config, ranks: Ranks) -> PreparedStudy:
    """Settle the device, the encoders and the looks. Writes nothing."""
    device = resolve_device(config.device, ranks.local_rank)
    encoders, specs, notice = _load_encoders(config, device)
    for name in config.experiments:
        if EXPERIMENTS[name].needs:
            EXPERIMENTS[name].needs()  # what is missing is told before anything is written
    if "fields" in config.experiments:
        check_fields(config.parts["fields"])
    _try_out(config, encoders)
    resolved = replace(config, device=device.type, encoders=specs)
    return with_plan(PreparedStudy(resolved, device, encoders, notice), ranks)


def _try_out(config: Config, encoders: tuple[StudyEncoder, ...]) -> None:
    """Walk the plan and embed its first points: what cannot be done is told before anything is written."""
    units = list(plan_units(config, 1))
    refuse_repeats("the plan", [task_id.translate(PLAIN) for unit in units for task_id in unit.task_ids()])
    places = Points("sphere", 64, seed=0)  # of a study without probes, whose read-outs say what they lack
    if units and all(unit.points.area_km2 > 0 for unit in units):
        places = units[0].points
    embeddings = {}
    for each in encoders:
        with nullcontext() if units else suppress(UserError):
            embeddings[each] = each.encoder(places.draw())
    _refuse_one_under_two_names(embeddings)


def _refuse_one_under_two_names(embeddings: dict[StudyEncoder, torch.Tensor]) -> None:
    """A comparison of the same weights with themselves would train every probe twice and find nothing."""
    compared = [(each.name, found) for each, found in embeddings.items() if each.role == "compared"]
    for (first, a), (second, b) in combinations(compared, 2):
        if a.shape == b.shape and torch.equal(a, b):
            raise UserError(f"{first!r} and {second!r} embed every place alike: one encoder; leave one of them out")


def _load_encoders(
    config: Config, device: torch.device
) -> tuple[tuple[StudyEncoder, ...], tuple[str, ...], str | None]:
    """The compared encoders and their controls, the specs of the compared ones, and the notice."""
    where = {"revision": config.revision, "offline": config.offline}
    choice = choose_encoders(list(config.encoders), **where)
    compared = [load_encoder(spec, device=device, **where) for spec in choice.specs]
    controls = [load_encoder(spec, device=device) for spec in control_specs(compared)] if config.controls else []
    names = [encoder.name for encoder in compared]
    _check_names(names)
    beside = [encoder for encoder in controls if encoder.name not in names]
    names += [encoder.name for encoder in beside]
    loaded = [StudyEncoder(encoder, "compared", _twin(encoder, names)) for encoder in compared]
    loaded += [StudyEncoder(encoder, "control", _twin(encoder, names)) for encoder in beside]
    return tuple(loaded), tuple(choice.specs), choice.notice


def _check_names(names: list[str]) -> None:
    """Every row of a table has its reader's name: one each, and none that a control has."""
    plain = [name.translate(PLAIN) for name in names]
    for name in names:
        if plain.count(name.translate(PLAIN)) > 1:
            raise UserError(f"two of the encoders are called {name!r}; rename one of the files, or leave one out")
        if not name.isprintable():
            raise UserError(f"an encoder's name must be printable; got {name!r}; rename the file")
        if name in READERS_OF_PLACES:
            raise UserError(f"an encoder cannot be called {name!r}, as a control is; rename the file")


def _twin(encoder: Encoder, names: list[str]) -> str:
    """The name of the encoder's untrained twin where that is one of ``names``, else ""."""
    twin = untrained_twin(encoder)
    return twin if twin in names else ""


def run(
    config: Config, out: str | None, resume: bool, command: list[str], console: Console, with_report: bool = True
) -> Path:
    """Run the study and write its folder.

    Args:
        config: the options.
        out: the run folder; None makes one under ``logs/``.
        resume: continue the run in ``out``.
        command: the command line, recorded and offered again when the run is cut.
        console: where progress and tables go.
        with_report: draw figures and write summary and report at the end; ``summarize`` can do it later.

    Returns:
        the run folder.

    Raises:
        UserError: bad input; nothing was written or overwritten.
    """
    started = time.time()
    ranks = Ranks.launch(config)
    console.quiet = console.quiet or ranks.rank > 0
    with spinner(console, "loading encoders"):
        study = prepare(config, ranks)
    if study.notice:
        console.print(f"Notice: {study.notice}", style="yellow")
    console.print(f"verdicts at {_in_words(study.plan)}")
    path = Path(out).expanduser() if out else _default_folder(config, ranks)
    facts = _facts(study, command, started)
    folder = _open(study, path, resume, ranks, facts)
    try:
        with Interruption(resume_command(command, path)) as interruption:
            _measure(study, folder, ranks, interruption, console)
        if ranks.rank == 0:
            _finish(folder, facts)
            if with_report:
                _report(folder.path, console)
    finally:
        folder.close()
    ranks.barrier()
    return path


def _in_words(plan: LookPlan) -> str:
    words = [f"{look.replicates} replicate{'s' if look.replicates > 1 else ''}" for look in plan.looks]
    return ", ".join(words) + (": later ones for what is undecided" if len(words) > 1 else "")


def _default_folder(config: Config, ranks: Ranks) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path(ranks.broadcast(str(Path("logs") / f"{config.protocol}-{stamp}")))


def resume_command(command: list[str], path: Path) -> str:
    """The command that continues this run."""
    words = [word for word in command if word != "--resume"]
    if not any(word == "--out" or word.startswith("--out=") for word in words):
        words += ["--out", str(path)]
    return shlex.join([*words, "--resume"])


def _open(study: PreparedStudy, path: Path, resume: bool, ranks: Ranks, facts: dict[str, Any]) -> RunFolder:
    """A new folder with its configuration, or the old one where it is the same study."""
    if ranks.rank == 0:
        folder = (
            RunFolder.open_existing(path, 0, ranks.world_size)
            if resume
            else RunFolder.open_new(path, 0, ranks.world_size)
        )
        if resume:
            _check_same_study(study, path)
            folder.merge()
        folder.write_environment(facts)
        folder.write_config(study.config.as_dict())
        ranks.barrier()
        return folder
    ranks.barrier()  # rank 0 makes the folder and merges what an earlier run left
    return RunFolder.open_existing(path, ranks.rank, ranks.world_size)


def _check_same_study(study: PreparedStudy, path: Path) -> None:
    changed = differences(read_config(path / "config.yaml"), study.config)
    if changed:
        raise UserError(
            f"{path} was started with other options ({'; '.join(changed)}); resume with those, or choose another --out"
        )
    before = RunFolder.read_environment(path)["encoders"]
    now = [_encoder_facts(loaded) for loaded in study.encoders]
    for old, new in zip(before, now, strict=True):
        if old["sha256"] != new["sha256"]:
            raise UserError(
                f"{path} was started with other weights of {old['name']!r}; resume with those, or choose another --out"
            )


def _encoder_facts(loaded: StudyEncoder) -> dict[str, Any]:
    return loaded.encoder.provenance.as_dict() | {"role": loaded.role}


def _measure(
    study: PreparedStudy, folder: RunFolder, ranks: Ranks, interruption: Interruption, console: Console
) -> None:
    """Steps 2 to 4: this process's share of the read-outs, and of the probes round by round."""
    done = folder.finished_tasks()
    readouts = ReadoutRun(study, folder, done, ranks)
    notices = readouts.notices
    board = TrainingBoard(folder.path / "tensorboard") if ranks.rank == 0 else nullcontext()
    with RunProgress(console) as progress, board as board:
        for round_ in rounds(study, folder, ranks):
            probes = ProbeRun(study, folder, done, ranks, round_, board)
            progress.expect(probes.total, probes.finished)
            if round_.undecided is None:
                progress.expect(readouts.total, readouts.total - len(readouts.todo))
                readouts.run(progress, interruption)
            probes.run(progress, interruption)
            notices += probes.notices
            folder.sync()
            interruption.check()
            ranks.barrier()
    for notice in dict.fromkeys(notices):
        console.print(notice, style="yellow")


def _facts(study: PreparedStudy, command: list[str], started: float) -> dict[str, Any]:
    """What ``environment.json`` holds from the start; the end adds when, how long and how many."""
    return {
        "versions": package_versions(),
        "device": machine_facts(study.device),
        "git_commit": git_commit(),
        "encoders": [_encoder_facts(loaded) for loaded in study.encoders],
        "notice": study.notice,
        "seed": study.config.seed,
        "protocol": study.config.protocol,
        "replicates": study.replicates,
        "speed": None if study.speed is None else asdict(study.speed),
        "command": shlex.join(command),
        "started": _moment(started),
        "finished": None,
        "seconds": None,
        "probes": None,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _finish(folder: RunFolder, facts: dict[str, Any]) -> None:
    """The tables in their final order, and the run's end on record."""
    folder.merge()
    folder.fold_curves()
    ended = time.time()
    seconds = round(ended - datetime.fromisoformat(facts["started"]).timestamp())
    probes = folder.finished_probes()
    folder.write_environment(facts | {"finished": _moment(ended), "seconds": seconds, "probes": probes})


def _report(path: Path, console: Console) -> None:
    """Steps 5 and 6, from the tables alone."""
    with spinner(console, "figures, summary and report"):
        report.write_report(path)
    report.print_tables(read_run(path), console)
    console.print(f"\nReport: {path / 'report.html'}   Summary: {path / 'summary.md'}")
