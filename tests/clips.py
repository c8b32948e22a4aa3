"""Small media files of every sort, made on the spot, whose right answer is known."""

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

BT709_LIMITED = {"colorspace": 1, "color_range": 1}
"""FFmpeg's numbers for the tags; also 5 or 6 for BT.601, 9 for BT.2020, and 2 for full range."""

COEFFICIENTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def moving_pictures(frames: int = 6, height: int = 48, width: int = 64, cell: int = 8) -> NDArray[np.uint8]:
    """Coloured cells that move by one pixel a frame: (frames, height, width, 3)."""
    random = np.random.default_rng(20)
    cells = random.integers(0, 256, ((height - 1) // cell + 1, (width + frames - 1) // cell + 1, 3), dtype=np.uint8)
    wall = cells.repeat(cell, 0).repeat(cell, 1)
    return np.stack([wall[:height, i : i + width] for i in range(frames)])


def ycbcr(rgb: NDArray[np.uint8], matrix: str, full_range: bool, bits: int = 8) -> NDArray[np.uint16]:
    """The codes of RGB pictures, (..., 3), worked out from the standards in float64."""
    red_weight, blue_weight = COEFFICIENTS[matrix]
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    y = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    cb, cr = (blue - y) / (2 * (1 - blue_weight)), (red - y) / (2 * (1 - red_weight))
    top, unit = 2**bits - 1, 2 ** (bits - 8)
    if full_range:
        codes = [y * top, cb * top + 128 * unit, cr * top + 128 * unit]
    else:
        codes = [(16 + 219 * y) * unit, (128 + 224 * cb) * unit, (128 + 224 * cr) * unit]
    return np.clip(np.rint(np.stack(codes, -1)), 0, top).astype(np.uint16)


def rgb_of(codes: NDArray[np.uint16], matrix: str, full_range: bool, bits: int = 8) -> NDArray[np.uint8]:
    """The way back, also in float64."""
    red_weight, blue_weight = COEFFICIENTS[matrix]
    top, unit = 2**bits - 1, 2 ** (bits - 8)
    y, cb, cr = np.moveaxis(codes.astype(np.float64), -1, 0)
    if full_range:
        y, cb, cr = y / top, (cb - 128 * unit) / top, (cr - 128 * unit) / top
    else:
        y, cb, cr = (y / unit - 16) / 219, (cb / unit - 128) / 224, (cr / unit - 128) / 224
    red, blue = y + 2 * (1 - red_weight) * cr, y + 2 * (1 - blue_weight) * cb
    green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.rint(255 * np.stack([red, green, blue], -1)), 0, 255).astype(np.uint8)


def frame_of(planes: Sequence[NDArray[np.generic]], pixel_format: str, height: int, width: int) -> VideoFrame:
    """A frame whose planes are these samples, row by row, whatever the format packs into them."""
    frame = VideoFrame(width, height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((len(samples), plane.line_size), np.uint8)
        row_bytes = np.ascontiguousarray(samples).view(np.uint8).reshape(len(samples), -1)
        rows[:, : row_bytes.shape[1]] = row_bytes
        plane.update(rows.tobytes())
    return frame


def ycbcr_frame(codes: NDArray[np.uint16], pixel_format: str) -> VideoFrame:
    """A planar 4:4:4 frame of the codes, (rows, columns, 3)."""
    kind = np.uint16 if "p1" in pixel_format else np.uint8
    height, width, _ = codes.shape
    return frame_of(list(np.moveaxis(codes, -1, 0).astype(kind)), pixel_format, height, width)


def rgb_frame(picture: NDArray[np.uint8]) -> VideoFrame:
    """A frame of full-range RGB."""
    return VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


def write_clip(
    path: Path,
    frames: Sequence[VideoFrame],
    codec: str,
    pixel_format: str,
    *,
    tags: dict[str, int] | None = None,
    rate: Fraction = Fraction(25),
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int = 0,
    container_format: str | None = None,
) -> Path:
    """Encode frames; RGB ones are converted by FFmpeg's default, so give YCbCr ones where the codes matter.

    Args:
        path: Where to; the suffix chooses the container.
        frames: The pictures in order.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of what it stores.
        tags: Colour tags by attribute name.
        rate: Frames a second.
        times: Presentation times in units of ``time_base``; 0, 1, 2, ... frames where not given.
        time_base: Seconds per unit.
        options: Of the encoder.
        container_options: Of the muxer.
        rotation: Degrees counterclockwise that the display matrix asks for.
        container_format: Instead of what the suffix says.
    """
    with av.open(str(path), "w", format=container_format, container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = frames[0].height, frames[0].width, pixel_format
        stream.codec_context.time_base = time_base or 1 / rate
        if rotation:
            stream.set_display_rotation(rotation)
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for index, frame in enumerate(frames):
            if frame.format.name != pixel_format:
                frame = frame.reformat(format=pixel_format)
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            frame.pts, frame.time_base = times[index] if times else index, time_base or 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_picture(path: Path, frame: VideoFrame, codec: str, options: dict[str, str] | None = None) -> Path:
    """One picture file."""
    return write_clip(path, [frame], codec, frame.format.name, options=options, container_format="image2")


def with_orientation(picture: Path, path: Path, number: int) -> Path:
    """A copy of a JPEG or PNG file with EXIF's orientation number, 1 to 8, in it."""
    data = picture.read_bytes()
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, number, 0, 0)  # one directory with one entry
    if picture.suffix == ".png":
        return with_png_chunk(picture, path, b"eXIf", exif)
    head, rest = data[:2], data[2:]  # the start marker
    part = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    path.write_bytes(head + part + rest)
    return path


def with_png_chunk(picture: Path, path: Path, name: bytes, content: bytes) -> Path:
    """A copy of a PNG file with one more chunk, behind the header's."""
    data = picture.read_bytes()
    head, rest = data[:33], data[33:]  # the signature and the header chunk
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    path.write_bytes(head + chunk + rest)
    return path


def write_song(path: Path, *, cover: bool) -> Path:
    """Sound without moving pictures; ``cover`` adds a picture of its sleeve."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le" if path.suffix == ".wav" else "flac", rate=8000, layout="mono")
        sleeve = None
        if cover:
            sleeve = container.add_stream("png")
            assert isinstance(sleeve, VideoStream)
            sleeve.height, sleeve.width, sleeve.pix_fmt = 8, 8, "rgb24"
            sleeve.disposition = av.stream.Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        if sleeve is not None:
            container.mux(sleeve.encode(rgb_frame(np.zeros((8, 8, 3), np.uint8))))
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    return path
