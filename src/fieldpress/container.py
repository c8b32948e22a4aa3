"""The file: named tensors, encoded in chunks, behind a header. Knows names, shapes and bytes, and nothing of fields.

::

    magic 8 | version 1 | header length 4 | header | check 4 | chunk 0 | check 4 | chunk 1 | check 4 | ...

A chunk holds the tensors that one compressor wrote together. The header says how long every chunk is, so the file ends
where the last check ends. A *check* is the CRC-32 of every byte before it that is not itself a check: one running sum,
written down after the header and after each chunk. So each chunk is checked by itself, from the check in front of it to
the one behind, and the last check vouches for the whole file, chunks exchanged between files included. A chunk whose
beginning is of use without the rest may be stored in *pieces*, each with a check of its own behind it. Chunks are
ordered by level, coarse first: what a cut file still holds is a coarser model. A file has one or more *segments*, each
a field of its own with its own chunks; within a level they follow each other, so that what is left of a cut clip of one
level is a shorter clip.

Bytes are hostile: every number is compared with its limit, and every length with the bytes there are, before use.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from fieldpress import header as headers
from fieldpress.chunktable import Entry, Tensors, read_table
from fieldpress.config import Plain, shown
from fieldpress.errors import ConfigError, FormatError

MAGIC = b"\x89FPR\r\n\x1a\n"
"""Like PNG's: no text file starts so, and a transfer that drops bit 7 or rewrites line ends damages it."""

VERSION = 1

ELEMENTS_PER_FILE, ELEMENTS_PER_BYTE = 2**24, 2**18
"""A file of n bytes holds at most ELEMENTS_PER_FILE + n × ELEMENTS_PER_BYTE numbers, so that a tiny one claims little.

Black film is the densest honest content: at 4K, AV1 spends a byte on some 440 000 numbers, the decoder adds its own."""

OWN_PARTS = 2
"""Parts of a file that are no chunks: what is in front of the header, and the header."""

_FRONT = struct.Struct("<8sBI")
_CHECK = struct.Struct("<I")
_OWN_KEYS = ("compressors", "segments")


@dataclass(frozen=True)
class Chunk:
    """One or more tensors, encoded together.

    Attributes:
        name: The rule of the plan that these tensors fall under, with ``@`` and the level behind it above level 0: 1 to
            128 visible ASCII characters, no spaces, unique in its segment.
        tensors: (name, shape) of each, in the order in which the compressor was given them. Their names are part of
            the format: dotted words of ``a-z 0-9 _``, unique in their segment. A shape has 1 to 4 axes, none empty.
        compressor: What encoded them, as plain data with an id; equal ones are written once.
        data: The bytes that the compressor made; may be empty. Of a chunk that is not whole, their beginning.
        level: 0 for what every decode needs, then finer and finer, up to ``MAX_LEVEL``.
        segment: Which field it belongs to, counted from 0 without gaps.
        cuts: Where in the data a piece ends and the next one begins; none if it is stored as a whole.
        whole: Whether all of the data is there; only a partial read finds chunks that are not.
    """

    name: str
    tensors: Tensors
    compressor: Plain
    data: bytes
    level: int = 0
    segment: int = 0
    cuts: tuple[int, ...] = ()
    whole: bool = True

    @property
    def rule(self) -> str:
        """What the name says before ``@``: chunks of one rule at several levels belong together."""
        return self.name.partition("@")[0]


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
        header: The free part: signal, field and whatever else the caller of :func:`write` gave.
        chunks: Those that are whole, in the order of the file: by level, then by segment, then as they were given to
            :func:`write`.
        levels: Every chunk whose level is below this number is there.
        segments: How many the whole file has.
        whole_segments: Of so many, the first ones, every chunk of the lowest level is there; of all, unless the file is
            cut short within that level.
        complete: Whether all chunks are there; always so unless a partial read was asked for.
        begun: Of a file that is cut short within the lowest level: the one chunk that the next segment lacks of it, as
            far as its pieces are whole; None if it lacks more, or there is no piece.
    """

    header: dict[str, Plain]
    chunks: tuple[Chunk, ...]
    levels: int
    segments: int
    whole_segments: int
    complete: bool
    begun: Chunk | None = None

    @property
    def shows_something(self) -> bool:
        """Whether the first thing that can be shown is there: a segment's lowest level, or a piece of it."""
        return self.whole_segments > 0 or self.begun is not None


class Size(NamedTuple):
    """How many bytes of a file go to what; a chunk counts with its checks."""

    part: str
    bytes: int


class _Front(NamedTuple):
    """Everything before the first chunk, and where and with which check it ends."""

    header: dict[str, Plain]
    compressors: list[Plain]
    entries: list[Entry]
    end: int
    check: int

    @property
    def file_length(self) -> int:
        return self.end + sum(map(_stored, self.entries))

    def lowest(self, segment: int) -> list[Entry]:
        """The chunks of the lowest level of a segment, in the order of the file."""
        return [entry for entry in self.entries if (entry.level, entry.segment) == (self.entries[0].level, segment)]


