"""WebP files with several pictures, which FFmpeg cannot read: it takes them for damaged."""

from pathlib import Path

from fieldpress.errors import SourceError

HEAD_BYTES = 21
"""As much of a file as tells."""

_ANIMATION = 0x02
"""Bit of the flags of the chunk ``VP8X``, which is the first one of every file that has an ``ANIM`` chunk."""


def check_webp(path: Path, head: bytes) -> None:
    """Refuses an animated WebP file.

    Source: RFC 9649, section 2.7.

    Args:
        path: For the message.
        head: The first ``HEAD_BYTES`` bytes of any file.

    Raises:
        SourceError: It is one.
    """
    is_extended = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X"
    if is_extended and len(head) >= HEAD_BYTES and head[20] & _ANIMATION:
        raise SourceError(
            f"{path}: animated WebP is not supported; convert it to a folder of PNGs, and name that as the source"
        )
