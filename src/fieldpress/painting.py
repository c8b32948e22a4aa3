"""Pictures from a decoder that paints cells: all pixels of a cell at once, which are then read like a grid.

So wide layers work at a fraction of the places, and the field still answers anywhere: what lies between the centres
of two pixels is interpolated between their colours.

::

    query ── cells around it ── decoder ──> (cell * cell * 3, cells) ── pixels ── interpolation ──> (3, query)
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float
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


def _paint_lattice(
    painter: Painter, query: Lattice, rows: Taps, columns: Taps, sides: tuple[int, int], cell: int
) -> Tensor:
    axes, first = [], []
    for along, side in zip((rows, columns), sides, strict=True):
        cells = torch.arange(int(along.lower.min()) // cell, int(along.upper.max()) // cell + 1)
        axes.append(_centres(cells, side, cell).to(query.t))
        first.append(int(cells[0]) * cell)
    painted = painter(Lattice(query.t, *axes))
    # Colours stay next to each other, as decoders give them and bytes want them.
    pixels = rearrange(painted, "(p q c) t h w -> t (h p) (w q) c", p=cell, q=cell).movedim(-1, 0)
    return resample(resample(pixels, 2, _moved(rows, first[0])), 3, _moved(columns, first[1]))


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


def _moved(along: Taps, first: int) -> Taps:
    return Taps(along.lower - first, along.upper - first, along.share)
