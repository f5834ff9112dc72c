"""SatCLIP checkpoints: what is read, what is checked, and what is refused with the tensor's name."""

import argparse
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from satgpu.encoders import extract_location, load_encoder, spherical_harmonics
from satgpu.encoders.checkpoint import read_weights_file, sha256_of_file
from satgpu.encoders.siren import draw_siren, siren
from satgpu.errors import UserError

POINTS = torch.tensor([[12.5, 48.25], [-170.0, -3.0], [179.9, -89.0]], dtype=torch.float64)
L, WIDTH, DIM = 6, 8, 5
HYPER = {
    "le_type": "sphericalharmonics",
    "pe_type": "siren",
    "harmonics_calculation": "analytic",
    "legendre_polys": L,
    "capacity": WIDTH,
    "embed_dim": DIM,
    "num_hidden_layers": 2,
    "vision_layers": "moco_vit16",
    "min_radius": 1,
}


def weights(seed=0):
    return draw_siren(L * L, WIDTH, DIM, 2, torch.Generator().manual_seed(seed))


def state(prefixes=("model.nnet.", "model.location.nnet."), seed=0):
    named = {"model.visual.conv1.weight": torch.zeros(3, 3), "model.logit_scale": torch.tensor(1.0)}
    drawn = weights(seed).layers
    for prefix in prefixes:
        for layer, (weight, bias) in zip(["layers.0", "layers.1", "last_layer"], drawn, strict=True):
            named[f"{prefix}{layer}.weight"], named[f"{prefix}{layer}.bias"] = weight.clone(), bias.clone()
    return named


def checkpoint(folder, named=None, hyper=None, name="model.ckpt"):
    path = folder / name
    torch.save(
        {"hyper_parameters": HYPER if hyper is None else hyper, "state_dict": state() if named is None else named}, path
    )
    return path


def expected():
    return siren(spherical_harmonics(POINTS, L), weights())


def refusal(path):
    with pytest.raises(UserError) as caught:
        load_encoder(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    "prefixes",
    [("model.nnet.",), ("model.location.nnet.",), ("model.nnet.", "model.location.nnet."), ("nnet.",), ("",)],
)
def test_location_weights_are_found_under_either_prefix_or_both(tmp_path, prefixes):
    encoder = load_encoder(checkpoint(tmp_path, state(prefixes)))
    torch.testing.assert_close(encoder(POINTS), expected(), rtol=0, atol=1e-12)


def test_a_checkpoint_says_where_it_comes_from(tmp_path):
    path = checkpoint(tmp_path, name="mine.ckpt")
    provenance = load_encoder(str(path)).provenance
    assert (provenance.name, provenance.source, provenance.trained) == ("mine", "file mine.ckpt", True)
    assert provenance.sha256 == sha256_of_file(path)
    assert (provenance.legendre_polys, provenance.dim, provenance.licence) == (L, DIM, "not stated")


def test_longitude_comes_first(tmp_path):
    encoder = load_encoder(checkpoint(tmp_path))
    there, swapped = encoder(torch.tensor([[10.0, 50.0], [50.0, 10.0]]))
    assert (there - swapped).norm() > 0.01 * there.norm()


def test_only_location_weights_are_kept(tmp_path):
    encoder = load_encoder(checkpoint(tmp_path))
    kept = sum(tensor.numel() for tensor in encoder.weights.tensors())
    assert kept == WIDTH * L * L + WIDTH + WIDTH * WIDTH + WIDTH + DIM * WIDTH + DIM


def test_hyper_parameters_may_be_absent(tmp_path):
    path = tmp_path / "bare.pt"
    torch.save(state(("nnet.",)), path)
    torch.testing.assert_close(load_encoder(path)(POINTS), expected(), rtol=0, atol=1e-12)


