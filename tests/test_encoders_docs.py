"""The examples in the encoders' docstrings and in docs/encoders.md do what they say."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch

import satgpu.encoders

MODULES = [f"satgpu.encoders.{module.name}" for module in pkgutil.iter_modules(satgpu.encoders.__path__)]
PAGE = Path(__file__).parents[1] / "docs" / "encoders.md"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_pages_example_runs():
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    names = {"million_points": torch.zeros(3, 2)}
    exec(code, names)  # noqa: S102  our own page
    assert names["paris"].shape == (256,)
    assert not torch.allclose(names["paris"], names["sydney"])


def test_every_name_on_the_page_loads():
    specs = ("untrained-l4-w256", "untrained-l4-d64", "untrained-l4-layers3", "untrained-l4-seed7-closedform")
    specs += ("sh-l40", "sh-l4-closedform", "xyz", "rff-500km", "rff-3000km-500km", "rff-500km-d512-seed7")
    for spec in specs:
        assert satgpu.encoders.load_encoder(spec).name == spec
