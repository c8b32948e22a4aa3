"""Bits with chances of their own in a range-coded stream: few tables serve them all.

A chance is that of a one, in units of 2**-16. It is rounded to three significant bits of the smaller of the two
chances, of a one or of a zero, and the middle of what these span. Bits of the same rounded chance are coded together.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.rangecoder import TOTAL, Decoder, Encoder, Table

Bits = NDArray[np.bool_]

ONE = 16
"""Bits of the fixed point."""
_SIGNIFICANT_BITS = 3
_LEAST_CHANCE = 1 << 4


def write_bits(coder: Encoder, bits: Bits, chances: NDArray[np.int64]) -> None:
    """Append bits, those with the least rounded chance first."""
    for chance, places in _by_chance(rounded(chances)):
        coder.encode(bits[places].astype(np.int32), _table(chance))


def read_bits(coder: Decoder, chances: NDArray[np.int64]) -> Bits:
    """The next bits of a stream.

    Raises:
        FormatError: The stream is damaged.
    """
    bits = np.zeros(len(chances), dtype=np.bool_)
    for chance, places in _by_chance(rounded(chances)):
        bits[places] = coder.decode(len(places), _table(chance)) == 1
    return bits


def rounded(chances: NDArray[np.int64]) -> NDArray[np.uint16]:
    """As the module's description says; chances that are none become the nearest."""
    smaller = np.clip(np.minimum(chances, (1 << ONE) - chances), _LEAST_CHANCE, (1 << (ONE - 1)) - 1)
    dropped = np.frexp(smaller.astype(np.float64))[1] - _SIGNIFICANT_BITS  # exact: integers below 2**16
    smaller = (smaller >> dropped << dropped) + (1 << dropped >> 1)
    return np.where(chances < 1 << (ONE - 1), smaller, (1 << ONE) - smaller).astype(np.uint16)  # sorts fastest


@cache
def _table(chance: int) -> Table:
    ones = chance * (TOTAL >> ONE)
    return Table((TOTAL - ones, ones))


def _by_chance(chances: NDArray[np.uint16]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each chance that occurs, ascending, and where."""
    order = np.argsort(chances, kind="stable")
    found, starts = np.unique(chances[order], return_index=True)
    return zip(found.tolist(), np.split(order, starts)[1:], strict=True)
