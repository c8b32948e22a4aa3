"""Pictures on top of each other: one array that grows, and one size for all."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from fieldpress.errors import SourceError
from fieldpress.sources.colour import Colour, Picture


class Alike:
    """What the pictures of a clip have in common: one size, and perhaps a luma of one colour.

    Args:
        name: What messages call the source.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._first_label = ""
        self.size: tuple[int, int] = (0, 0)
        """Rows and columns of every picture."""
        self.colour = Colour("rgb", True)
        """The colour of the luma; RGB where there is none."""
        self.has_luma = False
        """Whether every picture has a luma of the same colour."""

    def admit(self, picture: Picture, label: str) -> None:
        """Takes in a picture.

        Args:
            picture: Its colour may differ from the first one's; then the clip has no luma.
            label: What messages call it.

        Raises:
            SourceError: It is not as large as the first one.
        """
        rows, columns = picture.rgb.shape[:2]
        if not self._first_label:
            self._first_label, self.size = label, (rows, columns)
            self.colour, self.has_luma = picture.colour, picture.luma is not None
        if (rows, columns) != self.size:
            raise SourceError(
                f"{self._name}: {label} is {columns}x{rows}, but {self._first_label} is "
                f"{self.size[1]}x{self.size[0]}; all pictures must have one size"
            )
        if picture.luma is None or picture.colour != self.colour:
            self.colour, self.has_luma = Colour("rgb", True), False


class PictureLedger:
    """Notes what is to be known of pictures that are not kept.

    Args:
        name: What messages call the source.
    """

    def __init__(self, name: str) -> None:
        self.alike = Alike(name)
        self.digests: list[bytes] = []
        """Of each picture."""

    def add(self, picture: Picture, label: str) -> None:
        """Notes the next picture; see :meth:`Alike.admit`."""
        self.alike.admit(picture, label)
        self.digests.append(digest_of(picture))

    def part(self, which: range) -> "PictureLedger":
        """The ledger of some pictures only."""
        ledger = PictureLedger("")
        ledger.alike, ledger.digests = self.alike, [self.digests[i] for i in which]
        return ledger

    def __len__(self) -> int:
        return len(self.digests)


class PictureStack:
    """Collects pictures into one array for RGB and one for luma, without holding any of them twice.

    Args:
        name: What messages call the source.
        capacity: How many pictures are expected; more may come.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self._alike = Alike(name)
        self._capacity = max(1, capacity)
        self._rgb: NDArray[np.uint8] | None = None
        self._luma: NDArray[np.uint8] | None = None
        self._count = 0

    def add(self, picture: Picture, label: str) -> None:
        """Append a picture; see :meth:`Alike.admit`."""
        self._alike.admit(picture, label)
        if self._rgb is None:
            self._rgb = np.empty((self._capacity, *picture.rgb.shape), np.uint8)
            if picture.luma is not None:
                self._luma = np.empty((self._capacity, *picture.luma.shape), np.uint8)
        if self._count == len(self._rgb):
            self._rgb = _longer(self._rgb)
            self._luma = None if self._luma is None else _longer(self._luma)
        self._rgb[self._count] = picture.rgb
        if not self._alike.has_luma:
            self._luma = None
        elif self._luma is not None and picture.luma is not None:
            self._luma[self._count] = picture.luma
        self._count += 1

    def part(self, which: range) -> "PictureStack":
        """The stack of some pictures only. Shares memory with this one."""
        stack = PictureStack("", len(which))
        stack._alike = self._alike
        chosen = slice(which.start, which.stop, which.step)
        stack._rgb = None if self._rgb is None else self._rgb[: self._count][chosen]
        stack._luma = None if self._luma is None else self._luma[: self._count][chosen]
        stack._count = len(which)
        return stack

    def picture(self, index: int) -> Picture:
        """One picture, as a view."""
        return Picture(self.rgb[index], None if self.luma is None else self.luma[index], self.colour)

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
        return self._alike.colour


def digest_of(picture: Picture) -> bytes:
    """Tells pictures apart."""
    return hashlib.sha256(np.ascontiguousarray(picture.rgb).data).digest()


def _longer(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longer = np.empty((len(array) + len(array) // 4 + 1, *array.shape[1:]), np.uint8)
    longer[: len(array)] = array
    return longer
