"""From packets to pictures, with every check that the decoders have, so that damage is an error and not a grey smear.

::

    packets ── before the first key frame ──> dropped: a clip cut out of a longer one starts like that
       │
       ├── a bad one, or bytes missing at the end ──> the frames shown before it are the good ones
       └── decode ──> upright ──> RGB and luma
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fieldpress.errors import SourceError
from fieldpress.sources.colour import Picture, PictureReader
from fieldpress.sources.demuxing import DAMAGE, Scan, check_strictly, opened
from fieldpress.sources.orientation import Orientation, orientation_of


class Decoding:
    """One pass over the frames of a file, and what it found out.

    Attributes:
        times: When each frame is shown, in units of the stream; ``None`` where it does not say.
        damaged: Whether any of them was bad or missing.
        time_base: Seconds per unit, once the pass has ended.
        rates: What the file says about frames per second, best first, likewise.
    """

    def __init__(self, path: Path, scan: Scan) -> None:
        self._path = path
        self._scan = scan
        self._good_before: int | None = None
        self._last_decode_time: int | None = None
        self.times: list[int | None] = []
        self.damaged = False
        self.time_base = Fraction(1, 1000)
        self.rates: tuple[Fraction | None, ...] = ()

    def pictures(self, wanted: range | None = None) -> Iterator[Picture]:
        """The pictures up to the end or to the first damage, bad ones perhaps among the last.

        Args:
            wanted: Gives only those of these numbers, and stops after them; the others are decoded but not converted.

        Raises:
            SourceError: The file cannot be read, or its colours are not supported.
        """
        with opened(self._path) as (_, container, stream):
            check_strictly(stream, self._scan)
            develop: _Developer | None = None
            for number, frame in enumerate(self._frames(container, stream)):
                develop = develop or _Developer(self._path, orientation_of(frame))
                if wanted is None or number in wanted:
                    yield develop(frame)
                if wanted is not None and number + 1 >= wanted.stop:
                    return
            if self._scan.cut_off and container.format.name == "gif":
                self._end_is_missing(last_is_partial=True)  # GIF's demuxer hands out what there is of it
            elif self._scan.cut_off and self._scan.packets < self._scan.expected:
                self._end_is_missing()
            self.rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
            self.time_base = stream.time_base or self.time_base

    def pictures_from(self, time: int, count: int) -> Iterator[Picture]:
        """So many pictures at most, from the one shown at this time on, decoded from the key frame before it.

        What a decoder makes of a stream from there is not certain to be what it makes of the whole.

        Raises:
            SourceError: The file has no such place or cannot be read.
        """
        with opened(self._path) as (_, container, stream):
            container.seek(time, stream=stream)
            packets = (packet for packet in container.demux(stream) if not _repeats(packet))
            frames = (frame for packet in packets for frame in packet.decode())
            shown = (frame for frame in frames if frame.pts is not None and frame.pts >= time)
            develop: _Developer | None = None
            for frame in islice(shown, count):
                develop = develop or _Developer(self._path, orientation_of(frame))
                yield develop(frame)

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

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        number = -1
        for packet in self._packets(container, stream):
            if _repeats(packet):
                continue
            if packet.size:
                number += 1
            if self._scan.first_key is not None and number < self._scan.first_key:
                continue
            yield from map(self._noted, self._decode(packet))
            if self.damaged:
                break
        if self.damaged:
            yield from map(self._noted, self._held_back(stream))

    def _packets(self, container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
        demuxer = container.demux(stream)
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                return
            except DAMAGE:
                self._end_is_missing()
                return
            yield packet

    def _decode(self, packet: "Packet[VideoStream]") -> Iterator[VideoFrame]:
        """The frames that a packet gives, up to the first that is damaged."""
        try:
            frames = packet.decode()
        except DAMAGE:
            self._damage(packet.dts)
            return
        for frame in frames:
            if frame.is_corrupt:
                self._damage(frame.pts)
                return
            yield frame
        if packet.is_corrupt:
            self._damage(packet.dts)
            return
        self._last_decode_time = packet.dts if packet.dts is not None else self._last_decode_time

    def _held_back(self, stream: VideoStream) -> list[VideoFrame]:
        """The frames that the decoder has not given yet for their order."""
        try:
            return list(stream.decode(None))
        except DAMAGE:
            return []

    def _noted(self, frame: VideoFrame) -> VideoFrame:
        self.times.append(frame.pts)
        return frame

    def _end_is_missing(self, *, last_is_partial: bool = False) -> None:
        """Frames after the last packet read cannot be relied on: nothing that is missing is decoded before it."""
        last = self._last_decode_time
        self._damage(None if last is None else last if last_is_partial else last + 1)

    def _damage(self, good_before: int | None) -> None:
        self.damaged = True
        if good_before is not None:
            self._good_before = good_before if self._good_before is None else min(good_before, self._good_before)


def _repeats(packet: "Packet[VideoStream]") -> bool:
    """Whether a packet says that the picture before it stays, as Theora's do; the last of all has no time."""
    return not packet.size and not (packet.pts is None and packet.dts is None)


class _Developer:
    """Turns the frames of a file into pictures the right way up."""

    def __init__(self, path: Path, orientation: Orientation) -> None:
        self._path, self._orientation = path, orientation
        self._reader = PictureReader()

    def __call__(self, frame: VideoFrame) -> Picture:
        try:
            picture = self._reader(frame)
        except SourceError as error:
            raise SourceError(f"{self._path}: {error}") from None
        except FFmpegError as error:
            raise SourceError(f"{self._path}: pixel format {frame.format.name} cannot be converted to RGB") from error
        luma = None if picture.luma is None else self._orientation(picture.luma)
        return picture._replace(rgb=self._orientation(picture.rgb), luma=luma)
