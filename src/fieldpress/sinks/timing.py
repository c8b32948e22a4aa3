"""When each written picture is shown."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Timing:
    """The times of the pictures, in the terms of :class:`~fieldpress.signals.video.Video`."""

    frame_rate: tuple[int, int] = (25, 1)
    """Pictures a second, as numerator and denominator; their average where ``timestamps`` is given."""
    time_base: tuple[int, int] = (1, 25)
    """Seconds per unit of ``timestamps``."""
    timestamps: tuple[int, ...] | None = None
    """When each picture appears; need not start at 0. ``None`` for a constant rate."""

    @property
    def rate(self) -> Fraction:
        """Pictures a second."""
        return Fraction(*self.frame_rate)

    @property
    def base(self) -> Fraction:
        """Seconds per unit of :meth:`time` and :meth:`duration`."""
        return 1 / self.rate if self.timestamps is None else Fraction(*self.time_base)

    def time(self, index: int) -> int:
        """When picture ``index`` appears after the first one, in units of :attr:`base`."""
        return index if self.timestamps is None else self.timestamps[index] - self.timestamps[0]

    def duration(self, index: int) -> int:
        """How long picture ``index`` is shown; the last one as long as the one before it."""
        if self.timestamps is None:
            return 1
        if len(self.timestamps) == 1:
            return max(1, round(1 / (self.rate * self.base)))
        before = min(index, len(self.timestamps) - 2)
        return self.timestamps[before + 1] - self.timestamps[before]
