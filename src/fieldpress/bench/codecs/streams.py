"""Codecs at work: pictures to the bytes of a stream and back, one thread each way.

A stream of a video codec is an elementary one, without a container: 1 to 3 kB less, in the codecs' favour. A picture
codec's is its file.
"""

import io
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from fieldpress.bench.codecs import program
from fieldpress.bench.codecs.codec import FRAME_RATE, Anchor, Clipped
from fieldpress.errors import SourceError
from fieldpress.jobs import Report

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 talks on stderr; 1 leaves its errors

_PROGRAM_MUXERS = {".obu": "obu", ".vvc": "vvc"}


def encode(anchor: Anchor, quality: float, frames: Sequence[av.VideoFrame], report: Report = lambda _: None) -> bytes:
    """The stream of the frames, which are in the anchor's pixel format.

    Args:
        anchor: The codec, its preset and variants.
        quality: On the codec's scale.
        frames: At least one.
        report: Called with the share of the frames that the encoder has taken; may raise to stop it.

    Raises:
        SourceError: The encoder refuses them.
    """
    clip = Clipped(len(frames), frames[0].height, frames[0].width)
    options = anchor.options(quality, clip)
    try:
        if anchor.codec.program:
            return _by_program(anchor, options, frames, report)
        if anchor.codec.id == "avif":
            return _avif(anchor, options, frames)
        return _by_library(anchor, options, frames, report)
    except FFmpegError as error:
        raise SourceError(f"{anchor.name} cannot encode {clip.width}x{clip.height}: {error.strerror}") from None


def decode(anchor: Anchor, stream: bytes, frames: int) -> list[av.VideoFrame]:
    """The pictures of a stream in display order; damage is an error, not a picture.

    Raises:
        SourceError: The stream does not decode to so many pictures.
    """
    try:
        found = _decoded(anchor, stream)
    except FFmpegError as error:
        raise SourceError(f"{anchor.name} wrote a stream that does not decode: {error.strerror}") from None
    if len(found) != frames:
        raise SourceError(f"{anchor.name} wrote a stream of {len(found)} pictures instead of {frames}")
    return found


def _by_library(anchor: Anchor, options: dict[str, str], frames: Sequence[av.VideoFrame], report: Report) -> bytes:
    context: Any = av.CodecContext.create(anchor.codec.encoder, "w")
    context.width, context.height, context.pix_fmt = frames[0].width, frames[0].height, anchor.pixel_format
    context.framerate, context.time_base = Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)
    context.thread_count = 1  # PyAV's default makes x264 cut pictures into slices, one a thread: 3–6 % more bytes
    context.options = options
    if anchor.codec.colour is not None and anchor.codec.colour.full_range:
        context.color_range = 2
    packets: list[bytes] = []
    for index, frame in enumerate(frames):
        report(index / len(frames))
        frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
        packets += [bytes(packet) for packet in context.encode(frame)]
    return b"".join([*packets, *(bytes(packet) for packet in context.encode(None))])


def _avif(anchor: Anchor, options: dict[str, str], frames: Sequence[av.VideoFrame]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="avif") as container:
        stream: Any = container.add_stream(anchor.codec.encoder, rate=FRAME_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, anchor.pixel_format
        stream.codec_context.thread_count = 1
        for frame in frames:
            frame.pts = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _by_program(anchor: Anchor, options: dict[str, str], frames: Sequence[av.VideoFrame], report: Report) -> bytes:
    size = f"{frames[0].width}x{frames[0].height}"
    fed = ["-f", "rawvideo", "-pix_fmt", anchor.pixel_format, "-s", size, "-r", str(FRAME_RATE), "-i", "pipe:"]
    told = [part for key, value in options.items() for part in (f"-{key}", value)]
    pictures = (np.ascontiguousarray(frame.to_ndarray()).tobytes() for frame in frames)
    with TemporaryDirectory(prefix="fieldpress-") as folder:
        out = Path(folder) / f"out{anchor.codec.suffix}"
        muxer = _PROGRAM_MUXERS.get(anchor.codec.suffix, "image2")
        program.run([*fed, "-c:v", anchor.codec.encoder, *told, "-f", muxer, str(out)], pictures, report)
        return out.read_bytes()


def _decoded(anchor: Anchor, stream: bytes) -> list[av.VideoFrame]:
    if anchor.codec.id == "avif":
        container: Any = av.open(io.BytesIO(stream))
        with container:
            return list(container.decode(video=0))
    if anchor.codec.id == "jpegxl":
        return [_jpegxl(stream)]
    context: Any = av.CodecContext.create(anchor.codec.decoder, "r")
    context.thread_count = 1
    context.options = {"err_detect": "crccheck+explode"}
    packets = [av.Packet(stream)] if anchor.codec.still else [*context.parse(stream), *context.parse()]
    frames = [frame for packet in packets for frame in context.decode(packet)]
    return [*frames, *context.decode(None)]


def _jpegxl(stream: bytes) -> av.VideoFrame:
    """PyAV's libraries have no JPEG XL; a portable pixmap says how large the picture is."""
    with TemporaryDirectory(prefix="fieldpress-") as folder:
        file = Path(folder) / "in.jxl"
        file.write_bytes(stream)
        data = program.run(["-i", str(file), "-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:"])
    _, size, _, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    return av.VideoFrame.from_ndarray(np.frombuffer(pixels, np.uint8).reshape(height, width, 3), format="rgb24")
