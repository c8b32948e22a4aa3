"""Pixel formats: the one conversion between YCbCr and RGB, used for every picture read and written.

A bare conversion takes the nearest chroma sample and guesses the matrix. This one interpolates chroma with a
Lanczos kernel, rounds accurately and is told matrix and range, so that the numbers are the same everywhere
(libswscale, ``lanczos+accurate_rnd+full_chroma_int+full_chroma_inp``).
"""

from fractions import Fraction
from typing import Literal, NamedTuple

from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

YcbcrMatrix = Literal["bt601", "bt709", "bt2020"]

_ANY_TIME_BASE = Fraction(1, 1000)  # the graph wants one; times are not looked at
_FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"


class Ycbcr(NamedTuple):
    """What the numbers of a YCbCr picture mean; RGB pictures need none of it."""

    matrix: YcbcrMatrix
    full_range: bool
    """Whether luma takes all codes 0 to 255 (else 16 to 235)."""


def untagged(height: int, width: int) -> Ycbcr:
    """The colour of a YCbCr picture that does not say: limited range, and BT.709 where it is high definition.

    High definition is 720 or more on the shorter side or 1280 or more on the longer one, which takes in
    letterboxed films such as 1280x534.

    Example:
        >>> untagged(576, 720).matrix, untagged(720, 1280).matrix
        ('bt601', 'bt709')
    """
    high_definition = min(height, width) >= 720 or max(height, width) >= 1280
    return Ycbcr("bt709" if high_definition else "bt601", full_range=False)


class Converter:
    """Converts frames to one pixel format. The filter graph is kept as long as the frames stay alike.

    Args:
        pixel_format: FFmpeg's name of the format that comes out, such as ``"rgb24"``.
        ycbcr: The colour that comes out, for a YCbCr format.
    """

    def __init__(self, pixel_format: str, ycbcr: Ycbcr | None = None) -> None:
        self._pixel_format = pixel_format
        self._output = "out_range=full" if ycbcr is None else _options("out", ycbcr)
        self._key: tuple[str, int, int, Ycbcr | None] | None = None
        self._graph = Graph()

    def __call__(self, frame: VideoFrame, ycbcr: Ycbcr | None = None) -> VideoFrame:
        """The frame in the format asked for, at the same size.

        Args:
            frame: Any pixel format that libswscale reads.
            ycbcr: Its colour, for a YCbCr format; what the frame itself says is not looked at.

        Raises:
            av.FFmpegError: The format cannot be converted.
        """
        key = (frame.format.name, frame.height, frame.width, ycbcr)
        if key != self._key:
            self._graph = self._build(frame.format, frame.height, frame.width, ycbcr)
            self._key = key
        self._graph.push(frame)
        return self._graph.vpull()

    def _build(self, pixel_format: VideoFormat, height: int, width: int, ycbcr: Ycbcr | None) -> Graph:
        options = "in_range=full" if ycbcr is None else _options("in", ycbcr)
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(width=width, height=height, format=pixel_format, time_base=_ANY_TIME_BASE),
            graph.add("scale", f"flags={_FLAGS}:{options}:{self._output}"),
            graph.add("format", self._pixel_format),
            graph.add("buffersink"),
        ).configure()
        return graph


def _options(side: Literal["in", "out"], ycbcr: Ycbcr) -> str:
    return f"{side}_color_matrix={ycbcr.matrix}:{side}_range={'full' if ycbcr.full_range else 'limited'}"
