"""Which tensor a file that was cut short lacks: the last thing its readers would tell."""

import json
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path

_ENTRY = re.compile(rb"PK\x03\x04.{22}(..)(..)", re.DOTALL)


def first_lacking_tensor(path: Path) -> str | None:
    """Name of the first tensor whose data isn't whole in the file, as far as the remains tell; else None.

    For files of ``torch.save`` (zip) and safetensors. Only names are read, nothing is unpickled.
    """
    try:
        content = path.read_bytes()
        lacking = _lacking_in_safetensors if path.suffix.lower() == ".safetensors" else _lacking_in_zip
        return next(lacking(content), None)
    except Exception:  # the remains of a broken file may look like anything; then there is no name to tell
        return None


def _lacking_in_safetensors(content: bytes) -> Iterator[str]:
    """A length, a JSON header of names and offsets, then the data."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if start + about["data_offsets"][1] > len(content):
            yield name


def _lacking_in_zip(content: bytes) -> Iterator[str]:
    """Entries follow one another, ``data.pkl`` first; one is whole if another follows it."""
    entries = list(_entries(content))
    whole = {name for name, _ in entries[:-1]}
    folder = entries[0][0].split("/")[0]
    pickled = content[dict(entries)[f"{folder}/data.pkl"] :]
    for key, name in _storages(pickled):
        if f"{folder}/data/{key}" not in whole:
            yield name


def _entries(content: bytes) -> Iterator[tuple[str, int]]:
    """Names and the positions of the data, from the local headers; the directory at the end is lost."""
    for match in _ENTRY.finditer(content):
        name_size, extra_size = (int.from_bytes(match[group], "little") for group in (1, 2))
        name = content[match.end() : match.end() + name_size]
        if re.fullmatch(rb"[^/\x00]+/[\w./]+", name):
            yield name.decode(errors="replace"), match.end() + name_size + extra_size


def _storages(pickled: bytes) -> Iterator[tuple[str, str]]:
    """Storage keys and the tensors they belong to, in the order of the pickle.

    A tensor's name is followed by its storage: the words "storage", a number and a
    device, then the opcode of a persistent id.
    """
    key = name = ""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "BINPERSID":
            yield key, name
        elif opcode.name.endswith("UNICODE") and argument.isdigit():
            key = argument
        elif opcode.name.endswith("UNICODE") and not re.fullmatch(r"storage|cpu|cuda.*", argument):
            name = argument
