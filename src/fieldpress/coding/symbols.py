"""Integers of any size through static tables: what a tensor's symbols become in the range-coded stream.

An integer v on a rung with b low bits is split: of w = v + 2**b // 2 the high part w >> b goes through the rung's
table, and w modulo 2**b follows as raw bits. A high part beyond the table's reach is coded as the escape symbol, and
its excess with its sign in an Exp-Golomb code. Integers that share a rung are coded together, so each rung's table is
used in one vectorised call; the decoder knows the rungs beforehand and so knows the order.

Order of one call: rungs ascending; within a rung first the table symbols (in array order), then the escapes in the
same order (all lengths, then their mantissas by ascending length), then the raw low bits.
"""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.rangecoder import Decoder, Encoder, Table
from fieldpress.coding.tables import Rung, Shape, rung
from fieldpress.errors import FormatError

Integers = NDArray[np.int64]

MAX_MAGNITUDE = 1 << 30
"""Largest integer that can be coded, of either sign."""

_MAX_LENGTH = 32
_LENGTHS = Table.from_weights([11**n * 16 ** (_MAX_LENGTH - n) for n in range(_MAX_LENGTH + 1)])
"""Lengths of Exp-Golomb mantissas: each bit more is 11/16 as likely."""
_UNIFORM = {bits: Table.from_weights([1] * (1 << bits)) for bits in range(1, 9)}


def write_symbols(coder: Encoder, values: Integers, rungs: NDArray[np.uint8], shape: Shape) -> None:
    """Append integers of the same shape as ``rungs`` to a stream."""
    values = np.ravel(values)
    for index, places in _by_rung(rungs):
        if index:
            _write_rung(coder, values[places], rung(index, shape))


def read_symbols(coder: Decoder, rungs: NDArray[np.uint8], shape: Shape) -> Integers:
    """The next integers of a stream, in the shape of ``rungs``."""
    values = np.zeros(rungs.size, dtype=np.int64)
    for index, places in _by_rung(rungs):
        if index:
            values[places] = _read_rung(coder, len(places), rung(index, shape))
    return values.reshape(rungs.shape)


def _by_rung(rungs: NDArray[np.uint8]) -> list[tuple[int, NDArray[np.intp]]]:
    flat = np.ravel(rungs)
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat, minlength=1)
    present = np.flatnonzero(counts)
    return list(zip(present.tolist(), np.split(order, np.cumsum(counts[present])[:-1]), strict=True))


def _write_rung(coder: Encoder, values: Integers, rung: Rung) -> None:
    shifted = values + ((1 << rung.low_bits) >> 1)
    high = shifted >> rung.low_bits
    symbols = np.minimum(zigzag(high), rung.escape)
    coder.encode(symbols.astype(np.int32), rung.table)
    beyond = high[symbols == rung.escape]
    if beyond.size:
        write_exp_golomb(coder, zigzag(beyond) - rung.escape)
    _write_bits(coder, shifted - (high << rung.low_bits), rung.low_bits)


def _read_rung(coder: Decoder, count: int, rung: Rung) -> Integers:
    symbols = coder.decode(count, rung.table).astype(np.int64)
    beyond = np.flatnonzero(symbols == rung.escape)
    if beyond.size:
        symbols[beyond] += read_exp_golomb(coder, len(beyond))
    values = unzigzag(symbols)
    if rung.low_bits:
        values = (values << rung.low_bits) + _read_bits(coder, count, rung.low_bits) - (1 << rung.low_bits >> 1)
    if (rung.low_bits or beyond.size) and np.abs(values).max() > 2 * MAX_MAGNITUDE:
        raise FormatError("an entropy-coded stream is damaged: it holds an impossibly large integer")
    return values


def zigzag(values: Integers) -> Integers:
    """0, 1, -1, 2, -2, ... as 0, 1, 2, 3, 4, ..."""
    return np.where(values > 0, 2 * values - 1, -2 * values)


def unzigzag(symbols: Integers) -> Integers:
    """The inverse of :func:`zigzag`."""
    return np.where(symbols & 1, (symbols + 1) >> 1, -(symbols >> 1))


def write_exp_golomb(coder: Encoder, values: Integers) -> None:
    """Append nonnegative integers below 2**32, small ones cheapest: the bit length of v + 1, then its lower bits."""
    values = values + 1
    lengths = np.frexp(values.astype(np.float64))[1] - 1  # exact: integers below 2**53
    coder.encode(lengths.astype(np.int32), _LENGTHS)
    for length in np.unique(lengths).tolist():
        _write_bits(coder, values[lengths == length] - (1 << length), length)


def read_exp_golomb(coder: Decoder, count: int) -> Integers:
    """The next nonnegative integers written by :func:`write_exp_golomb`.

    Raises:
        FormatError: One is beyond any integer that can have been written.
    """
    lengths = coder.decode(count, _LENGTHS)
    values = np.zeros(count, dtype=np.int64)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        values[places] = (1 << length) - 1 + _read_bits(coder, len(places), length)
    return values


def _write_bits(coder: Encoder, values: Integers, bits: int) -> None:
    for start in range(0, bits, 8):
        width = min(8, bits - start)
        coder.encode(((values >> start) & ((1 << width) - 1)).astype(np.int32), _UNIFORM[width])


def _read_bits(coder: Decoder, count: int, bits: int) -> Integers:
    values = np.zeros(count, dtype=np.int64)
    for start in range(0, bits, 8):
        values |= coder.decode(count, _UNIFORM[min(8, bits - start)]).astype(np.int64) << start
    return values
