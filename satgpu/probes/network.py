"""The shape of a probe and where its numbers lie: all parameters of one probe in one flat vector.

Every block starts on a multiple of 16 elements (64 bytes in float32). Matrix products may round
differently on data of another alignment, so this is part of "a probe's result is its own".
"""

from dataclasses import dataclass

from torch import Tensor

_BLOCK = 16  # elements


@dataclass(frozen=True)
class Layout:
    """Layers of ``units[i]`` to ``units[i + 1]`` values: weights first, then biases, then padding.

    Attributes:
        units: inputs, hidden layers, outputs: (256, 128, 64, 1).
    """

    units: tuple[int, ...]

    @property
    def n_layers(self) -> int:
        """Weight matrices."""
        return len(self.units) - 1

    @property
    def n_outputs(self) -> int:
        """Values of the last layer."""
        return self.units[-1]

    @property
    def n_weights(self) -> int:
        """Elements of the padded weight blocks: the biases start here."""
        return sum(_padded(a * b) for a, b in self._pairs())

    @property
    def size(self) -> int:
        """Elements of the whole flat vector."""
        return self.n_weights + sum(_padded(b) for b in self.units[1:])

    @property
    def flops_per_row(self) -> int:
        """Operations of a forward and backward pass for one row; inputs need no gradient."""
        first, *others = [2 * a * b for a, b in self._pairs()]
        return 2 * first + 3 * sum(others)

    @property
    def starts(self) -> list[tuple[int, int]]:
        """(first weight, first bias) of each layer in the flat vector."""
        starts, w, b = [], 0, self.n_weights
        for n_in, n_out in self._pairs():
            starts.append((w, b))
            w, b = w + _padded(n_in * n_out), b + _padded(n_out)
        return starts

    def weights(self, flat: Tensor) -> list[Tensor]:
        """Views (..., n_out, n_in) into ``flat`` (..., size), one for each layer."""
        views, start = [], 0
        for n_in, n_out in self._pairs():
            views.append(flat[..., start : start + n_in * n_out].unflatten(-1, (n_out, n_in)))
            start += _padded(n_in * n_out)
        return views

    def biases(self, flat: Tensor) -> list[Tensor]:
        """Views (..., n_out) into ``flat`` (..., size), one for each layer."""
        views, start = [], self.n_weights
        for n_out in self.units[1:]:
            views.append(flat[..., start : start + n_out])
            start += _padded(n_out)
        return views

    def _pairs(self) -> list[tuple[int, int]]:
        """(n_in, n_out) of each layer."""
        return list(zip(self.units[:-1], self.units[1:], strict=True))


def _padded(n: int) -> int:
    """The next multiple of the block."""
    return -(-n // _BLOCK) * _BLOCK
