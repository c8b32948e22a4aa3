"""Tucker decomposition: a core, and an orthonormal factor for each axis that is truncated.

    tensor ~ core x_1 factor_1 x_2 factor_2 ...        factor_n of shape (rank_n, side_n)

Source: the sequentially truncated higher-order SVD (Vannieuwenhoven et al. 2012). Each axis is truncated in turn to
the leading eigenvectors of the Gram matrix of what the axes before have left, so later axes cost less and less. The
squared error is at most the number of truncated axes times that of the best approximation of these ranks.

A Gram matrix squares the condition number: components below about 3e-4 of the largest are lost in the rounding of
float32. A truncation at such a component would be pointless.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.compressors.base import Array


class Decomposition(NamedTuple):
    """A tensor in Tucker form."""

    core: Array
    """Shape: the ranks."""
    factors: dict[int, Array]
    """Shape (rank, side) by axis; axes of full rank have none."""

    def expand(self) -> Array:
        """The tensor."""
        return multiply(self.core, self.factors)


def decompose(tensor: Array, ranks: Sequence[int]) -> Decomposition:
    """The sequentially truncated higher-order SVD.

    Components are ordered from strong to weak, and each has its largest number positive, so that the result does not
    depend on the signs an eigensolver happens to choose.

    Args:
        tensor: Finite, with magnitudes at which squares neither overflow nor vanish.
        ranks: Of every axis, each at most its side. An axis of full rank is left as it is.

    Example:
        >>> core, factors = decompose(np.outer([3.0, 4.0], [1.0, 0.0, 0.0]).astype(np.float32), (2, 1))
        >>> core.ravel(), factors[1]
        (array([3., 4.], dtype=float32), array([[1., 0., 0.]], dtype=float32))
    """
    core, factors = tensor, {}
    for axis in cheapest_order(tensor.shape, ranks):
        factor = leading_components(core, axis, ranks[axis])
        core = multiply(core, {axis: factor.T})
        factors[axis] = factor
    return Decomposition(core, dict(sorted(factors.items())))


def leading_components(tensor: Array, axis: int, rank: int) -> Array:
    """Orthonormal rows, (rank, side): the leading left singular vectors of the tensor unfolded along an axis."""
    unfolded = np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
    _, vectors = np.linalg.eigh((unfolded @ unfolded.T).astype(np.float64))  # ascending
    rows = vectors[:, : -rank - 1 : -1].T
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(rows * np.sign(largest), dtype=np.float32)


def cheapest_order(shape: Sequence[int], ranks: Sequence[int]) -> tuple[int, ...]:
    """The truncated axes in the order that needs the fewest multiplications.

    Example:
        >>> cheapest_order((300, 200, 4), (150, 20, 4))
        (1, 0)
    """

    def cost(order: Sequence[int]) -> float:
        total, size = 0.0, float(math.prod(shape))
        for axis in order:
            total += size * (shape[axis] + ranks[axis])  # Gram matrix and projection
            size *= ranks[axis] / shape[axis]
        return total

    return min(itertools.permutations(axis for axis in range(len(shape)) if ranks[axis] < shape[axis]), key=cost)


def multiply(tensor: Array, matrices: Mapping[int, NDArray[np.floating]]) -> Array:
    """The tensor with each given axis multiplied by a matrix (length of the axis, new length), in float32."""
    for axis, matrix in matrices.items():
        tensor = np.moveaxis(np.moveaxis(tensor, axis, -1) @ matrix.astype(np.float32), -1, axis)
    return np.ascontiguousarray(tensor)
