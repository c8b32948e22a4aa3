"""An octree: features on the corners of occupied cells, levels summed, so that coarse levels alone are a coarser field.

Source: NGLOD (Takikawa et al. 2021) and VQAD (2022). Which cells are occupied is part of the file: for every occupied
cell a row of eight numbers says which of its children are. Everything else follows from these rows.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from fieldpress.encodings.corners import CORNERS, cells_of, corner_weights, interpolate
from fieldpress.field import Field, Points, Query
from fieldpress.interfaces import Encoding, EncodingConfig
from fieldpress.places import Places

MAX_DEPTH = 8
"""Logarithm of the finest side: a map of its cells is 64 MB."""


@dataclass(frozen=True)
class Octree(EncodingConfig):
    """Sizes of an octree."""

    id: ClassVar[str] = "octree"

    channels: int
    """Features of a corner; 0 for an octree that only says what is empty."""
    coarsest: int
    """Logarithm of the cells along a side of the first level, 1 to 8."""
    cells: tuple[int, ...]
    """Occupied cells of each level, coarse first."""
    corners: tuple[int, ...]
    """Corners of these cells, each counted once."""

    def __post_init__(self) -> None:
        if not 0 <= self.channels <= 256:
            raise ValueError(f"an octree has 0 to 256 features a corner, got {self.channels}")
        if not (self.cells and len(self.cells) == len(self.corners)):
            raise ValueError("an octree has at least one level, and cells and corners for each")
        if not (self.coarsest >= 1 and self.coarsest + len(self.cells) - 1 <= MAX_DEPTH):
            raise ValueError(f"the sides of an octree's levels are powers of two, from 2 to {2**MAX_DEPTH}")
        if min(self.cells) < 1 or min(self.corners) < 8:
            raise ValueError("every level of an octree has at least one occupied cell")

    def build(self) -> "OctreeEncoding":
        return OctreeEncoding(self)

    def features(self) -> int:
        return self.channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        parents = (8 ** (self.coarsest - 1), *self.cells[:-1])
        octants = {f"octants.{i}": (count, 8) for i, count in enumerate(parents)}
        if not self.channels:
            return octants
        return octants | {f"levels.{i}": (self.channels, count, 1) for i, count in enumerate(self.corners)}

    def grid_levels(self) -> dict[str, int]:
        return {name: int(name.rsplit(".", 1)[1]) for name in self.shapes() if not name.endswith(".0")}

    def lists(self) -> frozenset[str]:
        return frozenset(name for name in self.shapes() if name.startswith("levels."))

    def places(self, grid: str, tensors: Mapping[str, Tensor | NDArray[np.float32]]) -> Places | None:
        level = {f"levels.{i}": i for i in range(len(self.corners))}.get(grid)
        if level is None:
            return None
        cells = all_cells(2 ** (self.coarsest - 1))
        for i in range(level + 1):
            if f"octants.{i}" not in tensors:
                return None
            cells, _ = refine(cells, torch.as_tensor(tensors[f"octants.{i}"]).cpu())
            if len(cells) != self.cells[i]:
                return None  # damaged, as :meth:`OctreeEncoding.check` will say
        side = self.side(level)
        keys = corner_keys(cells, side)
        if len(keys) != self.corners[level]:
            return None
        return Places(side, np.stack(np.unravel_index(keys.numpy(), (side + 1,) * 3), 1).astype(np.int16))

    def side(self, level: int) -> int:
        """Cells along a side of a level."""
        return 2 ** (self.coarsest + level)


class Cells(NamedTuple):
    """One level of an octree, worked out."""

    rows: Int[Tensor, "s s s"]
    """Number of the cell at each place, -1 where none is."""
    corners: Int[Tensor, "cells 8"]
    """Numbers of each cell's corners."""
    parents: Int[Tensor, "cells"]
    """Number of the cell one level coarser that each is in."""
    keys: Int[Tensor, "corners"]
    """Place of each corner: (i * (side + 1) + j) * (side + 1) + k; rises."""


def refine(places: Int[Tensor, "parents 3"], octants: Tensor) -> tuple[Int[Tensor, "cells 3"], Int[Tensor, "cells"]]:
    """Places of the occupied children, and which parent each has."""
    parents, children = (octants > 0.5).nonzero(as_tuple=True)
    return places[parents] * 2 + CORNERS.to(places)[children], parents


