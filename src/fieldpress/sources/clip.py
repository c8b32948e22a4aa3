"""One media file to pictures: demux, decode, and know which frames to trust.

Two passes. The first only demuxes: it counts packets, so that memory is known before a frame is decoded. The second
decodes with every check that the decoders have, so that damage is an error and not a grey smear:

    packets ── before the first key frame ──> dropped: a clip cut out of a longer one starts like that
       │
       ├── a bad one, or bytes missing at the end ──> the frames shown before it are the good ones
       └── decode ──> upright ──> RGB and luma
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fieldpress.errors import SourceError
from fieldpress.signals.base import MAX_FRAMES, MAX_SIDE
from fieldpress.sources.colour import PictureReader
from fieldpress.sources.h264 import forgets_the_past
from fieldpress.sources.length import is_cut_off
from fieldpress.sources.memory import check_memory
from fieldpress.sources.orientation import Orientation, orientation_of
from fieldpress.sources.stack import PictureStack
from fieldpress.sources.timing import Timing, timing

_CHECKS = "crccheck+explode"
_LENIENT_CHECKS = "crccheck"  # for clips that begin in the middle: H.264's bookkeeping misses what came before
_LENIENT_CODECS = ("tiff",)  # ... and where FFmpeg's decoder refuses tags that its own encoder writes
_DAMAGE = (FFmpegError, EOFError, IndexError, ValueError, RuntimeError)

_PICTURE_FORMATS = ("_pipe", "image2", "gif")  # FFmpeg's names of them end like this
_PICTURE_SUFFIXES = (".avif", ".heic", ".heif")  # pictures in a video container


class Clip(NamedTuple):
    """A decoded media file."""

    pictures: PictureStack
    timing: Timing
    is_still: bool
    """Whether it is a picture file and not a clip that happens to have one frame."""


class _Scan(NamedTuple):
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


def read_clip(path: Path, *, force: bool, memory_factor: float) -> Clip:
    """All frames of a media file, whatever FFmpeg can read.

    Args:
        path: An existing regular file. Its content decides the format; its suffix only breaks ties.
        force: Take the good frames of a damaged file.
        memory_factor: Passed to :func:`~fieldpress.sources.memory.check_memory`.

    Raises:
        SourceError: No pictures in it, damaged (unless ``force``), too large, or not readable.
    """
    with _opened(path) as (file, container):
        stream = _video_stream(path, container)
        scan = _scan(container, stream)
        cut_off = is_cut_off(file, path.stat().st_size)
        is_picture = container.format.name.endswith(_PICTURE_FORMATS) or path.suffix.lower() in _PICTURE_SUFFIXES
        is_still = is_picture and scan.packets == 1
        _check_limits(path, stream, scan, memory_factor)
    with _opened(path) as (_, container):
        stream = _video_stream(path, container)
        lenient = scan.begins_midway or stream.codec_context.name in _LENIENT_CODECS
        stream.codec_context.options = {"err_detect": _LENIENT_CHECKS if lenient else _CHECKS}
        decoding = _Decoding(path, scan)
        decoding.run(container, stream)
        if cut_off and container.format.name == "gif":
            decoding.end_is_missing(last_is_partial=True)  # GIF's demuxer hands out what there is of it
        elif cut_off and scan.packets < scan.expected:
            decoding.end_is_missing()
        good = decoding.good()
        rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
        time_base = stream.time_base or Fraction(1, 1000)
    if decoding.damaged and (not force or not good):
        raise SourceError(_damage_text(path, len(good), max(scan.expected, len(good)), is_still))
    if not good:
        raise SourceError(f"{path}: has no frames")
    pictures = decoding.pictures.part(good)
    return Clip(pictures, timing([decoding.times[i] for i in good], time_base, rates), is_still)


class _Decoding:
    """The second pass: pictures and times, and what is wrong with them."""

    def __init__(self, path: Path, scan: _Scan) -> None:
        self._path = path
        self._scan = scan
        self._reader = PictureReader()
        self._orientation: Orientation | None = None
        self._good_before: int | None = None
        self._last_decode_time: int | None = None
        self.pictures = PictureStack(str(path), scan.packets)
        self.times: list[int | None] = []
        self.damaged = False

    def run(self, container: InputContainer, stream: VideoStream) -> None:
        """Decode up to the end or to the first damage."""
        number = -1
        for packet in self._packets(container, stream):
            if packet.size:
                number += 1
            if self._scan.first_key is not None and number < self._scan.first_key:
                continue
            if not self._decode(packet):
                break
        if self.damaged:
            self._drain(stream)

    def end_is_missing(self, *, last_is_partial: bool = False) -> None:
        """Frames after the last packet read cannot be relied on: nothing that is missing is decoded before it."""
        last = self._last_decode_time
        self._damage(None if last is None else last if last_is_partial else last + 1)

    def good(self) -> range:
        """Which pictures can be relied on: a run without holes."""
        start, stop = 0, len(self.times)
        key_time = self._scan.first_key_time
        if self._scan.begins_midway and key_time is not None:
            start = sum(time is not None and time < key_time for time in self.times)
        if self._good_before is not None:
            late = (i for i, time in enumerate(self.times) if time is not None and time >= self._good_before)
            stop = next(late, stop)
        return range(start, max(start, stop))

    def _packets(self, container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
        demuxer = container.demux(stream)
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                return
            except _DAMAGE:
                self.end_is_missing()
                return
            yield packet

    def _decode(self, packet: "Packet[VideoStream]") -> bool:
        """Whether to go on after this packet."""
        try:
            frames = packet.decode()
        except _DAMAGE:
            self._damage(packet.dts)
            return False
        for frame in frames:
            if frame.is_corrupt:
                self._damage(frame.pts)
                return False
            self._add(frame)
        if packet.is_corrupt:
            self._damage(packet.dts)
            return False
        self._last_decode_time = packet.dts if packet.dts is not None else self._last_decode_time
        return True

    def _damage(self, good_before: int | None) -> None:
        self.damaged = True
        if good_before is not None:
            self._good_before = good_before if self._good_before is None else min(good_before, self._good_before)

    def _drain(self, stream: VideoStream) -> None:
        """Take the frames that the decoder still holds back for their order."""
        try:
            frames = stream.decode(None)
        except _DAMAGE:
            return
        for frame in frames:
            self._add(frame)

    def _add(self, frame: VideoFrame) -> None:
        time = frame.pts
        if self._orientation is None:
            self._orientation = orientation_of(frame)
        try:
            picture = self._reader(frame)
        except SourceError as error:
            raise SourceError(f"{self._path}: {error}") from None
        except FFmpegError as error:
            raise SourceError(f"{self._path}: pixel format {frame.format.name} cannot be converted to RGB") from error
        luma = None if picture.luma is None else self._orientation(picture.luma)
        self.pictures.add(picture._replace(rgb=self._orientation(picture.rgb), luma=luma), f"frame {len(self.times)}")
        self.times.append(time)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, InputContainer]]:
    """The file and its container; whatever FFmpeg raises inside becomes one line."""
    try:
        with path.open("rb") as file:
            reader = _NamedReader(file, "media" + path.suffix.lower())
            # No protocol is allowed: a playlist must not open other files.
            options = {"protocol_whitelist": "none"}
            with av.open(reader, "r", container_options=options, metadata_errors="replace") as container:
                yield file, container
    except MemoryError as error:
        raise SourceError(f"{path}: does not fit in memory: use a smaller clip or cut it") from error
    except _DAMAGE as error:
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
    """The first stream of moving pictures; cover art of a song is none."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SourceError(f"{path}: has {'sound but no pictures' if container.streams.audio else 'no pictures'}")
    if streams[0].codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise SourceError(f"{path}: its video codec is not known; convert it first")
    return streams[0]


