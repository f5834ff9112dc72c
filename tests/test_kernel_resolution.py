"""The kernel is sampled as it should be, and any callable encoder gets its resolution."""

import numpy as np
import pandas as pd
import pytest
import torch

import satgpu
from satgpu.errors import UserError
from satgpu.geometry import EARTH_RADIUS_KM, great_circle_km, unit_vectors
from satgpu.geometry.notebook import notebook_rings
from satgpu.readouts.circles import CircleDesign, area_mean, distance_table, kernel_table
from satgpu.readouts.kernel import resolution_from_kernel
from satgpu.readouts.similarity import kernel_resolution
from satgpu.run.rows import SimilarityRow, columns
from satgpu.validation.planted import CoordinatesAndNoise

SMALL = CircleDesign(circles=6, points=64, near_pairs=8, near_steps=4)


def xyz(lonlat_deg):
    return unit_vectors(lonlat_deg)


class Recorder:
    """An encoder that remembers where it was asked."""

    name = "recorder"

    def __init__(self):
        self.asked = []

    def __call__(self, lonlat_deg):
        self.asked.append(lonlat_deg)
        return unit_vectors(lonlat_deg)


def test_coordinates_have_the_cosine_of_the_distance():
    table = kernel_table(xyz, design=SMALL)
    assert np.allclose(table["similarity_mean"], np.cos(table["distance_km"] / EARTH_RADIUS_KM), atol=2e-6)
    assert np.allclose(table["centred_similarity_mean"], table["similarity_mean"], atol=2e-3)
    assert list(table.columns) == list(columns(SimilarityRow))
    assert set(table["grid"]) == {"quadrature"} and table["place"].nunique() == 6


def test_distances_run_from_below_a_step_to_the_antipode():
    km = np.sort(kernel_table(xyz, design=SMALL)["distance_km"].unique())
    step = 2 * np.pi * EARTH_RADIUS_KM / 64
    assert km[0] == 0 and km[-1] == pytest.approx(np.pi * EARTH_RADIUS_KM, abs=1e-3)
    assert km[1] == pytest.approx(step / 4, abs=1e-3)
    assert np.sqrt(2) * step == pytest.approx(km[np.searchsorted(km, step * 1.2)], abs=1e-3)


def test_circle_pairs_are_all_pairs_of_that_distance():
    torch.manual_seed(0)
    mix = torch.randn(3, 5, dtype=torch.float64)
    encoder = lambda p: torch.sin(3 * unit_vectors(p) @ mix)  # noqa: E731
    recorder = Recorder()
    kernel_table(recorder, design=SMALL)
    circle = recorder.asked[1][:64]  # the first circle of the first batch, after the area mean
    table = kernel_table(encoder, design=SMALL)
    unit = torch.nn.functional.normalize(encoder(circle), dim=1)
    own = table[table["place"] == 0].set_index("distance_km")["similarity_mean"]
    for lag in (1, 7, 32):
        slow = np.mean([float(unit[i] @ unit[(i + lag) % 64]) for i in range(64)])
        km = float(great_circle_km(circle[0], circle[lag]))
        assert own.iloc[np.abs(own.index - km).argmin()] == pytest.approx(slow, abs=2e-6)


def test_circles_are_great_circles_uniform_over_the_sphere():
    recorder = Recorder()
    kernel_table(recorder, design=CircleDesign(circles=200, points=8, near_pairs=8, near_steps=0))
    points = torch.cat([block.reshape(-1, 2)[: 8 * 4] for block in recorder.asked[1::2]])
    xyz_mean = unit_vectors(points).mean(dim=0)
    assert xyz_mean.abs().max() < 1e-6  # every circle's points balance about the centre
    assert (points[:, 1].abs() > 30).double().mean() == pytest.approx(0.5, abs=0.06)  # half the area


def test_area_mean_weighs_by_area():
    def northern(lonlat_deg):
        return torch.stack([(lonlat_deg[:, 1] > 30).double(), torch.ones(len(lonlat_deg), dtype=torch.float64)], dim=1)

    assert area_mean(northern)[0] == pytest.approx(0.25, abs=1e-3)


def test_reference_places_and_rings_of_the_geodesic_protocol():
    recorder = Recorder()
    table = distance_table(recorder, [100.0, 1000.0], seed=3, n_places=40, n_bearings=5)
    assert len(table) == 80 and set(table["n_bearings"]) == {5}
    assert np.allclose(table["similarity_mean"], np.cos(table["distance_km"] / EARTH_RADIUS_KM), atol=2e-6)
    assert table["place_lat_deg"].abs().max() > 30


