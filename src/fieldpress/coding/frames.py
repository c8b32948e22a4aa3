"""Pictures of integers as a video stream in memory, by PyAV: no container, no metadata, one stream.

A stream is stored as byte strings with their lengths (parts.py): NAL units for HEVC (nal.py), temporal units without
their delimiter for AV1. Both decode bit-exactly by their standards, so decoding is pure.

The encoders are set to least squared error, not to looks: no adaptive quantisation that follows the eye, no
psychovisual terms. Threads are pinned, since the number of threads changes x265's bytes. x265's stream is checked
against the encoder's own pictures (a checksum per picture, removed from what is stored): for some sizes, such as a
width equal to that of its coding tree unit, x265 writes streams that no decoder follows.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from fieldpress.coding import nal
from fieldpress.coding.parts import PartReader, PartWriter
from fieldpress.errors import ConfigError, FormatError
from fieldpress.progress import tell

Plane = NDArray[np.uint16]
"""One plane of every picture: (pictures, rows, columns)."""

ALIGNMENT = 8
"""Sides of pictures are multiples of this: no codec pads on its own."""
LEAST_SIDE = 24
"""Shortest side of a picture: above x265's smallest coding tree unit."""

_MARGIN = 128  # FFmpeg counts its own row padding as pixels
_TEMPORAL_DELIMITER = b"\x12\0"
_CODING_TREE_UNITS = (32, 16)
_EMPTY_UNIT = "a video stream is damaged: it holds an empty unit"
_DEFECT = (
    "{codec} wrote a {columns}x{rows} stream that does not decode to its own pictures ({defect}); use another codec"
)


