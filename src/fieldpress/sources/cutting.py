"""Where a long clip is cut in time, so that what is in memory at once does not grow with its length."""

import math
from collections.abc import Callable
from itertools import accumulate, pairwise

from fieldpress.errors import ConfigError

LEAST_FRAMES = 8
"""Of a segment: below that, tensors that are shared over time are hardly shared at all."""
USUAL_PIXELS, USUAL_FRAMES = 2**25, 32
"""What a segment has at most if nobody says: so many pixels, or so many pictures where that is more.

The first is 258 pictures of 480 x 270. The second bounds what cutting costs in bits where pictures are large: each
segment has its own decoder, and its own first picture that refers to no other."""
LONG_PIXELS, LONG_FRAMES = 2**28, 128
"""Where a segment takes little memory, it has up to so many pictures as long as they have no more pixels than that:
128 of 1920 x 1080. With a quarter as many, the same quality takes half as many bits again (docs/rate.md)."""

Cut = Callable[[int, int, int], tuple[range, ...]]
"""Of so many pictures of such a height and width: the segments."""


def cut(frames: int, height: int, width: int, segment: int = 0, room: int = USUAL_PIXELS) -> tuple[range, ...]:
    """The segments of a clip: one after the other, as equal in length as can be, the longer ones first.

    Args:
        frames: Pictures of the clip.
        height: Rows of a picture.
        width: Columns of a picture.
        segment: Pictures of a segment at most, at least :data:`LEAST_FRAMES`; 0 decides by their size. It may be up
            to twice as long where it would otherwise leave one shorter than that.
        room: Pixels of a segment that memory has room for; it counts where pictures are large.

    Raises:
        ConfigError: ``segment`` is out of range.

    Example:
        >>> cut(300, 270, 480), cut(300, 270, 480, segment=100)[-1]
        ((range(0, 150), range(150, 300)), range(200, 300))
    """
    if segment < 0 or 0 < segment < LEAST_FRAMES:
        raise ConfigError(f"--segment is {segment}; expected {LEAST_FRAMES} pictures or more, or 0 for the usual cut")
    area = max(1, height * width)
    longest = segment or max(USUAL_FRAMES, USUAL_PIXELS // area, min(LONG_FRAMES, room // area))
    count = min(math.ceil(frames / longest), max(1, frames // LEAST_FRAMES))
    lengths = [frames // count + (number < frames % count) for number in range(count)]
    return tuple(range(start, stop) for start, stop in pairwise(accumulate(lengths, initial=0)))
