"""What is read: a field given everywhere, on a part of the Earth only, or at places of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice
from satgpu.geometry import check_lonlat, uniform_on_sphere

TASKS = ("regression", "classification")
# Whole numbers with at most so many distinct values are taken for classes.
_MOST_NUMBERED_CLASSES = 10
_MOST_CLASSES = 200
_TRIAL_PLACES = 4000


@dataclass(frozen=True)
class Field:
    """A quantity on the Earth, numbers or classes. Make one with :func:`as_field`.

    Args:
        name: in tables.
        task: "regression" or "classification".
        classes: what the classes are called, empty for numbers.
        call: values (N,) at (N, 2) degrees, NaN where the field is not given; None for places of its own.
        everywhere: ``call`` answers on the whole Earth.
        lonlat_deg, values: (N, 2) and (N,) of a field with places of its own; a class by its index.
        groups: (N,) int64 of a column of one's own to split by, or None.
        left_out: rows left out of a table, by reason.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    call: Callable[[Tensor], Tensor] | None = None
    everywhere: bool = False
    lonlat_deg: Tensor | None = None
    values: Tensor | None = None
    groups: Tensor | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_columns(self) -> int:
        """C: one column of numbers; of classes one each, but one for two."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def at(self, lonlat_deg: Tensor) -> Tensor:
        """(N, C) targets of a field that has ``call``; NaN where it is not given."""
        values = torch.as_tensor(np.asarray(self.call(lonlat_deg))).to(torch.float64)
        if values.shape != lonlat_deg.shape[:1]:
            raise UserError(
                f"field {self.name!r}: {len(lonlat_deg)} places must give as many values; got {tuple(values.shape)}"
            )
        return self.targets(values)

    def targets(self, values: Tensor) -> Tensor:
        """(N, C) from (N,): the numbers, or an indicator for each class."""
        if self.task == "regression":
            return values[:, None]
        if self.n_columns == 1:
            return torch.where(values.isnan(), values, (values == 1).double())[:, None]
        indicators = (values[:, None] == torch.arange(len(self.classes))).double()
        return torch.where(values.isnan()[:, None], torch.nan, indicators)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(n, 2) places uniform over the area where the field is given, and (n, C) targets.

        Raises:
            UserError: the field is given almost nowhere.
        """
        places, targets, found, tries = [], [], 0, 0
        while found < n:
            lonlat = uniform_on_sphere(max(n, 1000), generator)
            values = self.at(lonlat)
            given = values.isfinite().all(1)
            places.append(lonlat[given])
            targets.append(values[given])
            found, tries = found + int(given.sum()), tries + 1
            if tries >= 20 and found < n * tries / 1000:
                raise UserError(f"field {self.name!r} is given on less than 0.1 % of the Earth; give places")
        return torch.cat(places)[:n], torch.cat(targets)[:n]


def class_index(targets: Tensor) -> Tensor:
    """(...) int64 class of (..., C) targets or predictions: the largest, or 1 above a half where C is 1."""
    return (targets[..., 0] > 0.5).long() if targets.shape[-1] == 1 else targets.argmax(-1)


def as_field(thing: object, task: str = "auto", name: str | None = None) -> Field:
    """A field from a name, a file, a callable, a pair, or a field.

    Args:
        thing: the name of a field of the world (see :func:`satgpu.fields.sources.names`);
            ``FILE:COLUMN`` (see :mod:`satgpu.fields.files`); a callable from (n, 2) degrees, longitude first, to (n,)
            values, NaN where it is not given; a pair ``(lonlat_deg, values)``, values being numbers, booleans or
            words.
        task: "regression", "classification", or "auto": words, booleans and whole numbers of at most ten
            distinct values are classes.
        name: in tables.

    Raises:
        UserError: it is none of these, or cannot be read (see :func:`field_at_places`).
    """
    if task not in ("auto", *TASKS):
        raise unknown_choice("task", task, ("auto", *TASKS))
    if isinstance(thing, Field):
        return thing if task in ("auto", thing.task) else _retyped(thing, task)
    if isinstance(thing, str):
        return _named(thing, task)
    if callable(thing):
        return _from_callable(thing, task, name or getattr(thing, "__name__", "field"))
    if isinstance(thing, tuple | list) and len(thing) == 2:
        return field_at_places(thing[0], thing[1], name or "field", task)
    raise UserError(f"a field is a name, a callable of (n, 2) degrees, or (lonlat_deg, values); got {thing!r:.80}")


def _named(name: str, task: str) -> Field:
    from satgpu.fields import files, sources

    if not files.is_file(name):
        return sources.load(name, task)
    found, _ = files.fields_of_file(name, task)
    if len(found) > 1:
        several = ", ".join(field.name for field in found)
        raise UserError(f"{name} holds several fields, {several:.120}; name one")
    return found[0]


