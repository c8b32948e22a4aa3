"""Which ranks a Tucker decomposition of a tensor has."""

import math
from collections.abc import Sequence

from fieldpress.compressors.base import Shape
from fieldpress.errors import ConfigError

MAX_RANK = 4096
"""Of one axis. It bounds the time of a reconstruction: so many multiplications per number of the tensor and axis."""

Rank = int | float
Ranks = Rank | tuple[Rank, ...]


def check_ranks(ranks: Ranks, name: str = "tucker") -> None:
    """Lets ranks pass that some tensor could have.

    Args:
        ranks: As in :func:`ranks_of`.
        name: Of the compressor, for messages.

    Raises:
        ConfigError: A rank is not a whole number from 1 to ``MAX_RANK`` or a share above 0 and up to 1, or there are
            more than four.
    """
    each = ranks if isinstance(ranks, tuple) else (ranks,)
    if not 1 <= len(each) <= 4:
        raise ConfigError(f"{name}: {len(each)} ranks; expected one, or one for each axis")
    for rank in each:
        if isinstance(rank, int) and not 1 <= rank <= MAX_RANK:
            raise ConfigError(f"{name}: a rank is {rank}; expected 1 to {MAX_RANK}, or a share of the side such as 0.5")
        if isinstance(rank, float) and not 0 < rank <= 1:
            raise ConfigError(f"{name}: a rank is {rank}; expected a share above 0 and up to 1.0, or a whole number")


def ranks_of(ranks: Ranks, shape: Shape, name: str = "tucker") -> tuple[int, ...] | None:
    """The rank of every axis, or None for a tensor that the decomposition would not make smaller.

    The first axis, that of the channels, keeps its full rank unless every axis is given one.

    Args:
        ranks: One for all axes but the first, one for each of them, or one for each axis; whole numbers, or shares of
            the side.
        shape: Of the tensor, 1 to 4 axes.
        name: Of the compressor, for messages.

    Raises:
        ConfigError: There are ranks for another number of axes, or a rank is above its side.

    Example:
        >>> ranks_of(0.5, (4, 132, 45, 80)), ranks_of((24, 12, 20), (4, 132, 45, 80)), ranks_of(0.5, (30,))
        ((4, 66, 23, 40), (4, 24, 12, 20), None)
    """
    if len(shape) == 1:
        return None
    each = ranks if isinstance(ranks, tuple) else (ranks,) * (len(shape) - 1)
    if len(each) not in (len(shape) - 1, len(shape)):
        raise ConfigError(
            f"{name}: {len(each)} ranks for a tensor of shape {shape}; expected {len(shape) - 1}, one for each axis "
            "but the first, or one for all of them"
        )
    each = (1.0,) * (len(shape) - len(each)) + each
    found = tuple(_of_side(rank, shape, axis, name) for axis, rank in enumerate(each))
    return found if numbers_of(found, shape) < math.prod(shape) else None


def _of_side(rank: Rank, shape: Shape, axis: int, name: str) -> int:
    side = shape[axis]
    if isinstance(rank, float):
        return max(1, math.floor(rank * side + 0.5))
    if rank > side:
        raise ConfigError(
            f"{name}: rank {rank} is above {side}, the length of axis {axis} of a tensor of shape {shape}"
        )
    return rank


def factor_shapes(ranks: Sequence[int], shape: Shape) -> dict[int, Shape]:
    """(rank, side) of each axis that has a factor: all whose rank is below the side."""
    return {axis: (rank, side) for axis, (rank, side) in enumerate(zip(ranks, shape, strict=True)) if rank < side}


def numbers_of(ranks: Sequence[int], shape: Shape) -> int:
    """Numbers in the core and in all factors."""
    return math.prod(ranks) + sum(math.prod(factor) for factor in factor_shapes(ranks, shape).values())
