"""Pictures to a video file: H.264 that plays everywhere, or lossless FFV1."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.pixels import Converter, Ycbcr
from fieldpress.sinks.timing import Timing

MATROSKA_UNIT = Fraction(1, 1000)
"""Seconds: Matroska as FFmpeg writes it keeps times in milliseconds."""

_BT709 = Ycbcr("bt709", full_range=False)
_BT709_TAGS = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}
_RGB_TAGS = {"colorspace": 0, "color_range": 2}


class _Coding(NamedTuple):
    codec: str
    options: dict[str, str]
    pixel_format: str
    ycbcr: Ycbcr | None
    tags: dict[str, int]


def write_mp4(path: Path, pictures: Iterable[NDArray[np.uint8]], timing: Timing) -> None:
    """Near-lossless H.264 (CRF 10), BT.709 limited range, tagged so.

    Chroma is halved (4:2:0, which every player takes) where both sides are even, else kept whole (4:4:4).
    """
    options = {"crf": "10", "preset": "medium"}
    if timing.timestamps is not None:
        options["bf"] = "0"  # MP4 ends when the last picture in coding order does, so it has to be the last shown

    def coding(height: int, width: int) -> _Coding:
        pixel_format = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        return _Coding("libx264", options, pixel_format, _BT709, _BT709_TAGS)

    _write(path, "mp4", {"movflags": "faststart"}, coding, pictures, timing)


def write_mkv(path: Path, pictures: Iterable[NDArray[np.uint8]], timing: Timing) -> None:
    """Lossless FFV1 in RGB: it decodes to exactly the pictures, and each one carries a checksum.

    Raises:
        SourceError: Two pictures are closer than a millisecond, which Matroska does not tell apart.
    """
    times = [round(timing.time(i) * timing.base / MATROSKA_UNIT) for i in range(len(timing.timestamps or ()))]
    if len(set(times)) < len(times) or (timing.timestamps is None and timing.rate > 1 / MATROSKA_UNIT):
        raise SourceError(f"{path.suffix}: cannot keep pictures closer than 1 ms apart: write .mp4")
    coding = _Coding("ffv1", {"level": "3", "slicecrc": "1"}, "bgr0", None, _RGB_TAGS)
    _write(path, "matroska", {}, lambda height, width: coding, pictures, timing)


def _write(
    path: Path,
    container_format: str,
    container_options: dict[str, str],
    coding_of: Callable[[int, int], _Coding],
    pictures: Iterable[NDArray[np.uint8]],
    timing: Timing,
) -> None:
    encoder: _Encoder | None = None
    try:
        with av.open(str(path), "w", format=container_format, container_options=container_options) as container:
            for index, picture in enumerate(pictures):
                if encoder is None:
                    height, width, _ = picture.shape
                    encoder = _Encoder(container, coding_of(height, width), height, width, timing)
                encoder.add(index, picture)
            if encoder is not None:
                encoder.finish()
    except FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise SourceError(f"{path.suffix}: FFmpeg refuses the pictures: {error.strerror or error}") from error


class _Encoder:
    """One video stream of a container."""

    def __init__(self, container: OutputContainer, coding: _Coding, height: int, width: int, timing: Timing) -> None:
        self._container = container
        self._timing = timing
        self._muxed = 0
        self._ycbcr = coding.ycbcr
        self._converter = Converter(coding.pixel_format, coding.ycbcr)
        self._tags = coding.tags
        stream = container.add_stream(coding.codec, rate=timing.rate, options=coding.options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        context = stream.codec_context
        context.height, context.width, context.pix_fmt = height, width, coding.pixel_format
        context.time_base = stream.time_base = timing.base
        for name, value in coding.tags.items():
            setattr(context, name, value)

    def add(self, index: int, picture: NDArray[np.uint8]) -> None:
        frame = self._converter(VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
        frame.pts, frame.time_base = self._timing.time(index), self._timing.base
        for name, value in self._tags.items():
            setattr(frame, name, value)
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._mux(self._stream.encode())

    def _mux(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            # In the order of the pictures, or all pictures are shown equally long.
            packet.duration = self._timing.duration(self._muxed)
            self._muxed += 1
            self._container.mux(packet)
