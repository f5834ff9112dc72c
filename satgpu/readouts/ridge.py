"""Ridge read-outs of one embedding by many targets: factorised once, the penalty by exact leave-one-out.

Dimensions are centred and divided by their standard deviation, never whitened: the spectrum of an
embedding is its prior, and flattening it takes the prior away. The penalty a is relative to the
largest eigenvalue of the Gram matrix XᵀX of the standardised data, so it means the same at every n.
With XᵀX = V diag(w) Vᵀ, U = X V w^-½ and h = w / (w + a·w_max), the fitted values are ȳ + U (h ∘ Uᵀy), the
leverages H_i = 1/n + Σ_k U_ik² h_k, and the residual of point i in a fit without it is exactly
(y_i - ŷ_i) / (1 - H_i) (Allen 1974): all leave-one-out fits for one product, centre and scale held.
Both are computed from 1 - h, and from what no component reaches: as differences they would cancel where D ≥ N.

Shapes: "..." any leading axes (replicates, places), N points, M new points, D embedding,
K = min(N, D) components, T targets, G groups of targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from satgpu.errors import UserError, unknown_choice

# Half decades from 1e-10 to 1e3 of the largest eigenvalue.
PENALTIES = torch.logspace(-10, 3, 27, dtype=torch.float64)
# Of the largest eigenvalue: components below are rounding, and the smallest penalty leaves 1 % of them.
_RANK_CUT = 1e-12
_ROUNDINGS = 10  # an embedding is good to some roundings of its own dtype, not to one
# Of the median standard deviation: dimensions below are dropped.
_FLAT_DIMENSION = 1e-6
_CHUNK_ELEMENTS = 1 << 17  # of a block of residuals, which then stay in cache: 1 MB


class Labels(NamedTuple):
    """Targets as a factorised embedding sees them."""

    mean: Tensor  # (..., 1, T)
    coefficients: Tensor  # (..., K, T): Uᵀ(y - ȳ)


@dataclass(frozen=True)
class Penalty:
    """The penalty of each group of targets.

    Args:
        relative: (..., G) of the largest eigenvalue.
        edge: (..., G) the smallest or largest of the grid won: the best may lie beyond it.
        loo_mse: (..., G) mean squared residual at the points left out (or the GCV score).
        groups: (T,) the group of each target.
    """

    relative: Tensor
    edge: Tensor
    loo_mse: Tensor
    groups: Tensor

    def per_target(self) -> Tensor:
        """(..., T) relative penalties."""
        return self.relative[..., self.groups]


@dataclass(frozen=True)
class Standardised:
    """Centre and scale of an embedding's dimensions.

    Args:
        mean: (..., 1, D).
        inverse_scale: (..., 1, D) one over the standard deviation, 0 for a dropped dimension.
        dropped: (...) int64, dimensions that are constant or below 1e-6 of the median standard deviation.
    """

    mean: Tensor
    inverse_scale: Tensor
    dropped: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        return (X.to(self.mean) - self.mean) * self.inverse_scale


def standardise(X: Tensor) -> Standardised:
    """Centre and scale of the dimensions of (..., N, D) data, the flat ones marked to be dropped.

    A dimension whose spread is rounding (1e-13 of its size) is constant and takes no part in the median.
    """
    mean = X.mean(-2, keepdim=True)
    std = (X - mean).square().mean(-2, keepdim=True).sqrt()
    varies = std > 1e-13 * X.abs().amax(-2, keepdim=True)
    median = torch.where(varies, std, torch.nan).nanmedian(-1, keepdim=True).values
    kept = varies & (std >= _FLAT_DIMENSION * median)
    return Standardised(mean, torch.where(kept, 1 / std, 0.0), (~kept).sum((-2, -1)))


def float64_device(device: str | torch.device) -> torch.device:
    """The device, once it has shown that it computes in float64.

    Raises:
        UserError: it doesn't (Apple's mps), or there is no such device.
    """
    try:
        torch.zeros(1, dtype=torch.float64, device=device) + 1
    except (TypeError, RuntimeError, AssertionError) as error:
        words = str(error).splitlines()[0]
        raise UserError(f"device {str(device)!r} can't compute in float64, use device='cpu' ({words})") from None
    return torch.device(device)


class Ridge:
    """An embedding at N points, factorised: reads any number of targets with any penalty.

    Make one with :meth:`factor`. Attributes: ``n`` points, ``rank`` (...) numerical rank,
    ``dropped`` (...) flat dimensions, ``eigenvalues`` (..., K) and ``U`` (..., N, K).

    Example:
        >>> X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> Y = X @ torch.ones(4, 2, dtype=torch.float64)
        >>> bool((Ridge.factor(X).read(X, Y) - Y).abs().max() < 1e-6)
        True
    """

    def __init__(self, standardised: Standardised, eigenvalues: Tensor, U: Tensor, V: Tensor):
        self.standardised, self.eigenvalues, self.U, self._V = standardised, eigenvalues, U, V
        self.n = U.shape[-2]
        self.rank = (eigenvalues > 0).sum(-1)
        self.dropped = standardised.dropped

    @classmethod
    def factor(
        cls,
        X: Tensor,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float64,
        exact: bool = False,
    ) -> Ridge:
        """Factorise embeddings: by the (D, D) Gram matrix, or with D ≥ N by the (N, N) one.

        Args:
            X: (..., N, D) embeddings; leading axes are independent factorisations.
            device, dtype: of the arithmetic; by default the device of ``X``, float64.
            exact: by QR and SVD of the data instead (D < N): three times slower, but components down to
                rounding are told apart, not only those above 1e-6 of the largest. The rank counts those
                above what the rounding of the dtype of ``X`` can make.

        Raises:
            UserError: fewer than 3 points, a value that is not finite, or a device without float64.
        """
        eps = torch.finfo(X.dtype).eps if X.is_floating_point() else 0.0
        X = X.to(float64_device(X.device if device is None else device), dtype)
        if X.ndim < 2 or X.shape[-2] < 3:
            raise UserError(f"a ridge read-out needs (..., n, d) embeddings of at least 3 points; got {tuple(X.shape)}")
        if not torch.isfinite(X).all():
            raise UserError("the embeddings hold values that are NaN or infinite; a ridge read-out can't use them")
        standardised = standardise(X)
        rounding = (X.abs().amax(-2, keepdim=True) * standardised.inverse_scale).amax((-2, -1)) * eps * _ROUNDINGS
        X = standardised(X)
        if X.shape[-1] >= X.shape[-2]:
            w, U = _eigh(X @ X.mT)
            U = U * (w > 0)[..., None, :]
            return cls(standardised, w, U, X.mT @ (U * _inverse_root(w)))
        if exact:
            return cls(standardised, *_svd(X, rounding * X.shape[-2] ** 0.5))
        w, V = _eigh(X.mT @ X)
        return cls(standardised, w, X @ (V * _inverse_root(w)), V)

    def basis(self, X_new: Tensor) -> Tensor:
        """(..., M, K) what the components are at new points: for :meth:`predict`."""
        return self.standardised(X_new) @ (self._V * _inverse_root(self.eigenvalues))

    def project(self, Y: Tensor) -> Labels:
        """Targets (..., N, T) as labels; done once, however many penalties follow."""
        mean = Y.mean(-2, keepdim=True)
        return Labels(mean, self.U.mT @ (Y - mean))

    def shrinkage(self, relative: Tensor) -> Tensor:
        """(..., K, T) factors h = w / (w + a·w_max) of relative penalties (..., T)."""
        w = self.eigenvalues[..., :, None]
        return w / (w + self._absolute(relative))

    def lost(self, relative: Tensor) -> Tensor:
        """(..., K, T) factors 1 - h, without cancellation."""
        absolute = self._absolute(relative)
        return absolute / (self.eigenvalues[..., :, None] + absolute)

    def _absolute(self, relative: Tensor) -> Tensor:
        """(..., 1, T) penalties a·w_max, above 0."""
        w_max = self.eigenvalues[..., :1, None].clamp_min(torch.finfo(self.U.dtype).tiny ** 0.5)
        return relative.to(self.U)[..., None, :] * w_max

    def predict(self, basis: Tensor, labels: Labels, relative: Tensor) -> Tensor:
        """(..., M, T) values at new points.

        Args:
            basis: of :meth:`basis`, (..., M, K).
            labels: of :meth:`project`.
            relative: (..., T) or (T,) penalties, one for each target.
        """
        return labels.mean + basis @ (self.shrinkage(relative) * labels.coefficients)

    def read(self, X_new: Tensor, Y: Tensor, groups: Tensor | None = None) -> Tensor:
        """(..., M, T) predictions at new points (..., M, D), penalties chosen from the labels Y (..., N, T)."""
        return self.predict(self.basis(X_new), self.project(Y), self.choose(Y, groups).per_target())

    def leverage(self) -> Tensor:
        """(..., N, 1) leverages H of least squares with an intercept."""
        return self.U.square() @ (self.eigenvalues > 0).to(self.U)[..., None] + 1 / self.n

    def gcv_is_safe(self) -> bool:
        """n ≥ 4 ranks and no leverage above 5 times the mean: elsewhere GCV breaks and leave-one-out doesn't."""
        leverage = self.leverage()
        even = leverage.amax(-2) < 5 * leverage.mean(-2)
        return bool((self.n >= 4 * self.rank).all() and even.all())

    def choose(
        self,
        Y: Tensor,
        groups: Tensor | None = None,
        penalties: Tensor = PENALTIES,
        method: str = "loo",
        every: int = 1,
    ) -> Penalty:
        """The penalty of each group of targets that predicts the points left out best, pooled over the group.

        Args:
            Y: (..., N, T) noisy labels.
            groups: (T,) int64 group of each target, 0 to G-1; each target for itself by default.
            penalties: (A,) relative to the largest eigenvalue, ascending.
            method: "loo", exact leave-one-out, or "gcv", from eigenvalues alone.
            every: look at every so many penalties first and then at those between the best one's
                neighbours. The pooled score is smooth in log penalty; 1 looks at all.

        Raises:
            UserError: an unknown method, or "gcv" where :meth:`gcv_is_safe` is false.
        """
        if method not in ("loo", "gcv"):
            raise unknown_choice("method", method, ("loo", "gcv"))
        if method == "gcv" and not self.gcv_is_safe():
            raise UserError(
                "GCV needs n >= 4 * rank and leverages below 5 times their mean, which this embedding lacks;"
                " use method='loo'"
            )
        groups = torch.arange(Y.shape[-1]) if groups is None else groups
        scores = _Scores(self, Y.to(self.U), groups.to(self.U.device), method)
        return scores.best(penalties.to(self.U), max(1, every))