def field_at_places(
    lonlat_deg: object,
    values: object,
    name: str,
    task: str = "auto",
    groups: Tensor | None = None,
    left_out: Mapping[str, int] | None = None,
) -> Field:
    """A field known at places of its own; missing values are left out and counted.

    Raises:
        UserError: places and values don't pair, or :func:`encode_values` refuses the values.
    """
    lonlat = check_lonlat(lonlat_deg).to(torch.float64)
    values = np.asarray(values)
    if lonlat.ndim != 2 or values.shape != (len(lonlat),):
        got = f"{tuple(lonlat.shape)}, {values.shape}"
        raise UserError(f"field {name!r}: wanted (n, 2) places and (n,) values; got {got}")
    numbers, task, classes = encode_values(values, name, task)
    known = numbers.isfinite()
    left_out = dict(left_out or {})
    if not known.all():
        left_out["missing value"] = left_out.get("missing value", 0) + int((~known).sum())
    groups = groups if groups is None else groups[known]
    return Field(name, task, classes, None, False, lonlat[known], numbers[known], groups, left_out)


def encode_values(values: np.ndarray, name: str, task: str) -> tuple[Tensor, str, tuple[str, ...]]:
    """(N,) float64 numbers or class indices, NaN where missing; the task; the classes.

    Raises:
        UserError: no number in the column, one distinct value, fewer than ten values, or too many classes.
    """
    import pandas as pd

    series = pd.Series(values)
    words = not (pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series))
    if not words and task != "classification":
        series = series.replace([np.inf, -np.inf], np.nan)
    distinct = series.dropna().unique()
    if series.count() < 10:
        raise UserError(f"field {name!r} has {series.count()} values; at least 10 are needed")
    if len(distinct) < 2:
        raise UserError(f"field {name!r} has one value only, {distinct[0]!r}: there is nothing to read")
    if words and task == "regression":
        raise UserError(f"field {name!r}: no number in the column, first {distinct[0]!r}; use task='classification'")
    if task == "auto":
        task = "classification" if words or _are_classes(series, distinct) else "regression"
    if task == "regression":
        return torch.from_numpy(series.to_numpy(np.float64, copy=True, na_value=np.nan)), task, ()
    most = min(_MOST_CLASSES, int(series.count()) // 2)  # words that hardly ever come twice are names
    if len(distinct) > most:
        raise UserError(
            f"field {name!r} has {len(distinct)} distinct words (first {distinct[0]!r}): no number in the column, and"
            f" more than {most} classes of {series.count()} values are not read"
        )
    codes, classes = pd.factorize(series, sort=True)
    return torch.from_numpy(np.where(codes < 0, np.nan, codes.astype(float))), task, tuple(map(_plain, classes))


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _are_classes(series, distinct: np.ndarray) -> bool:
    import pandas as pd

    if pd.api.types.is_bool_dtype(series):
        return True
    numbers = np.asarray(distinct, dtype=float)
    return len(numbers) <= _MOST_NUMBERED_CLASSES and bool((numbers == np.round(numbers)).all())


def _from_callable(call: Callable, task: str, name: str) -> Field:
    """The callable tried at places all over the Earth: where it answers, and with what."""
    generator = torch.Generator().manual_seed(0)
    poles = torch.tensor([[0.0, 90.0], [0.0, -90.0]], dtype=torch.float64)
    trial = torch.cat([uniform_on_sphere(_TRIAL_PLACES, generator), poles])
    values = np.asarray(call(trial))
    if values.shape != (len(trial),):
        raise UserError(f"field {name!r}: {len(trial)} places must give as many values; got {values.shape}")
    numbers, task, classes = encode_values(values, name, task)
    everywhere = bool(numbers.isfinite().all())
    if task == "regression":
        return Field(name, task, (), call, everywhere)
    index = {label: i for i, label in enumerate(classes)}

    def coded(lonlat_deg: Tensor) -> np.ndarray:
        given = np.asarray(call(lonlat_deg))
        return np.array([index.get(_plain(v), np.nan) for v in given.tolist()], dtype=float)

    return Field(name, task, classes, coded, everywhere)


def _retyped(given: Field, task: str) -> Field:
    """A field read as the other task: numbers as classes, or two classes as 0 and 1."""
    if task == "regression":
        if len(given.classes) != 2:
            raise UserError(f"field {given.name!r} has {len(given.classes)} classes, which are no numbers")
        return replace(given, task=task, classes=())
    if given.values is None:
        return _from_callable(given.call, task, given.name)
    return field_at_places(given.lonlat_deg, given.values.numpy(), given.name, task, given.groups, given.left_out)
