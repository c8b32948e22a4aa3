"""What is around a place: the neighbours of corners of a cubic grid of which only some are there."""

import itertools

import numpy as np
from numpy.typing import NDArray

from fieldpress.places import Places

MOVES = np.array([move for move in itertools.product((-1, 0, 1), repeat=3) if any(move)])
"""To the 26 places around one."""
CLOSENESS = 4 - np.abs(MOVES).sum(axis=1)
"""Of each: 3 along an axis, 2 across an edge, 1 across a corner."""


class Map:
    """Flat grids over places, with a border: every neighbour is a fixed distance away."""

    def __init__(self, places: Places) -> None:
        row = places.side + 3
        self._strides = np.array([row * row, row, 1])
        self._size = row**3
        self.at = self.flat(places.corners)
        """Index of each cell."""

    def flat(self, corners: NDArray[np.int16]) -> NDArray[np.intp]:
        """Index of each corner; they may lie one beside the grid."""
        return (corners.astype(np.intp) + 1) @ self._strides

    def spread(self, values: NDArray) -> NDArray:
        """A flat grid with these values of the cells, and zeros elsewhere."""
        grid = np.zeros(self._size, dtype=values.dtype)
        grid[self.at] = values
        return grid

    def distances(self, moves: NDArray[np.int_]) -> list[int]:
        """That of each move."""
        return (moves @ self._strides).tolist()
