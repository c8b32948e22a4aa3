"""What a file shows: the signal, as the header stores it."""

from abc import ABC
from typing import ClassVar, Literal

Matrix = Literal["bt601", "bt709", "bt2020", "rgb"]
"""Which luma the source itself carries: a YCbCr matrix, or ``"rgb"`` for a source without a luma plane."""

MAX_SIDE = 16_384
"""The most rows or columns a picture may have."""
MAX_FRAMES = 100_000
"""The most pictures a signal may have."""


class Signal(ABC):
    """A sequence of equally large RGB pictures. Concrete classes are frozen dataclasses and live in the file header."""

    id: ClassVar[str]
    frames: int
    """How many pictures there are; at least 1."""
    height: int
    """Rows of a picture."""
    width: int
    """Columns of a picture."""
    matrix: Matrix
    """The matrix of the source's own luma; ``"rgb"`` where it has none."""
    full_range: bool
    """Whether that luma uses all codes 0 to 255 (else 16 to 235)."""

    @property
    def pixels(self) -> int:
        """Of everything that the source shows: what bits per pixel are counted by."""
        return self.frames * self.height * self.width


def check_size(height: int, width: int) -> None:
    """Refuse a picture size that no file may hold.

    Raises:
        ValueError: A side is outside 1 to :data:`MAX_SIDE`; the message names it.
    """
    for name, side in (("height", height), ("width", width)):
        if not 1 <= side <= MAX_SIDE:
            raise ValueError(f"{name} is {side}; expected 1 to {MAX_SIDE}")
