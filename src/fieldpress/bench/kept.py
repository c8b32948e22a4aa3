"""How finished work is kept in a folder: a file and a JSON record beside it, under a name that says of what exactly."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fieldpress.errors import SourceError


def name_of(words: str, asked: list[Any]) -> str:
    """A file name without suffix: words for people, and a hash that only work that does the same shares.

    Args:
        words: Anything.
        asked: Everything that what comes out depends on, as plain data.

    Example:
        >>> name_of("Clip 1, CRF 24", ["clip", 24])
        'clip-1-crf-24-802c6474'
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return f"{slug(words)}-{digest}"


def slug(words: str) -> str:
    """In lower case, with a hyphen for all that stands between words."""
    return re.sub("[^a-z0-9.]+", "-", words.lower()).strip("-.")


def are_numbers(record: dict[str, Any], names: Sequence[str], optional: Sequence[str] = ()) -> bool:
    """Whether a record has numbers under these names, and numbers or nothing under the optional ones."""
    known = [name for name in optional if record.get(name) is not None]
    values = [record.get(name) for name in (*names, *known)]
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def read_kept(record: Path, file: Path, suits: Callable[[dict[str, Any], int], bool]) -> dict[str, Any] | None:
    """The record of finished work; ``None`` if it is not finished.

    Args:
        record: Its place.
        file: The place of what it is of.
        suits: Whether a record is of a file of so many bytes.

    Raises:
        SourceError: The record cannot be read, or is not of the file beside it.
    """
    try:
        if not record.exists() or not file.exists():
            return None
        found = json.loads(record.read_bytes())
        if suits(found, file.stat().st_size):
            return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise SourceError(
        f"{record}: is damaged or does not belong to the file beside it; remove both, they are made again"
    )
