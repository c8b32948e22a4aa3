"""Volumes: features on a grid over (t, y, x), at one or more resolutions.

Source: the "sparse positional features" of NVP (Kim et al., NeurIPS 2022): a dense grid whose 3 x 3 spatial
neighbours are concatenated. A linear layer over such a neighbourhood is a small convolution that keeps its meaning
at any coordinate. Here a volume may have several levels of different resolution, sized to the clip, and may be
interpolated linearly instead of read at the nearest cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fieldpress.field import Encoding, EncodingConfig, Lattice, Query
from fieldpress.interpolation import Taps, extend, resample, select, steps_per_cell, taps


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
class Volume(EncodingConfig):
    """A volume with one grid per level, named by the level's number."""

    id: ClassVar[str] = "volume"

    levels: tuple[Level, ...]
    neighbours: Literal[1, 3] = 3
    """Cells along y and along x whose features are concatenated: 1 or 3."""
    interpolation: Literal["linear", "nearest"] = "linear"
    """How a cell is read between centres, on all three axes."""

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("a volume needs at least one level")

    def build(self) -> "VolumeEncoding":
        return VolumeEncoding(self)

    def features(self) -> int:
        return sum(level.channels for level in self.levels) * self.neighbours**2

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {f"levels.{i}": level.shape for i, level in enumerate(self.levels)}

    def slices(self) -> dict[str, int]:
        return {f"levels.{i}": level.frames for i, level in enumerate(self.levels)}


class VolumeEncoding(Encoding):
    """The module of :class:`Volume`. Features are ordered by level, channel, row offset, column offset."""

    def __init__(self, config: Volume) -> None:
        super().__init__()
        self.config = config
        self.levels = nn.ParameterList(torch.empty(level.shape).uniform_(-1e-4, 1e-4) for level in config.levels)
        self.channels = config.features()

    def forward(self, query: Query) -> Tensor:
        read = self._lattice if isinstance(query, Lattice) else self._points
        return torch.cat([read(grid, query) for grid in self.levels])  # pyright: ignore[reportArgumentType]

    def _slices(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> tuple[Float[Tensor, "c n y x"], Taps]:
        """The time slices that the lattice needs, each of them once, and where its times fall among these."""
        times = self._taps(query, 0, grid.shape[1])
        needed, place = torch.unique(torch.cat([times.lower, times.upper]), return_inverse=True)
        lower, upper = place.split(len(times.lower))
        return read_slices(grid, needed), Taps(lower, upper, times.share)

    def _taps(self, query: Query, axis: int, size: int, offset: int = 0) -> Taps:
        coordinates = query.axis(axis).flatten()
        return taps(coordinates, size, offset=offset, nearest=self.config.interpolation == "nearest")

    def _offsets(self) -> range:
        reach = self.config.neighbours // 2
        return range(-reach, reach + 1)

    def _lattice(self, grid: Float[Tensor, "c t y x"], query: Lattice) -> Float[Tensor, "features t y x"]:
        channels, _, height, width = grid.shape
        # Rows and columns first: a small crop of many pictures then never meets whole slices.
        slices, times = self._slices(grid, query)
        neighbours, reach = self.config.neighbours, self.config.neighbours // 2
        row_steps, column_steps = steps_per_cell(query.y, height), steps_per_cell(query.x, width)
        if row_steps and column_steps and self.config.interpolation == "linear":
            # Neighbours one cell away are places of the same lattice: interpolate each place once, then shift.
            row_margin, column_margin = row_steps * reach, column_steps * reach
            enlarged = (len(query.y) + 2 * row_margin) * (len(query.x) + 2 * column_margin)
            if enlarged <= neighbours**2 * len(query.y) * len(query.x):
                rows, columns = extend(query.y, row_margin), extend(query.x, column_margin)
                values = resample(resample(slices, 2, taps(rows, height)), 3, taps(columns, width))
                values = resample(values, 1, times)
                return cast(Tensor, _Neighbours.apply(values, neighbours, row_steps, column_steps))
        shifted = [resample(slices, 2, self._taps(query, 1, height, offset)) for offset in self._offsets()]
        across = [self._taps(query, 2, width, offset) for offset in self._offsets()]
        cells = [resample(resample(row, 3, column), 1, times) for row in shifted for column in across]
        return torch.stack(cells, 1).reshape(channels * len(cells), *query.shape)

    def _points(self, grid: Float[Tensor, "c t y x"], query: Query) -> Float[Tensor, "features n"]:
        channels, frames, height, width = grid.shape
        flat = grid.reshape(channels, -1)
        times = self._taps(query, 0, frames)
        # Row offsets, column offsets and points are three axes that broadcast: one lookup serves all neighbours.
        rows = _stacked([self._taps(query, 1, height, offset) for offset in self._offsets()], axis=1)
        columns = _stacked([self._taps(query, 2, width, offset) for offset in self._offsets()], axis=0)
        return _blend(flat, times, rows, columns, height, width).reshape(channels * self.config.neighbours**2, -1)


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


class _Neighbours(torch.autograd.Function):
    """Shifted copies of an enlarged lattice, side by side: (c, n, y + margin, x + margin) -> (c * k * k, n, y, x).

    The gradient adds the copies up in place; autograd over slices would first pad each one to the full size.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, count: int, row_step: int, column_step: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.layout = (values.shape, count, row_step, column_step)
        channels, frames, height, width = values.shape
        rows, columns = height - (count - 1) * row_step, width - (count - 1) * column_step
        cells = values.new_empty(channels, count, count, frames, rows, columns)
        for i, j, window in _windows(values, count, row_step, column_step):
            cells[:, i, j] = window
        return cells.reshape(-1, frames, rows, columns)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        shape, count, row_step, column_step = ctx.layout
        total = gradient.new_zeros(shape)
        cells = gradient.reshape(shape[0], count, count, *gradient.shape[1:])
        for i, j, window in _windows(total, count, row_step, column_step):
            window += cells[:, i, j]
        return total, None, None, None


def _windows(values: Tensor, count: int, row_step: int, column_step: int) -> Iterator[tuple[int, int, Tensor]]:
    rows, columns = values.shape[2] - (count - 1) * row_step, values.shape[3] - (count - 1) * column_step
    for i in range(count):
        for j in range(count):
            yield i, j, values[:, :, i * row_step : i * row_step + rows, j * column_step : j * column_step + columns]
