"""The order in which the cells of a picture are coded, and which coded cells lie around each.

Cells are coded in passes, coarse to fine, so that a pass is one vectorised step and most cells know neighbours on all
sides. With a largest stride of 4 there are five passes::

    0 4 2 4 0        pass 0: every fourth row and column; no neighbours
    4 3 4 3 4        odd passes: the centres of the squares so far; four corners known
    2 4 1 4 2        even passes: the middles of their sides; left, right, above and below known
    4 3 4 3 4
    0 4 2 4 0

At the border a missing neighbour is replaced by its mirror image, or by the one to the left or above if there is none.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pass(NamedTuple):
    """Cells coded together, as indices into the flattened picture."""

    cells: NDArray[np.intp]
    """Shape (cells,), in raster order."""
    around: NDArray[np.intp]
    """Known neighbours of each cell, shape (4, cells); (0, cells) in the first pass."""


@lru_cache(maxsize=16)
def passes(rows: int, columns: int, largest_stride: int) -> tuple[Pass, ...]:
    """The passes of a picture, those without cells included.

    Args:
        rows, columns: Size of the picture.
        largest_stride: A power of two.

    Example:
        >>> [len(step.cells) for step in passes(5, 5, 4)]
        [4, 1, 4, 4, 12]
    """
    row, column = (grid.ravel() for grid in np.indices((rows, columns)))
    on_lattice = (row % largest_stride == 0) & (column % largest_stride == 0)
    first = np.flatnonzero(on_lattice)
    found = [Pass(first, np.zeros((0, len(first)), dtype=np.intp))]
    stride = largest_stride // 2
    while stride:
        odd_row, odd_column = row // stride % 2 == 1, column // stride % 2 == 1
        lattice = (row % stride == 0) & (column % stride == 0)
        for chosen, steps in (
            (odd_row & odd_column, ((-1, -1), (-1, 1), (1, -1), (1, 1))),
            (odd_row ^ odd_column, ((0, -1), (0, 1), (-1, 0), (1, 0))),
        ):
            cells = np.flatnonzero(lattice & chosen)
            around = [
                _step(row[cells], down * stride, rows) * columns + _step(column[cells], right * stride, columns)
                for down, right in steps
            ]
            found.append(Pass(cells, _known(np.array(around), cells)))
        stride //= 2
    return tuple(found)


def _step(position: NDArray[np.intp], step: int, size: int) -> NDArray[np.intp]:
    there, mirrored = position + step, position - step
    there = np.where((there < 0) | (there >= size), mirrored, there)
    return np.where((there < 0) | (there >= size), position, there)


def _known(around: NDArray[np.intp], cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where both directions of an axis leave the picture, the step led back to the cell: take another neighbour."""
    for index in range(4):
        around[index] = np.where(around[index] == cells, around[(index + 2) % 4], around[index])
    return around
