"""Where the picture in a JPEG file ends.

Two things go wrong without knowing it: FFmpeg fills up to a fifth of a picture that was cut off with grey without a
word, and takes what phones append (a second picture, a film) for damage.
"""

import re

_START, _END = b"\xff\xd8", 0xD9
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # inside a scan, FF is followed by 00 or by a restart's D0 to D7


def is_jpeg(data: bytes) -> bool:
    """Whether the bytes begin as a JPEG file does."""
    return data.startswith(_START)


def end_of_jpeg(data: bytes) -> int | None:
    """How many bytes the picture takes; ``None`` where they end before it does.

    Segments are stepped over by their lengths, since a thumbnail inside one has an end of its own.

    Args:
        data: A JPEG file, from its first byte.
    """
    position = len(_START)
    while marker := _MARKER.search(data, position):
        position = marker.end()
        if data[position - 1] == _END:
            return position
        position += int.from_bytes(data[position : position + 2], "big")
    return None