def write(header: dict[str, Plain], chunks: Iterable[Chunk]) -> bytes:
    """A whole file.

    Args:
        header: Plain data under any keys but ``"compressors"`` and ``"segments"``, which are written here.
        chunks: In any order; they are sorted by level, then by segment, and else stay in order.

    Raises:
        ConfigError: A limit of the format is exceeded or a name is not allowed; :func:`read` would refuse the file.

    Example:
        >>> chunk = Chunk("decoder", (("decoder.weight", (3, 8)), ("decoder.bias", (3,))), {"id": "raw"}, b"...")
        >>> read(write({"signal": {"id": "image"}}, [chunk])).chunks == (chunk,)
        True
    """
    ordered = sorted(chunks, key=lambda chunk: (chunk.level, chunk.segment))
    for key in _OWN_KEYS:
        if key in header:
            raise ConfigError(f"the header key {key!r} belongs to the container; take another name")
    indices: dict[str, int] = {}  # by text, since Python takes 1, 1.0 and True for the same key
    compressors: list[Plain] = []
    segments: dict[int, list[Plain]] = {}
    for chunk in ordered:
        index = indices.setdefault(repr(chunk.compressor), len(indices))
        if index == len(compressors):
            compressors.append(chunk.compressor)
        tensors = [[name, list(shape)] for name, shape in chunk.tensors]
        lengths = [end - start for start, end in _bounds(chunk)]
        line = [chunk.name, tensors, index, chunk.level, lengths if chunk.cuts else len(chunk.data)]
        segments.setdefault(chunk.segment, []).append(line)
    if sorted(segments) != list(range(len(segments))):
        raise ConfigError(f"segments must count from 0 without gaps; found {shown(sorted(segments))}")
    table = {"compressors": compressors, "segments": [segments[i] for i in range(len(segments))]}
    packed = headers.pack({**header, **table})
    front = _FRONT.pack(MAGIC, VERSION, len(packed)) + packed
    check = zlib.crc32(front)
    parts = [front, _CHECK.pack(check)]
    for chunk in ordered:
        for start, end in _bounds(chunk):
            piece = chunk.data[start:end]
            check = zlib.crc32(piece, check)
            parts += [piece, _CHECK.pack(check)]
    file = b"".join(parts)
    try:
        read(file)
    except FormatError as error:
        raise ConfigError(f"this cannot be written: {error}") from None
    return file


def read(data: bytes | memoryview, *, partial: bool = False) -> Contents:
    """What is in a file.

    Args:
        data: The bytes of the file.
        partial: Accept a file that is cut short anywhere behind its header, and return the chunks that are whole.
            Damage is never accepted.

    Raises:
        FormatError: The bytes are not a whole and undamaged file of a known version, within the limits.
    """
    view = memoryview(data)
    front = _read_front(view)
    if len(view) > front.file_length:
        raise FormatError(f"the file has {len(view) - front.file_length} bytes after its end")
    complete = len(view) == front.file_length
    if not complete and not partial:
        raise FormatError(f"the file is cut short: it has {len(view)} of {front.file_length} bytes")
    chunks: list[Chunk] = []
    begun: Chunk | None = None
    start, check, elements = front.end, front.check, 0
    for entry in front.entries:
        elements += entry.elements
        whole = start + _stored(entry) <= len(view)
        if elements > ELEMENTS_PER_FILE + ELEMENTS_PER_BYTE * len(view):
            if not whole:
                break
            raise FormatError(f"the file claims more numbers than {len(view)} bytes may hold, at {entry.name}")
        pieces, start, check = _read_pieces(view, start, check, entry)
        content, cuts = b"".join(pieces), tuple(accumulate(map(len, pieces[:-1])))
        compressor = front.compressors[entry.compressor]
        chunk = Chunk(entry.name, entry.tensors, compressor, content, entry.level, entry.segment, cuts, whole)
        if not whole:
            begun = chunk if pieces else None
            break
        chunks.append(chunk)
    found, segments = tuple(chunks), 1 + max(entry.segment for entry in front.entries)
    if complete:
        return Contents(front.header, found, front.entries[-1].level + 1, segments, segments, True)
    missing = front.entries[len(chunks)]
    if missing.level > front.entries[0].level:
        return Contents(front.header, found, missing.level, segments, segments, False)
    if missing is not front.lowest(missing.segment)[-1]:
        begun = None
    return Contents(front.header, found, missing.level, segments, missing.segment, False, begun)


