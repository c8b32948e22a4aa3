"""A range coder over integer probability tables, bit-exact on every machine.

The stream is one number in [0, 1), written big-endian as bytes. Coding narrows an interval [low, low + span); the
stream is *the shortest byte string inside the last interval*, and the decoder reads zeros behind its end. So a stream
carries no length, no padding, and symbols that stand first in their tables cost no bytes at the end.

For a stranger who writes a decoder, everything in unsigned 64-bit integers::

    start    offset = first 8 bytes (big-endian, missing bytes are 0);  span = 2**64 - 1
    symbol   scale = span >> 24;  quantile = offset // scale            (quantile >= 2**24: damaged)
             s = the symbol with cumulative[s] <= quantile < cumulative[s + 1]
             offset -= scale * cumulative[s];  span = scale * (cumulative[s + 1] - cumulative[s])
             if span < 2**32:  offset = offset * 2**32 + next 4 bytes;  span *= 2**32

That is the queue coder of constriction (Bamler 2022, arXiv 2201.01741), which does the work when it is installed.
The same coder in plain Python stands in where constriction has no wheel: byte for byte equal, about ten times slower.

constriction takes probabilities as floats only. It turns n floats w into cumulative[s] = floor(a * (w[0] + ...
+ w[s - 1])) + s with a = (2**24 - n) / sum(w). Given w[s] = frequency[s] - 1 the sum is exactly 2**24 - n, so a is
exactly 1, every partial sum is an integer below 2**53, and what it uses are our integers: nothing is ever rounded.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import FormatError

try:
    import constriction as _installed
except ImportError:  # no wheel for this platform; the coder below writes and reads the same bytes
    _installed = None

PRECISION = 24
TOTAL = 1 << PRECISION
MAX_TABLE_SIZE = 1 << 12
"""Most symbols in one table."""

_constriction: Any = _installed
_WORD = 1 << 32
_FULL = (1 << 64) - 1

Symbols = NDArray[np.int32]


class Table:
    """A probability table: symbol s has probability ``frequencies[s] / 2**24``.

    Args:
        frequencies: Positive integers with sum 2**24, at least 2 and at most 4096 of them.

    Raises:
        ValueError: They are not.
    """

    def __init__(self, frequencies: Sequence[int]) -> None:
        if not 2 <= len(frequencies) <= MAX_TABLE_SIZE or min(frequencies) < 1 or sum(frequencies) != TOTAL:
            raise ValueError(f"a table needs 2 to {MAX_TABLE_SIZE} positive frequencies with sum {TOTAL}")
        self.frequencies = tuple(frequencies)
        self.cumulative = tuple(accumulate(frequencies, initial=0))

    @classmethod
    def from_weights(cls, weights: Sequence[int]) -> "Table":
        """The table nearest to these nonnegative integer weights, by a rule that is part of the format.

        With n weights of sum S: ``frequency = 1 + weight * (2**24 - n) // S``; what is left over goes to symbol 0.

        Example:
            >>> Table.from_weights([3, 1]).frequencies
            (12582912, 4194304)
        """
        total, room = sum(weights), TOTAL - len(weights)
        frequencies = [1 + weight * room // total for weight in weights]
        frequencies[0] += TOTAL - sum(frequencies)
        return cls(frequencies)

    @cached_property
    def bits(self) -> NDArray[np.float64]:
        """Cost of each symbol in bits."""
        return PRECISION - np.log2(np.array(self.frequencies, dtype=np.float64))

    @cached_property
    def model(self) -> Any:
        """The table as constriction's model."""
        weights = np.array(self.frequencies, dtype=np.float64) - 1
        return _constriction.stream.model.Categorical(weights, perfect=False)


class Encoder(Protocol):
    """Writes symbols, each with its table."""

    def encode(self, symbols: Symbols, table: Table) -> None:
        """Append symbols, all in ``range(len(table.frequencies))``."""
        ...

    def finish(self) -> bytes:
        """The stream so far, in the fewest bytes."""
        ...


class Decoder(Protocol):
    """Reads symbols, each with its table, in the order they were written."""

    def decode(self, count: int, table: Table) -> Symbols:
        """The next ``count`` symbols.

        Raises:
            FormatError: The stream is damaged. (Most damage goes unnoticed here: chunks carry checksums.)
        """
        ...


def encoder() -> Encoder:
    """A new encoder: constriction's where it is installed."""
    return PythonEncoder() if _constriction is None else ConstrictionEncoder()


