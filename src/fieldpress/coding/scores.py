"""Chances from scores: what a few weights that are sent make of what is known, all in integers.

A score counts sixteenths of an octave. A bit with score s is a one with odds of 2**(s / 16) to 1. A symbol with score s
has a share of 2**(s / 16), among those of all symbols; it is coded bit by bit, the highest first, each with the chance
that the shares of the symbols that are left give it.
"""

import numpy as np

from fieldpress.coding.chances import ONE, Bits, read_bits, write_bits
from fieldpress.coding.rangecoder import Decoder, Encoder
from fieldpress.coding.symbols import Integers

OCTAVE = 16
_FAR = 16 * OCTAVE
"""Scores beyond are as good as certain."""
_SHARE_BITS = 20
_BLOCK = 1 << 20

_ODDS = np.exp2(np.arange(-_FAR, _FAR + 1) / OCTAVE)
_CHANCES = np.rint((1 << ONE) * _ODDS / (1 + _ODDS)).astype(np.int64)
_SHARES = np.rint(np.exp2(_SHARE_BITS + np.arange(OCTAVE) / OCTAVE)).astype(np.int64)


def chances_of(scores: Integers) -> Integers:
    """Of ones, in units of 2**-16."""
    return _CHANCES[np.clip(scores, -_FAR, _FAR) + _FAR]


def write_scored(coder: Encoder, symbols: Integers, scores: Integers) -> None:
    """Append symbols.

    Args:
        symbols: Shape (n,), each below the number of scores.
        scores: Shape (n, a power of two).
    """
    for block in _blocks(scores.shape):
        shares, left = _shares(scores[block]), symbols[block].astype(np.int64)
        while shares.shape[1] > 1:
            half = shares.shape[1] // 2
            bits = left >= half
            write_bits(coder, bits, _upper(shares))
            shares, left = _half(shares, bits), left - half * bits


def read_scored(coder: Decoder, scores: Integers) -> Integers:
    """The next symbols of a stream, each given its scores.

    Raises:
        FormatError: The stream is damaged.
    """
    symbols = np.zeros(len(scores), dtype=np.int64)
    for block in _blocks(scores.shape):
        shares = _shares(scores[block])
        while shares.shape[1] > 1:
            bits = read_bits(coder, _upper(shares))
            symbols[block] = 2 * symbols[block] + bits
            shares = _half(shares, bits)
    return symbols


def _shares(scores: Integers) -> Integers:
    below = scores.max(axis=1, keepdims=True) - scores
    octaves = -(-below // OCTAVE)
    return (_SHARES[octaves * OCTAVE - below] >> np.minimum(octaves, _SHARE_BITS + 1)) + 1


def _upper(shares: Integers) -> Integers:
    """The chance of the upper half of the symbols."""
    return (shares[:, shares.shape[1] // 2 :].sum(axis=1) << ONE) // shares.sum(axis=1)


def _half(shares: Integers, upper: Bits) -> Integers:
    half = shares.shape[1] // 2
    return np.where(upper[:, None], shares[:, half:], shares[:, :half])


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    rows = max(1, _BLOCK // shape[1])
    return [slice(start, start + rows) for start in range(0, shape[0], rows)]