def test_closed_form_harmonics_are_used_where_the_checkpoint_says_so(tmp_path):
    encoder = load_encoder(checkpoint(tmp_path, hyper=HYPER | {"harmonics_calculation": "closed-form"}))
    wanted = siren(spherical_harmonics(POINTS, L, "closed-form"), weights())
    torch.testing.assert_close(encoder(POINTS), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("le_type", "spherecplus", "le_type='spherecplus' is a positional encoding not supported here; supported: sph"),
        ("pe_type", "fcnet", "pe_type='fcnet' is a network not supported here; supported: siren"),
        (
            "harmonics_calculation",
            "discretized",
            "harmonics_calculation='discretized'.*supported: analytic, closed-form",
        ),
        ("legendre_polys", 40, "hyper_parameters say legendre_polys=40, the weights say 6 .*shape \\(8, 36\\)"),
        ("capacity", 512, "hyper_parameters say capacity=512, the weights say 8"),
        ("embed_dim", 256, "hyper_parameters say embed_dim=256, the weights say 5 .*'last_layer.weight'"),
        ("num_hidden_layers", 3, "hyper_parameters say num_hidden_layers=3, the weights say 2"),
        ("capacity", torch.ones(2), "hyper_parameters say capacity='Tensor'"),
    ],
)
def test_a_file_that_contradicts_itself_or_needs_other_parts_is_refused_by_name(tmp_path, key, value, message):
    path = checkpoint(tmp_path, hyper=HYPER | {key: value})
    with pytest.raises(UserError, match=message):
        load_encoder(path)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("layers.1.bias", None, "tensor 'model.location.nnet.layers.1.bias' is missing"),
        ("last_layer.weight", None, "tensor 'model.location.nnet.last_layer.weight' is missing"),
        ("layers.0.weight", torch.zeros(WIDTH, 35, dtype=torch.float64), "takes 35 features; wanted L² spherical"),
        ("layers.1.weight", torch.zeros(WIDTH, 9), "layers.1.weight' has shape \\(8, 9\\); wanted \\(\\*, 8\\)"),
        ("layers.0.bias", torch.zeros(3), "layers.0.bias' has shape \\(3,\\); wanted \\(8,\\)"),
        ("layers.0.bias", torch.zeros(WIDTH, 1), "layers.0.bias' has shape \\(8, 1\\); wanted 1 axes"),
        (
            "layers.1.weight",
            torch.full((WIDTH, WIDTH), torch.nan),
            "layers.1.weight' holds 64 of 64 values that are NaN",
        ),
        ("last_layer.bias", torch.full((DIM,), torch.inf), "last_layer.bias' holds 5 of 5 values that are NaN or inf"),
        ("layers.1.weight", torch.zeros(WIDTH, WIDTH, dtype=torch.int64), "is torch.int64 .*; wanted dense floats"),
        ("layers.1.weight", torch.zeros(1).expand(WIDTH, WIDTH), "shape \\(8, 8\\) is larger than its data"),
        ("layers.0.weight", torch.zeros(0, 36), "layers.0.weight' has shape \\(0, 36\\); wanted 2 axes, none empty"),
    ],
)
def test_a_broken_tensor_is_named(tmp_path, name, tensor, message):
    named = state()
    for prefix in ("model.nnet.", "model.location.nnet."):
        if tensor is None:
            del named[prefix + name]
        else:
            named[prefix + name] = tensor
    with pytest.raises(UserError, match=message):
        load_encoder(checkpoint(tmp_path, named))


def test_prefixes_that_disagree_are_refused(tmp_path):
    named = state(("model.nnet.",)) | state(("model.location.nnet.",), seed=1)
    message = refusal(checkpoint(tmp_path, named))
    assert (
        "'model.location.nnet.layers.0.weight' and 'model.nnet.layers.0.weight' should be equal and differ" in message
    )


def test_prefixes_of_different_depth_are_refused(tmp_path):
    named = state()
    named["model.nnet.layers.2.weight"] = torch.eye(WIDTH, dtype=torch.float64)
    named["model.nnet.layers.2.bias"] = torch.zeros(WIDTH, dtype=torch.float64)
    message = refusal(checkpoint(tmp_path, named))
    assert "'model.location.nnet.' has 2 hidden layers and 'model.nnet.' 3" in message


def test_another_model_is_refused_with_what_it_holds(tmp_path):
    message = refusal(checkpoint(tmp_path, {"encoder.weight": torch.zeros(2), "encoder.bias": torch.zeros(2)}))
    assert "tensor 'model.nnet.layers.0.weight' is missing" in message
    assert "the file holds 2 tensors (encoder.bias, encoder.weight), so it may be of another model" in message
    assert "the file holds no tensors" in refusal(checkpoint(tmp_path, {}))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(2), "text"])
def test_content_that_is_no_dict_is_refused(tmp_path, content):
    path = tmp_path / "odd.ckpt"
    torch.save(content, path)
    assert "wanted a checkpoint, a dict with 'state_dict'" in refusal(path)


def test_a_state_dict_that_is_none_is_refused(tmp_path):
    path = tmp_path / "odd.ckpt"
    torch.save({"state_dict": [1], "hyper_parameters": {}}, path)
    assert "'state_dict' and 'hyper_parameters' must be dicts" in refusal(path)


