"""The package as it is installed: what it ships, and what importing it costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import satgpu
from satgpu.errors import UserError
from satgpu.study.config import parse_run
from satgpu.study.shipped import shipped_configs

ROOT = Path(__file__).parents[1]


def test_importing_satgpu_loads_neither_torch_nor_pandas():
    code = "import sys, satgpu; print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_types_are_shipped():
    assert (Path(satgpu.__file__).parent / "py.typed").is_file()


def test_every_configuration_is_found_by_its_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {"deep_dive", "notebook", "smoke"} <= set(shipped_configs())
    config, _ = parse_run(["--config", "notebook"], "satgpu run")
    assert config.protocol == "notebook"


def test_an_unknown_configuration_names_those_that_come_with_satgpu():
    with pytest.raises(UserError, match="nootbook: cannot read .* come with satgpu: deep_dive, notebook, smoke"):
        parse_run(["--config", "nootbook"], "satgpu run")


def test_version_changelog_and_citation_agree():
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert f"## {version}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version


def test_every_public_name_can_be_had():
    for name in satgpu.__all__:
        assert getattr(satgpu, name).__doc__ or name == "PATTERNS"