def lay_out(places: Int[Tensor, "cells 3"], parents: Int[Tensor, "cells"], side: int) -> Cells:
    """What lookups need of a level, from the places of its cells in order."""
    rows = torch.full((side**3,), -1, dtype=torch.int32, device=places.device)
    rows[(places[:, 0] * side + places[:, 1]) * side + places[:, 2]] = torch.arange(
        len(places), dtype=torch.int32, device=places.device
    )
    keys = corner_keys(places, side)
    numbers = torch.zeros((side + 1) ** 3, dtype=torch.int32, device=places.device)
    numbers[keys] = torch.arange(len(keys), dtype=torch.int32, device=places.device)
    corners = torch.stack([numbers[each] for each in _keys_of_cells(places, side)], 1)
    return Cells(rows.view(side, side, side), corners, parents.int(), keys)


def corner_keys(places: Int[Tensor, "cells 3"], side: int) -> Int[Tensor, "corners"]:
    """Keys of all corners of some cells, each once, as in :class:`Cells`.

    They are counted in a map of all: a full octree from a hostile file of a few bytes would take three times the memory
    if they were sorted.
    """
    taken = torch.zeros((side + 1) ** 3, dtype=torch.bool, device=places.device)
    for keys in _keys_of_cells(places, side):
        taken[keys] = True
    return taken.nonzero()[:, 0]


def _keys_of_cells(places: Int[Tensor, "cells 3"], side: int) -> Iterator[Int[Tensor, "cells"]]:
    """One of the eight corners after the other."""
    strides = torch.tensor([(side + 1) ** 2, side + 1, 1], device=places.device)
    first = (places * strides).sum(1)
    return (first + offset for offset in (CORNERS.to(places) * strides).sum(1))


def all_cells(side: int, device: torch.device | str = "cpu") -> Int[Tensor, "cells 3"]:
    """The places of a full grid's cells, in order."""
    axis = torch.arange(side, device=device)
    return torch.cartesian_prod(axis, axis, axis)


class OctreeEncoding(Encoding):
    """The module of :class:`Octree`. The octants are not trained: they have to be there before the first query."""

    def __init__(self, config: Octree) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        self.level_count = self.shown = len(config.cells)
        """Levels that are summed, the coarsest first."""
        shapes = config.shapes()
        names = range(len(config.cells))
        self.octants = nn.ParameterList(
            nn.Parameter(torch.zeros(shapes[f"octants.{i}"]), requires_grad=False) for i in names
        )
        if config.channels:
            # Laid out corner by corner, as it is read; the shape has channels first all the same.
            self.levels = nn.ParameterList(
                torch.empty(config.corners[i], 1, config.channels).uniform_(-1e-2, 1e-2).movedim(2, 0) for i in names
            )
        self._cells: list[Cells] = []

    def forward(self, query: Query) -> Tensor:
        if not self.channels:
            return self.octants[0].new_zeros(0, *query.shape)
        places = query if isinstance(query, Points) else query.points(self.octants[0].device)
        key = (self, self.shown)
        if key not in places.found:
            places.found[key] = self._located(places.coordinates)
        located = places.found[key]
        total: Tensor | None = None
        for level, (index, weights) in enumerate(zip(located[::2], located[1::2], strict=True)):
            part = interpolate(self.levels[level][..., 0].T, index, weights)
            total = part if total is None else total + part
        assert total is not None
        return total.T.reshape(self.channels, *query.shape)

    def _located(self, places: Float[Tensor, "n 3"]) -> list[Tensor]:
        """For each level, coarse first: numbers of the corners around each place, and their weights, both (n, 8)."""
        worked_out = self.worked_out(self.shown)
        finest = self.config.side(self.shown - 1)
        cells, _ = cells_of(places, finest)
        rows = worked_out[-1].rows[cells.long().unbind(1)]
        inside = rows >= 0
        rows = rows.clamp_min(0)
        everywhere = bool(inside.all())
        located: list[Tensor] = []
        for level in range(self.shown - 1, -1, -1):
            _, within = cells_of(places, self.config.side(level))
            weights = corner_weights(within)
            located[:0] = [worked_out[level].corners[rows], weights if everywhere else weights * inside[:, None]]
            rows = worked_out[level].parents[rows]
        return located

    def show_levels(self, count: int) -> None:
        self.shown = min(count, len(self.config.cells))

    def check(self) -> None:
        self.worked_out(self.shown)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What torch moves a module to a device with: what is worked out goes along, but is no state."""
        super()._apply(fn, recurse)
        self._cells = [Cells(*map(fn, cells)) for cells in self._cells]
        return self

    def worked_out(self, levels: int) -> list[Cells]:
        """The first levels, from the octants.

        Raises:
            ValueError: The octants are not those of an octree of this configuration.
        """
        places = parents = None
        while len(self._cells) < levels:
            level = len(self._cells)
            if places is None or parents is None:
                places = self._places(level)
            places, parents = refine(places, self.octants[level])
            if len(places) != self.config.cells[level]:
                raise ValueError(f"level {level} of an octree has {len(places)} cells, not {self.config.cells[level]}")
            cells = lay_out(places, parents, self.config.side(level))
            if len(cells.keys) != self.config.corners[level]:
                expected = self.config.corners[level]
                raise ValueError(f"level {level} of an octree has {len(cells.keys)} corners, not {expected}")
            self._cells.append(cells)
        return self._cells[:levels]

    def _places(self, level: int) -> Int[Tensor, "cells 3"]:
        """Of the cells whose children a level's octants name."""
        device = self.octants[0].device
        places = all_cells(2 ** (self.config.coarsest - 1), device)
        for i in range(level):
            places, _ = refine(places, self.octants[i])
        return places

    @torch.no_grad()
    def trim(self, occupied: Bool[Tensor, "s s s"]) -> dict[str, Int[Tensor, "n"]]:
        """Gives up all other cells of the finest level, and what is left without a cell.

        Parameters stay the same objects, with fewer numbers.

        Args:
            occupied: At least one cell, all of them occupied before.

        Returns:
            By name of a grid: which of its corners are left, rising.
        """
        before = self.worked_out(self.level_count)
        bare, rows = octants_of(occupied, self.config.coarsest)
        self.config, self._cells = replace(bare, channels=self.channels), []
        for octants, kept in zip(self.octants, rows, strict=True):
            octants.data = kept
        left: dict[str, Tensor] = {}
        if self.channels:
            for level, (old, new) in enumerate(zip(before, self.worked_out(self.level_count), strict=True)):
                corners = left[f"levels.{level}"] = torch.searchsorted(old.keys, new.keys)
                # Indexed as it is laid out, corner by corner.
                self.levels[level].data = self.levels[level].data.movedim(0, 2)[corners].movedim(2, 0)
        return left

    @property
    def occupancy(self) -> Int[Tensor, "s s s"]:
        """Numbers of the finest shown level's cells, -1 where none is."""
        return self.worked_out(self.shown)[-1].rows