def read_showable(data: bytes | memoryview) -> Contents:
    """What is in a file that may be cut short, but not within the first thing that can be shown.

    That is the lowest level; where there are several segments, of the first one; and of a last chunk in pieces the
    first one.

    Raises:
        FormatError: As :func:`read`, or even that is not whole: then with how many bytes it takes.
    """
    contents = read(data, partial=True)
    if contents.shows_something:
        return contents
    front = _read_front(memoryview(data))
    *others, last = front.lowest(0)
    first = last.pieces[0] + _CHECK.size  # all of it, if it is in one piece
    told, needed = f"the file is cut short: it has {len(data)} of {front.file_length} bytes", front.end + first
    needed += sum(map(_stored, others))
    if len(last.pieces) > 1:
        numbers = sum(entry.elements for entry in (*others, last)) - ELEMENTS_PER_FILE
        told += f", and its first pictures end at byte {max(needed, -(-numbers // ELEMENTS_PER_BYTE))}"
    elif needed < front.file_length:
        told += f", and its first {'segment' if contents.segments > 1 else 'level'} ends at byte {needed}"
    raise FormatError(told)


def sizes(data: bytes | memoryview, *, partial: bool = False) -> tuple[Size, ...]:
    """Where the bytes of a whole file go, in their order; adds up to its length.

    The first :data:`OWN_PARTS` are no chunks.

    Args:
        data: The bytes of the file.
        partial: Accept a file that is cut short behind its header; the sizes are those of the whole one.

    Raises:
        FormatError: As :func:`read`.
    """
    front = _read_front(memoryview(data))
    read(data, partial=partial)
    signature = len(MAGIC) + 1
    several = any(entry.segment for entry in front.entries)
    parts = [Size("magic and version", signature), Size("header, its length and check", front.end - signature)]
    for entry in front.entries:
        name = f"segment {entry.segment}: {entry.name}" if several else entry.name
        parts.append(Size(name, _stored(entry)))
    return tuple(parts)


def level_ends(data: bytes | memoryview) -> tuple[int, ...]:
    """How many bytes of a file one level takes, two take and so on; its header is enough to know.

    Raises:
        FormatError: The header is not a whole and undamaged one.
    """
    front = _read_front(memoryview(data))
    ends = [front.end] * (front.entries[-1].level + 1)
    for entry in front.entries:
        for level in range(entry.level, len(ends)):
            ends[level] += _stored(entry)
    return tuple(ends)


def _read_pieces(view: memoryview, start: int, check: int, entry: Entry) -> tuple[list[bytes], int, int]:
    """The pieces of a chunk that are there, all of them if it is whole; where they end, and with which check."""
    pieces: list[bytes] = []
    for length in entry.pieces:
        end = start + length
        if end + _CHECK.size > len(view):
            break
        check = _checked(view, start, end, check, entry.name)
        pieces.append(bytes(view[start:end]))
        start = end + _CHECK.size
    return pieces, start, check


def _bounds(chunk: Chunk) -> list[tuple[int, int]]:
    """Where each piece begins and ends in the data."""
    return list(pairwise((0, *chunk.cuts, len(chunk.data))))


def _stored(entry: Entry) -> int:
    """Bytes of a chunk in the file, with its checks."""
    return sum(entry.pieces) + len(entry.pieces) * _CHECK.size


def _read_front(view: memoryview) -> _Front:
    if len(view) < len(MAGIC) or bytes(view[: len(MAGIC)]) != MAGIC:
        raise FormatError(f"this is not a fieldpress file: it starts with {shown(bytes(view[:8]))}, not {MAGIC!r}")
    if len(view) < _FRONT.size:
        raise FormatError("the file is cut short within its first bytes")
    _, version, length = _FRONT.unpack_from(view)
    if version != VERSION:
        raise FormatError(f"this is a file of version {version}; known is version {VERSION}: update fieldpress")
    end = _FRONT.size + length
    if end + _CHECK.size > len(view):
        raise FormatError(f"the file is cut short within its header: {len(view)} of {end + _CHECK.size} bytes")
    check = _checked(view, 0, end, 0, "the header")
    header = headers.unpack(view[_FRONT.size : end])
    if not isinstance(header, dict):
        raise FormatError(f"the header is {shown(header)}; expected a table")
    for key in _OWN_KEYS:
        if not isinstance(header.get(key), list):
            raise FormatError(f"header.{key} is {shown(header.get(key))}; expected a list")
    compressors = header.pop("compressors")
    entries = read_table(header.pop("segments"), len(compressors))
    return _Front(header, compressors, entries, end + _CHECK.size, check)


def _checked(view: memoryview, start: int, end: int, check: int, what: str) -> int:
    """The running check after these bytes, which must be the one that stands behind them."""
    check = zlib.crc32(view[start:end], check)
    if _CHECK.unpack_from(view, end) != (check,):
        raise FormatError(f"{what} is damaged: its bytes do not have the CRC-32 that stands behind them")
    return check
