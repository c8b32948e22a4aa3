"""Which cells of a list have another code than the most common one: bits that a coder tells from those around them.

Corners that matter little all have the code that most have, in every group of their channels. So a *mark*, another code
than that, is likely where the groups coded before have marks, and beside other marks. Cells come in passes, every 16th
first, then those half-way between the ones that are known, so that each has a known cell on either side and a pass is
coded at once (adaptive.py).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.adaptive import Adaptive, Contexts
from fieldpress.coding.chances import Bits
from fieldpress.coding.rangecoder import Decoder, Encoder
from fieldpress.coding.symbols import Integers
from fieldpress.places import Places

_APART = 16
"""Cells of the first pass."""
_MOST_ACTIVE = 7
_ACTIVITIES, _PASSES = _MOST_ACTIVE + 1, _APART.bit_length()
_SIZES = (2 * _ACTIVITIES, 3 * _ACTIVITIES * _PASSES)

Entries = NDArray[np.float32]
Activity = NDArray[np.int32]
"""In how many groups of channels each cell has a mark, at most 7."""


class _Pass(NamedTuple):
    number: int
    cells: NDArray[np.intp]
    beside: tuple[NDArray[np.intp], ...]
    """Known cells as far before and behind; none in the first pass."""


def commonest(codes: Integers) -> int:
    """The code that most cells have, of equally common ones the lowest."""
    return int(np.bincount(codes.ravel()).argmax())


class Groups:
    """What is known of a tensor's cells: their codes in one group of channels after the other.

    Args:
        cells: How many there are.
        places: Where they are, if they lie scattered in space.
    """

    def __init__(self, cells: int, places: Places | None = None) -> None:
        self.places = places
        self.marks: list[Bits] = []
        """Of each group so far."""
        self._cells = cells

    @property
    def active(self) -> Activity:
        """Marks of each cell so far."""
        total = sum((marks.astype(np.int32) for marks in self.marks), np.zeros(self._cells, dtype=np.int32))
        return np.minimum(total, _MOST_ACTIVE)

    def add(self, codes: Integers, entries: Entries) -> None:
        """One more group.

        Args:
            codes: Of the cells, in any shape.
            entries: As the decoder has them, shape (entries, channels of the group).
        """
        del entries
        self.marks.append(codes.ravel() != commonest(codes))


def write_marks(coder: Encoder, marks: Bits, active: Activity) -> None:
    """Append a mark for each cell to a stream; ``active`` is the activity behind the groups before."""
    chances = Adaptive(_SIZES)
    for each in _passes(len(marks)):
        chances.write(coder, _contexts(each, marks, active), marks[each.cells])


def read_marks(coder: Decoder, active: Activity) -> Bits:
    """The next marks of a stream.

    Raises:
        FormatError: The stream is damaged.
    """
    chances, marks = Adaptive(_SIZES), np.zeros(len(active), dtype=np.bool_)
    for each in _passes(len(marks)):
        marks[each.cells] = chances.read(coder, _contexts(each, marks, active))
    return marks


def _passes(count: int) -> Iterator[_Pass]:
    yield _Pass(0, np.arange(0, count, _APART), ())
    for number in range(1, _PASSES):
        half = _APART >> number
        cells = np.arange(half, count, 2 * half)
        yield _Pass(number, cells, (cells - half, np.where(cells + half < count, cells + half, cells - half)))


def _contexts(each: _Pass, marks: Bits, active: Activity) -> Contexts:
    own = active[each.cells]
    near = sum((marks[cells].astype(np.int32) for cells in each.beside), np.zeros_like(own))
    return np.stack([2 * own + (each.number > 0), (3 * own + near) * _PASSES + each.number])
