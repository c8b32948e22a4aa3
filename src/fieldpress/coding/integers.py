"""A grid of integers as one range-coded stream, in whichever of four ways is smallest.

The stream begins with the way (two bits):

    flat        one list: one table for all integers (lists.py)
    channels    a centre and a table per channel (the first axis): biases and rows of weights, grids without structure
    histogram   the integers' own distribution, sent along: few distinct values, odd distributions
    context     prediction from neighbours in space and time, tables chosen by their residuals (context.py)

Everything the decoder computes is integer arithmetic. A tensor of zeros is the empty string.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fieldpress.coding.context import read_context, view_with_context
from fieldpress.coding.contextfit import write_context
from fieldpress.coding.lists import best_table, nearest_rung, read_list, write_list
from fieldpress.coding.rangecoder import Decoder, Encoder, Table, decoder, encoder
from fieldpress.coding.symbols import (
    MAX_MAGNITUDE,
    Integers,
    read_exp_golomb,
    read_symbols,
    write_exp_golomb,
    write_symbols,
)
from fieldpress.coding.tables import RUNGS, SHAPES
from fieldpress.errors import FormatError

MAX_ALPHABET = 1 << 11
"""Most distinct values of a histogram."""

_TWO = Table.from_weights([1, 1])
_FOUR = Table.from_weights([1, 1, 1, 1])

Shape = tuple[int, ...]


class _Way(NamedTuple):
    fits: Callable[[Integers], bool]
    write: Callable[[Encoder, Integers], None]
    read: Callable[[Decoder, Shape], Integers]


def encode_integers(values: Integers, side: Sequence[Integers] = ()) -> bytes:
    """The shortest stream of these integers.

    Args:
        values: Magnitude at most 2**30; rank 1 to 4, channels first, no axis empty.
        side: Lists of integers that go ahead of them in the same stream, none empty.

    Example:
        >>> encode_integers(np.zeros((4, 30, 30), dtype=np.int64))
        b''
    """
    streams = []
    for index in _fitting(values):
        coder = encoder()
        for numbers in side:
            write_list(coder, numbers)
        _write(coder, values, index)
        streams.append(coder.finish())
    return min(streams, key=len)


def decode_integers(data: bytes, shape: Shape, side: Sequence[int] = ()) -> tuple[Integers, list[Integers]]:
    """The integers of :func:`encode_integers`, and the lists ahead of them, given their lengths.

    Raises:
        FormatError: The stream is damaged, or is not of this shape.
    """
    coder = decoder(data)
    lists = [read_list(coder, count) for count in side]
    return read_integers(coder, shape), lists


def write_integers(coder: Encoder, values: Integers) -> None:
    """Append integers like those of :func:`encode_integers`, in the way that would be shortest by itself."""
    lengths: dict[int, int] = {}
    for index in _fitting(values):
        trial = encoder()
        _write(trial, values, index)
        lengths[index] = len(trial.finish())
    _write(coder, values, min(lengths, key=lengths.__getitem__))


def read_integers(coder: Decoder, shape: Shape) -> Integers:
    """The next integers of a stream, of this shape.

    Raises:
        FormatError: The stream is damaged.
    """
    values = _WAYS[int(coder.decode(1, _FOUR)[0])].read(coder, shape)
    if np.abs(values).max() > MAX_MAGNITUDE:
        raise FormatError("an entropy-coded grid is damaged: it holds an impossibly large integer")
    return values


def _fitting(values: Integers) -> list[int]:
    return [index for index, way in enumerate(_WAYS) if way.fits(values)]


def _write(coder: Encoder, values: Integers, index: int) -> None:
    coder.encode(np.array([index], dtype=np.int32), _FOUR)
    _WAYS[index].write(coder, values)


def _write_flat(coder: Encoder, values: Integers) -> None:
    write_list(coder, values.ravel())


def _read_flat(coder: Decoder, shape: Shape) -> Integers:
    return read_list(coder, int(np.prod(shape))).reshape(shape)


def _channels(shape: Shape) -> tuple[int, int]:
    return (1, shape[0]) if len(shape) == 1 else (shape[0], int(np.prod(shape[1:])))


def _write_channels(coder: Encoder, values: Integers) -> None:
    values = values.reshape(_channels(values.shape))
    centres = np.sort(values, axis=1)[:, values.shape[1] // 2]
    # A centre costs bits of its own: it has to be worth more than a few of the channel's integers.
    centres[2 * np.abs(centres) <= np.abs(values).mean(axis=1)] = 0
    differences = values - centres[:, None]
    rungs = np.where(differences.any(axis=1), nearest_rung(np.abs(differences).mean(axis=1)), 0)
    shape, _ = best_table(differences)
    write_list(coder, centres)
    write_list(coder, rungs)
    coder.encode(np.array([SHAPES.index(shape)], dtype=np.int32), _TWO)
    write_symbols(coder, differences, np.broadcast_to(rungs[:, None].astype(np.uint8), differences.shape), shape)


def _read_channels(coder: Decoder, shape: Shape) -> Integers:
    channels, count = _channels(shape)
    centres = read_list(coder, channels)
    rungs = read_list(coder, channels)
    if rungs.min() < 0 or rungs.max() >= RUNGS:
        raise FormatError(f"an entropy-coded grid is damaged: it names a table outside 0 to {RUNGS - 1}")
    tail = SHAPES[int(coder.decode(1, _TWO)[0])]
    differences = read_symbols(coder, np.broadcast_to(rungs[:, None].astype(np.uint8), (channels, count)), tail)
    return (centres[:, None] + differences).reshape(shape)


def _fits_histogram(values: Integers) -> bool:
    return 1 <= int(np.ptp(values)) < min(MAX_ALPHABET, values.size)


def _write_histogram(coder: Encoder, values: Integers) -> None:
    lowest = int(values.min())
    counts = np.bincount((values - lowest).ravel())
    codes = np.rint(2 * np.log2(1 + counts)).astype(np.int64)
    write_list(coder, np.array([lowest]))
    write_exp_golomb(coder, np.array([len(codes) - 2]))
    write_list(coder, codes)
    coder.encode((values - lowest).ravel().astype(np.int32), _histogram(codes))


def _read_histogram(coder: Decoder, shape: Shape) -> Integers:
    lowest = read_list(coder, 1)
    size = int(read_exp_golomb(coder, 1)[0]) + 2
    if size > MAX_ALPHABET:
        raise FormatError(f"a histogram has {size} entries; at most {MAX_ALPHABET} are allowed")
    codes = read_list(coder, size)
    if codes.min() < 0 or codes.max() > 127 or not codes.any():
        raise FormatError("a histogram is damaged: its entries are outside 0 to 127")
    return lowest + coder.decode(int(np.prod(shape)), _histogram(codes)).reshape(shape)


def _histogram(codes: Integers) -> Table:
    """Counts to the half octave: code c stands for 2**(c / 2), code 0 for the least probability there is."""
    return Table.from_weights([(181 if code % 2 else 128) << (code // 2) if code else 0 for code in codes.tolist()])


_WAYS = (
    _Way(lambda values: True, _write_flat, _read_flat),
    _Way(lambda values: True, _write_channels, _read_channels),
    _Way(_fits_histogram, _write_histogram, _read_histogram),
    _Way(lambda values: view_with_context(values.shape) is not None, write_context, read_context),
)
