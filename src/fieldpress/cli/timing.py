"""When the pictures of a view are shown."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from fieldpress.signals import Image, Video
from fieldpress.signals.base import Signal
from fieldpress.signals.radiance import Radiance
from fieldpress.signals.shape import Shape
from fieldpress.signals.video import MAX_RATE_PART, MAX_TIME
from fieldpress.sinks.timing import Timing

_IMAGE_RATE, _SCENE_RATE = Fraction(25), Fraction(30)


def view_timing(signal: Signal, positions: Sequence[Fraction]) -> Timing:
    """The timing of pictures that lie at ``positions`` between a signal's own; the first one is shown at 0.

    Exact: leaving pictures out keeps the times of the others, and a picture half-way between two of them appears
    half-way between their times. Evenly spaced times become a rate.

    Args:
        signal: What the file shows; an image counts as a clip of 25 pictures a second, and what the cameras of a scene
            or a shape see is shown at 30 a second.
        positions: Rising, in pictures: 2.5 is half-way between 2 and 3. Or falling: then the clip is shown backwards,
            and pictures are as far apart as they are forwards.

    Example:
        Every second picture of a clip of 25 pictures a second, from the fourth on:

        >>> view_timing(Video(9, 2, 2, (25, 1), (1, 25), None, "rgb", True), [Fraction(3), Fraction(5)]).frame_rate
        (25, 2)
    """
    if isinstance(signal, Radiance | Shape):
        return _constant(_SCENE_RATE)
    if not isinstance(signal, Video | Image):
        raise TypeError(f"a {type(signal).__name__} has no times")
    rate = _IMAGE_RATE if isinstance(signal, Image) else Fraction(*signal.frame_rate)
    if isinstance(signal, Image) or signal.timestamps is None or signal.frames < 2:
        spacing = abs(positions[1] - positions[0]) if len(positions) > 1 else Fraction(1)
        return _constant(rate / spacing)
    if list(positions) == list(range(signal.frames)):
        return Timing(signal.frame_rate, signal.time_base, signal.timestamps)
    if len(positions) == 1:
        return _constant(rate)
    times = [_seconds(signal, position) for position in positions]
    offsets = [abs(time - times[0]) for time in times]
    average = (len(offsets) - 1) / offsets[-1]
    if len({after - before for before, after in pairwise(offsets)}) == 1:
        return _constant(average)
    # The largest unit that all times are whole numbers of.
    base = Fraction(math.gcd(*(t.numerator for t in offsets)), math.lcm(*(t.denominator for t in offsets)))
    if max(base.numerator, base.denominator) > MAX_RATE_PART or offsets[-1] / base > MAX_TIME:
        return _constant(average)
    return Timing(_parts(average), (base.numerator, base.denominator), tuple(int(offset / base) for offset in offsets))


def _seconds(video: Video, position: Fraction) -> Fraction:
    """When a place between pictures appears; before the first and after the last one, time goes on at their pace."""
    before = min(max(math.floor(position), 0), video.frames - 2)
    start, stop = video.seconds(before), video.seconds(before + 1)
    return start + (position - before) * (stop - start)


def _constant(rate: Fraction) -> Timing:
    numerator, denominator = _parts(rate)
    return Timing((numerator, denominator), (denominator, numerator), None)


def _parts(rate: Fraction) -> tuple[int, int]:
    """Numerator and denominator of the rate, or of the nearest one whose both fit a container's 32 bits."""
    rate = min(max(rate, Fraction(1, MAX_RATE_PART)), Fraction(MAX_RATE_PART))
    if max(rate.numerator, rate.denominator) > MAX_RATE_PART:
        if rate < 1:
            denominator, numerator = _parts(1 / rate)
            return numerator, denominator
        rate = rate.limit_denominator(MAX_RATE_PART // math.ceil(rate))
    return rate.numerator, rate.denominator
