"""Untrained SIREN, harmonics alone, unit vectors, random Fourier features."""

import math

import numpy as np
import pytest
import torch
from slow_harmonics import accuracy

from satgpu.encoders import Encoder, load_encoder, spherical_harmonics
from satgpu.encoders.siren import draw_siren, siren
from satgpu.errors import UserError
from satgpu.geometry.notebook import notebook_rings
from satgpu.geometry.sphere import EARTH_RADIUS_KM, unit_vectors

POINTS = torch.tensor([[12.5, 48.25], [-170.0, -3.0], [0.0, 90.0], [179.9, -89.0], [77.0, 20.0]], dtype=torch.float64)
KINDS = ("untrained-l8-w32-d16", "sh-l6", "xyz", "rff-800km-d32")


@pytest.mark.parametrize("spec", KINDS)
def test_controls_give_their_dimension_in_their_dtype_and_say_that_they_learned_nothing(spec):
    for dtype in (torch.float64, torch.float32):
        encoder = load_encoder(spec, dtype=dtype)
        assert isinstance(encoder, Encoder)
        embeddings = encoder(POINTS)
        assert embeddings.shape == (len(POINTS), encoder.dim)
        assert embeddings.dtype == dtype
        assert torch.isfinite(embeddings).all()
        assert encoder.name == encoder.provenance.name == spec
        assert encoder.provenance.trained is False
        assert encoder.provenance.licence == "none needed"


