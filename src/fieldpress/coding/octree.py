"""Which children of the occupied cells of an octree are occupied, level by level, in context.

A cell (i, j, k) has the children c = 4 di + 2 dj + dk, which are the cells (2i + di, 2j + dj, 2k + dk) one level finer.
A level is a table of bits, (parents, 8). The parents of the coarsest level are all cells of a g x g x g grid, ordered
by i, j, k. Those of any other are the occupied children of the level before: parent by parent, and of each by c.

The coarsest level is coded as an octree of its own, from one cell down to the grid, where a cell is occupied if
anything in it is. So large empty parts of it cost next to nothing, whatever g is.

A level has eight passes: child 0 of all its parents, then child 1, and so on. What is known of the 26 cells around a
child: those with a parent that is empty are empty; those with a smaller c have been coded; any other is *unknown*. So
pass 0 knows the parents only and pass 7 knows the whole neighbourhood. Three kinds of contexts, general to specific::

    how many of the cells around are occupied and unknown        (2 for each across a face, 1 for each across an edge)
    c, each of the six across faces, how many across edges
    c, how many are occupied (3, 2, 1 across a face, an edge, a corner), ten of the parents around

Their counts start with what the coarser levels were: a surface looks much the same at every scale.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.adaptive import Adaptive, Bits, Contexts
from fieldpress.coding.rangecoder import Decoder, Encoder, decoder, encoder
from fieldpress.errors import FormatError

LARGEST_GRID = 1 << 7
"""Cells along a side of the coarsest level's parents."""
FINEST_SIDE = 1 << 9
"""Cells along a side of the finest level's children: bounds the memory that neighbours are looked up in."""

Octants = Bits
"""Which children are occupied, shape (parents, 8)."""
Places = NDArray[np.int16]
"""Cells, shape (cells, 3)."""

_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)), dtype=np.int16)
_ROOT = np.zeros((1, 3), dtype=np.int16)
_AROUND = np.array([move for move in itertools.product((-1, 0, 1), repeat=3) if any(move)])
_ACROSS = np.abs(_AROUND).sum(axis=1)
"""Of each cell around: 1 for a face, 2 for an edge, 3 for a corner."""
_FACES, _EDGES, _VERTICES = 6, 12, 8

_SUMS = 2 * _FACES + _EDGES + 1
_WEIGHTED = 3 * _FACES + 2 * _EDGES + _VERTICES + 1
_PARENTS = 1 << 10
_SIZES = (4 * _SUMS**2, 8 * 3**_FACES * (_EDGES + 1) ** 2, 8 * _WEIGHTED * _PARENTS)


def grid_side(parents: int) -> int | None:
    """The g of a coarsest level with so many parents; None if there is no such grid.

    Example:
        >>> grid_side(512), grid_side(27)
        (8, None)
    """
    side = 1 << (parents.bit_length() - 1) // 3
    return side if side**3 == parents and side <= LARGEST_GRID else None


def can_follow(coarser: Sequence[Octants], parents: int) -> bool:
    """Whether these are the levels of an octree, coarsest first, that can go on with a level of so many parents."""
    rows = [*map(len, coarser), parents]
    side = grid_side(rows[0])
    if side is None or side << len(rows) > FINEST_SIDE:
        return False
    return all(int(level.sum()) == count for level, count in zip(coarser, rows[1:], strict=True))


def encode_level(octants: Octants, coarser: Sequence[Octants]) -> bytes:
    """The stream of a level, given all coarser ones.

    Args:
        octants, coarser: Those of an octree, as :func:`can_follow` says.
    """
    coder, descent = encoder(), _Descent(coarser)
    *above, last = [octants] if coarser else _pyramid(octants)
    for level in above:
        descent.write(coder, level)
        descent.go_down(level)
    descent.write(coder, last)
    return coder.finish()


def decode_level(data: bytes, parents: int, coarser: Sequence[Octants]) -> Octants:
    """The level of :func:`encode_level`, given all coarser ones.

    Raises:
        FormatError: The stream is damaged, or no level of so many parents can follow.
    """
    if not can_follow(coarser, parents):
        raise FormatError(f"an octree is damaged: {parents} cells cannot be its level {len(coarser)}")
    coder, descent = decoder(data), _Descent(coarser)
    if coarser:
        return descent.read(coder)
    side = grid_side(parents)
    assert side is not None
    while descent.side < side:
        descent.go_down(descent.read(coder))
    octants = np.zeros((side, side, side, 8), dtype=np.bool_)
    octants[tuple(descent.places.T)] = descent.read(coder)
    return octants.reshape(parents, 8)


