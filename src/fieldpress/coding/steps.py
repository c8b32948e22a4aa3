"""Quantiser steps as small integers, and arrays as levels of such steps.

A *step code* with m mantissa bits is a float with a short mantissa, written as one signed integer that grows with the
step: code c stands for (2**m + c mod 2**m) * 2**(c // 2**m - m). Code 0 is a step of 1. So steps of similar size have
similar codes, which the list coder makes cheap, and every machine reads the same exact number.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.symbols import Integers
from fieldpress.errors import FormatError

LEAST_EXPONENT, GREATEST_EXPONENT = -160, 131
"""Powers of two between which steps lie; float32 values and their differences need no others."""

FLOAT32_DIGITS = 23
"""A step below max |x| * 2**-23 would be finer than float32 itself."""

LOW_FRACTION = 8
"""Lowest levels are multiples of a step divided by this."""

_LEVEL_MANTISSA_BITS = 4
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def step_of(code: int, mantissa_bits: int) -> float:
    """The step that a code stands for.

    Raises:
        FormatError: The code is out of range.

    Example:
        >>> step_of(0, 4), step_of(8, 4), step_of(-16, 4)
        (1.0, 1.5, 0.5)
    """
    exponent, mantissa = divmod(code, 1 << mantissa_bits)
    if not LEAST_EXPONENT <= exponent <= GREATEST_EXPONENT:
        raise FormatError(f"a quantiser step is damaged: its exponent {exponent} is impossible")
    return math.ldexp((1 << mantissa_bits) + mantissa, exponent - mantissa_bits)


def code_not_below(step: float, mantissa_bits: int) -> int:
    """The code of the least step that is at least this one (positive, finite).

    Example:
        >>> code_not_below(1.4, 4)
        7
    """
    fraction, exponent = math.frexp(step)
    mantissa = math.ceil(math.ldexp(2 * fraction - 1, mantissa_bits))
    return max(((exponent - 1) << mantissa_bits) + mantissa, LEAST_EXPONENT << mantissa_bits)


class Levels(NamedTuple):
    """Rows of values as level indices: value = step * (low / 8 + index)."""

    codes: Integers
    """Step code of each row, four mantissa bits."""
    lows: Integers
    """Lowest level of each row, in eighths of its step."""
    indices: Integers
    """Shape (rows, values), from 0 to the number of levels - 1."""


def to_levels(rows: NDArray[np.float32], count: int, least_steps: NDArray[np.float64] | float = 0.0) -> Levels:
    """Each row's values as the nearest of ``count`` equally spaced levels over the row's range.

    The step is at most a sixteenth larger than range / (count - 9/8), and at least 2**-23 of the largest magnitude.
    The error is at most half a step.

    Args:
        rows: Finite, shape (rows, values).
        count: Number of levels, at least 2.
        least_steps: Of each row; larger ones make fewer levels.

    Example:
        >>> to_levels(np.array([[0.0, 1.0, 2.0, 2.875]], np.float32), 4)
        Levels(codes=array([0]), lows=array([0]), indices=array([[0, 1, 2, 3]]))
    """
    exact = rows.astype(np.float64)
    least, greatest = exact.min(axis=1), exact.max(axis=1)
    largest = np.maximum(np.abs(least), np.abs(greatest))
    wanted = np.maximum((greatest - least) / (count - 1 - 1 / LOW_FRACTION), largest * 2.0**-FLOAT32_DIGITS)
    wanted = np.where(wanted > 0, np.maximum(wanted, least_steps), 0.0)
    codes = [code_not_below(step, _LEVEL_MANTISSA_BITS) if step else 0 for step in wanted.tolist()]
    steps = np.array([step_of(code, _LEVEL_MANTISSA_BITS) for code in codes])
    lows = np.floor(LOW_FRACTION * least / steps)
    indices = np.rint(exact / steps[:, None] - lows[:, None] / LOW_FRACTION)
    return Levels(np.array(codes), lows.astype(np.int64), np.clip(indices, 0, count - 1).astype(np.int64))


def from_levels(levels: Levels) -> NDArray[np.float32]:
    """The values, shape (rows, values), finite float32.

    Raises:
        FormatError: A step code is out of range.
    """
    steps = np.array([step_of(code, _LEVEL_MANTISSA_BITS) for code in levels.codes.tolist()])
    return to_float32((levels.indices + levels.lows[:, None] / LOW_FRACTION) * steps[:, None])


def to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest finite float32: the outermost level may lie just beyond what float32 can hold."""
    return np.clip(values, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)
