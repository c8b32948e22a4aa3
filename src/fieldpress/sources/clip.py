"""One media file to pictures: first its packets, so that memory is known before a frame is decoded, then its frames.

A clip that is to be held is decoded once. One that is too long for that is decoded without keeping anything, to know
which frames to trust, and again for every part that is asked for.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES, MAX_SIDE
from fieldpress.sources.colour import Picture
from fieldpress.sources.decoding import Decoding
from fieldpress.sources.demuxing import Scan, scan_file
from fieldpress.sources.memory import check_memory
from fieldpress.sources.reel import Reel
from fieldpress.sources.stack import PictureLedger, PictureStack
from fieldpress.sources.timing import Timing, timing

_LOG = logging.getLogger("fieldpress")


class Clip(NamedTuple):
    """A decoded media file."""

    pictures: PictureStack
    timing: Timing
    is_still: bool
    """Whether it is a picture file and not a clip that happens to have one frame."""


class LongClip(NamedTuple):
    """A media file that is not held in memory."""

    ledger: PictureLedger
    """What its pictures have in common."""
    timing: Timing
    reel: "Callable[[range], Iterator[Picture]]"
    """Gives a run of its pictures, read again."""


def read_clip(path: Path, *, force: bool, memory_factor: float) -> Clip:
    """All frames of a media file, whatever FFmpeg can read.

    Args:
        path: An existing regular file. Its content decides the format; its suffix only breaks ties.
        force: Take the good frames of a damaged file.
        memory_factor: Passed to :func:`~fieldpress.sources.memory.check_memory`.

    Raises:
        SourceError: No pictures in it, damaged (unless ``force``), too large, or not readable.
    """
    found = open_clip(path, force=force, memory_factor=memory_factor, at_once=lambda frames, *_: frames)
    assert isinstance(found, Clip), "all frames are to be held"
    return found


def open_clip(
    path: Path, *, force: bool, memory_factor: float, at_once: Callable[[int, int, int], int]
) -> Clip | LongClip:
    """A media file, held or not, as :func:`read_clip`.

    Args:
        path, force, memory_factor: As there.
        at_once: Of so many frames of such a height and width, how many are held at a time; all of them or fewer.
    """
    scan = scan_file(path)
    _check_limits(path, scan)
    held = at_once(max(1, scan.packets), scan.height, scan.width)
    check_memory(str(path), min(held, scan.packets), scan.height, scan.width, memory_factor)
    if held < scan.packets:
        ledger = PictureLedger(str(path))
        good, times, when = _decode(path, scan, force, ledger.add)
        kept = ledger.part(good)
        return LongClip(kept, when, Reel(path, scan, good, tuple(times), tuple(kept.digests)))
    stack = PictureStack(str(path), scan.packets)
    good, _, when = _decode(path, scan, force, stack.add)
    return Clip(stack.part(good), when, scan.is_still)


def _decode(
    path: Path, scan: Scan, force: bool, add: Callable[[Picture, str], None]
) -> tuple[range, list[int | None], Timing]:
    """Hands on all pictures; tells which of them are good, and when these are shown, as the file says and as meant."""
    decoding = Decoding(path, scan)
    try:
        for number, picture in enumerate(decoding.pictures()):
            add(picture, f"frame {number}")
    except MemoryError as error:
        raise SourceError(f"{path}: does not fit in memory: use a smaller clip or cut it") from error
    good = decoding.good()
    if decoding.damaged:
        told = _damage_text(path, len(good), max(scan.expected, len(good)), scan.is_still)
        if not force or not good:
            raise SourceError(f"{told}; use them with --force" if good and not scan.is_still else told)
        _LOG.warning(told)
    if not good:
        raise SourceError(f"{path}: has no frames")
    times = [decoding.times[i] for i in good]
    return good, times, timing(times, decoding.time_base, decoding.rates)


def _check_limits(path: Path, scan: Scan) -> None:
    if scan.packets > MAX_FRAMES:
        raise SourceError(f"{path}: has more than {MAX_FRAMES} frames: cut it")
    if max(scan.height, scan.width) > MAX_SIDE:
        size = f"{scan.width}x{scan.height}"
        raise SourceError(f"{path}: is {size}; at most {MAX_SIDE} pixels a side: use a smaller clip")


def _damage_text(path: Path, good: int, expected: int, is_still: bool) -> str:
    if is_still:
        return f"{path}: the picture is damaged"
    if not good:
        return f"{path}: is damaged; none of about {expected} frames is good"
    return f"{path}: {good} of about {expected} frames are good"
