"""How far places are from the surface of a mesh, on which side of it, and which cells it runs through.

Distances go down a tree of boxes, level by level and for many places at once: a box is left out for a place if it
begins further away than a place of the surface is. The sign is the parity of a ray's crossings, so it does not depend
on which way triangles face.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float64]
"""Shape (places, 3)."""
Numbers = NDArray[np.int64]

_BRANCHES = 4
"""Boxes in a box."""
_NOWHERE = 1e30
"""Where an empty box begins."""
_TOGETHER = 1 << 11
"""Places that go down the tree together: their pairs with boxes stay near the cache."""
_MOST_PAIRS = 1 << 22
"""Pairs of a place and a box, or a triangle, that are looked at together, unless a single place has more."""
_MOST_COLUMNS = 1 << 8
"""Columns along a side of the grid in which rays look up triangles."""
_MORTON_BITS = 16
_TOUCH = 1.1
"""A cell counts as touched if its centre is nearer than this times half its diagonal. Above 1, so that each cell the
surface runs through is among them, and places next to the surface mostly are in one of them."""


class _Level(NamedTuple):
    """Boxes of a tree, those in one box next to each other."""

    low: Places
    high: Places
    known: Places
    """A place of the surface in each box."""


class Triangles:
    """The surface of a closed mesh.

    Args:
        vertices: Shape (vertices, 3).
        faces: Shape (faces, 3), numbers of vertices; at least one face.
    """

    def __init__(self, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
        corners = np.asarray(vertices, np.float64)[faces]
        self._corners = corners[np.argsort(_morton(corners.mean(1)), kind="stable")]
        self._levels = self._tree()
        self._columns: _Columns | None = None

    @property
    def corners(self) -> NDArray[np.float64]:
        """Of each triangle, (triangles, 3 corners, 3 coordinates)."""
        return self._corners

    @property
    def areas(self) -> NDArray[np.float64]:
        """Of each triangle."""
        a, b, c = self._corners.swapaxes(0, 1)
        return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2

    def sample(self, count: int, generator: np.random.Generator) -> Places:
        """Places on the surface, evenly spread by area."""
        ends = np.cumsum(self.areas)
        chosen = np.searchsorted(ends, generator.random(count) * ends[-1]).clip(0, len(ends) - 1)
        a, b, c = self._corners[chosen].swapaxes(0, 1)
        root, share = np.sqrt(generator.random((count, 1))), generator.random((count, 1))
        return a + root * ((1 - share) * (b - a) + share * (c - a))

    def distances(self, places: Places) -> NDArray[np.float64]:
        """Distance of each place from the surface, without a sign."""
        order = np.argsort(_morton(places), kind="stable")  # neighbours need the same boxes
        found = np.empty(len(places))
        for first in range(0, len(places), _TOGETHER):
            part = order[first : first + _TOGETHER]
            found[part] = self._nearest(np.ascontiguousarray(places[part]))
        return np.sqrt(found)

    def inside(self, places: Places) -> NDArray[np.bool_]:
        """Whether a ray from each place towards +z crosses the surface an odd number of times."""
        if self._columns is None:
            self._columns = _Columns(self._corners)
        return self._columns.odd(places)

    def signed_distances(self, places: Places) -> NDArray[np.float64]:
        """Distance of each place from the surface, negative inside."""
        return np.where(self.inside(places), -1, 1) * self.distances(places)

    def touched(self, depth: int) -> NDArray[np.bool_]:
        """The cells of a grid over the unit cube that the surface runs through, and some beside them.

        Args:
            depth: Logarithm of the cells along a side of the grid.

        Returns:
            Shape (side, side, side).
        """
        places, children = np.zeros((1, 3), np.int64), np.indices((2, 2, 2)).reshape(3, -1).T
        for level in range(1, depth + 1):
            places = (2 * places[:, None] + children).reshape(-1, 3)
            side = 2**level
            near = self.distances((places + 0.5) / side) <= _TOUCH * 3**0.5 / 2 / side
            places = places[near]
        cells = np.zeros((2**depth,) * 3, np.bool_)
        cells[tuple(places.T)] = True
        return cells

    def _tree(self) -> list[_Level]:
        """Coarsest first; the last level has a box for each triangle. Places that are left over are empty boxes."""
        levels = [_Level(self._corners.min(1), self._corners.max(1), self._corners.mean(1))]
        while len(levels[0].low) > 1:
            spare = (-len(levels[0].low) % _BRANCHES, 3)
            fills = (_NOWHERE, -_NOWHERE, _NOWHERE)
            levels[0] = _Level(*(np.concatenate([v, np.full(spare, f)]) for v, f in zip(levels[0], fills, strict=True)))
            low, high, known = (values.reshape(-1, _BRANCHES, 3) for values in levels[0])
            real = (low[..., 0] < _NOWHERE).sum(1)
            levels.insert(0, _Level(low.min(1), high.max(1), known[np.arange(len(known)), real // 2]))
        return levels

    def _nearest(self, places: Places) -> NDArray[np.float64]:
        """Squared distance of each place. Pairs of places and boxes are ordered by place all the way down."""
        every = np.arange(len(places))
        rows, boxes = every, np.zeros(len(places), np.int64)
        for level in self._levels[1:]:
            if len(rows) * _BRANCHES > _MOST_PAIRS and len(places) > 1:
                halves = np.array_split(places, 2)
                return np.concatenate([self._nearest(half) for half in halves])
            rows = np.repeat(rows, _BRANCHES)
            boxes = (boxes[:, None] * _BRANCHES + np.arange(_BRANCHES)).ravel()
            at = places[rows]
            beyond = _squares(np.maximum(np.maximum(level.low[boxes] - at, at - level.high[boxes]), 0))
            known = np.minimum.reduceat(_squares(level.known[boxes] - at), np.searchsorted(rows, every))
            keep = beyond <= known[rows]
            rows, boxes = rows[keep], boxes[keep]
        squared = squared_distances(places[rows], self._corners[boxes])
        return np.minimum.reduceat(squared, np.searchsorted(rows, every))


def squared_distances(places: Places, corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances of places from one triangle each.

    The nearest point is inside the triangle, or on the nearest of its sides.

    Args:
        places: Shape (n, 3).
        corners: Shape (n, 3 corners, 3 coordinates); triangles without an area are lines or points.

    Example:
        >>> squared_distances(np.array([[0.2, 0.2, 3.0]]), np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]]))
        array([9.])
    """
    a, b, c = np.ascontiguousarray(corners.swapaxes(0, 1))
    normal = np.cross(b - a, c - a)
    size = _squares(normal)
    height = _dots(places - a, normal)
    inside = size > 0
    nearest = np.full(len(places), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        side, to_place = end - start, places - start
        inside &= _dots(np.cross(side, to_place), normal) >= 0
        length = _squares(side)
        share = np.clip(_dots(to_place, side) / np.where(length > 0, length, 1), 0, 1)
        nearest = np.minimum(nearest, _squares(to_place - share[:, None] * side))
    return np.where(inside, height * height / np.where(size > 0, size, 1), nearest)


class _Columns:
    """Triangles by the columns along z that they may be in, for rays in that direction.

    Whether a ray meets a triangle is whether its foot is in the triangle seen from above: whether a ray in that plane
    crosses an odd number of its sides. Each side is taken from its lesser end to its greater, so that triangles on both
    sides of it agree to the last bit, and no ray slips between them.
    """

    def __init__(self, corners: NDArray[np.float64]) -> None:
        self._corners = corners
        flat = corners[..., :2]
        self._side = int(np.clip(np.sqrt(len(corners)), 1, _MOST_COLUMNS))
        self._low = flat.min((0, 1))
        self._scale = self._side / np.maximum(flat.max((0, 1)) - self._low, 1e-300)
        first, last = self._cells(flat.min(1)), self._cells(flat.max(1))
        width = last - first + 1
        counts = width[:, 0] * width[:, 1]
        self._triangles = np.repeat(np.arange(len(corners)), counts)
        within = np.arange(len(self._triangles)) - np.repeat(np.cumsum(counts) - counts, counts)
        across = width[self._triangles, 1]
        cells = first[self._triangles] + np.stack([within // across, within % across], 1)
        number = cells[:, 0] * self._side + cells[:, 1]
        order = np.argsort(number, kind="stable")
        self._triangles = self._triangles[order]
        self._starts = np.searchsorted(number[order], np.arange(self._side**2 + 1))

    def _cells(self, flat: NDArray[np.float64]) -> Numbers:
        return ((flat - self._low) * self._scale).astype(np.int64).clip(0, self._side - 1)

    def odd(self, places: Places) -> NDArray[np.bool_]:
        """Whether a ray from each place towards +z meets an odd number of triangles."""
        cells = self._cells(places[:, :2].clip(self._low - 1, self._low + self._side / self._scale + 1))
        number = cells[:, 0] * self._side + cells[:, 1]
        starts, counts = self._starts[number], self._starts[number + 1] - self._starts[number]
        found = np.zeros(len(places), np.int64)
        for part in _parts(counts):
            rows = np.repeat(np.arange(part.start, part.stop), counts[part])
            within = np.arange(len(rows)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
            triangles = self._corners[self._triangles[starts[rows] + within]]
            np.add.at(found, rows[_above(places[rows], triangles)], 1)
        return found % 2 == 1


def _above(places: Places, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether rays from places towards +z meet one triangle each."""
    odd = np.zeros(len(places), np.bool_)
    x, y = places[:, 0], places[:, 1]
    for i in range(3):
        one, other = corners[:, i, :2], corners[:, (i + 1) % 3, :2]
        swap = (one[:, 0] > other[:, 0]) | ((one[:, 0] == other[:, 0]) & (one[:, 1] > other[:, 1]))
        low, high = np.where(swap[:, None], other, one), np.where(swap[:, None], one, other)
        crosses = (low[:, 0] <= x) & (x < high[:, 0])
        run = np.where(crosses, high[:, 0] - low[:, 0], 1)
        odd ^= crosses & (low[:, 1] + (x - low[:, 0]) / run * (high[:, 1] - low[:, 1]) > y)
    a, b, c = corners.swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    upright = normal[:, 2] == 0
    height = a[:, 2] - _dots((places - a)[:, :2], normal[:, :2]) / np.where(upright, 1, normal[:, 2])
    return odd & ~upright & (height > places[:, 2])


def _parts(counts: Numbers) -> Iterator[slice]:
    """Runs of places that together have no more pairs than may be looked at together, or one place that has more."""
    ends, first = np.cumsum(counts), 0
    while first < len(counts):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _MOST_PAIRS, side="right")))
        yield slice(first, last)
        first = last


def _morton(places: Places) -> NDArray[np.uint64]:
    """Places on a curve that keeps neighbours together."""
    low = places.min(0, initial=np.inf)
    size = max(float((places - low).max(initial=0)), 1e-300)
    cells = ((places - low) / size * (2**_MORTON_BITS - 1)).astype(np.uint64)
    code = np.zeros(len(places), np.uint64)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> np.uint64(bit) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code


def _dots(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", a, b)


def _squares(a: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("ij,ij->i", a, a)