def decoder(data: bytes) -> Decoder:
    """A new decoder of this stream: constriction's where it is installed."""
    return PythonDecoder(data) if _constriction is None else ConstrictionDecoder(data)


class PythonEncoder:
    """The coder in plain Python integers; words already written take carries as in long addition."""

    def __init__(self) -> None:
        self._words: list[int] = []
        self._low, self._span = 0, _FULL

    def encode(self, symbols: Symbols, table: Table) -> None:
        cumulative = table.cumulative
        for symbol in symbols.tolist():
            scale = self._span >> PRECISION
            self._low += scale * cumulative[symbol]
            self._span = scale * (cumulative[symbol + 1] - cumulative[symbol])
            if self._low > _FULL:
                self._low &= _FULL
                self._carry()
            if self._span < _WORD:
                self._words.append(self._low >> 32)
                self._low = (self._low << 32) & _FULL
                self._span <<= 32

    def _carry(self) -> None:
        position = len(self._words) - 1
        while self._words[position] == _WORD - 1:
            self._words[position] = 0
            position -= 1
        self._words[position] += 1

    def finish(self) -> bytes:
        return _shortest(np.array(self._words, dtype=">u4").tobytes(), self._low, self._span)


class PythonDecoder:
    """The decoder of the module's description, line by line."""

    def __init__(self, data: bytes) -> None:
        self._words = np.frombuffer(data + bytes(-len(data) % 4), dtype=">u4").tolist()
        self._next = 0
        self._span = _FULL
        self._offset = (self._word() << 32) | self._word()

    def _word(self) -> int:
        self._next += 1
        return self._words[self._next - 1] if self._next <= len(self._words) else 0

    def decode(self, count: int, table: Table) -> Symbols:
        cumulative, symbols = table.cumulative, []
        for _ in range(count):
            scale = self._span >> PRECISION
            quantile = self._offset // scale
            if quantile >= TOTAL:
                raise _damaged()
            symbol = bisect_right(cumulative, quantile) - 1
            symbols.append(symbol)
            self._offset -= scale * cumulative[symbol]
            self._span = scale * (cumulative[symbol + 1] - cumulative[symbol])
            if self._span < _WORD:
                self._offset = (self._offset << 32) | self._word()
                self._span <<= 32
        return np.array(symbols, dtype=np.int32)


class ConstrictionEncoder:
    """The coder by constriction; only the end of the stream is ours."""

    def __init__(self) -> None:
        self._coder = _constriction.stream.queue.RangeEncoder()

    def encode(self, symbols: Symbols, table: Table) -> None:
        if symbols.size:
            self._coder.encode(np.ascontiguousarray(symbols, dtype=np.int32), table.model)

    def finish(self) -> bytes:
        _, (low, span) = self._coder.pos()
        words = self._coder.get_compressed()
        # constriction ends with the upper word of low + 2**32 - 1, by which time all carries are resolved; step back
        # from there to the words before low. It adds one more word when the upper word alone would be ambiguous.
        end = low + _WORD - 1
        written = words[: len(words) - 1 - _has_guard(low, span)] if len(words) else words
        before = int.from_bytes(written.astype(">u4").tobytes(), "big") - (end >> 64)
        head = before.to_bytes(4 * len(written), "big")
        return _shortest(head, low, span)


def _has_guard(low: int, span: int) -> bool:
    return ((low + _WORD - 1) & _FULL) >> 32 == ((low + span) & _FULL) >> 32


class ConstrictionDecoder:
    """The decoder by constriction, which like ours reads zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(-len(data) % 4), dtype=">u4").astype(np.uint32)
        self._coder = _constriction.stream.queue.RangeDecoder(words)

    def decode(self, count: int, table: Table) -> Symbols:
        if not count:
            return np.zeros(0, dtype=np.int32)
        try:
            return self._coder.decode(table.model, count)
        except AssertionError:
            raise _damaged() from None


def _shortest(head: bytes, low: int, span: int) -> bytes:
    """The shortest byte string that, followed by zeros, lies in [low, low + span) after the bytes of ``head``."""
    units = (1 << (64 - 8 * kept) for kept in range(9))
    point = next(point for unit in units if (point := -(-low // unit) * unit) < low + span)
    number = (int.from_bytes(head, "big") << 64) + point
    return number.to_bytes(len(head) + 8, "big").rstrip(b"\0")


def _damaged() -> FormatError:
    return FormatError("an entropy-coded stream is damaged: it holds an impossible symbol")
