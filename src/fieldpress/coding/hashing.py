"""Codes that follow from a cell's place: the spatial hash of Instant-NGP (Müller et al., SIGGRAPH 2022)."""

import numpy as np

from fieldpress.coding.symbols import Integers

_PRIMES = (1, 2_654_435_761, 805_459_861, 3_674_653_429)
"""For columns, rows, time and channel group."""


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
        # Lower bits depend on lower bits only, so the product may be cut to 16 bits: no integer overflows.
        products = np.arange(size, dtype=np.int64) % 2**16 * (prime % 2**16) % 2**16
        codes ^= products.reshape((-1,) + (1,) * (len(shape) - 1 - axis))
    return codes % (1 << bits)
