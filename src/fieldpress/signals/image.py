"""One picture."""

from dataclasses import dataclass
from typing import ClassVar

from fieldpress.signals.base import Matrix, Signal, check_size


@dataclass(frozen=True)
class Image(Signal):
    """One still picture.

    Raises:
        ValueError: A field is out of its range; the message names it.
    """

    id: ClassVar[str] = "image"

    height: int
    """Rows."""
    width: int
    """Columns."""
    matrix: Matrix
    """The source's own luma, as :attr:`Video.matrix` says."""
    full_range: bool
    """Whether that luma uses all codes 0 to 255 (else 16 to 235)."""

    def __post_init__(self) -> None:
        check_size(self.height, self.width)

    @property
    def frames(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Always 1."""
        return 1
