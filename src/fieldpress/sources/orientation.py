"""Which way up a picture is shown: the display matrix that phones write instead of turning the pixels."""

from fractions import Fraction
from typing import NamedTuple, TypeVar

import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=NDArray[np.uint8])

_MATRIX_BYTES = 36  # nine 32-bit integers: a b u, c d v, x y w
_OTHERS = sorted(set(range(64)) - {Type.DISPLAYMATRIX.value})


class Orientation(NamedTuple):
    """How to turn stored pixels upright: exchange rows and columns first, then flip."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool

    def __call__(self, pixels: Pixels) -> Pixels:
        """The pixels upright; the first two axes are rows and columns."""
        upright = pixels.swapaxes(0, 1) if self.transpose else pixels
        upright = upright[::-1] if self.flip_rows else upright
        return upright[:, ::-1] if self.flip_columns else upright  # pyright: ignore[reportReturnType]


def orientation_of(frame: VideoFrame) -> Orientation:
    """The orientation that the frame's display matrix asks for; as stored where there is none.

    The matrix takes the stored column and row (p, q) to (a p + c q, b p + d q). Quarter turns and mirrors are
    followed; any other matrix (a tilt, a singular one) is not.
    """
    data = _with_matrix_alone(frame).side_data.get("DISPLAYMATRIX")  # pyright: ignore[reportCallIssue, reportArgumentType]
    matrix = b"" if data is None else bytes(data)
    if len(matrix) != _MATRIX_BYTES:
        return Orientation(False, False, False)
    a, b, _, c, d = (int(number) for number in np.frombuffer(matrix, np.int32)[:5])
    if a and d and not b and not c:
        return Orientation(False, d < 0, a < 0)
    if b and c and not a and not d:
        return Orientation(True, b < 0, c < 0)
    return Orientation(False, False, False)


def _with_matrix_alone(frame: VideoFrame) -> VideoFrame:
    """The frame without its other side data.

    PyAV refuses all of it for the sake of one kind that it does not know, such as EXIF, and frees the name of a PNG's
    colour profile that the frame will free again.
    """
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)),
        *(graph.add("sidedata", f"mode=delete:type={kind}") for kind in _OTHERS),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    return graph.vpull()
