"""Scores against scikit-learn's."""

import math

import pytest
import torch

from satgpu.probes.scores import accuracy, chance_accuracy, predictions, r2


def test_accuracy_and_r2_equal_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    torch.manual_seed(0)
    truth, predicted = torch.randint(3, (4, 50)), torch.randint(3, (4, 50))
    for p in range(4):
        assert float(accuracy(predicted, truth)[p]) == metrics.accuracy_score(truth[p], predicted[p])
    truth, predicted = torch.randn(4, 50), torch.randn(4, 50)
    for p in range(4):
        assert float(r2(predicted, truth)[p]) == pytest.approx(metrics.r2_score(truth[p], predicted[p]), abs=1e-6)


def test_r2_of_constant_targets_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    truth = torch.ones(5)
    for predicted in (torch.ones(5), torch.zeros(5)):
        assert float(r2(predicted, truth)) == metrics.r2_score(truth, predicted)


def test_there_is_no_score_over_no_rows():
    assert math.isnan(accuracy(torch.zeros(0), torch.zeros(0)))
    assert math.isnan(r2(torch.zeros(1), torch.zeros(1)))


def test_class_one_needs_more_than_one_half():
    assert predictions(torch.tensor([[-1.0], [0.0], [1.0]]), "classification").tolist() == [0, 0, 1]
    assert predictions(torch.tensor([[0.0, 2.0, 1.0]]), "classification").tolist() == [1]
    assert predictions(torch.tensor([[0.25]]), "regression").tolist() == [0.25]


def test_chance_is_the_training_majoritys_accuracy_on_the_test_rows():
    train = torch.tensor([[0, 0, 1], [1, 1, 0]])
    test = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 1]])
    assert chance_accuracy(train, test).tolist() == [0.25, 0.75]
    assert math.isnan(chance_accuracy(train[:, :0], test)[0])
