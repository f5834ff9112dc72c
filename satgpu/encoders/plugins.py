"""Encoders that other packages register under the entry point group ``satgpu.encoders``.

A package declares ``my-encoder = "my_package:make"``; ``make(device=…, dtype=…)``
returns an encoder, or an object that :mod:`satgpu.encoders.adapters` can adapt.
Nothing of a plug-in is imported until its name is asked for.
"""

from importlib import metadata

import torch

from satgpu.errors import UserError

GROUP = "satgpu.encoders"


def plugin_names() -> list[str]:
    """Names registered on this machine, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=GROUP)})


def load_plugin(name: str, device: torch.device | str, dtype: torch.dtype) -> object:
    """What the plug-in of this name makes.

    Raises:
        UserError: two packages register the name, or the plug-in fails; says what it raised.
    """
    entries = list(metadata.entry_points(group=GROUP, name=name))
    if len({entry.value for entry in entries}) != 1:
        values = ", ".join(sorted(entry.value for entry in entries)) or "none"
        raise UserError(f"encoder {name!r}: wanted one plug-in of this name; registered: {values}")
    try:
        return entries[0].load()(device=device, dtype=dtype)
    except Exception as error:  # a plug-in is foreign code; its fault is told in one line
        words = " ".join(str(error).split())[:120]
        raise UserError(f"encoder plug-in {name!r} failed: {type(error).__name__}: {words}") from error
