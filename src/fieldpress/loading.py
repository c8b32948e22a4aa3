"""The bytes of a file, unless there are more than any file of ours has."""

import os
from pathlib import Path

from fieldpress.errors import SourceError

MAX_FILE_BYTES = 2**32
"""A larger file is refused before it is read."""


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        SourceError: It is missing, unreadable, or larger than any file may be.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise SourceError(f"{os.fspath(path)}: is not a regular file")
        size = Path(path).stat().st_size
        if size > MAX_FILE_BYTES:
            raise SourceError(
                f"{os.fspath(path)}: is {size} bytes long; a fieldpress file has at most {MAX_FILE_BYTES}"
            )
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{os.fspath(path)!r}: cannot be read: {reason}") from None
