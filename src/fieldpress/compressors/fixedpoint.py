"""Tucker reconstruction in whole numbers, so that every machine gets the same bits.

Matrix products in floating point depend on the order of their sums, and so on the processor. Here both operands are
first rounded to whole numbers so short that all sums stay below 2**53. In double precision such a product is exact in
any order, with or without fused operations, and runs at the full speed of the machine's matrix routine. What rounding
the operands costs is about 1e-5 of the tensor's size, far below the steps that core and factors are coded with.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.steps import to_float32
from fieldpress.compressors.base import Array

_EXACT_BITS = 52
_NORM_BITS = 15

Doubles = NDArray[np.float64]


def unit_rows(factor: Array) -> Doubles:
    """Each row divided by a power of two next to its norm, which then is between 0.7 and 1.42; zeros stay zero.

    So a row says a direction only, and whoever writes it can scale it by how precisely it should be coded.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.1]], np.float32)).round(3)
        array([[0.75, 1.  ],
               [0.  , 0.8 ]])
    """
    exact = factor.astype(np.float64)
    _, exponents = np.frexp(np.abs(exact).max(axis=1, keepdims=True))
    squares = np.rint(np.ldexp(exact, _NORM_BITS - exponents)).astype(np.int64) ** 2
    lengths = [int(total).bit_length() // 2 for total in squares.sum(axis=1)]
    return np.ldexp(exact, _NORM_BITS - exponents - np.array(lengths)[:, None])


def expand(core: Array, rows: Mapping[int, Doubles]) -> Array:
    """The tensor of a core and the :func:`unit_rows` of its factors, float32 and the same on every machine.

    Args:
        core: Finite.
        rows: (rank, side) by axis. They are applied from the last axis to the first.
    """
    values, exponent = core.astype(np.float64), 0
    for axis in sorted(rows, reverse=True):
        sum_bits = rows[axis].shape[0].bit_length()
        factor_bits = (_EXACT_BITS - 4 - sum_bits) // 2
        core_bits = _EXACT_BITS - sum_bits - factor_bits
        greatest = float(np.abs(values).max())
        shift = core_bits - math.frexp(greatest)[1]
        whole = np.rint(np.ldexp(values, shift))
        factor = np.rint(np.ldexp(rows[axis], factor_bits))
        values = np.moveaxis(np.moveaxis(whole, axis, -1) @ factor, -1, axis)
        exponent -= shift + factor_bits
    return np.ascontiguousarray(to_float32(np.ldexp(values, exponent)))