class _Scores:
    """Leave-one-out (or GCV) scores of groups of targets, penalty by penalty."""

    def __init__(self, ridge: Ridge, Y: Tensor, groups: Tensor, method: str):
        self.ridge, self.groups = ridge, groups
        self.n_groups = int(groups.max()) + 1
        self.sizes = torch.bincount(groups, minlength=self.n_groups)
        self.labels = ridge.project(Y)
        self.score = self._loo if method == "loo" else self._gcv
        # What no component reaches: nothing where they fill the space of N points less the mean.
        reached = (ridge.rank < ridge.n - 1)[..., None, None]
        centred = Y - self.labels.mean
        self.outside = (centred - ridge.U @ self.labels.coefficients) * reached
        self.outside_leverage = (1 - ridge.leverage()) * reached
        self.squared_U = ridge.U.square()
        self.total = centred.square().sum(-2)

    def best(self, penalties: Tensor, every: int) -> Penalty:
        """Coarse, then fine around the best of each group."""
        last = len(penalties) - 1
        coarse = sorted({*range(0, last + 1, every), last})
        seen = torch.stack([self._at(penalties[i]) for i in coarse])  # (A', ..., G)
        score, which = seen.min(0)
        start = index = torch.tensor(coarse, device=score.device)[which]
        for step in (s for k in range(1, every) for s in (-k, k)):
            tried = (start + step).clamp(0, last)
            new = self._at(penalties[tried])
            score, index = torch.minimum(score, new), torch.where(new < score, tried, index)
        return Penalty(penalties[index], (index == 0) | (index == last), score, self.groups)

    def _at(self, penalty: Tensor) -> Tensor:
        """(..., G) mean squared score at one penalty (), or at one for each group (..., G)."""
        lost = self.ridge.lost(penalty if penalty.ndim else penalty[None])  # (..., K, G or 1)
        per_target = self.score(lost)
        pooled = per_target.new_zeros(*per_target.shape[:-1], self.n_groups)
        return pooled.index_add_(-1, self.groups, per_target) / self.sizes

    def _of_targets(self, per_group: Tensor) -> Tensor:
        """Columns of the groups as columns of the targets; one column serves all."""
        return per_group if per_group.shape[-1] == 1 else per_group[..., self.groups]

    def _loo(self, lost: Tensor) -> Tensor:
        """(..., T) mean squared residuals at the points left out."""
        left = self.outside_leverage + self.squared_U @ lost
        inverse = left.clamp_min(1e-12).reciprocal()  # (..., N, G or 1)
        missing = self._of_targets(lost) * self.labels.coefficients
        total = self.total.new_zeros(())  # the same targets may serve several factorisations
        n = self.ridge.n
        rows = max(1, _CHUNK_ELEMENTS // (self.outside.numel() // n))
        for start in range(0, n, rows):
            some = (..., slice(start, start + rows), slice(None))
            residual = (self.ridge.U[some] @ missing).add_(self.outside[some])
            total = total + residual.mul_(self._of_targets(inverse[some])).square_().sum(-2)
        return total / n

    def _gcv(self, lost: Tensor) -> Tensor:
        """(..., T) generalised cross-validation scores (Golub, Heath and Wahba 1979)."""
        lost = self._of_targets(lost)
        missed = self.total - ((1 - lost.square()) * self.labels.coefficients.square()).sum(-2)
        free = self.ridge.n - 1 - (1 - lost).sum(-2)
        return missed * self.ridge.n / free.square()


def _eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, largest first, those that are rounding set to 0, and their vectors."""
    w, V = torch.linalg.eigh(gram)
    w, V = w.flip(-1), V.flip(-1)
    return torch.where(w > w[..., :1] * _RANK_CUT, w, 0.0), V


def _svd(X: Tensor, noise_floor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared singular values, left and right vectors of (..., N, D) data; those below the floor (...) set to 0."""
    Q, R = torch.linalg.qr(X)
    A, s, Vh = torch.linalg.svd(R)
    floor = torch.maximum(noise_floor, s[..., 0] * X.shape[-2] * torch.finfo(s.dtype).eps)[..., None]
    s = torch.where(s > floor, s, 0.0)
    return s.square(), Q @ (A * (s > 0)[..., None, :]), Vh.mT


def _inverse_root(w: Tensor) -> Tensor:
    """(..., 1, K) w^-½, 0 where w is."""
    return torch.where(w > 0, w.rsqrt(), 0.0)[..., None, :]
