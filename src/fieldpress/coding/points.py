"""Entries of a dictionary as points: integers, so that a decoder can reckon with them exactly."""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.symbols import Integers

POINT_BITS = 12
"""Magnitudes of points are at most 2 to the power of this."""


def points_of(entries: NDArray[np.float32]) -> Integers:
    """Exact scaling by a power of two, then rounding, ties to even; of the same shape."""
    _, exponent = np.frexp(np.abs(entries).max())
    return np.rint(np.ldexp(entries.astype(np.float64), POINT_BITS - int(exponent))).astype(np.int64)
