"""Whether a media file is shorter than it says it is: the sign of a transfer or a recording that was cut off.

Demuxers stop at the end of the bytes without a word, so the sizes that the outermost boxes state are read here.
Streams made to be cut anywhere (MPEG-TS, raw video) state none.
"""

from typing import BinaryIO

_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_MAX_BOXES = 10_000  # a file of a million empty boxes is not worth the walk
_GIF_END = b";"


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether the file is a Matroska, RIFF, ISO (MP4, MOV) or GIF file whose end is missing.

    Args:
        file: Open for reading; its position is moved.
        size: How many bytes it has.
    """
    file.seek(0)
    head = file.read(12)
    if head.startswith(_EBML):
        return _matroska_end(file, size) > size
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little") > size
    if head.startswith(b"GIF8"):
        file.seek(max(0, size - 1))
        return file.read(1) != _GIF_END
    return head[4:8] in _FIRST_BOXES and _box_end(file, size) > size


def _matroska_end(file: BinaryIO, size: int) -> int:
    """Where the segment ends, by its header; 0 if it does not say (a live recording)."""
    file.seek(0)
    head = file.read(4096)
    position = 4
    length, width = _vint(head, position)
    position += width + length
    if head[position : position + 4] != _SEGMENT:
        return 0
    length, width = _vint(head, position + 4)
    return 0 if length == 2 ** (7 * width) - 1 else position + 4 + width + length


def _vint(data: bytes, position: int) -> tuple[int, int]:
    """EBML's integer at a position, and how many bytes it takes: the leading zero bits count the bytes."""
    first = data[position] if position < len(data) else 0
    width = 9 - first.bit_length()
    if width > 8:
        return 0, 1
    return int.from_bytes(data[position : position + width], "big") & (2 ** (7 * width) - 1), width


def _box_end(file: BinaryIO, size: int) -> int:
    """Where the last of the outermost boxes ends."""
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            break
        length, shortest = int.from_bytes(head[:4], "big"), 8
        if length == 1 and len(head) == 16:
            length, shortest = int.from_bytes(head[8:], "big"), 16
        if length < shortest:  # 0 means "to the end of the file"; anything else is not a box
            break
        position += length
    return position
