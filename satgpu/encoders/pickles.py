"""Unpickling that runs nothing: tensors, numbers and plain containers, or a refusal in one line."""

import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from satgpu.encoders.truncation import first_lacking_tensor
from satgpu.errors import UserError

# What plain weights need; anything else that a pickle names is what it wanted to run.
_HARMLESS = re.compile(r"torch(\.\w+)*|collections\.OrderedDict")


def load_plain_pickle(path: Path) -> object:
    """The content of a file that ``torch.save`` wrote, read with ``weights_only=True``.

    Raises:
        UserError: the file is cut short or of another kind, or names a class or
            function beyond plain weights (the message says which).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about storage classes and protocols of old files; nothing a user could do
        try:
            # mmap leaves the image tower of a SatCLIP checkpoint, 100 MB, unread.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except Exception as error:  # a broken file may raise anything in the reader
            raise UserError(_refusal(path, error)) from None


def _refusal(path: Path, error: Exception) -> str:
    wanted = _named_in(error) or _first_harmful_global(path)
    if wanted:
        return f"{path}: refused, it is a pickle that wants to run {wanted}; only files of plain weights are read"
    lacking = None if zipfile.is_zipfile(path) else first_lacking_tensor(path)
    if lacking:
        return f"{path}: cannot be read as a checkpoint, it is cut short: tensor {lacking!r:.120} is not whole"
    reason = " ".join(str(error).split("WeightsUnpickler error:")[-1].split())[:120] or type(error).__name__
    return f"{path}: cannot be read as a checkpoint, it may be cut short or of another kind ({reason})"


def _named_in(error: Exception) -> str | None:
    """The global that torch's refusal names, if it names one."""
    named = re.search(r"\bGLOBAL ([\w.]+)", str(error))
    return named[1] if named else None


def _first_harmful_global(path: Path) -> str | None:
    """The first class or function, beyond those of plain weights, that the pickle's opcodes name; nothing is run."""
    try:
        for name in _globals_named(_pickle_bytes(path)):
            if not _HARMLESS.fullmatch(name):
                return name[:80]
    except Exception:  # noqa: S110  a broken file ends anywhere; then there is no name to tell
        pass
    return None


def _globals_named(content: bytes) -> Iterator[str]:
    """Classes and functions in the order the opcodes name them.

    Protocol 4 takes module and name from the stack, where memoised strings may
    have been fetched; only the last strings need following for that.
    """
    strings: list[str] = []
    memo: list[str] = []
    last_string = ""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            yield argument.replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif opcode.name == "MEMOIZE":
            memo.append(last_string)
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            strings.append(memo[argument])
        elif isinstance(argument, str):
            strings.append(argument)
        last_string = argument if isinstance(argument, str) else ""


def _pickle_bytes(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        return path.read_bytes()[: 1 << 20]
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
