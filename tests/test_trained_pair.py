"""satgpu's own pair: the teacher's windows, the contrastive lessons, and the weights in the box."""

import json
import math

import pytest
import torch
from torch.nn import functional

from satgpu.encoders import load_encoder
from satgpu.encoders.contrastive import (
    N_HELD_OUT,
    Lessons,
    LocationContrast,
    Recipe,
    ShuffledPlaces,
    make_lessons,
    retrieval,
    train,
)
from satgpu.encoders.mini import MINI_NAMES
from satgpu.encoders.teacher import EXTRACTORS, Picture, Teacher, cut_windows, describe, read_picture
from satgpu.encoders.train_pair import _what_decides, train_command
from satgpu.errors import UserError
from satgpu.geometry import great_circle_km, uniform_on_sphere

SMALL = Recipe(n_places=600, steps=4, batch_size=64)


def globe(height: int = 256) -> Picture:
    """Red is longitude's cosine, green its sine, blue latitude: a picture whose every colour says where it is."""
    lat = torch.deg2rad(90 - 180 * (torch.arange(height) + 0.5) / height)[:, None].expand(height, 2 * height)
    lon = torch.deg2rad(-180 + 180 * (torch.arange(2 * height) + 0.5) / height).expand(height, 2 * height)
    return Picture(torch.stack([lon.cos() / 2 + 0.5, lon.sin() / 2 + 0.5, lat.sin() / 2 + 0.5]))


def place_of(colours: torch.Tensor) -> torch.Tensor:
    """Degrees back from the colours of ``globe``."""
    red, green, blue = (2 * colours - 1).double()
    return torch.rad2deg(torch.stack([torch.atan2(green, red), torch.asin(blue.clamp(-1, 1))], -1))


@pytest.mark.parametrize("lat_deg", [0.0, 60.0, -75.0])
def test_a_window_is_as_wide_in_kilometres_at_60_degrees_as_at_the_equator(lat_deg):
    window = cut_windows(globe(2048), torch.tensor([[10.0, lat_deg]]), width_km=800.0, pixels=9)[0]
    places = place_of(window)
    across = great_circle_km(places[4, 0], places[4, -1])
    down = great_circle_km(places[0, 4], places[-1, 4])
    for side in (across, down):
        assert side.item() == pytest.approx(800 * 8 / 9, rel=0.02)
    assert places[0, 4, 1] > places[-1, 4, 1], "north is up"


def test_a_window_across_the_antimeridian_has_no_seam():
    window = cut_windows(globe(1024), torch.tensor([[180.0, 20.0], [-180.0, 20.0]]), width_km=600.0)
    torch.testing.assert_close(window[0], window[1])
    assert window[0].diff(dim=2).abs().max() < 0.02


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_an_extractor_is_fixed_and_tells_windows_apart(extractor):
    windows = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    features = describe(windows, extractor, seed=3)
    torch.testing.assert_close(features, describe(windows, extractor, seed=3))
    assert torch.pdist(features).min() > 0.1


def test_unknown_extractors_and_pictures_of_other_shapes_are_refused(tmp_path):
    with pytest.raises(UserError, match="extractor 'wavelet'"):
        describe(torch.zeros(1, 3, 16, 16), "wavelet", 0)
    with pytest.raises(UserError, match=r"shape \(3, 10, 10\); wanted \(3, H, 2H\)"):
        Picture(torch.zeros(3, 10, 10))
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        read_picture(tmp_path / "a.jpg")


def test_the_loss_is_symmetric_cross_entropy_over_pairs():
    module = LocationContrast(4, 6, SMALL)
    module.log_dict = lambda *_: None
    generator = torch.Generator().manual_seed(0)
    places, features = uniform_on_sphere(8, generator), torch.randn(8, 6, generator=generator)
    cosines = torch.stack(
        [
            torch.stack([functional.cosine_similarity(z, f, dim=0) for f in module.projection(features)])
            for z in module(places)
        ]
    )
    logits = cosines / 0.07
    expected = -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2
    torch.testing.assert_close(module.training_step((places, features), 0), expected, rtol=1e-4, atol=1e-5)


