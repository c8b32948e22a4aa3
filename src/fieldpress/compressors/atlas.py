"""Atlases: many small tensors as the tiles of one picture, so that one stream carries a whole pyramid.

A stream of its own costs every level about a hundred bytes of headers, and an encoder's start; side by side in one
picture they share both. Where a tile lies follows from the shapes alone, so no byte says it::

    +---------------------+--------------+
    | xy.2, channel 0     | ... 1        |   shelves of tiles, tall ones first (next fit, decreasing height)
    +------------+--------+---+------+---+
    | yt.2, 0    | ... 1      | xt.2 |   |
    +------------+------------+------+---+

Each tile is continued at its edges up to the next one, and starts where a codec's blocks do: no block has to show two.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldpress.coding.frames import ALIGNMENT, LEAST_SIDE, Plane
from fieldpress.compressors.base import Shape
from fieldpress.compressors.pictures import Samples, aligned, axes

LEAST_TILE, GREATEST_TILE = 8, 4096
"""Sides of a tile: a smaller one is mostly padding, a larger one is a picture by itself."""
MOST_SAMPLES = 2**24
"""Tiles of more samples make several pictures. A picture then stays within the levels that AV1 and HEVC define."""
MOST_SAMPLES_PER_NUMBER = 4
"""Tensors whose atlas has more are coded one by one: memory stays in proportion to them."""


class Tile(NamedTuple):
    """Where one channel lies: its numbers in the upper left corner of a cell."""

    rows: int
    columns: int
    top: int
    left: int
    height: int
    width: int
    """Of the cell: up to the next tile to the right, and down to the next shelf."""

    @property
    def content(self) -> tuple[slice, slice, slice]:
        """Where its numbers are in (time, rows, columns)."""
        return np.s_[:, self.top : self.top + self.rows, self.left : self.left + self.columns]

    @property
    def cell(self) -> tuple[slice, slice, slice]:
        """All that is its own in (time, rows, columns)."""
        return np.s_[:, self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Atlas:
    """One grey picture for each time, with a tile for every channel of every tensor, in their order."""

    time: int
    rows: int
    columns: int
    tiles: tuple[Tile, ...]

    chroma: Literal["none"] = "none"

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        return self.rows, self.columns

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """(time, rows, columns) of the plane."""
        return [(self.time, *self.sides)]

    @property
    def sizes(self) -> list[int]:
        """Numbers in each tile, all times together."""
        return [self.time * tile.rows * tile.columns for tile in self.tiles]

    def to_planes(self, samples: Samples) -> list[Plane]:
        """The one plane of all tensors' samples, one tensor after the other, each in its own order."""
        plane = np.empty((self.time, self.rows, self.columns), np.uint16)
        for tile, part in zip(self.tiles, np.split(samples, np.cumsum(self.sizes)[:-1]), strict=True):
            lower, right = tile.height - tile.rows, tile.width - tile.columns
            content = part.reshape(self.time, tile.rows, tile.columns)
            plane[tile.cell] = np.pad(content, [(0, 0), (0, lower), (0, right)], mode="edge")
        return [plane]

    def from_planes(self, flat: NDArray[Any]) -> NDArray[Any]:
        """What :meth:`to_planes` was given, or what it stands for, from its plane."""
        plane = flat.reshape(self.shapes[0])
        return np.concatenate([plane[tile.content].ravel() for tile in self.tiles])


def atlas(shapes: Sequence[Shape]) -> Atlas | None:
    """The atlas of these tensors, all of the same time; None if they make none that is worth it.

    Example:
        >>> [(tile.top, tile.left) for tile in atlas([(2, 20, 30), (1, 12, 64)]).tiles]
        [(0, 0), (0, 32), (24, 0)]
    """
    found = [axes(shape) for shape in shapes]
    sides = [(rows, columns) for channels, _, rows, columns in found for _ in range(channels)]
    time = found[0][1]
    tiles = _shelved(sides)
    rows = max(tile.top + tile.height for tile in tiles)
    columns = max(tile.left + tile.width for tile in tiles)
    numbers = sum(rows * columns for rows, columns in sides)
    if min(rows, columns) < LEAST_SIDE or rows * columns > MOST_SAMPLES_PER_NUMBER * numbers:
        return None
    return Atlas(time, rows, columns, tiles)


