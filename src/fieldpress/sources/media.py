"""From a path to observations: the signal that the file will hold, and the pictures it is fitted to."""

from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.signals.base import Signal
from fieldpress.signals.image import Image
from fieldpress.signals.video import Video
from fieldpress.sources.clip import Clip, read_clip
from fieldpress.sources.folder import read_folder
from fieldpress.sources.timing import DEFAULT_RATE


@dataclass(frozen=True)
class Observations:
    """What is known of a signal: its pictures as the source has them."""

    signal: Signal
    """What the file will say it holds."""
    rgb: NDArray[np.uint8]
    """The reference pictures, (frames, rows, columns, 3), full-range RGB."""
    luma: NDArray[np.uint8] | None
    """The source's own luma in 8-bit codes, (frames, rows, columns); ``None`` for sources without one."""
    name: str
    """The last part of the path."""


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
    location = Path(path)
    clip = _read(location, force, memory_factor, rate)
    frames, height, width, _ = clip.pictures.rgb.shape
    colour = clip.pictures.colour
    try:
        signal: Signal = (
            Image(height, width, colour.matrix, colour.full_range)
            if clip.is_still
            else Video(frames, height, width, *clip.timing, colour.matrix, colour.full_range)
        )
    except ValueError as error:
        raise SourceError(f"{location}: {error}") from error
    return Observations(signal, clip.pictures.rgb, clip.pictures.luma, location.resolve().name or str(location))


def _read(path: Path, force: bool, memory_factor: float, rate: Fraction) -> Clip:
    try:
        if path.is_dir():
            return read_folder(path, force=force, memory_factor=memory_factor, rate=rate)
        if path.is_file() and not path.stat().st_size:
            raise SourceError(f"{path}: is empty")
        if path.is_file():
            return read_clip(path, force=force, memory_factor=memory_factor)
        exists = path.exists()
    except (OSError, ValueError) as error:  # no access to the folder above, or a zero byte in the name
        raise SourceError(f"{str(path)!r}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    raise SourceError(f"{path}: {'is not a regular file' if exists else 'there is no such file or folder'}")
