"""A media file before any of it is decoded: its stream of pictures, and what its packets alone tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from fieldpress.container import MAGIC
from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES
from fieldpress.sources.h264 import forgets_the_past
from fieldpress.sources.length import is_cut_off
from fieldpress.sources.webp import HEAD_BYTES, check_webp

DAMAGE = (FFmpegError, EOFError, IndexError, ValueError, RuntimeError)
"""What PyAV raises on damaged files."""

_CHECKS = "crccheck+explode"
_LENIENT_CHECKS = "crccheck"  # for clips that begin in the middle: H.264's bookkeeping misses what came before
_LENIENT_CODECS = ("tiff",)  # ... and where FFmpeg's decoder refuses tags that its own encoder writes

_PICTURE_FORMATS = ("_pipe", "image2", "gif")  # FFmpeg's names of them end like this
_PICTURE_SUFFIXES = (".avif", ".heic", ".heif")  # pictures in a video container


class Scan(NamedTuple):
    """What demuxing alone tells."""

    packets: int
    expected: int
    """How many frames the file says it has; at least ``packets``."""
    first_key: int | None
    """Number of the first packet that decoding can begin with."""
    first_key_time: int | None
    """When that one is shown."""
    begins_midway: bool
    """Whether frames refer to pictures before that one, which are not in the file."""
    height: int
    """Rows of a picture, as the file says."""
    width: int
    """Columns of a picture, as the file says."""
    is_still: bool
    """Whether it is a picture file and not a clip that happens to have one frame."""
    cut_off: bool
    """Whether the file is shorter than it says."""


def scan_file(path: Path) -> Scan:
    """Reads the packets of a file.

    Raises:
        SourceError: It has no pictures or cannot be read.
    """
    with opened(path) as (file, container, stream):
        packets, first_key, first_key_time, midway = 0, None, None, False
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.is_keyframe and first_key is None:
                    first_key, first_key_time = packets, packet.pts
                    if stream.codec_context.name == "h264":
                        midway |= not forgets_the_past(bytes(packet), stream.codec_context.extradata)
                midway |= first_key is None
                if first_key_time is not None and packet.pts is not None:
                    midway |= packet.pts < first_key_time
                packets += 1
                if packets > MAX_FRAMES:
                    break
        except DAMAGE:
            pass  # decoding meets it again, and knows which frames are good
        rate = stream.guessed_rate or stream.average_rate or Fraction(0)
        length = 0 if container.duration is None else Fraction(container.duration, av.time_base) * rate
        indexed = len(stream.index_entries) if "mp4" in container.format.name else stream.frames
        return Scan(
            packets,
            max(packets, indexed or round(length)),
            first_key,
            first_key_time,
            midway,
            stream.height,
            stream.width,
            _takes_pictures(container, path) and packets == 1,
            is_cut_off(file, path.stat().st_size),
        )


def is_picture(path: Path) -> bool:
    """Whether a path is that of a picture file; what cannot be read is none."""
    try:
        if not path.is_file():
            return False
        with opened(path) as (_, container, _):
            takes_pictures = _takes_pictures(container, path)
        return takes_pictures and scan_file(path).is_still
    except (OSError, ValueError, SourceError):
        return False


def _takes_pictures(container: InputContainer, path: Path) -> bool:
    return container.format.name.endswith(_PICTURE_FORMATS) or path.suffix.lower() in _PICTURE_SUFFIXES


def check_strictly(stream: VideoStream, scan: Scan) -> None:
    """Has the decoder make every check that it has, as far as the stream can pass them."""
    lenient = scan.begins_midway or stream.codec_context.name in _LENIENT_CODECS
    stream.codec_context.options = {"err_detect": _LENIENT_CHECKS if lenient else _CHECKS}


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, InputContainer, VideoStream]]:
    """The file, its container and its pictures; whatever FFmpeg raises inside becomes one line.

    Raises:
        SourceError: It has no pictures or cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if head.startswith(MAGIC):
                raise SourceError(f"{path}: is a fieldpress file already; decode it first, to a .mkv to lose nothing")
            check_webp(path, head)
            file.seek(0)
            reader = _NamedReader(file, "media" + path.suffix.lower())
            # No protocol is allowed: a playlist must not open other files.
            options = {"protocol_whitelist": "none"}
            with av.open(reader, "r", container_options=options, metadata_errors="replace") as container:
                yield file, container, _video_stream(path, container)
    except MemoryError as error:
        raise SourceError(f"{path}: does not fit in memory: use a smaller clip or cut it") from error
    except DAMAGE as error:
        raise SourceError(f"{path}: is not a video or a picture that can be read, or is damaged") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


class _NamedReader:
    """A file under a harmless name: FFmpeg would take ``%03d`` in a real one for a pattern."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """The stream of pictures that players show; cover art of a song is none.

    Of a picture file it is the longest: one that moves has a still picture beside it.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SourceError(f"{path}: has {'sound but no pictures' if container.streams.audio else 'no pictures'}")
    if path.suffix.lower() in _PICTURE_SUFFIXES:
        shown = max(streams, key=lambda stream: stream.frames)
    else:
        shown = max(streams, key=lambda stream: bool(stream.disposition & Disposition.default))
    if shown.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise SourceError(f"{path}: its video codec is not known; convert it first")
    return shown