def _shelved(sides: Sequence[tuple[int, int]]) -> tuple[Tile, ...]:
    """A tile for each of these rows and columns, on the shelves that take the least area; of equal ones the first."""
    cells = [(aligned(rows), aligned(columns)) for rows, columns in sides]
    order = sorted(range(len(cells)), key=lambda i: (-cells[i][0], -cells[i][1], i))
    # Exact, since this is part of the format: a square with room for all cells, and up to twice its width.
    least = max(max(width for _, width in cells), math.isqrt(sum(height * width for height, width in cells) - 1) + 1)
    limits = [-(-least * eighths // (8 * ALIGNMENT)) * ALIGNMENT for eighths in range(8, 17)]
    shelves = min((_shelves(cells, order, limit) for limit in limits), key=lambda shelves: math.prod(shelves.sides))
    tiles: list[Tile | None] = [None] * len(cells)
    top = 0
    for first, end in itertools.pairwise(shelves.starts):
        height, left = cells[order[first]][0], 0
        for i in order[first:end]:
            # The last one of a shelf takes what is left of it.
            width = shelves.sides[1] - left if i == order[end - 1] else cells[i][1]
            tiles[i] = Tile(*sides[i], top, left, height, width)
            left += width
        top += height
    return tuple(tile for tile in tiles if tile is not None)


class _Shelves(NamedTuple):
    starts: list[int]
    """The first cell of each shelf, by its place in the order, and the number of cells."""
    sides: tuple[int, int]
    """Rows and columns that all take."""


def _shelves(cells: Sequence[tuple[int, int]], order: Sequence[int], limit: int) -> _Shelves:
    """Cells in this order, tall ones first, on shelves of at most this width."""
    starts: list[int] = []
    rows = columns = 0
    used = limit
    for place, i in enumerate(order):
        height, width = cells[i]
        if used + width > limit:
            starts.append(place)
            rows += height
            used = 0
        used += width
        columns = max(columns, used)
    return _Shelves([*starts, len(order)], (rows, columns))


class Piece(NamedTuple):
    """Tensors, by their number, that are coded together: in an atlas, or one by itself."""

    tensors: tuple[int, ...]
    atlas: Atlas | None


def pieces(shapes: Sequence[Shape]) -> list[Piece]:
    """Deals tensors to atlases: those of the same time share one, as long as there is room.

    Vectors and tensors whose rows and columns make no tile are by themselves, and so is every tensor of a group that
    makes no picture. Pieces are in the order of their first tensors.

    Example:
        >>> [piece.tensors for piece in pieces([(2, 16, 16), (7,), (2, 32, 24), (2, 5, 24, 24), (2, 3, 3)])]
        [(0, 2), (1,), (3,), (4,)]
    """
    groups: list[list[int]] = []
    latest: dict[int, tuple[list[int], int]] = {}
    for number, shape in enumerate(shapes):
        size = _samples(shape)
        if size is None:
            groups.append([number])
            continue
        time = axes(shape)[1]
        group, samples = latest.get(time, ([], MOST_SAMPLES))
        if samples + size > MOST_SAMPLES:
            group, samples = [], 0
            groups.append(group)
        group.append(number)
        latest[time] = group, samples + size
    found: list[Piece] = []
    for group in groups:
        together = None if _samples(shapes[group[0]]) is None else atlas([shapes[number] for number in group])
        found += [Piece((number,), None) for number in group] if together is None else [Piece(tuple(group), together)]
    return found


def _samples(shape: Shape) -> int | None:
    """Samples in the tiles of one picture; None for a tensor that does not belong into an atlas."""
    if len(shape) < 2 or not all(LEAST_TILE <= side <= GREATEST_TILE for side in shape[-2:]):
        return None
    channels, _, rows, columns = axes(shape)
    size = channels * aligned(rows) * aligned(columns)
    return size if size <= MOST_SAMPLES else None
