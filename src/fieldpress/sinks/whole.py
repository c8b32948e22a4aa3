"""Outputs that appear whole or not at all: written beside their place and moved there at the end."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldpress.errors import SourceError
from fieldpress.sinks.png import png_names


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

    The pictures of an earlier output are then removed from the target, so that no clip is mixed with another.

    Raises:
        SourceError: The folder cannot be written, or holds anything else; nothing is then changed.
    """
    target = Path(os.path.realpath(target))
    exists = target.is_dir()
    temporary = _beside(target / "pictures") if exists else _beside(target)
    with _one_line(target):
        try:
            temporary.mkdir()
            yield temporary
            if exists:
                _replace_pictures(target, temporary)
            else:
                temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def earlier_pictures(folder: Path, but: Path | None = None) -> list[Path]:
    """The pictures that an earlier output left in a folder, which is all that may ever be removed from it.

    Args:
        folder: An existing one.
        but: Passed over: where the new output is being written.

    Raises:
        SourceError: It holds anything that such an output would not have, as their names tell: they count from 0 on
            without a gap.
    """
    found = {file.name: file for file in folder.iterdir() if file != but}
    names = png_names(len(found))
    ours = {name for name in names if name in found and found[name].is_file() and not found[name].is_symlink()}
    if foreign := min(found.keys() - ours, default=None):
        raise SourceError(
            f"{folder}: holds {foreign!r}, which is none of the pictures {names[0]}, ... of an earlier output: "
            "move it away, or name another folder"
        )
    return list(found.values())


def _beside(target: Path) -> Path:
    return target.with_name(f".fieldpress-{secrets.token_hex(8)}{target.suffix}")


def _replace_pictures(target: Path, temporary: Path) -> None:
    earlier = earlier_pictures(target, but=temporary)  # once more: rendering takes long, and others may write there
    new = sorted(temporary.iterdir())
    names = {file.name for file in new}
    for file in new:
        file.replace(target / file.name)
    for old in earlier:
        if old.name not in names:
            old.unlink()


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{target}: cannot be written: {error.strerror or error}; nothing was changed") from error
