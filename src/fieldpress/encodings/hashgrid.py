"""A multiresolution hash grid: corners of ever finer grids in tables of one size, features concatenated.

Source: instant-ngp (Mueller et al. 2022). Levels with no more corners than a table has rows are read directly, finer
ones through a spatial hash; what collides is left to the decoder network to tell apart.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from fieldpress.encodings.corners import at_corners, cells_of, corner_weights, interpolate
from fieldpress.field import Points, Query
from fieldpress.interfaces import Encoding, EncodingConfig

MAX_SIDE = 1 << 14
_PRIMES = (1, 2_654_435_761, 805_459_861)
_START = 1e-4


@dataclass(frozen=True)
class HashGrid(EncodingConfig):
    """Sizes of a hash grid."""

    id: ClassVar[str] = "hashgrid"

    channels: int
    """Features of a corner, at each level."""
    sides: tuple[int, ...]
    """Cells along a side of each level, coarse first."""
    table_bits: int
    """Logarithm of the rows of a table, 4 to 22."""

    def __post_init__(self) -> None:
        if not (1 <= self.channels <= 64 and 1 <= len(self.sides) <= 32 and 4 <= self.table_bits <= 22):
            raise ValueError(f"a hash grid has 1 to 64 channels, 1 to 32 levels and 4 to 22 table bits, got {self}")
        if not all(1 <= side <= MAX_SIDE for side in self.sides) or list(self.sides) != sorted(self.sides):
            raise ValueError(f"the sides of a hash grid rise, from 1 to at most {MAX_SIDE}")

    def build(self) -> "HashGridEncoding":
        return HashGridEncoding(self)

    def features(self) -> int:
        return self.channels * len(self.sides)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {f"levels.{i}": (self.channels, self.rows(i), 1) for i in range(len(self.sides))}

    def grid_levels(self) -> dict[str, int]:
        return {f"levels.{i}": i for i in range(1, len(self.sides))}

    def rows(self, level: int) -> int:
        """Of a level's table."""
        return min((self.sides[level] + 1) ** 3, 1 << self.table_bits)


class HashGridEncoding(Encoding):
    """The module of :class:`HashGrid`. Levels that are not shown give zeros."""

    def __init__(self, config: HashGrid) -> None:
        super().__init__()
        self.config = config
        self.channels = config.features()
        self.level_count = self.shown = len(config.sides)
        self.levels = nn.ParameterList(
            torch.empty(config.rows(i), 1, config.channels).uniform_(-_START, _START).movedim(2, 0)
            for i in range(len(config.sides))
        )

    def show_levels(self, count: int) -> None:
        self.shown = min(count, len(self.levels))

    def forward(self, query: Query) -> Tensor:
        places = (query if isinstance(query, Points) else query.points(self.levels[0].device)).coordinates
        found = []
        for level in range(self.shown):
            cells, inside = cells_of(places, self.config.sides[level])
            found.append(interpolate(self.levels[level][..., 0].T, self._rows(cells, level), corner_weights(inside)))
        missing = self.config.channels * (len(self.levels) - self.shown)
        return torch.cat([*found, places.new_zeros(len(places), missing)], 1).T.reshape(self.channels, *query.shape)

    def _rows(self, cells: Int[Tensor, "n 3"], level: int) -> Int[Tensor, "n 8"]:
        """The row of each corner: its number, or a hash of its place where there are more corners than rows."""
        count, side = self.config.rows(level), self.config.sides[level] + 1
        near = cells.long()
        if side**3 <= count:
            strides = near.new_tensor([side * side, side, 1])
            return at_corners(near * strides, (near + 1) * strides, torch.add)
        primes = near.new_tensor(_PRIMES)
        return at_corners(near * primes, (near + 1) * primes, torch.bitwise_xor).bitwise_and_(count - 1)
