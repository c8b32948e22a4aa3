"""Volumes: features on a grid over (t, y, x), at one or more resolutions.

Source: the "sparse positional features" of NVP (Kim et al., NeurIPS 2022): a dense grid whose 3 x 3 spatial
neighbours are concatenated. A linear layer over such a neighbourhood is a small convolution that keeps its meaning
at any coordinate. Here a volume may have several levels of different resolution, sized to the clip, and may be
interpolated linearly instead of read at the nearest cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from fieldpress.encodings.levels import LevelsConfig, LevelsEncoding, Neighbours, Run, are_close
from fieldpress.field import Lattice, Query
from fieldpress.interpolation import Taps, extend, resample, steps_per_cell, taps


@dataclass(frozen=True)
class Volume(LevelsConfig):
    """A volume with one grid per level, named by the level's number."""

    id: ClassVar[str] = "volume"

    neighbours: Literal[1, 3] = 3
    """Cells along y and along x whose features are concatenated: 1 or 3."""
    interpolation: Literal["linear", "nearest"] = "linear"
    """How a cell is read between centres, on all three axes."""

    def build(self) -> "VolumeEncoding":
        return VolumeEncoding(self)

    def features(self) -> int:
        return sum(level.channels for level in self.levels) * self.neighbours**2


class VolumeEncoding(LevelsEncoding):
    """The module of :class:`Volume`. Features are ordered by level, channel, row offset, column offset."""

    def __init__(self, config: Volume) -> None:
        super().__init__(config, nearest=config.interpolation == "nearest")
        self.config = config

    def pixel_weights(self, sides: Sequence[int]) -> Float[Tensor, "1 features"]:
        weights = torch.zeros(1, self.config.neighbours**2)
        weights[0, self.config.neighbours**2 // 2] = 1
        return weights

    def _along(self, query: Query, axis: int, size: int) -> list[Taps]:
        coordinates, reach = query.axis(axis).flatten(), self.config.neighbours // 2
        return [taps(coordinates, size, offset=offset, nearest=self._nearest) for offset in range(-reach, reach + 1)]

    def _lattice(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> Float[Tensor, "features t y x"]:
        # Rows and columns first: a small crop of many pictures then never meets whole slices.
        slices, times = self._slices(grid, query)
        neighbours, reach = self.config.neighbours, self.config.neighbours // 2
        steps = [steps_per_cell(axis, size) for axis, size in zip((query.y, query.x), grid.shape[2:], strict=True)]
        if all(steps) and not self._nearest:
            # Neighbours one cell away are places of the same lattice: interpolate each place once, then shift.
            rows, columns = (Run(neighbours, step or 1, 1, places) for step, places in zip(steps, query.shape[1:]))  # noqa: B905
            if are_close(rows, columns):
                values = slices
                for axis, run, coordinates in ((2, rows, query.y), (3, columns, query.x)):
                    enlarged = extend(coordinates, run.apart * reach)
                    values = resample(values, axis, taps(enlarged, grid.shape[axis]))
                return cast(Tensor, Neighbours.apply(resample(values, 1, times), rows, columns))
        return self._one_by_one(slices, query, times)
