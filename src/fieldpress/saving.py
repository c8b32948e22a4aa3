"""Files that are there whole or not at all."""

import os
import secrets
from pathlib import Path

from fieldpress.errors import SourceError

TEMPORARY = ".fieldpress-"
"""How names of files begin that are not whole yet."""


def save(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Writes a file in one step: whoever looks sees what was there before or all of the new bytes.

    The bytes go to a temporary file in the same directory, which takes the name once it is safely on disk.
    On any error, a full disk included, it is removed and the file that was there stays. A link is followed.

    Raises:
        SourceError: The file cannot be written, or the name is that of a directory or a device.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise SourceError(f"cannot write {path}: it is not a regular file")
        temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot write {path}: {reason}; nothing was changed") from error


def check_source(source: str | os.PathLike[str], out: Path) -> None:
    """Refuses to replace a source by its own file.

    Raises:
        SourceError: They are the same, or no file can have that name.
    """
    try:
        same = out.exists() and os.path.exists(source) and os.path.samefile(source, out)
    except (OSError, ValueError) as error:  # a name that no file can have
        raise SourceError(f"{str(out)!r}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    if same:
        raise SourceError(f"{out}: is the source itself; name another output")
