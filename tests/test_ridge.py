"""Ridge read-outs: penalties by exact leave-one-out, against scikit-learn and against leaving points out."""

import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeCV

from satgpu.errors import UserError
from satgpu.readouts.ridge import PENALTIES, Penalty, Ridge, float64_device, standardise


def _data(n=80, d=12, targets=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=g, dtype=torch.float64) * torch.logspace(0, -3, d, dtype=torch.float64) + 2
    Y = X @ torch.randn(d, targets, generator=g, dtype=torch.float64) + 0.3 * torch.randn(
        n, targets, generator=g, dtype=torch.float64
    )
    return X, Y


def _standard(X):
    return standardise(X)(X)


@pytest.mark.parametrize("d", [12, 120], ids=["narrow", "wider-than-points"])
def test_penalties_and_predictions_equal_scikit_learns_ridgecv(d):
    X, Y = _data(d=d)
    Z = _standard(X)
    ridge = Ridge.factor(X)
    chosen = ridge.choose(Y)
    alphas = (PENALTIES * ridge.eigenvalues[0]).numpy()
    theirs = RidgeCV(alphas=alphas, alpha_per_target=True).fit(Z.numpy(), Y.numpy())
    torch.testing.assert_close(
        chosen.relative * ridge.eigenvalues[0], torch.from_numpy(theirs.alpha_), rtol=1e-9, atol=0
    )
    torch.testing.assert_close(-chosen.loo_mse, torch.from_numpy(theirs.best_score_), rtol=1e-5, atol=0)
    torch.testing.assert_close(ridge.read(X, Y), torch.from_numpy(theirs.predict(Z.numpy())), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("d", [12, 120])
def test_leave_one_out_equals_leaving_each_point_out(d):
    X, Y = _data(n=40, d=d)
    Z, ridge = _standard(X), Ridge.factor(X)
    for relative in (1e-6, 1e-2, 10.0):
        left = 0
        for i in range(len(X)):
            rest = torch.arange(len(X)) != i
            model = SklearnRidge(alpha=relative * ridge.eigenvalues[0].item()).fit(Z[rest].numpy(), Y[rest].numpy())
            left = left + (Y[i] - torch.from_numpy(model.predict(Z[i : i + 1].numpy())[0])) ** 2
        ours = ridge.choose(Y, penalties=torch.tensor([relative])).loo_mse
        torch.testing.assert_close(ours, left / len(X), rtol=1e-6, atol=0)


def test_penalty_is_pooled_over_a_group_and_coarse_search_finds_the_same():
    X, Y = _data(targets=8)
    groups = torch.tensor([0, 1, 0, 1, 2, 2, 2, 0])
    ridge = Ridge.factor(X)
    each = torch.stack([ridge.choose(Y, penalties=a[None]).loo_mse for a in PENALTIES])
    pooled = torch.stack([each[:, groups == g].mean(1) for g in range(3)], 1)
    for every in (1, 3):
        chosen = ridge.choose(Y, groups, every=every)
        torch.testing.assert_close(chosen.relative, PENALTIES[pooled.argmin(0)])
        torch.testing.assert_close(chosen.loo_mse, pooled.min(0).values)
    assert chosen.per_target().shape == (8,)


def test_replicates_are_read_as_if_alone():
    pairs = [_data(seed=s) for s in range(3)]
    X, Y = (torch.stack(part) for part in zip(*pairs, strict=True))
    groups = torch.tensor([0, 0, 0, 1, 1, 1])
    together = Ridge.factor(X).read(X[:, :5], Y, groups)
    for i, (x, y) in enumerate(pairs):
        torch.testing.assert_close(together[i], Ridge.factor(x).read(x[:5], y, groups), rtol=1e-9, atol=1e-9)


def test_gcv_agrees_where_safe_and_is_refused_elsewhere():
    X, Y = _data(n=400)
    ridge = Ridge.factor(X)
    ratio = ridge.choose(Y, method="gcv").loo_mse / ridge.choose(Y).loo_mse
    assert (ratio - 1).abs().max() < 0.02
    with pytest.raises(UserError, match="use method='loo'"):
        Ridge.factor(X[:20]).choose(Y[:20], method="gcv")
    with pytest.raises(UserError, match="unknown method 'aic'"):
        ridge.choose(Y, method="aic")


def test_flat_dimensions_are_dropped_and_counted_and_offsets_do_nothing():
    X, Y = _data()
    flat = torch.cat([X, torch.full((80, 2), 7.3), X[:, :1] * 1e-9], 1)
    ridge = Ridge.factor(flat * 1e4 + 1e3)
    assert ridge.dropped == 3 and ridge.rank == 12
    torch.testing.assert_close(ridge.read(flat * 1e4 + 1e3, Y), Ridge.factor(X).read(X, Y), rtol=1e-6, atol=1e-6)


def test_a_pick_on_the_edge_is_flagged():
    X, _ = _data()
    noise = torch.randn(80, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    chosen = Ridge.factor(X).choose(torch.cat([noise, X @ torch.ones(12, 1, dtype=torch.float64)], 1))
    assert isinstance(chosen, Penalty)
    assert chosen.edge[2] and chosen.relative[2] == PENALTIES[0]


def test_a_constant_embedding_predicts_the_mean():
    Y = torch.randn(20, 2, dtype=torch.float64)
    ridge = Ridge.factor(torch.ones(20, 3))
    assert ridge.rank == 0
    torch.testing.assert_close(ridge.read(torch.ones(4, 3), Y), Y.mean(0).expand(4, 2))


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(UserError, match="at least 3 points"):
        Ridge.factor(torch.ones(2, 3))
    with pytest.raises(UserError, match="NaN or infinite"):
        Ridge.factor(torch.full((5, 3), torch.nan))
    with pytest.raises(UserError, match="can't compute in float64"):
        float64_device("mps")
