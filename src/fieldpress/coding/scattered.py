"""What is known of cells that lie scattered in space, when the codes of one more group of their channels come.

Cells come in eight passes, by which of their coordinates are odd: first those that are corners of the coarser grid too,
then the centres of that grid's cells, of their faces, and of their edges. So the cells of a pass come at once, and most
of them know some around.

Of each cell there is told whether it has a *mark*, another code than the commonest, from ten *signs*, each a level
16 log2(1 + n), rounded, of a count n. Closeness is 3, 2 and 1 along an axis, across an edge and across a corner::

    always        1
    own           marks of this group among the known cells around, each times its closeness
    known         known cells around, likewise
    others        marks of the groups before in all cells around, likewise
    here          marks of the groups before in the cell itself
    above         marks of all groups in the eight coarser cells around it, interpolated, in eighths
    beyond        marks of all groups in the 27 coarser cells around (x + 1) // 2
    last          whether the cell has a mark in the group before, in the one before that, and in the one before that

and of one with a mark, which code it has, from *hints*: the points of the groups before in the cell itself, the mean of
those of this group around it, by closeness, and those of this group in the eight coarser cells, interpolated. A *point*
is an entry less that of the commonest code, so that of a cell without a mark is zero.
"""

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.around import CLOSENESS, MOVES, Map
from fieldpress.coding.chances import Bits
from fieldpress.coding.marks import Entries, Groups, commonest
from fieldpress.coding.points import points_of
from fieldpress.coding.symbols import Integers
from fieldpress.places import Places

SIGNS = 10
_LAST = 3
_LEVELS = np.rint(16 * np.log2(1 + np.arange(1 << 9))).astype(np.uint8)