@pytest.mark.parametrize("spec", KINDS)
def test_longitude_comes_first(spec):
    encoder = load_encoder(spec)
    there, swapped = encoder(torch.tensor([[10.0, 50.0], [50.0, 10.0]]))
    assert (there - swapped).norm() > 0.05 * there.norm()
    # Where only latitude may matter: every meridian looks the same from the pole.
    one, other = encoder(torch.tensor([[10.0, 90.0], [80.0, 90.0]]))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_siren_is_the_formula():
    generator = torch.Generator().manual_seed(3)
    weights = draw_siren(9, 5, 4, 2, generator)
    features = torch.randn(7, 9, generator=generator, dtype=torch.float64)
    (w0, b0), (w1, b1), (w2, b2) = [(w.numpy(), b.numpy()) for w, b in weights.layers]
    x = features.numpy()
    expected = np.sin(np.sin(30 * (x @ w0.T + b0)) @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(siren(features.clone(), weights).numpy(), expected, rtol=0, atol=1e-13)


def test_untrained_weights_fill_the_published_ranges():
    weights = draw_siren(100, 64, 32, 2, torch.Generator().manual_seed(0))
    assert [tuple(w.shape) for w, _ in weights.layers] == [(64, 100), (64, 64), (32, 64)]
    for (weight, bias), bound in zip(weights.layers, [0.01, math.sqrt(6 / 64), math.sqrt(6 / 64)], strict=True):
        for tensor in (weight, bias):
            assert 0.9 * bound < tensor.abs().max() <= bound


@pytest.mark.parametrize("legendre_polys", [10, 40])
def test_untrained_embeddings_equal_extended_precision_to_1e_9_everywhere(legendre_polys):
    encoder = load_encoder(f"untrained-l{legendre_polys}")
    points = torch.tensor([[12.3, lat] for lat in (-90, -89.99, -45, 0, 19.9, 60, 85, 90)], dtype=torch.float64)
    for place, embedding in zip(points.tolist(), encoder(points), strict=True):
        exact = accuracy.exact_embedding(accuracy.exact_harmonics(*place, legendre_polys), encoder.weights)
        assert accuracy.embedding_error(embedding, exact) < 1e-9


@pytest.mark.parametrize("legendre_polys", [10, 40])
def test_embeddings_equal_the_published_codes_to_1e_9_in_the_tropics(legendre_polys):
    encoder = load_encoder(f"untrained-l{legendre_polys}-seed1")
    points = torch.tensor([[lon, lat] for lon in (-150, 5) for lat in (-20, -11, 0, 20)], dtype=torch.float64)
    published = siren(accuracy.published_harmonics(points, legendre_polys), encoder.weights)
    assert ((encoder(points) - published).norm(dim=1) < 1e-9 * published.norm(dim=1)).all()


def test_float32_embeddings_are_good_to_one_part_in_a_million():
    double, single = (load_encoder("untrained-l40", dtype=dtype) for dtype in (torch.float64, torch.float32))
    wanted = double(POINTS)
    assert ((single(POINTS).double() - wanted).norm(dim=1) < 1e-6 * wanted.norm(dim=1)).all()


@pytest.mark.parametrize(("legendre_polys", "expected", "tolerance"), [(10, 0.947, 0.004), (40, 0.46, 0.03)])
def test_similarity_of_untrained_encoders_at_500_km_is_the_known_one(legendre_polys, expected, tolerance):
    ring = torch.as_tensor(notebook_rings([500.0]))[0]
    reference = torch.tensor([[0.0, 45.0]], dtype=torch.float64)
    similarities = []
    for seed in range(6):
        encoder = load_encoder(f"untrained-l{legendre_polys}-seed{seed}")
        similarities.append(torch.cosine_similarity(encoder(reference), encoder(ring)).mean().item())
    assert np.mean(similarities) == pytest.approx(expected, abs=tolerance)


def test_the_same_name_gives_the_same_weights_and_another_seed_others():
    first, again, other = (load_encoder(f"untrained-l5-seed{seed}") for seed in (1, 1, 2))
    assert torch.equal(first(POINTS), again(POINTS))
    assert first.provenance.sha256 == again.provenance.sha256 != other.provenance.sha256
    assert not torch.allclose(first(POINTS), other(POINTS))


def test_options_at_their_defaults_leave_no_trace_in_the_name():
    assert load_encoder("untrained-l6-seed0-w512-d256-layers2").name == "untrained-l6"
    assert (
        load_encoder("untrained-l6-closedform-seed2-w8-d4-layers3").name
        == "untrained-l6-w8-d4-layers3-seed2-closedform"
    )
    assert load_encoder("rff-900km-300km-seed0-d256").name == "rff-900km-300km"


def test_closedform_changes_the_harmonics():
    point = torch.tensor([[30.0, 40.0]], dtype=torch.float64)
    alone = load_encoder("sh-l5-closedform")
    assert alone.name == "sh-l5-closedform"
    assert torch.equal(alone(point), spherical_harmonics(point, 5, "closed-form"))
    plain, closed = load_encoder("untrained-l5"), load_encoder("untrained-l5-closedform")
    assert not torch.allclose(plain(point), closed(point))


def test_nominal_resolution_is_half_the_circumference_over_l():
    assert load_encoder("sh-l40").provenance.nominal_km == pytest.approx(math.pi * EARTH_RADIUS_KM / 40)
    assert load_encoder("xyz").provenance.nominal_km is None
    assert load_encoder("sh-l40").provenance.as_dict()["nominal_km"] == pytest.approx(500.378, abs=1e-3)


def test_unit_vectors_point_where_they_should():
    cardinal = torch.tensor([[0.0, 0.0], [90.0, 0.0], [0.0, 90.0]], dtype=torch.float64)
    torch.testing.assert_close(load_encoder("xyz")(cardinal), torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-15)


def test_random_fourier_features_have_the_kernel_of_their_wavelength():
    encoder = load_encoder("rff-2000km-d8192")
    points = torch.tensor([[0.0, 0.0], [3.0, 2.0], [20.0, -30.0], [170.0, 5.0]], dtype=torch.float64)
    embeddings, xyz = encoder(points), unit_vectors(points)
    wave_number = 2 * math.pi * EARTH_RADIUS_KM / 2000
    for row in range(1, len(points)):
        chord = (xyz[0] - xyz[row]).norm()
        expected = torch.sin(wave_number * chord) / (wave_number * chord)
        # 4096 waves: the standard error of their mean is below 0.011.
        assert (embeddings[0] @ embeddings[row]).item() == pytest.approx(expected.item(), abs=0.04)
    assert (embeddings[0] @ embeddings[0]).item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("untrained", "give the number of Legendre polynomials, as in untrained-l40"),
        ("sh", "give the number of Legendre polynomials, as in sh-l40"),
        ("untrained-l", "cannot read 'l'; options, each at most once: lN"),
        ("untrained-l10-l20", "cannot read 'l20'"),
        ("untrained-l10-closedform-closedform", "cannot read 'closedform'"),
        ("untrained-l-10", "cannot read 'l'"),
        ("untrained-l0", "the number of Legendre polynomials must be 1 to 300; got 0"),
        ("untrained-l301", "must be 1 to 300; got 301"),
        ("sh-l1001", "must be 1 to 1000; got 1001"),
        ("untrained-l4-w0", "the hidden width must be 1 to 8192; got 0"),
        ("untrained-l4-d9000", "the embedding size must be 1 to 8192; got 9000"),
        ("untrained-l4-layers0", "the number of hidden layers must be 1 to 16; got 0"),
        ("sh-l4-w3", "cannot read 'w3'; options, each at most once: lN \\(Legendre polynomials\\), closedform"),
        ("rff", "give one wavelength or more, such as rff-500km"),
        ("rff-500", "cannot read '500'; options, each at most once: Nkm \\(a wavelength\\)"),
        ("rff-0km", "a wavelength in km must be 1 to 100000; got 0"),
        ("rff-500km-d3", "the embedding size must be a multiple of 2 .* got 3"),
        ("rff-500km-300km-d2", "the embedding size must be 4 to 8192; got 2"),
        ("xyz-l3", "unknown encoder 'xyz-l3'"),
        ("untraned-l10", "unknown encoder 'untraned-l10'; choose from .*; did you mean 'untrained-l40'"),
        ("", "unknown encoder ''"),
        ("satclip-vit16-l20", "unknown encoder 'satclip-vit16-l20'.*did you mean 'satclip-vit16-l[14]0'"),
    ],
)
def test_names_that_cannot_be_read_are_refused(spec, message):
    with pytest.raises(UserError, match=message):
        load_encoder(spec)


