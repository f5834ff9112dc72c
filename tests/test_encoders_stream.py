"""Many points in chunks, and each set of points once."""

import subprocess
import sys

import pytest
import torch

from satgpu.encoders import ChunkedEncoder, Provenance, as_encoder, encode, load_encoder, stream
from satgpu.errors import UserError


def points(n, seed=0):
    drawn = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return drawn * torch.tensor([360.0, 180.0]) - torch.tensor([180.0, 90.0])


def counting(dim=2):
    calls = []

    def call(lonlat):
        calls.append(len(lonlat))
        return lonlat[:, :dim]

    return as_encoder(call, "counting"), calls


def test_chunks_join_to_what_one_call_gives():
    encoder = load_encoder("untrained-l6-w16-d8")
    where = points(1000)
    whole = encoder(where)
    pieces = list(stream(encoder, where, chunk_size=300))
    assert [(rows.start, rows.stop) for rows, _ in pieces] == [(0, 300), (300, 600), (600, 900), (900, 1000)]
    torch.testing.assert_close(torch.cat([embeddings for _, embeddings in pieces]), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(encode(encoder, where, 77, dtype=torch.float64), whole, rtol=0, atol=1e-12)


def test_embeddings_are_kept_in_float32_unless_asked_otherwise():
    encoder = load_encoder("xyz")
    assert encode(encoder, points(5)).dtype == torch.float32
    assert torch.equal(encode(encoder, points(5), dtype=torch.float64), encoder(points(5)))


def test_no_points_give_no_rows():
    assert encode(load_encoder("xyz"), torch.empty(0, 2)).shape == (0, 3)
    assert load_encoder("untrained-l4")(torch.empty(0, 2)).shape == (0, 256)


def test_an_encoder_is_called_with_no_more_points_than_a_chunk():
    encoder, calls = counting()
    encode(encoder, points(20), chunk_size=8)
    assert calls[-3:] == [8, 8, 4]  # trials come first


@pytest.mark.parametrize("size", [-1, -8192])
def test_a_chunk_size_below_one_is_refused(size):
    with pytest.raises(UserError, match=f"chunk_size must be 1 or more; got {size}"):
        list(stream(load_encoder("xyz"), points(3), chunk_size=size))


def test_an_encoder_that_gives_nan_is_refused_with_the_place():
    where = torch.tensor([[1.0, 2.0], [3.0, 60.0]])
    polar = as_encoder(lambda lonlat: torch.log(50 - lonlat[:, 1:]), "polar")
    with pytest.raises(UserError, match="encoder 'polar' gives NaN or infinity, first at longitude 3, latitude 60"):
        encode(polar, where)


def test_an_encoder_that_gives_another_shape_is_refused():
    short = as_encoder(lambda lonlat: lonlat[:3], "short")
    with pytest.raises(UserError, match="encoder 'short' must give a \\(4, 2\\) tensor for 4 points; got \\(3, 2\\)"):
        encode(short, points(4))
    odd = as_encoder(lambda lonlat: lonlat, "odd")
    odd_call = type("Odd", (), {"name": "odd", "dim": 2, "provenance": odd.provenance, "__call__": lambda s, p: [1]})()
    with pytest.raises(UserError, match="encoder 'odd' must give a \\(3, 2\\) tensor for 3 points; got list"):
        encode(odd_call, points(3))


def test_a_chunked_encoder_must_say_how_it_embeds():
    bare = ChunkedEncoder(Provenance("bare", "", "", "", False, "", None, 2), "cpu", torch.float64, 10)
    with pytest.raises(NotImplementedError, match="ChunkedEncoder must define _embed"):
        bare(points(1))
    assert repr(bare) == "<bare: (n, 2) lon/lat degrees -> (n, 2), torch.float64, cpu>"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_points_at_forty_polynomials_stay_below_2_gb():
    code = (
        "import resource, torch; from satgpu.encoders import load_encoder, encode;"
        "p = torch.rand(1_000_000, 2, dtype=torch.float64) * 180 - 90;"
        "e = encode(load_encoder('untrained-l40'), p); assert e.shape == (1_000_000, 256);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) * 1024 < 2e9


def test_a_large_set_needs_little_more_than_its_result():
    code = (
        "import resource, torch; from satgpu.encoders import load_encoder, encode;"
        "encoder = load_encoder('untrained-l40'); p = torch.rand(25_000, 2, dtype=torch.float64) * 180 - 90;"
        "encode(encoder, p[:5_000]); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "encode(encoder, p); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200)
    # The harmonics of all points at once would be 320 MB; the result is 26 MB.
    assert int(ran.stdout) * 1024 < 150e6


def test_nan_can_be_let_through_for_a_reader_who_reports_it():
    broken = as_encoder(lambda lonlat: lonlat.new_full((len(lonlat), 2), float("nan")), name="broken")
    points = torch.zeros(5, 2, dtype=torch.float64)
    assert encode(broken, points, check_finite=False).isnan().all()
