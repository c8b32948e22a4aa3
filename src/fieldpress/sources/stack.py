"""Pictures on top of each other: one array that grows, and one size for all."""

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.sources.colour import Colour, Picture


class PictureStack:
    """Collects pictures into one array for RGB and one for luma, without holding any of them twice.

    Args:
        name: What messages call the source.
        capacity: How many pictures are expected; more may come.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self._name = name
        self._capacity = max(1, capacity)
        self._first_label = ""
        self._rgb: NDArray[np.uint8] | None = None
        self._luma: NDArray[np.uint8] | None = None
        self._colour = Colour("rgb", True)
        self._count = 0

    def add(self, picture: Picture, label: str) -> None:
        """Append a picture.

        Args:
            picture: Its colour may differ from the first one's; then the stack has no luma.
            label: What messages call it.

        Raises:
            SourceError: It is not as large as the first one.
        """
        if self._rgb is None:
            self._begin(picture, label)
        assert self._rgb is not None
        if picture.rgb.shape != self._rgb.shape[1:]:
            raise SourceError(
                f"{self._name}: {label} is {_size(picture.rgb)}, but {self._first_label} is {_size(self._rgb[0])}; "
                "all pictures must have one size"
            )
        if self._count == len(self._rgb):
            self._rgb = _longer(self._rgb)
            self._luma = None if self._luma is None else _longer(self._luma)
        self._rgb[self._count] = picture.rgb
        if picture.luma is None or picture.colour != self._colour:
            self._luma, self._colour = None, Colour("rgb", True)
        elif self._luma is not None:
            self._luma[self._count] = picture.luma
        self._count += 1

    def part(self, which: range) -> "PictureStack":
        """The stack of some pictures only. Shares memory with this one."""
        stack = PictureStack(self._name, len(which))
        stack._first_label = self._first_label
        chosen = slice(which.start, which.stop, which.step)
        stack._rgb = None if self._rgb is None else self._rgb[: self._count][chosen]
        stack._luma = None if self._luma is None else self._luma[: self._count][chosen]
        stack._colour = self._colour
        stack._count = len(which)
        return stack

    def picture(self, index: int) -> Picture:
        """One picture, as a view."""
        return Picture(self.rgb[index], None if self.luma is None else self.luma[index], self._colour)

    def __len__(self) -> int:
        return self._count

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """(pictures, rows, columns, 3). There must be a picture."""
        assert self._rgb is not None
        return self._rgb[: self._count]

    @property
    def luma(self) -> NDArray[np.uint8] | None:
        """(pictures, rows, columns), if every picture has a luma of the same colour."""
        return None if self._luma is None else self._luma[: self._count]

    @property
    def colour(self) -> Colour:
        """The colour of the luma; RGB where there is none."""
        return self._colour

    def _begin(self, picture: Picture, label: str) -> None:
        self._first_label = label
        self._colour = picture.colour
        self._rgb = np.empty((self._capacity, *picture.rgb.shape), np.uint8)
        if picture.luma is not None:
            self._luma = np.empty((self._capacity, *picture.luma.shape), np.uint8)


def _longer(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longer = np.empty((len(array) + len(array) // 4 + 1, *array.shape[1:]), np.uint8)
    longer[: len(array)] = array
    return longer


def _size(picture: NDArray[np.uint8]) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
