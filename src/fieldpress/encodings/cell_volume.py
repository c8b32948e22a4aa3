"""A volume that is read once for every cell of 2 x 2 pixels, by decoders that paint cells.

A level with a number for every pixel is read at the four pixels of a cell and the twelve around them, one with a
number for every cell at the cell and the eight around it::

    fine    · · · ·        coarse    · · ·
            · ■ ■ ·                  · ■ ·
            · ■ ■ ·                  · · ·
            · · · ·

Source of the reading in cells: as of :mod:`fieldpress.encodings.film`, whose two grids have fixed sizes. Here they may
be of any size, and what lies between the centres of two numbers is interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fieldpress.encodings.film import CELL
from fieldpress.encodings.levels import Level, LevelsConfig, LevelsEncoding, Neighbours, Run, are_close
from fieldpress.field import Lattice, Query
from fieldpress.interpolation import Taps, even_steps, resample, taps


@dataclass(frozen=True)
class CellVolume(LevelsConfig):
    """A volume with one grid per level, named by the level's number. The first level's numbers are the pixels."""

    id: ClassVar[str] = "cell-volume"
    name: ClassVar[str] = "volume"
    cell: ClassVar[int] = CELL

    def build(self) -> "CellVolumeEncoding":
        return CellVolumeEncoding(self)

    def features(self) -> int:
        return sum(level.channels * self._rows(level) * self._columns(level) for level in self.levels)

    @property
    def picture_sides(self) -> tuple[int, int]:
        return self.levels[0].height, self.levels[0].width

    def _rows(self, level: Level) -> int:
        return neighbours(level.height, self.levels[0].height)

    def _columns(self, level: Level) -> int:
        return neighbours(level.width, self.levels[0].width)


def neighbours(size: int, pixels: int) -> int:
    """Numbers along an axis of so many that are read for a cell, where the first level has so many ``pixels``."""
    return 4 if size > _cells(pixels) else 3


class CellVolumeEncoding(LevelsEncoding):
    """The module of :class:`CellVolume`. Features are ordered by level, channel, row, column."""

    cell = CELL

    def __init__(self, config: CellVolume) -> None:
        super().__init__(config)
        self.picture_sides = config.picture_sides

    def pixel_weights(self, sides: Sequence[int]) -> Float[Tensor, "4 features"]:
        rows, columns = (_interpolated(size, pixels) for size, pixels in zip(sides, self.picture_sides, strict=True))
        return torch.kron(rows, columns)

    def averaged(self, picture: Float[Tensor, "h w"], sides: Sequence[int]) -> Float[Tensor, "y x"]:
        rows = _averaged(picture, sides[0], self.picture_sides[0])
        return _averaged(rows.T, sides[1], self.picture_sides[1]).T

    def _along(self, query: Query, axis: int, size: int) -> list[Taps]:
        coordinates, shift, offsets = self._places(query, axis, size)
        return [taps(coordinates, size, offset=offset, shift=shift) for offset in offsets]

    def _places(self, query: Query, axis: int, size: int) -> tuple[Float[Tensor, "n"], float, range]:
        """From where the neighbours of each cell are counted, how many numbers before that, and the offsets of all."""
        coordinates, pixels = query.axis(axis).flatten(), self.picture_sides[axis - 1]
        if neighbours(size, pixels) == 4:
            # The two in the middle lie half a number to both sides of the cell's centre.
            return coordinates, 0.5, range(-1, 3)
        if size == _cells(pixels):
            coordinates = coordinates * (pixels / (CELL * size))  # an odd side has half a cell more than pixels
        return coordinates, 0.0, range(-1, 2)

    def _lattice(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> Float[Tensor, "features t y x"]:
        slices, times = self._slices(grid, query)
        runs: list[Run] = []
        margins, window = [], []
        for axis, size in zip((1, 2), grid.shape[2:], strict=True):
            coordinates, shift, offsets = self._places(query, axis, size)
            found = even_steps(coordinates, size, shift)
            if found is None:
                return self._one_by_one(slices, query, times)
            run = Run(len(offsets), 1, found.step, query.shape[axis])
            first = found.first + offsets[0]
            behind = first + run.length
            runs.append(run)
            window.append(slice(max(first, 0), min(behind, size)))
            margins.append((max(-first, 0), max(behind - size, 0)))
        if not are_close(*runs):
            return self._one_by_one(slices, query, times)
        values = functional.pad(slices[:, :, window[0], window[1]], (*margins[1], *margins[0]), mode="replicate")
        return cast(Tensor, Neighbours.apply(resample(values, 1, times), *runs))


def _cells(pixels: int) -> int:
    """Along an axis of so many pixels; the last one may be cut."""
    return -(-pixels // CELL)


def _interpolated(size: int, pixels: int) -> Float[Tensor, "2 neighbours"]:
    """The share of each neighbour along an axis in what is interpolated at the two pixels of a cell."""
    four = neighbours(size, pixels) == 4
    spread = 0.5 if size == _cells(pixels) and not four else size / pixels
    at = torch.tensor([[-0.5 * spread], [0.5 * spread]]) + (0.5 if four else 0.0)
    return (1 - (at - torch.arange(-1, 3 if four else 2)).abs()).clamp(min=0)


def _averaged(rows: Float[Tensor, "n m"], size: int, pixels: int) -> Float[Tensor, "size m"]:
    """Rows of a picture as so many numbers, each the mean of what it stands for."""
    if size != _cells(pixels) or neighbours(size, pixels) == 4:
        return functional.adaptive_avg_pool2d(rows[None], (size, None))[0]
    whole = functional.adaptive_avg_pool2d(rows[None], (pixels, None))
    return functional.avg_pool2d(functional.pad(whole, (0, 0, 0, pixels % CELL), "replicate"), (CELL, 1))[0]
