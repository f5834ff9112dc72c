"""Options in YAML, checked before the parser reads them: keys known and given once, values what they look like.

YAML 1.1 reads ``010`` as eight, ``1:30`` as ninety and the country code ``NO`` as false.
"""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

import yaml

from satgpu.errors import UserError, did_you_mean
from satgpu.study.shipped import shipped_configs

_TAG = "tag:yaml.org,2002:"


def check_file(path: str, known: dict[str, Any]) -> None:
    """Raise the error that names the file and its faulty key, where the file is at fault.

    Args:
        path: a YAML file.
        known: its keys and their types; a dataclass stands for a mapping of its fields.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        if not isinstance(values, dict):
            kind = type(values).__name__
            raise UserError(f"{path}: expected 'key: value' lines, found {kind}; see configs/deep_dive.yaml")
        check_keys(path, values, known)
        _check_tree(path, yaml.compose(text, yaml.SafeLoader), known)
    except UserError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot read this configuration file ({error.__class__.__name__}); check the path, or give one of "
            f"those that come with satgpu: {', '.join(shipped_configs())}"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2020-99-99
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())}); mend the file") from error


def renamed(name: str) -> str:
    """What has become of a former option; empty if it never was one."""
    return "; it is now precision: ieee, tf32x3 or tf32" if name.strip("-") == "allow_tf32" else ""


def check_word(option: str, word: str, kind: Any) -> None:
    """The same for the value of an option on the command line, where a number alone has no octal form."""
    try:
        tree = yaml.compose(word, yaml.SafeLoader)
        if isinstance(tree, yaml.CollectionNode) or ":" in word:
            _check_tree(option, tree, kind)
    except (yaml.YAMLError, RecursionError):
        pass  # the parser says so


def check_keys(path: str, values: dict, known: dict[str, Any], prefix: str = "") -> None:
    """Raise for keys that are not known, and for values of another shape than their key's."""
    for key, value in values.items():
        if key not in known:
            guess = renamed(str(key)) or did_you_mean(str(key), known) or f"; known keys: {', '.join(known)}"
            raise UserError(f"{path}: unknown key {f'{prefix}{key}'!r}{guess}")
        kind = known[key]
        if value is None and type(None) not in typing.get_args(kind):
            raise UserError(f"{path}: '{prefix}{key}' has no value; give one or leave the line out")
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise UserError(f"{path}: '{prefix}{key}' must hold 'option: value' lines; got {value!r}")
            check_keys(path, value, typing.get_type_hints(kind), f"{prefix}{key}.")
        elif typing.get_origin(kind) is tuple and not isinstance(value, list):
            raise UserError(f"{path}: '{prefix}{key}' must be a list such as [{value}]; got {value!r}")


def _check_tree(where: str, node: yaml.Node | None, kind: Any) -> None:
    """Raise for a key given twice, and for a plain word that YAML takes for something else than it looks."""
    if isinstance(node, yaml.MappingNode):
        kinds = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else kind
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                raise UserError(f"{where}: key {name!r} is given in lines {lines[name]} and {line}; keep one")
            lines[name] = line
            _check_tree(where, value, kinds.get(name) if isinstance(kinds, dict) else None)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_tree(where, value, kind)
    elif node is not None and node.style is None and _is_turned(node, kind):
        raise UserError(
            f"{where}, line {node.start_mark.line + 1}: YAML reads {node.value} as {yaml.safe_load(node.value)}; write"
            " that where it is meant, else a number without leading zeros, or a name in quotes"
        )


def _is_turned(node: yaml.ScalarNode, kind: Any) -> bool:
    """An octal number, one to the base 60, or yes and no where a name or number is wanted."""
    if node.tag in (f"{_TAG}int", f"{_TAG}float"):
        return ":" in node.value or bool(re.fullmatch(r"[-+]?0[0-9_]+", node.value))
    return node.tag == f"{_TAG}bool" and node.value.lower() not in ("true", "false") and kind is not bool
