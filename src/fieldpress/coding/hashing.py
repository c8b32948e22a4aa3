"""Codes that follow from a cell's place: the spatial hash of Instant-NGP (Müller et al., SIGGRAPH 2022)."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.symbols import Integers

_PRIMES = (1, 2_654_435_761, 805_459_861, 3_674_653_429)
"""For columns, rows, time and channel group; of cells in space for their last, middle and first coordinate."""


def hashed_codes(shape: tuple[int, ...], bits: int) -> Integers:
    """A code for every cell: the low bits of the exclusive or of its indices, each times a prime.

    Args:
        shape: (groups, rows, columns) or (groups, time, rows, columns).
        bits: Of a code, 1 to 16.

    Example:
        >>> hashed_codes((1, 2, 4), 3).tolist()
        [[[0, 1, 2, 3], [1, 0, 3, 2]]]
    """
    axes = (*_PRIMES[: len(shape) - 1], _PRIMES[3])
    codes = np.zeros(shape, dtype=np.int64)
    for axis, (size, prime) in enumerate(zip(shape, reversed(axes), strict=True)):
        codes ^= _products(np.arange(size), prime).reshape((-1,) + (1,) * (len(shape) - 1 - axis))
    return codes % (1 << bits)


def hashed_places(corners: NDArray[np.int16], groups: int, bits: int) -> Integers:
    """The same of cells in space, (groups, cells): they keep their codes where others are left out.

    Args:
        corners: Coordinates, shape (cells, 3).
        groups: Of channels.
        bits: Of a code, 1 to 16.

    Example:
        >>> hashed_places(np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1]]), 1, 3).tolist()
        [[0, 1, 0]]
    """
    own = [_products(coordinates, prime) for coordinates, prime in zip(corners.T[::-1], _PRIMES[:3], strict=True)]
    of_groups = _products(np.arange(groups), _PRIMES[3])
    return (reduce(np.bitwise_xor, own) ^ of_groups[:, None]) % (1 << bits)


def _products(numbers: Integers | NDArray[np.int16], prime: int) -> Integers:
    """Lower bits depend on lower bits only, so products may be cut to 16 bits: no integer overflows."""
    return numbers.astype(np.int64) % 2**16 * (prime % 2**16) % 2**16
