"""Where pictures go: the output's name decides the format."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.sinks.png import png, write_png_files
from fieldpress.sinks.timing import Timing
from fieldpress.sinks.video import write_mkv, write_mp4
from fieldpress.sinks.whole import earlier_pictures, whole_file, whole_folder
from fieldpress.sinks.y4m import write_y4m
from fieldpress.streams import silence

Output = Literal["stdout", "folder", ".mp4", ".mkv", ".y4m", ".png"]

STDOUT = "-"
_KNOWN = "known: .mp4, .mkv, .y4m, .png, a name without a suffix for a folder of .png, - for .y4m on standard output"


def write_pictures(
    out: str | os.PathLike[str],
    pictures: Iterator[NDArray[np.uint8]],
    *,
    count: int,
    frame_rate: tuple[int, int] = (25, 1),
    time_base: tuple[int, int] = (1, 25),
    timestamps: tuple[int, ...] | None = None,
    force: bool = False,
) -> None:
    """Write pictures as they come; none is held longer than it takes to write it.

    =================  ===========================================================================
    ``x.mp4``          H.264, near-lossless, BT.709 limited range: plays everywhere
    ``x.mkv``          FFV1 in RGB: decodes to exactly the pictures
    ``x.y4m``, ``-``   4:4:4 YUV4MPEG2 in a file or on standard output, at a constant rate
    ``x.png``          one picture, exactly
    ``x``              a folder of ``0000.png``, ``0001.png``, ..., exactly
    =================  ===========================================================================

    A file appears whole or not at all, also when the pictures raise or the disk is full.
    On standard output a reader that stops reading ends the writing without an error.

    Args:
        out: Where to; see the table.
        pictures: Full-range RGB, (rows, columns, 3) each, all of one size.
        count: How many there are.
        frame_rate: Pictures a second, as numerator and denominator.
        time_base: Seconds per unit of ``timestamps``.
        timestamps: When each picture appears, rising; ``None`` for a constant rate. Kept in ``.mp4`` (exactly)
            and in ``.mkv`` (to a millisecond).
        force: Replace what is there: a file, or in a folder the pictures of an earlier output.

    Raises:
        SourceError: As :func:`check_output`, or the output cannot be written.
    """
    kind = check_output(out, force=force, count=count)
    timing = Timing(frame_rate, time_base, timestamps)
    if kind == "stdout":
        _write_stdout(pictures, timing)
        return
    target = Path(out)
    if kind == "folder":
        with whole_folder(target) as folder:
            write_png_files(folder, pictures, count)
        return
    with whole_file(target) as path:
        if kind == ".mp4":
            write_mp4(path, pictures, timing)
        elif kind == ".mkv":
            write_mkv(path, pictures, timing)
        elif kind == ".y4m":
            with path.open("xb") as file:
                write_y4m(file, pictures, timing)
        else:
            path.write_bytes(b"".join(png(picture) for picture in pictures))


def check_output(
    out: str | os.PathLike[str], *, force: bool = False, count: int = 1, single: str = "--frames N"
) -> Output:
    """What kind of output a name stands for, asked before anything is rendered.

    Args:
        out: Where to.
        force: Allow to replace what is there: a file, or in a folder the pictures of an earlier output.
        count: How many pictures are to be written.
        single: What asks for one picture only, for the complaint about several in a ``.png``.

    Raises:
        SourceError: The name is empty or says no known format, something is there already (unless ``force``) or
            stands in the way, as in a folder everything does that is no picture of an earlier output; its folder is
            missing or not writable, or one ``.png`` is to hold more than one picture.
    """
    text = os.fspath(out)
    if text == STDOUT:
        if sys.stdout is None:
            raise SourceError("standard output is closed; open it, or name a file or a folder")
        return "stdout"
    if not text:
        raise SourceError("OUT is an empty name; name a file or a folder, or . for this folder")
    path = Path(text)
    try:
        target = Path(os.path.realpath(path))
        kind = _kind(text, path, target)
        if kind == ".png" and count > 1:
            raise SourceError(f"{text}: one .png holds one of the {count} pictures: use {single}, or name a folder")
        _check_place(text, target, kind, force)
    except (OSError, ValueError) as error:  # no access to a folder on the way, or a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{text!r}: cannot be written: {reason}") from error
    return kind


def _kind(text: str, path: Path, target: Path) -> Output:
    if target.is_dir() or text.endswith(("/", os.sep)) or not path.suffix:
        return "folder"
    for suffix in (".mp4", ".mkv", ".y4m", ".png"):
        if path.suffix.lower() == suffix:
            return suffix
    raise SourceError(f"{text}: unknown output format {path.suffix!r}; {_KNOWN}")


def _check_place(text: str, target: Path, kind: Output, force: bool) -> None:
    if kind == "folder" and target.is_dir():
        if earlier_pictures(target) and not force:
            raise SourceError(f"{text}: the folder is not empty; replace its pictures with --force")
        _check_writable(text, target)
        return
    if not target.parent.is_dir():
        raise SourceError(f"{text}: the folder {target.parent} does not exist: create it first")
    if target.exists() and not target.is_file():
        raise SourceError(f"{text}: is not a regular file; use - for standard output")
    if kind == "folder" and target.exists():
        raise SourceError(f"{text}: is a file, but a folder is to be written; {_KNOWN}")
    if target.exists() and not force:
        raise SourceError(f"{text}: exists already; replace it with --force")
    _check_writable(text, target.parent)


def _check_writable(text: str, folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SourceError(f"{text}: the folder {folder} is not writable")


def _write_stdout(pictures: Iterator[NDArray[np.uint8]], timing: Timing) -> None:
    stream = sys.stdout.buffer
    try:
        write_y4m(stream, pictures, timing)
    except BrokenPipeError:
        # Python flushes standard output once more when it exits, and would complain: let that go nowhere.
        silence(sys.stdout.fileno())
    except OSError as error:
        raise SourceError(f"standard output cannot be written: {error.strerror or error}") from error
