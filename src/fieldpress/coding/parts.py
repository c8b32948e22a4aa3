"""Byte parts one after another: varints, byte strings with their length, small floats.

Layouts, little endian: a varint is seven bits per byte, lowest first, the top bit set on all but the last byte; a byte
string is a varint length and the bytes; floats are IEEE 754 binary16 and binary32.
"""

import math
import struct

from fieldpress.errors import FormatError

MAX_VARINT = (1 << 63) - 1
"""Largest number a varint holds: nine bytes."""


class PartWriter:
    """Collects parts; :meth:`finish` joins them.

    Example:
        >>> writer = PartWriter()
        >>> writer.varint(300)
        >>> writer.string(b"ab")
        >>> writer.finish()
        b'\\xac\\x02\\x02ab'
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def varint(self, number: int) -> None:
        """Append a whole number from 0 to 2**63 - 1."""
        if not 0 <= number <= MAX_VARINT:
            raise ValueError(f"{number} does not fit a varint")
        digits = bytearray()
        while number > 0x7F:
            digits.append(number & 0x7F | 0x80)
            number >>= 7
        digits.append(number)
        self._parts.append(bytes(digits))

    def string(self, data: bytes) -> None:
        """Append a byte string with its length."""
        self.varint(len(data))
        self._parts.append(data)

    def float16(self, number: float) -> None:
        """Append a float, rounded to 11 significant bits; magnitude at most 65504."""
        self._parts.append(struct.pack("<e", number))

    def float32(self, number: float) -> None:
        """Append a float, rounded to 24 significant bits."""
        self._parts.append(struct.pack("<f", number))

    def rest(self, data: bytes) -> None:
        """Append bytes that run to the end, without their length."""
        self._parts.append(data)

    def finish(self) -> bytes:
        """All parts, joined."""
        return b"".join(self._parts)


class PartReader:
    """Reads what :class:`PartWriter` wrote. Whatever does not fit the bytes is a :class:`FormatError`.

    Args:
        data: The bytes.
        what: What they are, for messages, such as ``"video payload"``.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self._position = data, what, 0

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._position

    def _take(self, count: int) -> bytes:
        if count > self.remaining:
            raise FormatError(f"{self._what} ends early: {count} more bytes expected, {self.remaining} left")
        self._position += count
        return self._data[self._position - count : self._position]

    def varint(self, limit: int = MAX_VARINT) -> int:
        """The next varint, at most ``limit``."""
        number = shift = 0
        while True:
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 56:
                raise FormatError(f"{self._what} is damaged: a varint is longer than nine bytes")
        if number > limit:
            raise FormatError(f"{self._what} is damaged: it holds {number} where at most {limit} is allowed")
        return number

    def string(self, limit: int = MAX_VARINT) -> bytes:
        """The next byte string, of at most ``limit`` bytes."""
        return self._take(self.varint(limit))

    def float16(self) -> float:
        """The next binary16, which has to be finite."""
        return self._finite(struct.unpack("<e", self._take(2))[0])

    def float32(self) -> float:
        """The next binary32, which has to be finite."""
        return self._finite(struct.unpack("<f", self._take(4))[0])

    def _finite(self, number: float) -> float:
        if not math.isfinite(number):
            raise FormatError(f"{self._what} is damaged: it holds a number that is not finite")
        return number

    def rest(self) -> bytes:
        """All bytes not yet read."""
        return self._take(self.remaining)

    def end(self) -> None:
        """Nothing may be left."""
        if self.remaining:
            raise FormatError(f"{self._what} has {self.remaining} bytes too many")
