"""Outputs that appear whole or not at all: written beside their place and moved there at the end."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldpress.errors import SourceError

NUMBERED = re.compile(r"[0-9]+\.png")
"""The names that a folder output gives its pictures."""


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the target's name when the block ends well.

    On any error, an interrupt or a full disk included, it is removed and the file that was there stays.

    Raises:
        SourceError: The file cannot be written.
    """
    target = Path(os.path.realpath(target))
    temporary = _beside(target)
    with _one_line(target):
        try:
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())  # a crash must not leave the new name on an empty file
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write to; its files are moved into the target when the block ends well.

    Numbered pictures of an earlier output are then removed from the target, so that no clip is mixed with another;
    all other files there stay.

    Raises:
        SourceError: The folder cannot be written.
    """
    target = Path(os.path.realpath(target))
    exists = target.is_dir()
    temporary = _beside(target / "pictures") if exists else _beside(target)
    with _one_line(target):
        try:
            temporary.mkdir()
            yield temporary
            if exists:
                _replace_numbered(target, temporary)
            else:
                temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".fieldpress-{secrets.token_hex(8)}{target.suffix}")


def _replace_numbered(target: Path, temporary: Path) -> None:
    new = sorted(temporary.iterdir())
    names = {file.name for file in new}
    for file in new:
        file.replace(target / file.name)
    for old in target.iterdir():
        if NUMBERED.fullmatch(old.name) and old.name not in names:
            old.unlink()


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{target}: cannot be written: {error.strerror or error}; nothing was changed") from error