def octants_of(
    occupied: Tensor, coarsest: int, *, full: bool = False
) -> tuple[Octree, list[Float[Tensor, "parents 8"]]]:
    """The octree of a finest level, as a configuration without features and the rows that it needs.

    Args:
        occupied: Bool, (s, s, s); s a power of two; at least one cell is.
        coarsest: Logarithm of the side of the coarsest level.
        full: Whether the coarsest level has every cell, whatever is in it.
    """
    depth = round(math.log2(len(occupied)))
    grids = [occupied]
    while len(grids[0]) > 2**coarsest:
        half = len(grids[0]) // 2
        grids.insert(0, grids[0].view(half, 2, half, 2, half, 2).any(5).any(3).any(1))
    assert len(grids) == depth - coarsest + 1
    if full:
        grids[0] = torch.ones_like(grids[0])
    places, rows, cells, corners = all_cells(2 ** (coarsest - 1), occupied.device), [], [], []
    for grid in grids:
        children = places[:, None] * 2 + CORNERS.to(places)
        octants = grid[children.unbind(2)]
        rows.append(octants.float())
        places, parents = refine(places, octants)
        cells.append(len(places))
        corners.append(len(lay_out(places, parents, len(grid)).keys))
    return Octree(0, coarsest, tuple(cells), tuple(corners)), rows


def depths(cells: Sequence[Cells]) -> Int[Tensor, "s s s"]:
    """How many levels have a cell at each place of the finest one's grid: the coarsest so many.

    Args:
        cells: The levels, worked out.
    """
    side = len(cells[-1].rows)
    found = torch.zeros((side,) * 3, dtype=torch.uint8, device=cells[-1].rows.device)
    for level in cells:
        times = side // len(level.rows)
        occupied = (level.rows >= 0).to(torch.uint8)
        for axis in range(3):
            occupied = occupied.repeat_interleave(times, axis)
        found += occupied
    return found


def octree_of(field: Field) -> OctreeEncoding:
    """The octree that says what is empty.

    Raises:
        ValueError: The field has none.
    """
    for encoding in field.encodings.values():
        if isinstance(encoding, OctreeEncoding):
            return encoding
    raise ValueError("a scene needs an octree, if only one without features that says what is empty")
