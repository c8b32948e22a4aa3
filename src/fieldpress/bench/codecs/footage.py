"""What codecs are fed: the pictures of a clip in the pixel format of an encoder.

Pictures are converted from the reference RGB with libswscale's accurate settings (pixels.py). Where the source has
planes of its own that a codec can take as they are, it gets these: luma always, chroma of 8-bit 4:2:0 sources. So a
codec is measured against exactly what it was fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from fieldpress.pixels import Converter, Ycbcr
from fieldpress.sources import Observations

Codes = NDArray[np.uint8]

TAGS = {"bt601": 5, "bt709": 1, "bt2020": 9}
"""FFmpeg's numbers of the matrices."""
_RGB_CODED_AS = Ycbcr("bt601", False)
"""How a source without YCbCr is coded; with BT.709 codecs lose 0.1 dB in RGB."""


@dataclass(frozen=True)
class Footage:
    """A clip as codecs see it."""

    seen: Observations
    chroma: tuple[Codes, Codes] | None
    """The source's own two planes of 4:2:0, (frames, rows / 2, columns / 2) each."""

    @property
    def ycbcr(self) -> Ycbcr:
        """The source's own colour, or that which RGB is coded in."""
        signal = self.seen.signal
        return _RGB_CODED_AS if signal.matrix == "rgb" else Ycbcr(signal.matrix, signal.full_range)

    def coded_as(self, only: Ycbcr | None) -> Ycbcr:
        """The colour that a codec is fed in, whose format may know only one."""
        return only or self.ycbcr

    def frames(self, pixel_format: str, only: Ycbcr | None) -> list[av.VideoFrame]:
        """The pictures in a pixel format of FFmpeg, tagged with what their numbers mean."""
        if pixel_format == "rgb24":
            return [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in self.seen.rgb]
        ycbcr = self.coded_as(only)
        convert = Converter(pixel_format, ycbcr)
        frames: list[av.VideoFrame] = []
        for index, picture in enumerate(self.seen.rgb):
            frame = convert(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            if ycbcr == self.ycbcr:
                self._lay_own_planes(frame, index)
            frames.append(tagged(frame, ycbcr))
        return frames

    def fed(self, pixel_format: str, only: Ycbcr | None) -> str:
        """In words, for the record of a point."""
        if pixel_format == "rgb24":
            return "RGB"
        if self.coded_as(only) != self.ycbcr or self.seen.luma is None:
            return "converted from RGB"
        return "the source's own planes" if self._halved(pixel_format) else "the source's own luma, chroma converted"

    def _halved(self, pixel_format: str) -> bool:
        return self.chroma is not None and "420p" in pixel_format

    def _lay_own_planes(self, frame: av.VideoFrame, index: int) -> None:
        planes = [] if self.seen.luma is None else [self.seen.luma[index]]
        if planes and self.chroma is not None and self._halved(frame.format.name):
            planes += [plane[index] for plane in self.chroma]
        bits = frame.format.components[0].bits
        scale = (2**bits - 1) / 255 if self.ycbcr.full_range else 2 ** (bits - 8)
        for plane, own in zip(frame.planes, planes, strict=False):
            samples(plane, bits)[:] = own if bits == 8 else np.rint(own.astype(np.float32) * scale)


def footage(seen: Observations, path: str) -> Footage:
    """What codecs are fed of a source that was read from a path."""
    return Footage(seen, _own_chroma(seen, path))


def tagged(frame: av.VideoFrame, ycbcr: Ycbcr) -> av.VideoFrame:
    """The same frame, which now says what its numbers mean."""
    frame.colorspace, frame.color_range = TAGS[ycbcr.matrix], 2 if ycbcr.full_range else 1
    return frame


def samples(plane: Any, bits: int) -> NDArray[Any]:
    """A view of a plane's samples, (rows, columns), that can be written to."""
    kind = np.dtype("u1" if bits == 8 else "<u2")
    lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return lines.view(kind)[:, : plane.width]


def _own_chroma(seen: Observations, path: str) -> tuple[Codes, Codes] | None:
    """The chroma planes, if the file's frames are 8-bit 4:2:0 and lie as the reference pictures do."""
    if seen.luma is None or not Path(path).is_file():
        return None
    found: list[Sequence[Codes]] = []
    try:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                if frame.format.name not in ("yuv420p", "yuvj420p") or len(found) == len(seen.luma):
                    return None
                y, u, v = (samples(plane, 8).copy() for plane in frame.planes)
                if not np.array_equal(y, seen.luma[len(found)]):
                    return None
                found.append((u, v))
    except (FFmpegError, IndexError):  # read in another way, such as a picture that is turned
        return None
    if len(found) != len(seen.luma):
        return None
    u, v = (np.stack(planes) for planes in zip(*found, strict=True))
    return u, v