def test_retrieval_counts_who_is_more_similar_than_the_right_one():
    similarity = torch.eye(20) + 0.5 * torch.tril(torch.ones(20, 20), -1) * torch.arange(20)[:, None].ge(10)
    similarity[15, :9] = 2.0
    found = retrieval(similarity)
    assert found[1].item() == pytest.approx(19 / 20) and found[10].item() == 1.0


def test_the_first_weights_are_those_of_the_untrained_twin():
    module, twin = LocationContrast(10, 6, Recipe(seed=2)), load_encoder("untrained-l10-seed2")
    for (weight, bias), (own_weight, own_bias) in zip(twin.weights.layers, module.siren_weights.layers, strict=True):
        torch.testing.assert_close(own_weight, weight, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(own_bias, bias, rtol=1e-6, atol=1e-9)


def test_batches_are_a_function_of_seed_and_step_alone():
    whole = [batch.tolist() for batch in ShuffledPlaces(100, 8, 6, seed=1)]
    late = [batch.tolist() for batch in ShuffledPlaces(100, 8, 6, seed=1, first_step=4)]
    assert late == whole[4:] and len(set(map(tuple, whole))) == 6


# Lightning's own use of an older torch interface, and its advice on loader processes
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    generator = torch.Generator().manual_seed(0)
    lessons = Lessons(
        uniform_on_sphere(600 + N_HELD_OUT, generator), torch.randn(600 + N_HELD_OUT, 6, generator=generator)
    )
    recipe = Recipe(n_places=600, steps=102, batch_size=16)
    whole = train(3, lessons, recipe, tmp_path / "whole", "cpu")
    last = torch.load(tmp_path / "whole" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 100, "two steps are left to do again"
    again = train(3, lessons, recipe, tmp_path / "whole", "cpu", resume=True)
    for left, right in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(left, right)
    assert list((tmp_path / "whole").rglob("events.out.tfevents*")), "TensorBoard follows the training"


def test_lessons_are_unit_features_of_places_uniform_by_area():
    lessons = make_lessons(globe(), Teacher(widths_km=(500.0, 2000.0), components=4), SMALL)
    assert lessons.features.shape == (600 + N_HELD_OUT, 8)
    torch.testing.assert_close(lessons.features.norm(dim=1), torch.ones(600 + N_HELD_OUT))
    assert torch.sin(torch.deg2rad(lessons.lonlat_deg[:, 1])).mean().abs() < 0.05


@pytest.mark.parametrize("name", MINI_NAMES)
def test_the_pair_in_the_box_loads_and_says_what_made_it(name):
    encoder = load_encoder(name)
    assert encoder.dim == 256 and encoder.provenance.trained and encoder.provenance.legendre_polys == int(name[6:])
    assert "one picture" in encoder.provenance.source and len(encoder.provenance.sha256) == 64
    path = encoder_file(name)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert {"command", "git_commit", "picture_sha256", "teacher", "recipe"} <= set(metadata)
    assert json.loads(metadata["recipe"])["seed"] == 0


def test_the_pair_in_the_box_is_under_4_megabytes():
    assert sum(encoder_file(name).stat().st_size for name in MINI_NAMES) < 4e6


def encoder_file(name: str):
    """The shipped file of one of the pair."""
    from importlib.resources import files
    from pathlib import Path

    return Path(str(files("satgpu.encoders") / "weights" / f"{name}.safetensors"))


def test_the_command_refuses_to_overwrite_in_one_line(tmp_path, capsys):
    (tmp_path / "mini-l10.safetensors").write_bytes(b"")
    assert train_command(["--out", str(tmp_path), "--legendre_polys", "10"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_recorded_command_names_what_decides_the_weights_and_no_folder():
    args = ["--seeds", "1", "--out", "somewhere", "--resume", "--device=cpu", "--recipe.steps", "9"]
    assert _what_decides(args) == ["--seeds", "1", "--recipe.steps", "9"]


def test_the_temperature_starts_at_clips():
    assert math.exp(-LocationContrast(3, 4, SMALL).logit_scale.item()) == pytest.approx(0.07)
