"""Bits coded with chances that follow from how bits before them came out in like contexts: nothing is sent along.

Every bit comes with one context of each of several *kinds*, ordered from general to specific. A kind counts the zeros
and ones seen in each of its contexts. From an even chance on, each kind shrinks its own share of ones towards what the
kinds before it say, as if that had been seen four times (in units of 2**-16)::

    p = 2**15;    for each kind:    p = ((ones << 16) + 4 * p) // (zeros + ones + 4)

So a specific context counts as soon as it has been met a few times, and a general one helps out before. Bits come in
blocks, so that all of it is vectorised: counts change behind a block only. All in integers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.chances import ONE, Bits, read_bits, write_bits
from fieldpress.coding.rangecoder import Decoder, Encoder

Contexts = NDArray[np.int32]
"""One row for each kind, one column for each bit."""

_WEIGHT = 4
_FIRST_BLOCK, _LARGEST_BLOCK = 1 << 6, 1 << 14


class Adaptive:
    """The counts.

    Args:
        sizes: How many contexts each kind has, from the most general kind on.

    Example:
        >>> from fieldpress.coding.rangecoder import decoder, encoder
        >>> contexts, bits, coder = np.zeros((1, 1000), np.int32), np.arange(1000) == 7, encoder()
        >>> Adaptive([1]).write(coder, contexts, bits)
        >>> data = coder.finish()
        >>> len(data), np.flatnonzero(Adaptive([1]).read(decoder(data), contexts))
        (6, array([7]))
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._counts = [np.zeros((size, 2), dtype=np.int32) for size in sizes]

    def learn(self, contexts: Contexts, bits: Bits) -> None:
        """Counts bits that are known."""
        for counts, context in zip(self._counts, contexts, strict=True):
            # Flat, and a one of the counts' own type: anything else is thirty times slower.
            np.add.at(counts.reshape(-1), 2 * context + bits, np.int32(1))

    def write(self, coder: Encoder, contexts: Contexts, bits: Bits) -> None:
        """Append bits to a stream, and count them."""
        for block in _blocks(len(bits)):
            write_bits(coder, bits[block], self._chances(contexts[:, block]))
            self.learn(contexts[:, block], bits[block])

    def read(self, coder: Decoder, contexts: Contexts) -> Bits:
        """The next bits of a stream, counted.

        Raises:
            FormatError: The stream is damaged.
        """
        bits = np.zeros(contexts.shape[1], dtype=np.bool_)
        for block in _blocks(len(bits)):
            bits[block] = read_bits(coder, self._chances(contexts[:, block]))
            self.learn(contexts[:, block], bits[block])
        return bits

    def _chances(self, contexts: Contexts) -> NDArray[np.int64]:
        """Of a one, in units of 2**-16."""
        chances = np.full(contexts.shape[1], 1 << (ONE - 1), dtype=np.int64)
        for counts, context in zip(self._counts, contexts, strict=True):
            zeros, ones = counts[context].T.astype(np.int64)
            chances = ((ones << ONE) + _WEIGHT * chances) // (zeros + ones + _WEIGHT)
        return chances


def _blocks(count: int) -> Iterator[slice]:
    """64 bits, then each time as many as there were before, up to 2**14."""
    start = 0
    while start < count:
        end = start + min(max(start, _FIRST_BLOCK), _LARGEST_BLOCK)
        yield slice(start, min(end, count))
        start = end