@pytest.mark.parametrize("keep", [0, 1, 30, 100, 0.5, 0.9, -30])
def test_a_file_cut_short_is_refused_in_one_line(tmp_path, keep):
    path = checkpoint(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    assert "cannot be read as a checkpoint of plain weights, it may be cut short or of another kind" in refusal(path)


def test_a_missing_file_is_named(tmp_path):
    assert "no such file; give the path of a checkpoint" in refusal(tmp_path / "none.ckpt")


class Harmful:
    """Unpickled without care, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "new protocol", "legacy", "plain pickle"])
def test_a_pickle_that_wants_to_run_code_is_refused_unrun(tmp_path, kind):
    trap, path = tmp_path / "trap", tmp_path / "evil.ckpt"
    content = {"hyper_parameters": HYPER, "state_dict": state(), "callbacks": Harmful(trap)}
    if kind == "plain pickle":
        path.write_bytes(pickle.dumps(content["callbacks"]))
    elif kind == "legacy":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(content, path, pickle_protocol=2 if kind == "zip" else 4)
    message = refusal(path)
    assert "plain weights" in message and not trap.exists()
    # torch writes protocol 2 and reads no other; from 4 on it stops at the first opcode.
    assert ("posix.system" if kind in ("zip", "legacy") else "Unsupported operand") in message


def test_a_pickle_of_a_foreign_class_is_refused_by_its_name(tmp_path):
    path = checkpoint(tmp_path, hyper=HYPER | {"options": argparse.Namespace(x=1)})
    assert "wants to run argparse.Namespace" in refusal(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "satclip-vit16-l40.ckpt",
            "named L=40, but tensor 'layers.0.weight' has shape (8, 36): L=6; was the file renamed",
        ),
        ("satclip-resnet18-l6.ckpt", "named resnet18, but hyper_parameters say moco_vit16; was the file renamed?"),
    ],
)
def test_a_renamed_checkpoint_is_refused(tmp_path, name, message):
    assert message in refusal(checkpoint(tmp_path, name=name))


def test_a_file_named_as_it_should_be_is_read(tmp_path):
    assert load_encoder(checkpoint(tmp_path, name="satclip-vit16-l6.ckpt")).name == "satclip-vit16-l6"


def test_extracted_location_weights_load_like_the_checkpoint(tmp_path):
    path = checkpoint(tmp_path, hyper=HYPER | {"harmonics_calculation": "closed-form"})
    out = extract_location(path, tmp_path / "location.safetensors")
    assert out.stat().st_size < path.stat().st_size
    before, after = load_encoder(path), load_encoder(out)
    assert torch.equal(before(POINTS), after(POINTS))
    assert after.provenance.sha256 == sha256_of_file(out)
    origin = f"extracted from model.ckpt (sha256 {before.provenance.sha256})"
    assert after.provenance.source == f"file location.safetensors, {origin}"
    file = read_weights_file(out)
    assert file.metadata["source_sha256"] == before.provenance.sha256
    assert file.metadata["source"] == "model.ckpt"
    assert file.hyper_parameters["vision_layers"] == "moco_vit16"
    assert sorted(file.tensors) == sorted(state(("",)).keys() - {"model.visual.conv1.weight", "model.logit_scale"})


def test_extraction_never_overwrites_and_wants_a_safetensors_name(tmp_path):
    path = checkpoint(tmp_path)
    out = extract_location(path, tmp_path / "location.safetensors")
    before = out.read_bytes()
    with pytest.raises(UserError, match="exists already; give another name, nothing is overwritten"):
        extract_location(path, out)
    assert out.read_bytes() == before
    with pytest.raises(UserError, match="give a name that ends in .safetensors"):
        extract_location(path, tmp_path / "location.bin")
    with pytest.raises(UserError, match="there is no folder .*; make it first"):
        extract_location(path, tmp_path / "no" / "location.safetensors")


def test_a_disk_that_takes_no_more_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    path = checkpoint(tmp_path)
    with pytest.raises(UserError, match="location.safetensors: cannot be written .*No space left on device"):
        extract_location(path, tmp_path / "location.safetensors")
    assert [left.name for left in tmp_path.iterdir()] == ["model.ckpt"]


def test_a_refused_checkpoint_leaves_no_extract(tmp_path):
    with pytest.raises(UserError, match="is missing"):
        extract_location(checkpoint(tmp_path, {}), tmp_path / "location.safetensors")
    assert not (tmp_path / "location.safetensors").exists()


def test_broken_safetensors_are_refused(tmp_path):
    path = tmp_path / "location.safetensors"
    save_file({"layers.0.weight": torch.zeros(2, 4)}, path)
    path.write_bytes(path.read_bytes()[:-5])
    assert "cannot be read as safetensors, it may be cut short" in refusal(path)
    path.write_bytes(path.read_bytes()[:20])
    assert "cannot be read as safetensors, it may be cut short" in refusal(path)


def test_safetensors_with_senseless_metadata_are_read_by_their_tensors(tmp_path):
    path = tmp_path / "location.safetensors"
    named = {name: tensor for name, tensor in state(("",)).items() if not name.startswith("model.")}
    for text in ("[1, 2]", "{not json"):
        save_file(named, path, metadata={"hyper_parameters": text})
        torch.testing.assert_close(load_encoder(path)(POINTS), expected(), rtol=0, atol=1e-12)


def test_published_sizes_survive_the_round_trip(tmp_path):
    named = {"model.visual.block.weight": torch.zeros(1000, 1000)}
    drawn = draw_siren(100, 512, 256, 2, torch.Generator().manual_seed(0)).layers
    for prefix in ("model.nnet.", "model.location.nnet."):
        for layer, (weight, bias) in zip(["layers.0", "layers.1", "last_layer"], drawn, strict=True):
            named[f"{prefix}{layer}.weight"], named[f"{prefix}{layer}.bias"] = weight, bias
    hyper = HYPER | {"legendre_polys": 10, "capacity": 512, "embed_dim": 256}
    path = checkpoint(tmp_path, named, hyper, "satclip-vit16-l10.ckpt")
    encoder = load_encoder(extract_location(path, tmp_path / "l10.safetensors"))
    untrained = load_encoder("untrained-l10")
    torch.testing.assert_close(encoder(POINTS), untrained(POINTS), rtol=0, atol=1e-13)