class StreamFormat(NamedTuple):
    """What the decoder knows before it sees a byte."""

    codec: str
    """"x265", "x265-intra", "svt-av1" or "svt-av1-screen"."""
    bits: int
    """Depth of a sample: 8, 10, 12 (x265 only)."""
    pictures: int
    """How many there are."""
    chroma: Literal["none", "444", "420"]
    """Whether there are two more planes, and how large they are; AV1 here has no 4:4:4."""
    rows: int
    columns: int
    """Both multiples of 8 and at least 24."""

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """(pictures, rows, columns) of each plane."""
        full = (self.pictures, self.rows, self.columns)
        return {"none": [full], "444": [full] * 3, "420": [full] + [(full[0], full[1] // 2, full[2] // 2)] * 2}[
            self.chroma
        ]

    @property
    def av1(self) -> bool:
        """Whether it is AV1, else HEVC."""
        return self.codec.startswith("svt-av1")

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name for the picture layout. AV1 here has no monochrome; its chroma then stays flat."""
        halved = self.av1 or self.chroma == "420"
        layout = "yuv420p" if halved else {"none": "gray", "444": "yuv444p"}[self.chroma]
        return layout if self.bits == 8 else f"{layout}{self.bits}le"

    @property
    def sample(self) -> np.dtype:
        """One sample in memory."""
        return np.dtype("u1" if self.bits == 8 else "<u2")


def encode_pictures(planes: Sequence[Plane], stream: StreamFormat, crf: float, preset: str) -> bytes:
    """Pictures as a stream.

    Args:
        planes: Samples below ``2**bits``, in the shapes of ``stream``.
        stream: Codec and layout.
        crf: Quality on the codec's own scale; lower is better.
        preset: Effort, by the codec's own name.

    Raises:
        ConfigError: The encoder refuses, or writes a stream that does not decode to its own pictures.
    """
    name, options = _encoder(stream, crf, preset)
    try:
        packets = _encode(name, options, planes, stream)
    except FFmpegError as error:
        raise ConfigError(
            f"{stream.codec} cannot encode {stream.columns}x{stream.rows} pictures: {error.strerror}"
        ) from None
    if stream.av1:
        units = [packet.removeprefix(_TEMPORAL_DELIMITER) for packet in packets]
    else:
        units = nal.needed(nal.split(b"".join(packets)))
    writer = PartWriter()
    for unit in units:
        writer.string(unit)
    data = writer.finish()
    defect = _defect(data, packets, stream)
    if defect is not None:
        raise ConfigError(_DEFECT.format(**stream._asdict(), defect=defect))
    return data


def decode_pictures(
    data: bytes, stream: StreamFormat, planes: Sequence[NDArray[Any]], values: NDArray[Any] | None = None
) -> None:
    """Fills planes with a stream's pictures.

    Args:
        data: As :func:`encode_pictures` made it.
        stream: How.
        planes: One for each of the stream's, (pictures, rows, columns): as large, or the upper left corner alone.
        values: What each sample stands for, ``values[sample]``, in the type of the planes; themselves if None.

    Raises:
        FormatError: The stream is damaged, or its pictures are not of this number, size and depth.
    """
    for index, shown in enumerate(_shown(_units(data, stream), stream, {"err_detect": "explode"})):
        for plane, samples in zip(planes, shown, strict=True):
            into = plane[index]
            wanted = samples[: into.shape[0], : into.shape[1]]
            if values is None:
                into[:] = wanted
            else:  # while the picture is in the cache
                np.take(values, wanted, out=into, mode="clip")


def picture_ends(data: bytes, stream: StreamFormat) -> list[int]:
    """Where each picture of an AV1 stream ends: so many bytes are a stream of the first picture, of the first two, ....

    A temporal unit shows exactly one picture, in output order, whatever else it holds that later ones refer to (source:
    AV1 bitstream specification, 7.5). HEVC has no such units: which pictures come first only their slices tell.

    Args:
        data: As :func:`encode_pictures` made it, or the beginning of that.
        stream: The whole stream's.

    Raises:
        FormatError: There is an empty unit, or there are more than pictures.
    """
    assert stream.av1
    reader = PartReader(data, "a video stream")
    ends: list[int] = []
    while reader.remaining:
        try:
            unit = reader.string()
        except FormatError:
            break
        if not unit:
            raise FormatError(_EMPTY_UNIT)
        ends.append(len(data) - reader.remaining)
    if len(ends) > stream.pictures:
        raise FormatError(f"a video stream holds {len(ends)} pictures; {stream.pictures} expected")
    return ends


def _units(data: bytes, stream: StreamFormat) -> list[bytes]:
    """What a decoder takes one after the other, of a stream as it is stored."""
    reader = PartReader(data, "a video stream")
    units = []
    while reader.remaining:
        units.append(reader.string())
    if not all(units):
        raise FormatError(_EMPTY_UNIT)
    return units if stream.av1 else nal.access_units(units)


def _defect(data: bytes, packets: list[bytes], stream: StreamFormat) -> str | None:
    """Why a stream just written does not decode to what the encoder meant; ``None`` if it does."""
    try:
        stored = _shown(_units(data, stream), stream, {"err_detect": "explode"})
        if stream.av1:  # has no checksums to compare with
            deque(stored, maxlen=0)
            return None
        checked = nal.access_units(nal.split(b"".join(packets)))
        meant = _shown(checked, stream, {"err_detect": "crccheck+explode"})
        right = all(all(map(np.array_equal, *pair)) for pair in zip(stored, meant, strict=True))
    except FormatError as error:
        return str(error)
    return None if right else "other pictures come out than the encoder meant"


def _encoder(stream: StreamFormat, crf: float, preset: str) -> tuple[str, dict[str, str]]:
    """FFmpeg's encoder and its options."""
    if stream.av1:
        os.environ.setdefault("SVT_LOG", "1")  # errors only; it is the library's one way to be told
        parameters = {
            "crf": crf,
            "tune": 1,
            "keyint": -1,
            "enable-overlays": 0,
            "film-grain": 0,
            "tf-strength": 1,  # this and the next: slightly fewer bits at equal error
            "enable-dlf": 2,
            # 2 would turn these tools on where pictures look like a screen; of text that scrolls it thinks otherwise.
            "scm": 1 if stream.codec == "svt-av1-screen" else 2,
            "lp": 1,  # with more it is faster, and was seen to hang and to break a stream on a crowded machine
        }
        return "libsvtav1", {"preset": preset, "svtav1-params": _joined(parameters)}
    unit = next(size for size in _CODING_TREE_UNITS if size < min(stream.rows, stream.columns))
    parameters = {
        "crf": crf,
        "keyint": 1 if stream.codec == "x265-intra" else -1,
        "ctu": unit,
        "hash": 2,
        "info": 0,
        "log-level": "none",
        "pools": "none",
        "frame-threads": 1,
        "aq-mode": 0,
        "psy-rd": 0,
        "psy-rdoq": 0,
        "cutree": 0,
        "scenecut": 0,
        "bframes": 8,
        "b-adapt": 2,
        "rc-lookahead": 40,  # has to exceed bframes, which fast presets' own does not
        "min-cu-size": 8,  # has to stay below ctu, likewise
    }
    return "libx265", {"preset": preset, "x265-params": _joined(parameters)}


def _joined(parameters: dict[str, Any]) -> str:
    return ":".join(f"{key}={value}" for key, value in parameters.items())


def _encode(name: str, options: dict[str, str], planes: Sequence[Plane], stream: StreamFormat) -> list[bytes]:
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = stream.columns, stream.rows, stream.pixel_format
    context.time_base, context.framerate = Fraction(1, 25), 25  # fixed: rate control looks at it
    context.thread_count = 1
    context.options = options
    packets: list[bytes] = []

    def collect(found: Iterable[Any]) -> None:
        for packet in found:
            packets.append(bytes(packet))
            tell(min(1.0, len(packets) / stream.pictures))

    for index in range(stream.pictures):
        frame = av.VideoFrame(stream.columns, stream.rows, stream.pixel_format)
        for number, plane in enumerate(frame.planes):
            samples = _samples(plane, stream)
            samples[:] = planes[number][index] if number < len(planes) else 1 << (stream.bits - 1)
        frame.pts = index
        collect(context.encode_lazy(frame))
    collect(context.encode_lazy(None))
    return packets


def _shown(packets: list[bytes], stream: StreamFormat, options: dict[str, str]) -> Iterator[list[NDArray[Any]]]:
    """The planes of each picture, which are gone when the next one is asked for.

    Raises:
        FormatError: As :func:`decode_pictures`.
    """
    name = "libdav1d" if stream.av1 else "hevc"
    context: Any = av.CodecContext.create(name, "r")
    context.thread_count = 1
    context.options = options | {"max_pixels": str((stream.columns + _MARGIN) * (stream.rows + _MARGIN))}
    found = 0
    try:
        for packet in [*packets, None]:
            for frame in context.decode(None if packet is None else av.Packet(packet)):
                _expect(frame, found, stream)
                found += 1
                yield [_samples(plane, stream) for plane in frame.planes[: len(stream.shapes)]]
    except FFmpegError as error:
        raise FormatError(f"a video stream is damaged: {error.strerror}") from None
    if found != stream.pictures:
        raise FormatError(f"a video stream holds {found} pictures; {stream.pictures} expected")


def _expect(frame: Any, found: int, stream: StreamFormat) -> None:
    if found == stream.pictures:
        raise FormatError(f"a video stream holds more than the {stream.pictures} pictures expected")
    if (frame.width, frame.height, frame.format.name) != (stream.columns, stream.rows, stream.pixel_format):
        raise FormatError(
            f"a video stream holds {frame.width}x{frame.height} {frame.format.name} pictures; "
            f"{stream.columns}x{stream.rows} {stream.pixel_format} expected"
        )


def _samples(plane: Any, stream: StreamFormat) -> NDArray[Any]:
    """A view of a plane's samples, shape (rows, columns)."""
    lines = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
    return lines.view(stream.sample)[:, : plane.width]
