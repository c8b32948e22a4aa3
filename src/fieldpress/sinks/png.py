"""Pictures as PNG."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

_DIGITS = 4  # at least: 0000.png sorts like a number up to 10,000 pictures


def png(picture: NDArray[Any]) -> bytes:
    """A PNG file that holds exactly this picture: (rows, columns, 3) of 8 bits, or (rows, columns) of 16."""
    form = "rgb24" if picture.ndim == 3 else "gray16be"
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt = form
    encoder.time_base = Fraction(1)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=form)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def png_names(count: int) -> list[str]:
    """What the pictures of a folder are called, in their order.

    Example:
        >>> png_names(2)
        ['0000.png', '0001.png']
    """
    digits = max(_DIGITS, len(str(count - 1)))
    return [f"{index:0{digits}}.png" for index in range(count)]


def write_png_files(folder: Path, pictures: Iterable[NDArray[np.uint8]], count: int) -> None:
    """Write ``count`` pictures into an existing folder, as :func:`png_names` calls them."""
    for name, picture in zip(png_names(count), pictures, strict=True):
        (folder / name).write_bytes(png(picture))
