"""GeoCLIP: the package's own numbers, from its files alone."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from satgpu.encoders import geoclip, load_encoder
from satgpu.encoders.geoclip import equal_earth
from satgpu.errors import UserError

needs_package = pytest.mark.skipif(
    geoclip.weights_in_package() is None, reason="the package geoclip is not installed (pip install --no-deps geoclip)"
)
POINTS = torch.tensor(
    [[-74.006, 40.7128], [-118.2437, 34.0522], [0, 0], [179.5, -90], [-180, 90], [151.2, -33.9], [10, 89.9]],
    dtype=torch.float64,
)


def small_weights(capsules=2, waves=3, width=4, dim=5):
    generator = torch.Generator().manual_seed(0)
    sizes = [2 * waves, width, width, width, dim]
    named = {}
    for index in range(capsules):
        named[f"LocEnc{index}.capsule.0.b"] = torch.randn(waves, 2, generator=generator)
        for part, fan_in, fan_out in zip(
            ("capsule.1", "capsule.3", "capsule.5", "head.0"), sizes, sizes[1:], strict=False
        ):
            named[f"LocEnc{index}.{part}.weight"] = torch.randn(fan_out, fan_in, generator=generator)
            named[f"LocEnc{index}.{part}.bias"] = torch.randn(fan_out, generator=generator)
    return named


def package_module():
    """The package's own location_encoder.py, loaded by its path so that nothing else of the package is imported."""
    root = geoclip.weights_in_package().parents[1]
    package = types.ModuleType("bare_geoclip")
    package.__path__ = [str(root)]
    misc = types.ModuleType("bare_geoclip.misc")
    misc.file_dir = str(root)
    sys.modules |= {"bare_geoclip": package, "bare_geoclip.misc": misc}
    try:
        spec = importlib.util.spec_from_file_location("bare_geoclip.location_encoder", root / "location_encoder.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        for name in [name for name in sys.modules if name.startswith("bare_geoclip")]:
            del sys.modules[name]


@needs_package
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package uses torch.jit.script
def test_embeddings_equal_the_packages_own():
    theirs = package_module().LocationEncoder().double().eval()
    with torch.no_grad():
        wanted = theirs(POINTS.flip(1)).double()
    got = load_encoder("geoclip")(POINTS)
    # The package sums its capsules into a float32 tensor, good to 6e-8.
    assert (got - wanted).abs().max() < 1e-6 * wanted.abs().max()
    single = load_encoder("geoclip", dtype=torch.float32)(POINTS)
    assert (single.double() - got).norm(dim=1).max() < 2e-6 * got.norm(dim=1).max()


@needs_package
def test_a_place_has_one_embedding_whatever_its_longitude_is_called():
    encoder = load_encoder("geoclip")
    inside = torch.tensor([[-170.0, 12.0], [-180.0, 5.0], [170.0, 3.0]], dtype=torch.float64)
    other_names = torch.tensor([[190.0, 12.0], [180.0, 5.0], [-190.0, 3.0]], dtype=torch.float64)
    assert torch.equal(encoder(other_names), encoder(inside))


@needs_package
def test_the_package_is_not_imported():
    code = (
        "import sys; from satgpu.encoders import load_encoder; e = load_encoder('geoclip');"
        "print(e([[2.0, 48.0]]).shape); print([m for m in sys.modules if m.split('.')[0] in"
        " ('geoclip', 'torchvision', 'transformers')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.split("\n")[:2] == ["torch.Size([1, 512])", "[]"]


@needs_package
def test_provenance_names_the_package_and_its_version():
    provenance = load_encoder("geoclip").provenance
    assert (provenance.name, provenance.dim, provenance.trained, provenance.licence) == ("geoclip", 512, True, "MIT")
    assert provenance.source == "package geoclip, model/weights/location_encoder_weights.pth"
    assert provenance.revision
    assert provenance.legendre_polys is None
    assert len(provenance.sha256) == 64


@needs_package
def test_longitude_comes_first():
    there, swapped = load_encoder("geoclip")(torch.tensor([[10.0, 50.0], [50.0, 10.0]]))
    assert (there - swapped).norm() > 0.1 * there.norm()


def test_equal_earth_projects_known_points():
    # At the end of the equator θ = 0 and x = 2√3 π / 3A₁ = 2.70663; the poles lie at ±y and x = 0.
    projected = equal_earth(torch.tensor([[0.0, 180.0], [90.0, 0.0], [-90.0, 0.0]], dtype=torch.float64))
    scale = 66.50336 / 180
    assert projected[0].tolist() == pytest.approx([2.70663 * scale, 0.0], abs=1e-5)
    assert projected[1, 1].item() == pytest.approx(1.31736 * scale, abs=1e-5)
    assert projected[2, 1].item() == pytest.approx(-projected[1, 1].item(), abs=1e-12)
    assert projected[1, 0].item() == pytest.approx(0.0, abs=1e-15)


def test_a_file_of_geoclip_weights_is_known_by_its_tensors(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(small_weights(), path)
    encoder = load_encoder(path)
    assert (encoder.name, encoder.dim) == ("mine", 5)
    named = {name: tensor.double() for name, tensor in small_weights().items()}
    wanted = torch.zeros(len(POINTS), 5, dtype=torch.float64)
    for index in range(2):
        phase = 2 * torch.pi * equal_earth(POINTS.flip(1)) @ named[f"LocEnc{index}.capsule.0.b"].T
        hidden = torch.cat([phase.cos(), phase.sin()], dim=1)
        for part in ("capsule.1", "capsule.3", "capsule.5"):
            hidden = torch.relu(hidden @ named[f"LocEnc{index}.{part}.weight"].T + named[f"LocEnc{index}.{part}.bias"])
        wanted += hidden @ named[f"LocEnc{index}.head.0.weight"].T + named[f"LocEnc{index}.head.0.bias"]
    torch.testing.assert_close(encoder(POINTS), wanted)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("LocEnc1.capsule.3.bias", None, "tensor 'LocEnc1.capsule.3.bias' is missing"),
        ("LocEnc0.capsule.0.b", torch.ones(3, 3), "tensor 'LocEnc0.capsule.0.b' is \\(3, 3\\); wanted \\(\\*, 2\\)"),
        ("LocEnc0.capsule.1.weight", torch.ones(4, 5), "are \\(4, 5\\) and \\(4,\\); wanted \\(n, 6\\) and \\(n,\\)"),
        (
            "LocEnc1.head.0.weight",
            torch.full((5, 4), torch.nan),
            "'LocEnc1.head.0.weight' holds 20 of 20 values that are",
        ),
    ],
)
def test_a_broken_tensor_is_named(tmp_path, name, tensor, message):
    named = small_weights()
    if tensor is None:
        del named[name]
    else:
        named[name] = tensor
    torch.save(named, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=message):
        load_encoder(tmp_path / "mine.pth")


def test_capsules_of_different_sizes_are_refused(tmp_path):
    named = small_weights()
    named |= {"LocEnc1.head.0.weight": torch.ones(6, 4), "LocEnc1.head.0.bias": torch.ones(6)}
    torch.save(named, tmp_path / "mine.pth")
    with pytest.raises(UserError, match="the capsules give embeddings of different sizes: \\[5, 6\\]"):
        load_encoder(tmp_path / "mine.pth")


def test_without_the_package_the_hubs_copy_is_used_and_else_the_error_says_what_to_install(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match="run 'pip install --no-deps geoclip' to have its weights; MVRL/geoclip.*offline"
    ):
        load_encoder("geoclip", offline=True, cache_dir=tmp_path)
    commit = "f" * 40
    folder = tmp_path / "models--MVRL--geoclip-location-encoder"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    save_file(small_weights(), folder / "snapshots" / commit / "model.safetensors")
    provenance = load_encoder("geoclip", offline=True, cache_dir=tmp_path).provenance
    assert (provenance.source, provenance.revision) == ("hub MVRL/geoclip-location-encoder", commit)


def test_a_package_folder_without_weights_counts_as_no_package(tmp_path, monkeypatch):
    (tmp_path / "geoclip").mkdir()
    (tmp_path / "geoclip" / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert geoclip.weights_in_package() is None
    weights = tmp_path / "geoclip" / geoclip.WEIGHTS_IN_PACKAGE
    weights.parent.mkdir(parents=True)
    torch.save(small_weights(), weights)
    assert geoclip.weights_in_package() == Path(weights)
    assert load_encoder("geoclip").dim == 5