def _pyramid(octants: Octants) -> list[Octants]:
    """The levels of the octree that ends in a coarsest level: its parents that have children, and all above them."""
    side = grid_side(len(octants))
    assert side is not None
    split = octants.reshape(side, side, side, 2, 2, 2)
    grids = [split.transpose(0, 3, 1, 4, 2, 5).reshape((2 * side,) * 3)]
    while (half := len(grids[0]) // 2) > 1:
        grids.insert(0, np.asarray(grids[0].reshape(half, 2, half, 2, half, 2).any(axis=(1, 3, 5))))
    levels, places = [], _ROOT
    for grid in grids:
        i, j, k = 2 * places.T[:, :, None] + _CORNERS.T[:, None]
        levels.append(grid[i, j, k])
        places = _children(places, levels[-1])
    return levels


def _children(places: Places, octants: Octants) -> Places:
    rows, child = np.nonzero(octants)
    return 2 * places[rows] + _CORNERS[child]


class _Descent:
    """A walk down an octree: the cells whose children come next, and what was counted on the way.

    Args:
        coarser: Levels that are known; none for the root.
    """

    def __init__(self, coarser: Sequence[Octants]) -> None:
        self._adaptive = Adaptive(_SIZES)
        self.places: Places = _ROOT
        self.side = 1
        """Of the grid that they are in."""
        for number, octants in enumerate(coarser):
            if number == 0:
                for level in _pyramid(octants):
                    self._learn(level)
                    self.go_down(level)
                side = self.side // 2  # from here on in the order of the table's rows
                self.places = _children(np.indices((side,) * 3, dtype=np.int16).reshape(3, -1).T, octants)
            else:
                self._learn(octants)
                self.go_down(octants)

    def go_down(self, octants: Octants) -> None:
        """To the children, given which of them are occupied."""
        self.places, self.side = _children(self.places, octants), 2 * self.side

    def write(self, coder: Encoder, octants: Octants) -> None:
        """Append the children of these cells to a stream."""

        def write(child: int, contexts: Contexts) -> Bits:
            self._adaptive.write(coder, contexts, octants[:, child])
            return octants[:, child]

        self._passes(write)

    def read(self, coder: Decoder) -> Octants:
        """The children of these cells."""
        return self._passes(lambda _, contexts: self._adaptive.read(coder, contexts))

    def _learn(self, octants: Octants) -> None:
        def learn(child: int, contexts: Contexts) -> Bits:
            self._adaptive.learn(contexts, octants[:, child])
            return octants[:, child]

        self._passes(learn)

    def _passes(self, column: Callable[[int, Contexts], Bits]) -> Octants:
        """All children, from a column of bits for each child in turn, given its contexts."""
        neighbourhood = _Neighbourhood(self.places, self.side)
        octants = np.zeros((len(self.places), 8), dtype=np.bool_)
        for child in range(8):
            octants[:, child] = column(child, neighbourhood.contexts(child))
            neighbourhood.add(child, octants[:, child])
        return octants


class _Neighbourhood:
    """The cells of one level, those around them, and their children as far as they are known."""

    def __init__(self, places: Places, side: int) -> None:
        # A flat grid with a border: every neighbour is a fixed distance away.
        self._distances = np.array([(side + 2) ** 2, side + 2, 1])
        self._cells = (places + 1) @ self._distances
        self._occupied = np.zeros((side + 2) ** 3, dtype=np.uint8)
        self._occupied[self._cells] = 1
        self._octets = np.zeros((side + 2) ** 3, dtype=np.uint8)

    def add(self, child: int, bits: Bits) -> None:
        """The child of every cell."""
        self._octets[self._cells] |= bits.astype(np.uint8) << child

    def contexts(self, child: int) -> Contexts:
        """Of the child of every cell."""
        corner = _CORNERS[child]
        occupied, unknown = np.zeros((2, 4, len(self._cells)), dtype=np.uint8)
        found = np.zeros((3, len(self._cells)), dtype=np.int32)
        shared, faces, parents = found
        for move, across in zip(_AROUND, _ACROSS.tolist(), strict=True):
            parent, other = (corner + move) >> 1, int((corner + move) % 2 @ (4, 2, 1))
            known = other < child
            state = self._at(self._octets, parent) >> other & 1 if known else self._at(self._occupied, parent)
            (occupied if known else unknown)[across] += state
            if across == 1:
                faces *= 3
                faces += state << known
        shared += int(corner.sum())
        faces += 3**_FACES * child
        parents += _WEIGHTED * child
        parents += 3 * occupied[1] + 2 * occupied[2] + occupied[3]
        for one in (occupied, unknown):
            shared *= _SUMS
            shared += 2 * one[1] + one[2]
            faces *= _EDGES + 1
            faces += one[2]
        for move in [*_AROUND[_ACROSS == 1], *(2 * corner - 1) * _CORNERS[[3, 5, 6, 7]]]:
            parents *= 2
            parents += self._at(self._occupied, move)
        return found

    def _at(self, grid: NDArray[np.uint8], move: NDArray[np.int16]) -> NDArray[np.uint8]:
        return np.take(grid, self._cells + int(move @ self._distances))
