"""A film: brightness at the clip's own resolution, colour at half of it, read in cells of 2 x 2 pixels.

The two grids have the layout that video codecs are made for (4:2:0), so a compressor can write them as one film. A
place reads what its cell and the eight around it hold: a linear layer over that is a 3 x 3 convolution at half the
resolution, which sees 6 x 6 pixels at a quarter of the places. Source of the layout: the space-to-depth inputs of
in-loop filters for video codecs; a decoder that paints whole cells (:attr:`~fieldpress.interfaces.Decoder.cell`) goes
with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from fieldpress.encodings.levels import read_slices
from fieldpress.field import Lattice, Query
from fieldpress.interfaces import Encoding, EncodingConfig, apply_linear
from fieldpress.interpolation import Taps, resample, select, taps

CELL = 2
"""Pixels along a side of a cell."""
CHANNELS = CELL * CELL + 2
"""Numbers of a cell: its four pixels' brightness, row by row, and two of colour."""
NEIGHBOURS = 3
"""Cells along a side of what a place of a :class:`Film` reads."""
FEATURES = CHANNELS * NEIGHBOURS**2


@dataclass(frozen=True)
class Film(EncodingConfig):
    """The sizes of a film, which are those of the clip."""

    id: ClassVar[str] = "film"
    cell: ClassVar[int] = CELL
    neighbours: ClassVar[int] = NEIGHBOURS

    frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.frames, self.height, self.width) < 1:
            raise ValueError(f"a film needs at least one picture of one pixel, got {self}")

    def build(self) -> "FilmEncoding":
        return FilmEncoding(self)

    def features(self) -> int:
        return CHANNELS * self.neighbours**2

    def shapes(self) -> dict[str, tuple[int, ...]]:
        rows, columns = self.cells
        return {"luma": (1, self.frames, self.height, self.width), "chroma": (2, self.frames, rows, columns)}

    def slices(self) -> dict[str, int]:
        return dict.fromkeys(("luma", "chroma"), self.frames)

    @property
    def picture_sides(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells; those at the lower and right edge may be cut."""
        return -(-self.height // CELL), -(-self.width // CELL)


class FilmEncoding(Encoding):
    """The module of :class:`Film`. Features are ordered by channel, row offset, column offset."""

    def __init__(self, config: Film) -> None:
        super().__init__()
        self.config = config
        shapes = config.shapes()
        self.luma = nn.Parameter(torch.zeros(shapes["luma"]))
        self.chroma = nn.Parameter(torch.zeros(shapes["chroma"]))
        self.channels = config.features()
        self._reach = config.neighbours // 2
        self.picture_sides = config.picture_sides

    def forward(self, query: Query) -> Tensor:
        cells = self._surroundings(query)
        if cells is not None:
            around = functional.unfold(cells, self.config.neighbours)
            return around.reshape(len(cells), self.channels, *query.shape[1:]).movedim(1, 0)
        found = self._points(query.points() if isinstance(query, Lattice) else query)
        return found.reshape(self.channels, *query.shape)

    def linear(self, query: Query, weight: Float[Tensor, "out channels"]) -> Tensor:
        return self.linears(query, [weight])[0]

    def linears(self, query: Query, weights: Sequence[Float[Tensor, "out channels"]]) -> list[Tensor]:
        cells = None if weights[0].is_cuda else self._surroundings(query)
        if cells is None:
            # CUDA rounds what a convolution is given to 11 bits (TF32), unless a setting of the whole process says
            # otherwise; what a matrix product is given it leaves as it is.
            features = self(query)
            return [apply_linear(weight, features) for weight in weights]
        cells = cells.contiguous(memory_format=torch.channels_last)
        return [self._convolved(cells, weight).movedim(1, 0) for weight in weights]

    def _convolved(self, cells: Float[Tensor, "t channel y x"], weight: Float[Tensor, "out channels"]) -> Tensor:
        kernel = weight.reshape(-1, CHANNELS, self.config.neighbours, self.config.neighbours)
        if self.config.neighbours > NEIGHBOURS and not _rim(kernel).any():
            kernel, cells = _within(kernel), _within(cells)  # those farther away have no weight
        return functional.conv2d(cells, kernel.contiguous(memory_format=torch.channels_last))

    def _surroundings(self, query: Query) -> Float[Tensor, "t channel y x"] | None:
        """The cells of a lattice with those around them, if they follow one another in both directions.

        In small pictures they lie apart, and what is between them is better left alone.
        """
        if not isinstance(query, Lattice):
            return None
        rows, columns = (self._cells(query, axis) for axis in (1, 2))
        if any(bool((cells.diff() != 1).any()) for cells in (rows, columns)):
            return None
        times = taps(query.t, self.config.frames)
        needed, place = torch.unique(torch.cat([times.lower, times.upper]), return_inverse=True)
        window, margins = [], []
        for cells, count in zip((rows, columns), self.config.cells, strict=True):
            first, last = int(cells[0]), int(cells[-1])
            window.append(slice(max(first - self._reach, 0), min(last + 1 + self._reach, count)))
            margins.append((max(self._reach - first, 0), max(last + 1 + self._reach - count, 0)))
        values = self._read(needed, *window)
        if times.share is not None or len(needed) < len(query.t) or not torch.equal(needed, times.lower):
            lower, upper = place.split(len(times.lower))
            values = resample(values, 0, Taps(lower, upper, times.share))
        return functional.pad(values, (*margins[1], *margins[0]), mode="replicate")

    def _read(self, times: Int[Tensor, "n"], rows: slice, columns: slice) -> Float[Tensor, "n channel y x"]:
        """Cells of a window, in the pictures of these times."""
        fine = [slice(CELL * side.start, CELL * side.stop) for side in (rows, columns)]
        luma = self._at(self.luma, times)[:, :, fine[0], fine[1]]
        # A cell that the picture's edge cuts repeats what it has.
        missing = [CELL * (side.stop - side.start) - have for side, have in zip((rows, columns), luma.shape[2:])]  # noqa: B905
        if any(missing):
            luma = functional.pad(luma, (0, missing[1], 0, missing[0]), mode="replicate")
        chroma = self._at(self.chroma, times)[:, :, rows, columns]
        return torch.cat([functional.pixel_unshuffle(luma.movedim(0, 1), CELL), chroma.movedim(0, 1)], 1)

    def _at(self, grid: Tensor, times: Int[Tensor, "n"]) -> Float[Tensor, "c n y x"]:
        return read_slices(grid, times) if grid.requires_grad else select(grid, 1, times)

    def _points(self, query: Query) -> Float[Tensor, "features n"]:
        times = taps(query.axis(0).flatten(), self.config.frames)
        cells = [self._cells(query, axis) for axis in (1, 2)]
        low = self._gather(times.lower, *cells)
        return low if times.share is None else torch.lerp(low, self._gather(times.upper, *cells), times.share)

    def _gather(self, times: Tensor, rows: Tensor, columns: Tensor) -> Float[Tensor, "features n"]:
        counts, sides = self.config.cells, self.picture_sides
        features: list[Tensor] = []
        offsets = range(-self._reach, self._reach + 1)
        around = [
            ((rows + down).clamp(0, counts[0] - 1), (columns + across).clamp(0, counts[1] - 1))
            for down in offsets
            for across in offsets
        ]
        for p in range(CELL):
            for q in range(CELL):
                features += [
                    self.luma[0][times, (CELL * y + p).clamp(max=sides[0] - 1), (CELL * x + q).clamp(max=sides[1] - 1)]
                    for y, x in around
                ]
        for channel in self.chroma:
            features += [channel[times, y, x] for y, x in around]
        return torch.stack(features)

    def _cells(self, query: Query, axis: int) -> Int[Tensor, "n"]:
        """The cell whose centre is nearest to each coordinate."""
        side, count = self.picture_sides[axis - 1], self.config.cells[axis - 1]
        position = (query.axis(axis).flatten() * side - CELL / 2) / CELL
        return position.round().long().clamp_(0, count - 1)


def _within(values: Float[Tensor, "n channel y x"]) -> Float[Tensor, "n channel y-2 x-2"]:
    return values[:, :, 1:-1, 1:-1]


def _rim(kernel: Float[Tensor, "out channel y x"]) -> Float[Tensor, "n"]:
    """Weights of the outermost cells."""
    return torch.cat([kernel[:, :, [0, -1]].flatten(), kernel[..., [0, -1]].flatten()])
