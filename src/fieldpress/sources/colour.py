"""What a decoded frame looks like: its reference RGB and its own luma, both in 8-bit codes.

RGB is what the field learns. Luma is kept as the source has it, so that luma quality is measured against the
source and not against a conversion of it. Everything is taken as it is stored: no transfer curve or gamut is
mapped, interlaced frames stay woven, and pixels that are not square stay as they are.
"""

from typing import Any, NamedTuple

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.pixels import Converter, Ycbcr, YcbcrMatrix, untagged
from fieldpress.signals.base import Matrix

Codes = NDArray[np.uint8]
Samples = NDArray[Any]  # uint8 or uint16, as deep as the source

_MATRICES: dict[int, YcbcrMatrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
_UNTAGGED = (0, 2, 3)  # RGB (on a YCbCr picture: a mistake), unspecified, reserved
_OTHER_MATRICES = {4: "FCC", 7: "SMPTE 240M", 8: "YCgCo", 10: "BT.2020 constant luminance", 14: "ICtCp"}
_LIMITED, _FULL = 1, 2
_FULL_RANGE_FORMATS = ("yuvj", "gray", "ya")  # full unless tagged: MJPEG's own formats, and grey, as libswscale has it


class Colour(NamedTuple):
    """The luma a picture carries, in the terms of :class:`~fieldpress.signals.video.Video`."""

    matrix: Matrix
    full_range: bool


class Picture(NamedTuple):
    """One decoded picture."""

    rgb: Codes
    """(rows, columns, 3), full range."""
    luma: Codes | None
    """(rows, columns), the source's own codes; ``None`` where it has no luma plane or where it has transparency."""
    colour: Colour


class PictureReader:
    """Turns frames into pictures.

    Example:
        A limited-range grey level of 126 is (126 - 16) / 219 of white: RGB 128, luma 126.
    """

    def __init__(self) -> None:
        self._rgb = Converter("rgb24")
        self._deep_rgb = Converter("rgb48le")
        self._rgba = Converter("rgba")

    def __call__(self, frame: VideoFrame) -> Picture:
        """The picture in a frame. Deeper samples are rounded to 8 bits; transparency is laid over black.

        Raises:
            SourceError: The frame has a colour matrix that is not supported; the message is not yet a file's.
            av.FFmpegError: libswscale does not read the pixel format.
        """
        pixel_format = frame.format
        first = pixel_format.components[0]
        if pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components):
            ycbcr = None if pixel_format.is_rgb or pixel_format.has_palette else ycbcr_of(frame)
            return Picture(_over_black(self._rgba(frame, ycbcr).to_ndarray()), None, Colour("rgb", True))
        if not _has_luma(pixel_format):
            return Picture(self._rgb_of(frame, None, deep=first.bits > 8), None, Colour("rgb", True))
        ycbcr = ycbcr_of(frame)
        luma = _luma(frame, ycbcr)
        luma_codes = _to_8_bits(luma, first.bits, ycbcr.full_range)
        if len(pixel_format.components) == 1:
            grey = _grey_to_full(luma, first.bits, ycbcr.full_range)
            return Picture(np.repeat(grey[..., None], 3, axis=2), luma_codes, Colour(*ycbcr))
        rgb = self._rgb_of(frame, ycbcr, deep=first.bits > 8 and ycbcr.full_range)
        return Picture(rgb, luma_codes, Colour(*ycbcr))

    def _rgb_of(self, frame: VideoFrame, ycbcr: Ycbcr | None, *, deep: bool) -> Codes:
        if deep:  # libswscale's 8-bit output of these is half a code too bright; its 16-bit output is not
            return _to_8_bits(self._deep_rgb(frame, ycbcr).to_ndarray(), 16, True)
        return np.asarray(self._rgb(frame, ycbcr).to_ndarray(), np.uint8)


def ycbcr_of(frame: VideoFrame) -> Ycbcr:
    """What a YCbCr or grey frame says about itself; :func:`~fieldpress.pixels.untagged` where it says nothing.

    Raises:
        SourceError: The matrix is not one of those supported.
    """
    default = untagged(frame.height, frame.width)
    tag = int(frame.colorspace)
    if tag not in _MATRICES and tag not in _UNTAGGED:
        known = ", ".join(sorted(set(_MATRICES.values())))
        name = _OTHER_MATRICES.get(tag, f"number {tag}")
        raise SourceError(f"colour matrix {name} is not supported; known: {known}; convert the source first")
    full = frame.format.name.startswith(_FULL_RANGE_FORMATS)
    if frame.color_range in (_LIMITED, _FULL) and not frame.format.name.startswith("yuvj"):
        full = frame.color_range == _FULL
    return Ycbcr(_MATRICES.get(tag, default.matrix), full)


def _has_luma(pixel_format: VideoFormat) -> bool:
    """Whether there is a luma that can be read in whole codes (neither RGB nor XYZ nor single bits nor floats)."""
    if pixel_format.is_rgb or pixel_format.is_bayer or pixel_format.name.startswith("xyz"):
        return False
    return 8 <= pixel_format.components[0].bits <= 16


def _luma(frame: VideoFrame, ycbcr: Ycbcr) -> Samples:
    """The luma samples at the depth they are stored with."""
    bits = frame.format.components[0].bits
    if not frame.format.name.startswith(("yuv4", "yuvj4", "gray")) or frame.format.name.startswith("yuyv"):
        # Interleaved (YUYV, P010, ...): the same numbers in separate planes.
        planar = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
        frame = Converter(planar, ycbcr)(frame, ycbcr)
    plane = frame.planes[0]
    kind = np.dtype(np.uint8) if bits == 8 else np.dtype(">u2" if frame.format.is_big_endian else "<u2")
    samples = np.frombuffer(memoryview(plane), np.uint8)
    rows = samples[: plane.line_size * frame.height].reshape(frame.height, plane.line_size)
    return rows[:, : frame.width * kind.itemsize].view(kind)


def _to_8_bits(samples: Samples, bits: int, full_range: bool) -> Codes:
    """The nearest 8-bit codes. Limited range scales by a power of two, full range by 255 over the largest code."""
    if bits == 8:
        return np.array(samples, np.uint8)
    scale = 255 / (2**bits - 1) if full_range else 2.0 ** (8 - bits)
    return np.clip(np.rint(samples * np.float32(scale)), 0, 255).astype(np.uint8)


def _grey_to_full(luma: Samples, bits: int, full_range: bool) -> Codes:
    """Grey levels 0 to 255 from luma codes."""
    if full_range:
        return _to_8_bits(luma, bits, True)
    unit = 2 ** (bits - 8)
    return np.clip(np.rint((luma.astype(np.float32) - 16 * unit) * (255 / (219 * unit))), 0, 255).astype(np.uint8)


def _over_black(rgba: Samples) -> Codes:
    """The picture on a black ground: what shows does not depend on the colour of invisible pixels."""
    if rgba[..., 3].min() == 255:
        return np.ascontiguousarray(rgba[..., :3])
    product = rgba[..., :3].astype(np.uint16) * rgba[..., 3:]
    return ((product + 127) // 255).astype(np.uint8)
