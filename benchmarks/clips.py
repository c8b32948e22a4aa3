"""Pictures in and out of FFmpeg with the reference colour conversion, and their quality, for all benchmarks.

FFmpeg's default conversion takes the nearest chroma sample, which costs a codec several dB in RGB that it did not
lose. Here libswscale runs with its accurate settings, in both directions, and the matrix is always said.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from fieldpress.metrics import Quality, QualityReport

Picture = NDArray[np.uint8]
"""(height, width, 3) RGB bytes."""

FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"


def convert(frames: Iterable[av.VideoFrame], pixel_format: str, scale: str) -> Iterator[av.VideoFrame]:
    """The frames in another pixel format, through libswscale with :data:`FLAGS`.

    Args:
        frames: All of one size and format.
        pixel_format: FFmpeg's name of the format to make, such as `rgb24` or `yuv420p`.
        scale: More options of FFmpeg's `scale` filter: the matrix and range, such as `out_color_matrix=bt709`.
    """
    graph: Graph | None = None
    for frame in frames:
        if graph is None:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
            )
            graph.link_nodes(
                source,
                graph.add("scale", f"flags={FLAGS}:{scale}"),
                graph.add("format", pixel_format),
                graph.add("buffersink"),
            ).configure()
        graph.vpush(frame)
        yield graph.vpull()


def picture_of(frame: av.VideoFrame) -> Picture:
    """The bytes of a frame that is in RGB already."""
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def read_clip(path: Path) -> list[Picture]:
    """The pictures of a clip in RGB. Y'CbCr clips are taken as BT.601, limited range, unless they say otherwise."""
    with av.open(str(path)) as container:
        pictures = convert(container.decode(video=0), "rgb24", "in_color_matrix=auto:in_range=auto")
        return [picture_of(picture) for picture in pictures]


def quality(originals: Iterable[Picture], decoded: Iterable[Picture]) -> QualityReport:
    """The figures that `fieldpress encode` reports for an RGB clip, so that both can stand in one table."""
    measured = Quality("rgb", True)
    for original, picture in zip(originals, decoded, strict=True):
        measured.add(original, picture)
    return measured.report()
