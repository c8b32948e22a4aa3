"""One picture file as it is stored: colour and transparency apart, and not turned upright.

Poses and intrinsics describe the pixels as they lie in the file, so an EXIF orientation is *not* followed here, and
colours are given as stored and not laid over anything.
"""

import io
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.pixels import Converter
from fieldpress.signals.base import MAX_SIDE
from fieldpress.sources.colour import PictureReader, ycbcr_of
from fieldpress.sources.jpeg import end_of_jpeg, is_jpeg
from fieldpress.sources.memory import check_memory
from fieldpress.sources.webp import HEAD_BYTES, check_webp

MAX_PICTURE_BYTES = 1 << 30
"""The largest picture file that is read."""

_CHECKS = "crccheck+explode"
_LENIENT_CHECKS = "crccheck"  # FFmpeg's TIFF decoder refuses tags that its own encoder writes
_DAMAGE = (FFmpegError, EOFError, IndexError, ValueError, RuntimeError)


class Still(NamedTuple):
    """The pixels of a picture file."""

    rgb: NDArray[np.uint8]
    """(rows, columns, 3), full range; not multiplied by the opacity."""
    alpha: NDArray[np.uint8] | None
    """(rows, columns), 255 where opaque; ``None`` where all of it is."""


def read_still(path: Path) -> Still:
    """The pixels of a picture file, in rows and columns as stored. Deeper samples are rounded to 8 bits.

    Of a file with several pictures the first is read. Its content alone decides the format.

    Raises:
        SourceError: It is not a picture, damaged, or too large: one line that names it.
    """
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise SourceError(f"{path}: is larger than {MAX_PICTURE_BYTES >> 20} MiB: use a smaller picture")
        data = path.read_bytes()
        check_webp(path, data[:HEAD_BYTES])
        end = end_of_jpeg(data) if is_jpeg(data) else len(data)
        if end is None:
            raise SourceError(f"{path}: its end is missing: copy it again")
        return _pixels(_frame(path, data[:end]))
    except MemoryError as error:
        raise SourceError(f"{path}: does not fit in memory: use a smaller picture") from error
    except _DAMAGE as error:
        raise SourceError(f"{path}: is not a picture that can be read, or is damaged") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _frame(path: Path, data: bytes) -> VideoFrame:
    # No protocol is allowed: a playlist must not open other files.
    options = {"protocol_whitelist": "none"}
    with av.open(io.BytesIO(data), "r", container_options=options, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        if max(stream.height, stream.width) > MAX_SIDE:
            size = f"{stream.width}x{stream.height}"
            raise SourceError(f"{path}: is {size}; at most {MAX_SIDE} pixels a side: use a smaller picture")
        check_memory(str(path), 1, stream.height, stream.width, 1.0)
        checks = _LENIENT_CHECKS if stream.codec_context.name == "tiff" else _CHECKS
        stream.codec_context.options = {"err_detect": checks}
        frame = next(container.decode(stream), None)
        if frame is None or frame.is_corrupt:
            raise ValueError("no whole picture")
        return frame


def _pixels(frame: VideoFrame) -> Still:
    pixel_format = frame.format
    if not (pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components)):
        return Still(PictureReader()(frame).rgb, None)
    ycbcr = None if pixel_format.is_rgb or pixel_format.has_palette else ycbcr_of(frame)
    if pixel_format.components[0].bits > 8:
        deep = Converter("rgba64le")(frame, ycbcr).to_ndarray()
        rgba = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    else:
        rgba = np.asarray(Converter("rgba")(frame, ycbcr).to_ndarray(), np.uint8)
    alpha = np.ascontiguousarray(rgba[..., 3])
    return Still(np.ascontiguousarray(rgba[..., :3]), None if alpha.min() == 255 else alpha)
