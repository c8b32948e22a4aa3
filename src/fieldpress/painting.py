"""Pictures from a decoder that paints cells: all pixels of a cell at once, which are then read like a grid.

So wide layers work at a fraction of the places, and the field still answers anywhere: what lies between the centres
of two pixels is interpolated between their colours.

::

    query ── cells around it ── decoder ──> (cell * cell * 3, cells) ── pixels ── interpolation ──> (3, query)
"""

import math
from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from fieldpress.interpolation import Taps, resample, taps
from fieldpress.queries import Lattice, Points, Query

Painter = Callable[[Query], Tensor]
"""From the centres of cells to (cell * cell * 3, *query.shape): pixel by pixel, row by row, and of each its colours."""


def paint(painter: Painter, query: Query, sides: tuple[int, int], cell: int) -> Float[Tensor, "3 *query"]:
    """Colours at the places of a query.

    Args:
        painter: Answers for centres of cells.
        query: Where.
        sides: Rows and columns of pixels of the whole picture.
        cell: Pixels along a side of a cell.
    """
    rows, columns = (taps(query.axis(axis).flatten(), side) for axis, side in zip((1, 2), sides, strict=True))
    if isinstance(query, Lattice):
        return _paint_lattice(painter, query, rows, columns, sides, cell)
    return _paint_points(painter, query, rows, columns, sides, cell)


def crowding(sides: tuple[int, int], shown: tuple[int, int], cell: int) -> float:
    """Cells painted for a place of a picture with sides ``shown``, in those for a place of one with the field's own.

    In smaller pictures, whose places lie apart, each takes up to two cells along both axes to itself.
    """
    along = (min(2.0, side / (cell * count)) * cell for side, count in zip(sides, shown, strict=True))
    return math.prod(max(1.0, times) for times in along)


def _paint_lattice(
    painter: Painter, query: Lattice, rows: Taps, columns: Taps, sides: tuple[int, int], cell: int
) -> Tensor:
    # Only cells that are read: in a small picture they lie apart.
    cells = [torch.unique(torch.cat([along.lower, along.upper]) // cell) for along in (rows, columns)]
    axes = [_centres(some, side, cell).to(query.t) for some, side in zip(cells, sides, strict=True)]
    painted = painter(Lattice(query.t, *axes))
    # Colours stay next to each other, as decoders give them and bytes want them.
    pixels = rearrange(painted, "(p q c) t h w -> t (h p) (w q) c", p=cell, q=cell).movedim(-1, 0)
    return resample(resample(pixels, 2, _among(rows, cells[0], cell)), 3, _among(columns, cells[1], cell))


def _paint_points(
    painter: Painter, query: Query, rows: Taps, columns: Taps, sides: tuple[int, int], cell: int
) -> Tensor:
    times = query.axis(0).flatten()

    def pixel(row: Tensor, column: Tensor) -> Tensor:
        centres = [_centres(at // cell, side, cell) for at, side in zip((row, column), sides, strict=True)]
        painted = painter(Points(torch.stack([times, *(one.to(times) for one in centres)], 1)))
        phase = (row % cell) * cell + column % cell
        choices = rearrange(painted, "(phase c) n -> c phase n", c=3)
        return choices.gather(1, phase.expand(3, 1, -1)).squeeze(1)

    def along_columns(row: Tensor) -> Tensor:
        low = pixel(row, columns.lower)
        return low if columns.share is None else torch.lerp(low, pixel(row, columns.upper), columns.share)

    low = along_columns(rows.lower)
    return low if rows.share is None else torch.lerp(low, along_columns(rows.upper), rows.share)


def _centres(cells: Tensor, side: int, cell: int) -> Tensor:
    """Coordinates of the centres of cells; the last one of a side that they do not divide lies on the edge."""
    return (cells.double() * cell + cell / 2) / side


def _among(along: Taps, cells: Int[Tensor, "n"], cell: int) -> Taps:
    """Taps of pixels as those of the pixels of these cells, one after the other."""
    lower, upper = (torch.searchsorted(cells, at // cell) * cell + at % cell for at in along[:2])
    return Taps(lower, upper, along.share)
