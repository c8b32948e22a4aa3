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

from fieldpress.coding.adaptive import Adaptive, Bits, Contexts
from fieldpress.coding.rangecoder import Decoder, Encoder
from fieldpress.coding.symbols import Integers

_APART = 16
"""Cells of the first pass."""
_MOST_ACTIVE = 7
_ACTIVITIES, _PASSES = _MOST_ACTIVE + 1, _APART.bit_length()
_SIZES = (2 * _ACTIVITIES, 3 * _ACTIVITIES * _PASSES)

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


def none_active(cells: int) -> Activity:
    """Before the first group."""
    return np.zeros(cells, dtype=np.int32)


def more_active(active: Activity, codes: Integers) -> Activity:
    """The activity behind one more group."""
    return np.minimum(active + (codes.ravel() != commonest(codes)), _MOST_ACTIVE).astype(np.int32)


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