def _scan(container: InputContainer, stream: VideoStream) -> _Scan:
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
    except _DAMAGE:
        pass  # the second pass meets it again, and knows which frames are good
    rate = stream.guessed_rate or stream.average_rate or Fraction(0)
    length = 0 if container.duration is None else Fraction(container.duration, av.time_base) * rate
    indexed = len(stream.index_entries) if "mp4" in container.format.name else stream.frames
    return _Scan(packets, max(packets, indexed or round(length)), first_key, first_key_time, midway)


def _check_limits(path: Path, stream: VideoStream, scan: _Scan, memory_factor: float) -> None:
    if scan.packets > MAX_FRAMES:
        raise SourceError(f"{path}: has more than {MAX_FRAMES} frames: cut it")
    if max(stream.height, stream.width) > MAX_SIDE:
        size = f"{stream.width}x{stream.height}"
        raise SourceError(f"{path}: is {size}; at most {MAX_SIDE} pixels a side: use a smaller clip")
    check_memory(str(path), scan.packets, stream.height, stream.width, memory_factor)


def _damage_text(path: Path, good: int, expected: int, is_still: bool) -> str:
    if is_still:
        return f"{path}: the picture is damaged"
    if not good:
        return f"{path}: is damaged; none of about {expected} frames is good"
    return f"{path}: {good} of about {expected} frames are good; use them with --force"