def test_encoders_compute_in_two_dtypes_only():
    with pytest.raises(UserError, match="torch.float32 or torch.float64; got torch.float16"):
        load_encoder("xyz", dtype=torch.float16)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_cannot_be_used_is_refused(device):
    with pytest.raises(UserError, match=f"device '{device}' cannot be used here .*; use 'cpu'"):
        load_encoder("xyz", device=device)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(3), "must be .* longitude first; got \\(3,\\)"),
        (torch.zeros(2, 2, 2), "lonlat_deg must be \\(n, 2\\), longitude first; got \\(2, 2, 2\\)"),
        (torch.tensor([[48.0, 111.0]]), "swapped"),
        (torch.tensor([[float("nan"), 0.0]]), "NaN"),
    ],
)
def test_bad_points_are_refused(points, message):
    with pytest.raises(UserError, match=message):
        load_encoder("xyz")(points)


def test_network_of_another_depth_works_like_the_formula():
    weights = draw_siren(4, 3, 2, 1, torch.Generator().manual_seed(0))
    features = torch.ones(1, 4, dtype=torch.float64)
    (w0, b0), (w1, b1) = weights.layers
    expected = torch.sin(30 * (features @ w0.T + b0)) @ w1.T + b1
    torch.testing.assert_close(siren(features, weights), expected)


@pytest.mark.cuda
@pytest.mark.parametrize("spec", KINDS)
def test_controls_on_a_gpu_equal_those_on_a_cpu(spec):
    torch.testing.assert_close(load_encoder(spec, device="cuda")(POINTS).cpu(), load_encoder(spec)(POINTS))
