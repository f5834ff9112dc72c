"""Encoders of other people: bare callables, torchgeo's module, CoordBench's shape, plug-ins."""

import sys

import numpy as np
import pytest
import torch

from satgpu.encoders import (
    Encoder,
    Provenance,
    as_encoder,
    describe_encoders,
    encoders_markdown,
    from_coordbench,
    from_torchgeo,
    load_encoder,
    spherical_harmonics,
)
from satgpu.encoders.siren import draw_siren, siren
from satgpu.errors import UserError

POINTS = torch.tensor([[12.5, 48.25], [-170.0, -3.0]], dtype=torch.float64)


class StandIn(torch.nn.Module):
    """Built like torchgeo's SatCLIP: posenc with L, then nnet; longitude first; dropout in training mode."""

    def __init__(self):
        super().__init__()
        self.posenc = torch.nn.Identity()
        self.posenc.L = 3
        self.nnet = torch.nn.Sequential(torch.nn.Linear(9, 4), torch.nn.Dropout(0.9)).double()

    def forward(self, lonlat_deg):
        return self.nnet(spherical_harmonics(lonlat_deg.to(torch.float64), 3))


class CoordBenchModel:
    """CoordBench's shape: arrays in, float32 array out."""

    name = "bench"

    def encode(self, lon, lat, year=None):
        assert isinstance(lon, np.ndarray) and lon.dtype == np.float64 and lon.flags.c_contiguous
        return np.stack([lon, lat, lon * 0 + 1], axis=1).astype(np.float32)


class Whole:
    """An encoder by its own right: name, dim, provenance, a call."""

    name, dim = "whole", 2
    provenance = Provenance("whole", "mine", "", "", True, "mine", None, 2)

    def __call__(self, lonlat_deg):
        return lonlat_deg / 90


def test_any_object_with_name_dim_and_provenance_is_an_encoder():
    whole = Whole()
    assert isinstance(whole, Encoder)
    assert load_encoder(whole) is whole


def test_a_bare_callable_is_wrapped_with_its_order_of_columns():
    plain = as_encoder(lambda lonlat: lonlat, "plain")
    swapped = as_encoder(lambda latlon: latlon, "swapped", order="latlon", trained=False, legendre_polys=7)
    assert torch.equal(plain(POINTS), POINTS)
    assert torch.equal(swapped(POINTS), POINTS.flip(1))
    assert (plain.name, plain.dim, swapped.provenance.legendre_polys) == ("plain", 2, 7)
    assert isinstance(plain, Encoder)
    assert repr(plain) == "<plain: (n, 2) lon/lat degrees -> (n, 2), adapted>"


def test_a_callable_may_give_numpy_arrays():
    encoder = as_encoder(lambda lonlat: lonlat.numpy() * 2, "arrays")
    assert torch.equal(encoder(POINTS), POINTS * 2)
    constant = np.broadcast_to(np.array([1.0, 2.0]), (9, 2))
    read_only = as_encoder(lambda lonlat: constant[: len(lonlat)], "read-only")
    assert read_only(POINTS[:1]).tolist() == [[1.0, 2.0]]
    backwards = as_encoder(lambda lonlat: lonlat.numpy()[:, ::-1].astype(">f4"), "backwards")
    torch.testing.assert_close(backwards(POINTS), POINTS.flip(1).float())
    with_gradient = as_encoder(lambda lonlat: lonlat * torch.ones(2, requires_grad=True), "gradient")
    assert not with_gradient(POINTS).requires_grad


def test_a_callable_that_is_none_is_refused():
    with pytest.raises(UserError, match="encoder 'x': wanted a callable .* got 3"):
        as_encoder(3, "x")
    with pytest.raises(UserError, match="order must be 'lonlat' or 'latlon'; got 'xy'"):
        as_encoder(lambda lonlat: lonlat, "x", order="xy")
    with pytest.raises(UserError, match="3 points must give a \\(3, dim\\) array; got \\(2,\\)"):
        as_encoder(lambda lonlat: lonlat[0], "x")
    with pytest.raises(UserError, match="3 points must give a \\(3, dim\\) array; got \\(3, 0\\)"):
        as_encoder(lambda lonlat: lonlat[:, :0], "x")


