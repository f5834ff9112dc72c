"""Whatever bytes a file holds, reading it as an encoder gives an encoder or one clear line."""

import io
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from satgpu.encoders import load_encoder
from satgpu.encoders.siren import draw_siren
from satgpu.errors import UserError

small = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
NAMES = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "last_layer.weight", "last_layer.bias"]


def sound_files():
    tensors = dict(zip(NAMES, draw_siren(4, 3, 2, 2, torch.Generator().manual_seed(0)).tensors(), strict=True))
    zipped, legacy, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    content = {"state_dict": {f"model.nnet.{n}": t for n, t in tensors.items()}, "hyper_parameters": {"capacity": 3}}
    torch.save(content, zipped)
    torch.save(content, legacy, _use_new_zipfile_serialization=False)
    np.savez(archive, lon=np.array([1.0]), lat=np.array([2.0]), embedding=np.array([[3.0]]))
    return {
        "zip.ckpt": zipped.getvalue(),
        "legacy.ckpt": legacy.getvalue(),
        "x.safetensors": save(tensors, {"hyper_parameters": '{"capacity": 3}'}),
        "x.npz": archive.getvalue(),
        "x.csv": b"lon,lat,e0,e1\n1.5,2.5,3,4\n-7,8,9,10\n",
    }


SOUND = sound_files()


def read(path, content):
    """Load the bytes; anything but an encoder or a one-line UserError fails the test."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load_encoder(path)
        except UserError as error:
            assert "\n" not in str(error)
            assert path.name in str(error)


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_load(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SOUND[name])
    assert load_encoder(path).dim >= 1


@pytest.mark.parametrize("name", SOUND)
@small
@given(data=st.data())
def test_cut_and_altered_files_give_one_line(tmp_path, name, data):
    content = bytearray(SOUND[name])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read(tmp_path / name, bytes(content[: data.draw(st.integers(0, len(content)))]))


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth", "x.safetensors", "x.npz", "x.csv"])
@small
@given(content=st.binary(max_size=300))
def test_random_bytes_give_one_line(tmp_path, name, content):
    read(tmp_path / name, content)


@small
@given(spec=st.text(alphabet="abluntraiedshxyzrffgeoclpkm-0123456789./?=é ", max_size=24))
def test_random_names_give_one_line(spec):
    try:
        encoder = load_encoder(spec, offline=True)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert encoder.dim >= 1