_CORNERS = np.array([(0, 0, 0), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.int16)
"""Of a cube; which coordinates of its cells are odd, for each pass."""
_WHOLE = 8
"""Sum of the weights of an interpolation."""

Points = NDArray[np.int16]
Signs = NDArray[np.uint8]
Cells = NDArray[np.intp]
"""Numbers of some cells, from 0."""


class Scattered(Groups):
    """Cells with places.

    Args:
        places: Theirs.
        coarser: Cells of a grid of half the side, with all their groups.
    """

    def __init__(self, places: Places, coarser: "Scattered | None" = None) -> None:
        super().__init__(len(places.corners), places)
        self.corners = places.corners
        self.map = Map(places)
        self.numbers = self.map.spread(np.arange(1, len(places.corners) + 1, dtype=np.int32))
        """Of the cells, from 1, in a flat grid; 0 where there is none."""
        self.near = list(zip(self.map.distances(MOVES), CLOSENESS.tolist(), strict=True))
        """How far away, and how close, the 26 cells around are."""
        odd = places.corners % 2
        self.passes: list[Cells] = [np.flatnonzero((odd == corner).all(axis=1)) for corner in _CORNERS]
        self.points: list[Points] = []
        """Of the cells, for each group so far; a row of zeros is ahead of them."""
        self.coarser = coarser
        self.above, self.beyond = np.zeros((2, len(odd)), dtype=np.uint8)
        """Counts of marks at the coarser level, as the module's description says."""
        if coarser is not None:
            active = coarser.active.astype(np.uint8)
            values, grid = _behind_zeros(active[:, None]), coarser.map.spread(active)
            for cells in self.passes:
                self.above[cells] = coarser.between(self.corners[cells], values)[:, 0]
                middle = coarser.map.flat((self.corners[cells] + 1) // 2)
                self.beyond[cells] = grid[middle] + sum(grid[middle + far] for far, _ in coarser.near)

    def add(self, codes: Integers, entries: Entries) -> None:
        super().add(codes, entries)
        self.points.append(_behind_zeros(relative_points(entries, commonest(codes))[codes.ravel()]))

    def add_features(self, features: Entries) -> None:
        """One more group, of which the features are known and not the codes: the commonest row is that of no mark.

        Args:
            features: Shape (cells, channels of the group).
        """
        rows = np.ascontiguousarray(features)
        whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, counts = np.unique(whole, return_index=True, return_counts=True)
        most = int(first[counts == counts.max()].min())
        self.marks.append((rows != rows[most]).any(axis=1))
        self.points.append(_behind_zeros(relative_points(rows, most)))

    def between(self, corners: NDArray[np.int16], values: NDArray[np.int16 | np.uint8]) -> Integers:
        """Eight times the values of these cells, interpolated at corners of a grid of twice the side.

        Args:
            corners: Shape (n, 3).
            values: Shape (1 + cells, values): a row of zeros is ahead.
        """
        total, odd = np.zeros((len(corners), values.shape[1]), dtype=np.int64), corners % 2
        for corner in _CORNERS:
            weights = np.where(corner, odd, 2 - odd).prod(axis=1, dtype=np.int64)
            total += weights[:, None] * values[self.numbers[self.map.flat(corners // 2 + corner)]]
        return total

    def hints(self, width: int) -> int:
        """How many there are, for a group of so many channels."""
        return sum(points.shape[1] for points in self.points) + 2 * width


class Walk:
    """The passes of one group, and what they have found so far.

    Args:
        level: Its cells, with the groups before.
        width: Channels of the group.
    """

    def __init__(self, level: Scattered, width: int) -> None:
        self._level = level
        self._group = len(level.points)
        self._state = level.map.spread((level.active << 2).astype(np.uint8))
        """1 for a known cell, 2 for its mark, 4 for each mark of the groups before."""
        self._points = np.zeros((len(level.corners) + 1, width), dtype=np.int16)
        last = level.marks[: -_LAST - 1 : -1]
        self._last = [*last, *[np.zeros(len(level.corners), dtype=np.bool_)] * (_LAST - len(last))]

    def signs(self, cells: Cells) -> Signs:
        """Of the cells of a pass, shape (signs, cells)."""
        at, level = self._level.map.at[cells], self._level
        own, known, others = np.zeros((3, len(cells)), dtype=np.int64)
        for far, closeness in level.near:
            state = self._state[at + far]
            own += closeness * (state >> 1 & 1)
            known += closeness * (state & 1)
            others += closeness * (state >> 2)
        coarser = (each[cells].astype(np.int64) for each in (level.above, level.beyond))
        last = (marks[cells].astype(np.int64) for marks in self._last)
        here = (self._state[at] >> 2).astype(np.int64)
        return _LEVELS[np.stack([np.ones_like(own), own, known, others, here, *coarser, *last])]

    def mark(self, cells: Cells, marks: Bits) -> None:
        """Says which cells of a pass have a mark."""
        self._state[self._level.map.at[cells]] |= (1 + 2 * marks).astype(np.uint8)

    def hints(self, cells: Cells) -> Points:
        """Of the cells of a pass that have a mark, shape (hints, cells)."""
        at, level = self._level.map.at[cells], self._level
        total, weight = np.zeros((len(cells), self._points.shape[1]), dtype=np.int64), np.zeros(len(cells), np.int64)
        for far, closeness in level.near:
            total += closeness * self._points[level.numbers[at + far]]
            weight += closeness * (self._state[at + far] >> 1 & 1)
        around = total // np.maximum(1, weight)[:, None]
        above = np.zeros_like(around)
        if level.coarser is not None:
            above = level.coarser.between(level.corners[cells], level.coarser.points[self._group]) // _WHOLE
        before = (points[cells + 1] for points in level.points)
        return np.concatenate([*before, around, above], axis=1).astype(np.int16).T

    def place(self, cells: Cells, points: Points) -> None:
        """Says what the points of the cells of a pass are that have a mark."""
        self._points[cells + 1] = points


def relative_points(entries: Entries, most: int) -> Points:
    """Of entries or rows of features, less that of one."""
    found = points_of(entries)
    return (found - found[most]).astype(np.int16)


def _behind_zeros(values: NDArray) -> NDArray:
    return np.concatenate([np.zeros_like(values[:1]), values])
