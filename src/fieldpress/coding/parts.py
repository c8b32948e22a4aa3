"""Byte parts one after another: varints, and byte strings with their length.

Layouts, little endian: a varint is seven bits per byte, lowest first, the top bit set on all but the last byte; a byte
string is a varint length and the bytes.
"""

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

    def string(self) -> bytes:
        """The next byte string."""
        return self._take(self.varint())

    def rest(self) -> bytes:
        """All bytes not yet read."""
        return self._take(self.remaining)

    def end(self) -> None:
        """Nothing may be left."""
        if self.remaining:
            raise FormatError(f"{self._what} has {self.remaining} bytes too many")
