"""When each frame is shown: constant where the times allow it, else every time is kept."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import NamedTuple

from fieldpress.signals.video import MAX_RATE_PART, MAX_TIME

DEFAULT_RATE = Fraction(25)
"""Frames a second where nothing says: folders of pictures, and clips of one frame without a rate."""


class Timing(NamedTuple):
    """The fields of the same names in :class:`~fieldpress.signals.video.Video`."""

    frame_rate: tuple[int, int]
    time_base: tuple[int, int]
    timestamps: tuple[int, ...] | None


def constant(rate: Fraction) -> Timing:
    """A constant number of frames a second."""
    return Timing((rate.numerator, rate.denominator), (rate.denominator, rate.numerator), None)


def timing(times: Sequence[int | None], time_base: Fraction, rates: Iterable[Fraction | None]) -> Timing:
    """The timing of a clip from its presentation times.

    Containers round times to their own unit (Matroska to 1 ms), so a rate counts as constant when it explains every
    time to within one unit. Times that are missing or do not rise say nothing; the first rate is then taken.

    Args:
        times: Presentation times of the frames in the order shown, in units of ``time_base``; need not start at 0.
        time_base: Seconds per unit.
        rates: What the container says about frames per second, best first; ``None`` and 0 are passed over.

    Example:
        >>> timing([0, 33, 67, 100], Fraction(1, 1000), [Fraction(30)])
        Timing(frame_rate=(30, 1), time_base=(1, 30), timestamps=None)
        >>> timing([7, 47, 127], Fraction(1, 1000), [Fraction(25)])
        Timing(frame_rate=(50, 3), time_base=(1, 25), timestamps=(0, 1, 3))
    """
    candidates = [rate for rate in rates if rate and rate > 0 and _fits(rate)]
    fallback = constant(candidates[0] if candidates else DEFAULT_RATE)
    known = [time for time in times if time is not None]
    if len(known) < max(2, len(times)) or any(after <= before for before, after in pairwise(known)):
        return fallback
    offsets = [time - known[0] for time in known]
    average = Fraction(len(offsets) - 1) / (offsets[-1] * time_base)
    average = average.limit_denominator(max(1, min(10**6, int(MAX_RATE_PART / (average + 1)))))
    if _fits(average):
        candidates.append(average)
    for rate in candidates:
        if _explains(rate, offsets, time_base):
            return constant(rate)
    unit = gcd(*offsets)
    base = time_base * unit
    if not _fits(average) or not _fits(base) or offsets[-1] // unit > MAX_TIME:
        return fallback
    return Timing(
        (average.numerator, average.denominator),
        (base.numerator, base.denominator),
        tuple(offset // unit for offset in offsets),
    )


def _explains(rate: Fraction, offsets: list[int], time_base: Fraction) -> bool:
    """Whether frame i comes at i / rate, to one unit of time and to a quarter of a frame."""
    units_per_frame = 1 / (rate * time_base)
    allowed = min(Fraction(1), units_per_frame / 4)
    return all(abs(offset - index * units_per_frame) <= allowed for index, offset in enumerate(offsets))


def _fits(number: Fraction) -> bool:
    return 1 <= number.numerator <= MAX_RATE_PART and number.denominator <= MAX_RATE_PART
