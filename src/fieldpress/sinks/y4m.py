"""Pictures as YUV4MPEG2, the plain stream that video tools pipe to each other."""

from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from fieldpress.pixels import Converter, untagged
from fieldpress.sinks.timing import Timing


def write_y4m(file: BinaryIO, pictures: Iterable[NDArray[np.uint8]], timing: Timing) -> None:
    """Write 4:4:4, limited range, with the matrix that readers assume for the size, as the format cannot say.

    It cannot say either that pictures have times of their own: they come at their average rate.

    Source: the ``yuv4mpeg(5)`` page of MJPEG tools; ``XCOLORRANGE`` is FFmpeg's.

    Raises:
        OSError: The file cannot take more; ``BrokenPipeError`` when the reader has gone.
    """
    converter = None
    for picture in pictures:
        if converter is None:
            height, width, _ = picture.shape
            converter = Converter("yuv444p", untagged(height, width))
            rate = f"F{timing.frame_rate[0]}:{timing.frame_rate[1]}"
            file.write(f"YUV4MPEG2 W{width} H{height} {rate} Ip A1:1 C444 XCOLORRANGE=LIMITED\n".encode())
        frame = converter(VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
        file.write(b"FRAME\n")
        file.write(frame.to_ndarray().tobytes())  # (3, rows, columns): the three planes one after the other
    file.flush()
