"""The nearest neighbours' answer."""

import math

import pytest
import torch

from satgpu.geometry.sphere import great_circle_km, unit_vectors
from satgpu.probes import nearest_neighbour_scores, nearest_rows, scores


def _places(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 2, generator=generator, dtype=torch.float64) * torch.tensor([360.0, 180]) - torch.tensor(
        [180.0, 90]
    )


def test_neighbours_are_nearest_along_the_sphere_across_poles_and_antimeridian(monkeypatch):
    monkeypatch.setattr(scores, "_CHUNK_ELEMENTS", 700)  # several chunks
    lonlat = _places(300)
    lonlat[:2] = torch.tensor([[179.999, 10.0], [40.0, 89.9]])
    lonlat[200:202] = torch.tensor([[-179.999, 10.0], [-140.0, 89.9]])
    train, test = lonlat[200:], lonlat[:200]
    found = nearest_rows(unit_vectors(train), unit_vectors(test), k=3)
    km = great_circle_km(test[:, None], train[None])
    assert torch.equal(found, km.argsort(dim=-1)[:, :3])
    assert found[:2, 0].tolist() == [0, 1]


def test_points_ten_metres_apart_are_told_apart():
    lonlat = torch.tensor([[10.0, 50.0], [10.0001, 50.0], [10.0002, 50.0]], dtype=torch.float64)
    xyz = unit_vectors(lonlat)
    assert nearest_rows(xyz, xyz).flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize("k", [1, 5])
def test_scores_equal_scikit_learns_neighbours(k):
    neighbors = pytest.importorskip("sklearn.neighbors", reason="compares with scikit-learn")
    xyz = unit_vectors(_places(400))
    classes = torch.stack([(xyz[:, 0] > 0).long() + (xyz[:, 1] > 0.3).long(), (xyz[:, 2] > 0).long()])
    train, test = torch.arange(300), torch.arange(300, 400)
    found = nearest_neighbour_scores(xyz, classes, train, test, k=k)
    numbers = nearest_neighbour_scores(xyz, xyz.T, train, test, k=k, task="regression")
    for p in range(2):
        theirs = neighbors.KNeighborsClassifier(k).fit(xyz[train], classes[p, train])
        assert float(found[p]) == pytest.approx(theirs.score(xyz[test], classes[p, test]))
        theirs = neighbors.KNeighborsRegressor(k).fit(xyz[train], xyz[train, p])
        assert float(numbers[p]) == pytest.approx(theirs.score(xyz[test], xyz[test, p]))


def test_without_enough_points_there_is_no_score():
    xyz, Y = unit_vectors(_places(10)), torch.zeros(2, 10).long()
    assert nearest_neighbour_scores(xyz, Y, torch.arange(10), torch.arange(0)).isnan().all()
    assert nearest_neighbour_scores(xyz, Y, torch.arange(0), torch.arange(5)).isnan().all()
    assert math.isnan(nearest_neighbour_scores(xyz, Y, torch.arange(4), torch.arange(5, 10), k=5)[0])
