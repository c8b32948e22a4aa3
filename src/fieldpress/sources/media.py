"""From a path to observations: the signal that the file will hold, and the pictures it is fitted to."""

from fractions import Fraction
from os import PathLike
from pathlib import Path

from fieldpress.errors import SourceError
from fieldpress.signals.base import Signal
from fieldpress.signals.image import Image
from fieldpress.signals.video import Video
from fieldpress.sources.clip import Clip, LongClip, open_clip
from fieldpress.sources.colour import Colour
from fieldpress.sources.cutting import Cut, cut
from fieldpress.sources.folder import open_folder
from fieldpress.sources.footage import Footage, LongFootage, Observations
from fieldpress.sources.timing import DEFAULT_RATE, Timing


def load(
    path: str | PathLike[str], *, force: bool = False, memory_factor: float = 1.0, rate: Fraction = DEFAULT_RATE
) -> Observations:
    """Read a video file, a picture file or a folder of pictures.

    A file is a video if FFmpeg finds moving pictures in it, even one frame of them; a picture file becomes an
    :class:`Image`; a folder becomes a :class:`Video` of its pictures in natural order. Untagged YCbCr is taken as
    limited range, BT.709 in high definition and BT.601 below; transparency is laid over black; a display matrix
    or an EXIF orientation is followed.

    Args:
        path: File or folder.
        force: Use the good frames of a damaged source.
        memory_factor: The memory that the caller needs in all, in units of the decoded source; it is refused
            before decoding if that is not free.
        rate: Pictures a second of a folder.

    Raises:
        SourceError: Missing, not media, damaged, empty, of mixed sizes, or too large: one line that says which.
    """
    found = open_footage(path, force=force, memory_factor=memory_factor, rate=rate, into=_whole)
    assert isinstance(found, Observations), "the clip is held"
    return found


def open_footage(
    path: str | PathLike[str],
    *,
    force: bool = False,
    memory_factor: float = 1.0,
    rate: Fraction = DEFAULT_RATE,
    into: Cut = cut,
) -> Footage:
    """As :func:`load`, but a clip that will be cut into segments is not held in memory.

    Args:
        path, force, rate: As there.
        memory_factor: In units of one segment.
        into: Its segments, see :func:`~fieldpress.sources.cutting.cut`.

    Raises:
        SourceError: As there.
        ConfigError: The segments asked for are out of range.
    """
    location = Path(path)
    into(1, 1, 1)  # a number out of range is refused before anything is read
    clip = _read(location, force, memory_factor, rate, into)
    name = location.resolve().name or str(location)
    if isinstance(clip, LongClip):
        alike = clip.ledger.alike
        return LongFootage(_video(location, len(clip.ledger), alike.size, clip.timing, alike.colour), clip, name)
    frames, height, width, _ = clip.pictures.rgb.shape
    colour = clip.pictures.colour
    if clip.is_still:
        signal: Signal = Image(height, width, colour.matrix, colour.full_range)
    else:
        signal = _video(location, frames, (height, width), clip.timing, colour)
    return Observations(signal, clip.pictures.rgb, clip.pictures.luma, name)


def _video(path: Path, frames: int, size: tuple[int, int], times: Timing, colour: Colour) -> Video:
    try:
        return Video(frames, *size, *times, colour.matrix, colour.full_range)
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error


def _whole(frames: int, height: int, width: int) -> tuple[range, ...]:
    """One segment, whatever that takes."""
    del height, width
    return (range(frames),)


def _read(path: Path, force: bool, memory_factor: float, rate: Fraction, into: Cut) -> Clip | LongClip:
    def at_once(frames: int, height: int, width: int) -> int:
        return len(into(frames, height, width)[0])

    try:
        if path.is_dir():
            return open_folder(path, force=force, memory_factor=memory_factor, at_once=at_once, rate=rate)
        if path.is_file() and not path.stat().st_size:
            raise SourceError(f"{path}: is empty")
        if path.is_file():
            return open_clip(path, force=force, memory_factor=memory_factor, at_once=at_once)
        exists = path.exists()
    except (OSError, ValueError) as error:  # no access to the folder above, or a zero byte in the name
        raise SourceError(f"{str(path)!r}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    raise SourceError(f"{path}: {'is not a regular file' if exists else 'there is no such file or folder'}")