class Noisy(torch.nn.Module):
    """A float32 module as training leaves it: dropout and batch normalisation on."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 4)
        )

    def forward(self, lonlat_deg):
        return self.layers(lonlat_deg)


def test_a_module_is_put_in_evaluation_mode_and_given_its_dtype():
    module = Noisy().train()
    encoder = as_encoder(module, "module")
    assert not module.training and encoder.dtype == torch.float32
    assert torch.equal(encoder(POINTS), encoder(POINTS))
    torch.testing.assert_close(encoder(POINTS)[:1], encoder(POINTS[:1]))


@pytest.mark.parametrize("left_out", ["dropout", "batch normalisation"])
def test_a_module_in_training_mode_behind_a_lambda_is_found_out(left_out):
    module = Noisy().double().train()
    module.layers[2 if left_out == "batch normalisation" else 1].eval()
    with pytest.raises(UserError, match=r"encoder 'hidden' .*(training mode)") as caught:
        as_encoder(lambda lonlat: module(lonlat), "hidden")
    assert "\n" not in str(caught.value)


def test_a_float32_function_is_given_float32():
    weight = torch.ones(2, 3)
    encoder = as_encoder(lambda lonlat: lonlat @ weight, "single")
    assert encoder.dtype == torch.float32 and encoder(POINTS).shape == (2, 3)


def test_a_function_sees_one_convention_of_longitudes():
    seen = []
    encoder = as_encoder(lambda lonlat: seen.append(lonlat.clone()) or lonlat, "seen")
    encoder(torch.tensor([[190.0, 1.0], [360.0, 2.0], [-180.0, 3.0], [12.5, 48.25]]))
    assert seen[-1].tolist() == [[-170.0, 1.0], [0.0, 2.0], [-180.0, 3.0], [12.5, 48.25]]


def test_a_callable_that_fails_is_told_in_one_line():
    with pytest.raises(UserError, match=r"encoder 'x' fails at its trial places \(ValueError: no\)") as caught:
        as_encoder(lambda lonlat: (_ for _ in ()).throw(ValueError("no")), "x")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="what encoder 'x' gives must hold numbers"):
        as_encoder(lambda lonlat: "text", "x")


def test_torchgeos_module_is_called_as_it_is_without_dropout():
    module = StandIn().train()
    weight, bias = module.nnet[0].weight.detach(), module.nnet[0].bias.detach()
    encoder = from_torchgeo(module)
    torch.testing.assert_close(encoder(POINTS), spherical_harmonics(POINTS, 3) @ weight.T + bias)
    provenance = encoder.provenance
    assert (provenance.name, provenance.legendre_polys, provenance.dim) == ("torchgeo-satclip", 3, 4)
    assert (provenance.trained, provenance.licence, len(provenance.sha256)) == (True, "MIT", 64)
    assert not encoder(POINTS).requires_grad
    assert from_torchgeo(module, trained=False).provenance.licence == "none needed"
    assert load_encoder(module).name == "torchgeo-satclip"


def test_weights_saved_from_torchgeos_module_load_as_a_file(tmp_path):
    drawn = draw_siren(9, 5, 4, 2, torch.Generator().manual_seed(0))
    names = ["nnet.layers.0", "nnet.layers.1", "nnet.last_layer"]
    state = {
        f"{n}.{k}": t
        for n, layer in zip(names, drawn.layers, strict=True)
        for k, t in zip(("weight", "bias"), layer, strict=True)
    }
    torch.save(state, tmp_path / "torchgeo.pth")
    torch.testing.assert_close(
        load_encoder(tmp_path / "torchgeo.pth")(POINTS), siren(spherical_harmonics(POINTS, 3), drawn)
    )


def test_coordbench_models_are_asked_with_longitude_and_latitude_apart():
    encoder = load_encoder(CoordBenchModel())
    assert encoder(POINTS).tolist() == [[12.5, 48.25, 1.0], [-170.0, -3.0, 1.0]]
    assert encoder.name == "bench"
    assert from_coordbench(CoordBenchModel(), name="mine").name == "mine"
    nameless = type("Nameless", (), {"encode": CoordBenchModel.encode})()
    assert from_coordbench(nameless).name == "nameless"


def test_things_of_no_known_shape_are_refused():
    with pytest.raises(UserError, match="an encoder must be a name, a path, or a callable with name.*as_encoder"):
        load_encoder(lambda lonlat: lonlat)
    with pytest.raises(UserError, match="wanted an object with encode\\(lon, lat\\); got int"):
        from_coordbench(3)
    with pytest.raises(UserError, match="wanted torchgeo's SatCLIP module .*; got Identity"):
        from_torchgeo(torch.nn.Identity())


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install a distribution with encoder plug-ins into a folder on the path."""

    def install(entry_points, code=""):
        info = tmp_path / "my_plugin-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[satgpu.encoders]\n{entry_points}\n")
        (tmp_path / "my_plugin_module.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("my_plugin_module", None)


PLUGIN = """
from satgpu.encoders import as_encoder

class Bench:
    name = "bench"
    def encode(self, lon, lat):
        return lon[:, None]

def make(device, dtype):
    return as_encoder(lambda lonlat: lonlat.to(dtype), "halves", device=device)

def make_bench(device, dtype):
    return Bench()

def fail(device, dtype):
    raise OSError("weights\\nnot found")

nothing = 3
"""


def test_a_plugin_is_found_by_its_name_and_imported_only_then(plugin):
    plugin("halves = my_plugin_module:make\nbench-like = my_plugin_module:make_bench", PLUGIN)
    with pytest.raises(UserError, match="unknown encoder 'halve'; choose from bench-like, .*; did you mean 'halves'"):
        load_encoder("halve")
    assert "my_plugin_module" not in sys.modules
    encoder = load_encoder("halves", dtype=torch.float32)
    assert torch.equal(encoder(POINTS), POINTS.float())
    assert load_encoder("bench-like").dim == 1
    assert [row["name"] for row in describe_encoders()][-2:] == ["bench-like", "halves"]


def test_a_plugin_that_fails_is_told_in_one_line(plugin):
    plugin("broken = my_plugin_module:fail\nodd = my_plugin_module:nothing\ngone = my_plugin_module:gone", PLUGIN)
    with pytest.raises(UserError, match="encoder plug-in 'broken' failed: OSError: weights not found$"):
        load_encoder("broken")
    with pytest.raises(UserError, match="encoder plug-in 'odd' failed: TypeError"):
        load_encoder("odd")
    with pytest.raises(UserError, match="encoder plug-in 'gone' failed: AttributeError"):
        load_encoder("gone")


def test_a_name_that_two_packages_register_is_refused(plugin, tmp_path):
    plugin("halves = my_plugin_module:make", PLUGIN)
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[satgpu.encoders]\nhalves = my_plugin_module:make_bench\n")
    with pytest.raises(
        UserError, match="wanted one plug-in of this name; registered: my_plugin_module:make, my_plugin_mod"
    ):
        load_encoder("halves")


def test_the_description_names_every_kind_with_dimension_licence_and_source():
    rows = describe_encoders()
    assert all(set(row) == {"name", "dimension", "trained", "licence", "source"} for row in rows)
    table = encoders_markdown()
    assert table.startswith("| name | dimension | trained | licence | source |\n| --- |")
    for word in ("satclip-vit16-l40", "geoclip", "untrained-lN", "sh-lN", "xyz", "rff-Nkm", ".csv"):
        assert word in table
    for name, dimension in (("geoclip", "512"), ("xyz", "3")):
        assert next(row for row in rows if row["name"] == name)["dimension"] == dimension
