"""A clip: equally large pictures, each with a time."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import ClassVar

from fieldpress.signals.base import MAX_FRAMES, Matrix, Signal, check_size

MAX_TIME = 2**53
"""Bound of the timestamps: the largest whole number a header may hold."""
MAX_RATE_PART = 2**31 - 1
"""Bound of the numerators and denominators, which containers keep in 32 bits."""


@dataclass(frozen=True)
class Video(Signal):
    """A clip of equally large pictures at a constant or a variable rate.

    Example:
        Three pictures, the second one shown twice as long as the first:

        >>> clip = Video(3, 180, 320, (25, 1), (1, 25), (0, 1, 3), "bt709", False)
        >>> clip.seconds(2)
        Fraction(3, 25)

    Raises:
        ValueError: A field is out of its range, or the timestamps do not start at 0 and rise; the message names it.
    """

    id: ClassVar[str] = "video"

    frames: int
    """How many pictures there are."""
    height: int
    """Rows of a picture."""
    width: int
    """Columns of a picture."""
    frame_rate: tuple[int, int]
    """Pictures a second, as numerator and denominator; their average where ``timestamps`` is given."""
    time_base: tuple[int, int]
    """Seconds per unit of ``timestamps``, as numerator and denominator; the time of one picture at a constant rate."""
    timestamps: tuple[int, ...] | None
    """When each picture appears, rising from 0; ``None`` for a constant rate."""
    matrix: Matrix
    """The matrix of the source's own luma, by which luma quality is measured; ``"rgb"`` where it has none."""
    full_range: bool
    """Whether that luma uses all codes 0 to 255 (else 16 to 235)."""

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not 1 <= self.frames <= MAX_FRAMES:
            raise ValueError(f"frames is {self.frames}; expected 1 to {MAX_FRAMES}")
        for name, parts in (("frame_rate", self.frame_rate), ("time_base", self.time_base)):
            if len(parts) != 2 or not all(1 <= part <= MAX_RATE_PART for part in parts):
                raise ValueError(f"{name} is {parts}; expected two numbers from 1 to {MAX_RATE_PART}")
        if self.timestamps is not None:
            self._check_timestamps(self.timestamps)

    def _check_timestamps(self, timestamps: tuple[int, ...]) -> None:
        if len(timestamps) != self.frames:
            raise ValueError(f"timestamps has {len(timestamps)} items; expected one for each of {self.frames} frames")
        if timestamps[0] != 0:
            raise ValueError(f"timestamps starts at {timestamps[0]}; expected 0")
        for index, (before, after) in enumerate(pairwise(timestamps), start=1):
            if after <= before:
                raise ValueError(f"timestamps[{index}] is {after} after {before}; expected them to rise")
        if timestamps[-1] > MAX_TIME:
            raise ValueError(f"timestamps ends at {timestamps[-1]}; expected at most {MAX_TIME}")

    def beginning(self, frames: int) -> "Video":
        """A clip of its first pictures."""
        return replace(self, frames=frames, timestamps=self.timestamps and self.timestamps[:frames])

    def seconds(self, index: int) -> Fraction:
        """When picture ``index`` appears, in seconds after the first one."""
        if self.timestamps is None:
            return Fraction(index * self.frame_rate[1], self.frame_rate[0])
        return self.timestamps[index] * Fraction(*self.time_base)
