"""Where a coordinate falls between the cells of a grid axis.

Cell ``i`` of ``size`` has its centre at ``(i + 0.5) / size``; outside the outermost centres the edge value holds.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SNAP = 2.0**-10
"""A place closer than this to a cell's centre, in cells, is that centre. It absorbs the rounding of coordinates,
so a lattice that coincides with the grid reads it without interpolating, and points give the same numbers."""


class Taps(NamedTuple):
    """Two neighbouring cells along one axis and the share of the second."""

    lower: Int[Tensor, "*n"]
    upper: Int[Tensor, "*n"]
    share: Float[Tensor, "*n"] | None
    """In [0, 1); None when every place is the centre of its lower cell."""

    @property
    def whole(self) -> bool:
        """Whether one cell alone gives the value."""
        return self.share is None


def taps(
    coordinates: Float[Tensor, "*n"],
    size: int,
    *,
    offset: int = 0,
    nearest: bool = False,
    stride: int = 1,
    shift: float = 0.0,
) -> Taps:
    """The cells around each coordinate, moved by ``offset`` whole cells; edges clamp.

    Args:
        coordinates: In [0, 1].
        size: Cells along the axis.
        offset: Reads the neighbour so many cells away.
        nearest: Takes the cell that contains the coordinate, without interpolation.
        stride: Interpolates between cells 0, stride, 2 * stride, … alone; the taps count these.
        shift: Reads so many cells before each coordinate, which need not be whole; not with ``nearest``.

    Example:
        >>> taps(torch.tensor([0.5]), 2)
        Taps(lower=tensor([0]), upper=tensor([1]), share=tensor([0.5000]))
    """
    if nearest:
        # The nudge keeps a coordinate that rounding put just under a cell's border on its own side.
        cell = (coordinates * size + _SNAP).floor().long().add_(offset).clamp_(0, size - 1)
        return Taps(cell, cell, None)
    position = (coordinates * size - (0.5 + shift)) / stride
    centre, last = position.round(), (size - 1) // stride
    position = torch.where((position - centre).abs() < _SNAP, centre, position).add(offset).clamp(0, last)
    lower = position.detach().floor()
    share = position - lower
    index = lower.long()
    if not bool((share.detach() > 0).any()):
        return Taps(index, index, None)
    return Taps(index, (index + 1).clamp_(max=last), share)


def resample(values: Tensor, axis: int, along: Taps) -> Tensor:
    """``values`` read at the taps along one axis, which takes the length of the taps."""
    low = select(values, axis, along.lower)
    if along.share is None:
        return low
    shape = [1] * values.ndim
    shape[axis] = -1
    share = along.share.reshape(shape).to(values.device, non_blocking=True)
    return torch.lerp(low, select(values, axis, along.upper), share)


def select(values: Tensor, axis: int, index: Int[Tensor, "n"]) -> Tensor:
    """``values.index_select(axis, index)``, as a view where the cells are a run: cheaper forwards and backwards.

    The index may be on the CPU, wherever the values are; a GPU is not waited for.
    """
    first, count = int(index[0]), len(index)
    if int(index[-1]) - first == count - 1 and bool((index.diff() == 1).all()):
        return values.narrow(axis, first, count)
    return values.index_select(axis, index.to(values.device, non_blocking=True))


def steps_per_cell(coordinates: Float[Tensor, "n"], size: int) -> int | None:
    """How many steps of an even run of coordinates make one cell of the axis, if that is a whole number.

    Example:
        >>> steps_per_cell(torch.tensor([0.125, 0.375, 0.625]), 2)
        2
    """
    if len(coordinates) < 2:
        return None
    last = len(coordinates) - 1
    step = float(coordinates[-1] - coordinates[0]) / last * size
    count = round(1 / max(step, _SNAP))
    if count < 1 or abs(step * count - 1) > _SNAP:
        return None
    drift = extend(coordinates, 1)[1:-1] - coordinates
    return None if bool(drift.abs().max() * size > _SNAP) else count


def extend(coordinates: Float[Tensor, "n"], count: int) -> Float[Tensor, "m"]:
    """An even run of at least two coordinates, continued by ``count`` steps at both ends."""
    if not count:
        return coordinates
    last = len(coordinates) - 1
    steps = torch.arange(-count, last + count + 1, device=coordinates.device, dtype=torch.float64)
    first, step = coordinates[0].double(), (coordinates[-1] - coordinates[0]).double() / last
    return (first + step * steps).to(coordinates.dtype)


class Steps(NamedTuple):
    """Centres of cells in even steps, counted on beyond both ends of their axis."""

    first: int
    step: int


def even_steps(coordinates: Float[Tensor, "n"], size: int, shift: float = 0.0) -> Steps | None:
    """The cells whose centres lie ``shift`` cells before these, if all do, and one after the other in even steps.

    Example:
        >>> even_steps(torch.tensor([-0.125, 0.375, 0.875]), 4)
        Steps(first=-1, step=2)
    """
    positions = coordinates * size - (0.5 + shift)
    cells = positions.round()
    if bool(((positions - cells).abs() >= _SNAP).any()):
        return None
    steps = cells.diff().long()
    step = int(steps[0]) if len(steps) else 1
    return Steps(int(cells[0]), step) if step > 0 and bool((steps == step).all()) else None
