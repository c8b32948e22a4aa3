"""The chunk table of a file's header: what every chunk is called, which tensors it holds, and how long it is.

In the header it is a list of segments, each a list of chunks ``[name, [[tensor, shape], ...], compressor, level,
length]``, in which the compressor is a number in the header's list of these, and the length of a chunk that is stored
in pieces a list of theirs. Nothing of it is believed before it was compared with a limit.
"""

import itertools
import math
import re
from typing import NamedTuple

from fieldpress.config import MAX_INTEGER, Plain, shown
from fieldpress.errors import FormatError

MAX_TENSORS = 2**14
"""Tensors of all chunks and segments. No chunk and no segment is empty, so there are no more of those either."""

MAX_PIECES = 2**12
"""Pieces of one chunk."""

MAX_LEVEL = 255
MAX_NAME_LENGTH = 128
MAX_RANK = 4
MAX_ELEMENTS = 2**29
"""Numbers in the tensors of one segment: 2 GiB as float32."""

_TENSOR_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_CHUNK_NAME = re.compile(r"[!-~]+")

Tensors = tuple[tuple[str, tuple[int, ...]], ...]
"""The name and the shape of each tensor."""


class Entry(NamedTuple):
    """A line of the chunk table."""

    segment: int
    name: str
    tensors: Tensors
    compressor: int
    level: int
    pieces: tuple[int, ...]
    """Bytes of each piece, without its check; most chunks are stored in one."""

    @property
    def elements(self) -> int:
        """Numbers in its tensors."""
        return sum(math.prod(shape) for _, shape in self.tensors)


def read_table(segments: list[Plain], compressor_count: int) -> list[Entry]:
    """All entries, in the order of their chunks in the file.

    Args:
        segments: The header's list.
        compressor_count: How many compressors the header lists.

    Raises:
        FormatError: The table is not one, or exceeds a limit.
    """
    entries: list[Entry] = []
    tensors_left = MAX_TENSORS
    for number, segment in enumerate(segments):
        if not isinstance(segment, list) or not segment:
            raise FormatError(f"segment {number} is {shown(segment)}; expected a list of chunks")
        found: list[Entry] = []
        for line in segment:
            found.append(_read_entry(line, number, compressor_count))
            tensors_left -= len(found[-1].tensors)
            if tensors_left < 0:
                raise FormatError(f"the file has more than {MAX_TENSORS} tensors")
        _check_segment(found, number)
        entries += found
    if not entries:
        raise FormatError("the file has no chunks")
    return sorted(entries, key=lambda entry: (entry.level, entry.segment))


def _check_segment(entries: list[Entry], number: int) -> None:
    names = [name for entry in entries for name, _ in entry.tensors]
    if len(set(names)) < len(names):
        raise FormatError(f"segment {number} has two tensors of the same name")
    if len({entry.name for entry in entries}) < len(entries):
        raise FormatError(f"segment {number} has two chunks of the same name")
    if any(later.level < earlier.level for earlier, later in itertools.pairwise(entries)):
        raise FormatError(f"segment {number} has a coarse level after a finer one")
    if sum(entry.elements for entry in entries) > MAX_ELEMENTS:
        raise FormatError(f"segment {number} has more than {MAX_ELEMENTS} numbers")


def _read_entry(line: Plain, segment: int, compressor_count: int) -> Entry:
    if not isinstance(line, list) or len(line) != 5:
        raise FormatError(f"a chunk is {shown(line)}; expected [name, tensors, compressor, level, length]")
    name, tensors, compressor, level, length = line
    if not _is_name(name, _CHUNK_NAME):
        raise FormatError(f"a chunk has the name {shown(name)}; expected up to {MAX_NAME_LENGTH} of ASCII's ! to ~")
    if not isinstance(tensors, list) or not tensors:
        raise FormatError(f"{name}: the tensors are {shown(tensors)}; expected a list of at least one")
    if len(tensors) > MAX_TENSORS:
        raise FormatError(f"{name} has more than {MAX_TENSORS} tensors")
    _check_range(f"{name}: the compressor", compressor, 0, compressor_count - 1)
    _check_range(f"{name}: the level", level, 0, MAX_LEVEL)
    pieces = _read_pieces(length, name)
    return Entry(segment, name, tuple(_read_tensor(item, name) for item in tensors), compressor, level, pieces)


def _read_pieces(length: Plain, chunk: str) -> tuple[int, ...]:
    """The length of each piece, from what stands for the length of the chunk."""
    if not isinstance(length, list):
        _check_range(f"{chunk}: the length", length, 0, MAX_INTEGER)
        return (length,)
    if not 2 <= len(length) <= MAX_PIECES:
        raise FormatError(f"{chunk} is in {len(length)} pieces; expected 2 to {MAX_PIECES}, or a length")
    for piece in length:
        _check_range(f"{chunk}: the length of a piece", piece, 1, MAX_INTEGER)
    return tuple(length)


def _read_tensor(item: Plain, chunk: str) -> tuple[str, tuple[int, ...]]:
    if not isinstance(item, list) or len(item) != 2:
        raise FormatError(f"{chunk}: a tensor is {shown(item)}; expected [name, shape]")
    name, shape = item
    if not _is_name(name, _TENSOR_NAME):
        raise FormatError(f"{chunk}: a tensor has the name {shown(name)}; expected dotted words of a-z, 0-9 and _")
    if not isinstance(shape, list) or not 1 <= len(shape) <= MAX_RANK:
        raise FormatError(f"{name}: the shape is {shown(shape)}; expected 1 to {MAX_RANK} axes")
    for axis in shape:
        _check_range(f"{name}: an axis", axis, 1, MAX_ELEMENTS)
    return name, tuple(shape)


def _is_name(name: Plain, pattern: re.Pattern[str]) -> bool:
    return isinstance(name, str) and len(name) <= MAX_NAME_LENGTH and pattern.fullmatch(name) is not None


def _check_range(what: str, number: Plain, low: int, high: int) -> None:
    if type(number) is not int or not low <= number <= high:
        raise FormatError(f"{what} is {shown(number)}; expected a whole number from {low} to {high}")
