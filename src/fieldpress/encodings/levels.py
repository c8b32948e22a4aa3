"""What volumes share: features on grids over (t, y, x), one for each level, read at places and their neighbours.

How many neighbours there are, and where, is what volumes differ in. A lattice reads the pictures it needs once, then
rows, then columns; a list of points looks every neighbour up.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.field import Lattice, Query
from fieldpress.interfaces import Encoding, EncodingConfig
from fieldpress.interpolation import Taps, resample, select, taps


@dataclass(frozen=True)
class Level:
    """One resolution of a volume."""

    channels: int
    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.channels, self.frames, self.height, self.width) < 1:
            raise ValueError(f"a volume level needs at least one cell and one channel, got {self}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the grid: (channels, time, rows, columns)."""
        return (self.channels, self.frames, self.height, self.width)


@dataclass(frozen=True)
class LevelsConfig(EncodingConfig):
    """One grid per level, named by the level's number."""

    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("a volume needs at least one level")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {f"levels.{i}": level.shape for i, level in enumerate(self.levels)}

    def slices(self) -> dict[str, int]:
        return {f"levels.{i}": level.frames for i, level in enumerate(self.levels)}


class LevelsEncoding(Encoding):
    """Features are ordered by level, channel, row, column.

    Attributes:
        cell: Pixels along a side of what it is read for.

    Args:
        config: The sizes.
        nearest: Whether grids are read at the nearest number, not between numbers.
    """

    cell = 1

    def __init__(self, config: LevelsConfig, nearest: bool = False) -> None:
        super().__init__()
        self.levels = nn.ParameterList(torch.empty(level.shape).uniform_(-1e-4, 1e-4) for level in config.levels)
        self.channels = config.features()
        self._nearest = nearest

    @abstractmethod
    def pixel_weights(self, sides: Sequence[int]) -> Float[Tensor, "pixels features"]:
        """What shows a channel of a level with these sides: weights of its features, for each pixel that is painted."""

    def averaged(self, picture: Float[Tensor, "h w"], sides: Sequence[int]) -> Float[Tensor, "y x"]:
        """A picture as numbers of a level with these sides, each the mean of what it stands for."""
        return functional.adaptive_avg_pool2d(picture[None], (sides[0], sides[1]))[0]

    @abstractmethod
    def _along(self, query: Query, axis: int, size: int) -> list[Taps]:
        """Where the neighbours of the places lie along an axis of space, on a level with this size there."""

    @abstractmethod
    def _lattice(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> Float[Tensor, "features t y x"]:
        """Features of a level."""

    def forward(self, query: Query) -> Tensor:
        return torch.cat(list(self._features(query)))

    def linear(self, query: Query, weight: Float[Tensor, "out channels"]) -> Tensor:
        # Level by level: their features never meet in one tensor, which would take a pass over memory.
        total, column = None, 0
        for features in self._features(query):
            part = weight[:, column : column + len(features)]
            if total is None or torch.is_autocast_enabled(features.device.type):  # which leaves out what is in place
                product = part @ features.flatten(1)
                total = product if total is None else total + product
            else:
                total.addmm_(part, features.flatten(1))
            column += len(features)
        assert total is not None
        return total.reshape(len(weight), *query.shape)

    def _features(self, query: Query) -> Iterator[Tensor]:
        """Of one level after the other."""
        read = self._lattice if isinstance(query, Lattice) else self._points
        return (read(grid, query) for grid in self.levels)  # pyright: ignore[reportArgumentType]

    def _slices(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> tuple[Float[Tensor, "c n y x"], Taps]:
        """The time slices that the lattice needs, each of them once, and where its times fall among these."""
        times = self._times(query, grid)
        needed, place = torch.unique(torch.cat([times.lower, times.upper]), return_inverse=True)
        lower, upper = place.split(len(times.lower))
        return read_slices(grid, needed), Taps(lower, upper, times.share)

    def _times(self, query: Query, grid: Float[Tensor, "c t y x"]) -> Taps:
        return taps(query.axis(0).flatten(), grid.shape[1], nearest=self._nearest)

    def _one_by_one(self, slices: Float[Tensor, "c n y x"], query: Lattice, times: Taps) -> Tensor:
        """Every neighbour by itself, wherever it lies."""
        channels, _, height, width = slices.shape
        shifted = [resample(slices, 2, along) for along in self._along(query, 1, height)]
        across = self._along(query, 2, width)
        cells = [resample(resample(row, 3, along), 1, times) for row in shifted for along in across]
        return torch.stack(cells, 1).reshape(channels * len(cells), *query.shape)

    def _points(self, grid: Float[Tensor, "c t y x"], query: Query) -> Float[Tensor, "features n"]:
        channels, _, height, width = grid.shape
        flat = grid.reshape(channels, -1)
        times = self._times(query, grid)
        # Row offsets, column offsets and points are three axes that broadcast: one lookup serves all neighbours.
        rows = _stacked(self._along(query, 1, height), axis=1)
        columns = _stacked(self._along(query, 2, width), axis=0)
        return _blend(flat, times, rows, columns, height, width).flatten(0, 2)


def _stacked(along: list[Taps], axis: int) -> Taps:
    """Taps of several offsets as one, (offsets, 1, n) for ``axis`` 1 and (1, offsets, n) for 0."""
    share = None
    between = next((one.share for one in along if one.share is not None), None)
    if between is not None:
        zero = torch.zeros_like(between)
        share = torch.stack([zero if one.share is None else one.share for one in along]).unsqueeze(axis)
    lower, upper = (torch.stack(cells).unsqueeze(axis) for cells in zip(*(one[:2] for one in along), strict=True))
    return Taps(lower, upper, share)


def _blend(flat: Tensor, times: Taps, rows: Taps, columns: Taps, height: int, width: int) -> Tensor:
    """Trilinear value of each point and neighbour; axes whose places are all cell centres cost nothing."""

    def along_columns(time: Tensor, row: Tensor) -> Tensor:
        line = (time * height + row) * width
        low = _gather(flat, line + columns.lower)
        return low if columns.share is None else torch.lerp(low, _gather(flat, line + columns.upper), columns.share)

    def along_rows(time: Tensor) -> Tensor:
        low = along_columns(time, rows.lower)
        return low if rows.share is None else torch.lerp(low, along_columns(time, rows.upper), rows.share)

    low = along_rows(times.lower)
    return low if times.share is None else torch.lerp(low, along_rows(times.upper), times.share)


def _gather(flat: Float[Tensor, "c cells"], index: Tensor) -> Tensor:
    return flat.index_select(1, index.flatten()).reshape(len(flat), *index.shape)


def read_slices(grid: Float[Tensor, "c t y x"], times: Tensor) -> Float[Tensor, "c n y x"]:
    """The time slices of a grid, with a gradient that is sparse over (channel, time).

    A training step touches a few pictures of a clip. A dense gradient would cost every step a pass over the whole
    volume, several times over in the optimiser; a sparse one costs what was read.
    """
    if not (torch.is_grad_enabled() and grid.requires_grad and grid.is_leaf):
        return select(grid, 1, times)
    return cast(Tensor, _ReadSlices.apply(grid, times.to(grid.device, non_blocking=True)))


class _ReadSlices(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grid: Tensor, times: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(times)
        ctx.shape = grid.shape
        return grid.index_select(1, times)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (times,) = ctx.saved_tensors
        channels = torch.arange(ctx.shape[0], device=times.device)
        index = torch.cartesian_prod(channels, times).T
        sparse = torch.sparse_coo_tensor(index, gradient.flatten(0, 1), ctx.shape, check_invariants=False)
        return sparse, None


class Run(NamedTuple):
    """How neighbours of places that follow one another lie along an axis."""

    neighbours: int
    """Of a place."""
    apart: int
    """From one neighbour to the next."""
    step: int
    """From one place to the next."""
    places: int

    @property
    def length(self) -> int:
        """From the first neighbour of the first place to the last one of the last place."""
        return (self.neighbours - 1) * self.apart + (self.places - 1) * self.step + 1

    def windows(self) -> list[slice]:
        """Every neighbour of all places."""
        reach = (self.places - 1) * self.step + 1
        return [slice(i * self.apart, i * self.apart + reach, self.step) for i in range(self.neighbours)]


def are_close(rows: Run, columns: Run) -> bool:
    """Whether what lies between the first and the last neighbour is no more than all neighbours side by side."""
    read = rows.neighbours * rows.places * columns.neighbours * columns.places
    return rows.length * columns.length <= read


class Neighbours(torch.autograd.Function):
    """Shifted copies of an enlarged lattice, side by side: (c, n, y + margin, x + margin) -> (c * k * k, n, y, x).

    The gradient adds the copies up in place; autograd over slices would first pad each one to the full size.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Run, columns: Run) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.layout = (values.shape, rows, columns)
        channels, frames = values.shape[:2]
        cells = values.new_empty(channels, rows.neighbours, columns.neighbours, frames, rows.places, columns.places)
        for i, row in enumerate(rows.windows()):
            for j, column in enumerate(columns.windows()):
                cells[:, i, j] = values[:, :, row, column]
        return cells.flatten(0, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape, rows, columns = ctx.layout
        total = gradient.new_zeros(shape)
        cells = gradient.reshape(shape[0], rows.neighbours, columns.neighbours, *gradient.shape[1:])
        for i, row in enumerate(rows.windows()):
            for j, column in enumerate(columns.windows()):
                total[:, :, row, column] += cells[:, i, j]
        return total, None, None