def test_notebook_protocol_has_the_notebooks_one_place_and_its_points():
    encoder = CoordinatesAndNoise(2000)
    table = distance_table(encoder, [10, 500, 3000], protocol="notebook")
    assert table["place"].tolist() == [0, 0, 0] and set(table["n_bearings"]) == {200}
    assert table[["place_lon_deg", "place_lat_deg"]].iloc[0].tolist() == [0.0, 45.0]
    here = encoder(torch.tensor([[0.0, 45.0]], dtype=torch.float64))
    ring = encoder(notebook_rings([10, 500, 3000])[1])
    slow = torch.cosine_similarity(ring, here, dim=1)
    assert table["similarity_mean"].iloc[1] == pytest.approx(slow.mean().item(), abs=2e-6)
    assert table["similarity_std"].iloc[1] == pytest.approx(slow.std(correction=0).item(), abs=2e-6)


def test_resolution_of_any_callable():
    found = kernel_resolution(xyz, design=SMALL)
    assert found.encoder == "xyz"
    assert found.half_similarity_km == pytest.approx(EARTH_RADIUS_KM * np.pi / 3, rel=0.01)
    for name in ("half_similarity_km", "l90", "spectral_km"):
        low, high = getattr(found, f"{name}_interval")
        assert low <= getattr(found, name) + 1e-9 and getattr(found, name) - 1e-9 <= high
    assert found.l90 == pytest.approx(1.9, abs=0.02)


def test_resolution_can_be_computed_from_the_saved_rows(tmp_path):
    encoder = CoordinatesAndNoise(1500)
    kernel_table(encoder, seed=5, design=SMALL).to_csv(tmp_path / "similarity.csv", index=False)
    saved = pd.read_csv(tmp_path / "similarity.csv")
    assert repr(resolution_from_kernel(saved)) == repr(kernel_resolution(encoder, seed=5, design=SMALL))


def test_seed_draws_other_circles():
    encoder = CoordinatesAndNoise(1500)
    first, again, other = (kernel_table(encoder, seed=s, design=SMALL) for s in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["similarity_mean"], other["similarity_mean"])


def test_provenance_and_role_reach_the_rows():
    class Provenance:
        trained, sha256 = True, "ab" * 32

    encoder = Recorder()
    encoder.provenance = Provenance()
    row = kernel_table(encoder, design=SMALL, role="control", replicate=2).iloc[0]
    assert (row["encoder"], row["trained"], row["encoder_sha256"]) == ("recorder", True, "ab" * 32)
    assert (row["role"], row["replicate"]) == ("control", 2)


@pytest.mark.parametrize("bad", [float("nan"), 0.0])
def test_embedding_without_a_direction_is_refused_with_its_place(bad):
    def broken(lonlat_deg):
        out = unit_vectors(lonlat_deg)
        out[lonlat_deg[:, 1] > 60] = bad
        return out

    with pytest.raises(
        UserError, match=r"encoder 'broken' returns .* not finite or all zero at longitude .*, latitude"
    ):
        kernel_table(broken, design=SMALL)


def test_embedding_of_the_wrong_shape_is_refused():
    def flat(lonlat_deg):
        return lonlat_deg[:, 0]

    with pytest.raises(UserError, match=r"encoder 'flat' must return \(n, dim\); got \(2048,\) for n = 2048"):
        kernel_table(flat, design=SMALL)


@pytest.mark.parametrize("sizes", [{"circles": 1}, {"points": 63}, {"points": 4}, {"near_pairs": 2}])
def test_design_too_small_is_refused(sizes):
    with pytest.raises(UserError, match="a kernel needs 2 circles or more"):
        CircleDesign(**sizes)


@pytest.mark.cuda
def test_a_gpu_gives_the_same_resolution():
    encoder = CoordinatesAndNoise(1500)

    def on_gpu(lonlat_deg):
        assert lonlat_deg.is_cuda
        return encoder(lonlat_deg.cpu()).cuda()

    here, there = kernel_resolution(encoder, design=SMALL), kernel_resolution(on_gpu, device="cuda", design=SMALL)
    assert there.half_similarity_km == pytest.approx(here.half_similarity_km, rel=1e-4)
    assert there.l90 == pytest.approx(here.l90, rel=1e-3)


@pytest.mark.parametrize("rounding", [0.0, 3e-8])
def test_a_collapsed_encoder_is_called_constant_and_given_no_kilometres(rounding):
    def collapsed(lonlat_deg):
        noise = rounding * torch.sin(lonlat_deg[:, :1] * torch.arange(1, 9))
        return (torch.linspace(0.5, 1.5, 8).double() + noise).float()

    with pytest.raises(UserError, match="encoder 'collapsed': the embedding is constant, the same everywhere"):
        satgpu.kernel_resolution(collapsed)
    with pytest.raises(UserError, match="encoder 'collapsed': the embedding is constant"):
        satgpu.transfer_function(collapsed, n_labels=200, l_max=3, replicates=1)
