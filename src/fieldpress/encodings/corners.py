"""Features that stand on the corners of cubic cells: the trilinear lookup that octree, hash and dense grids share.

Eight rows of a table are summed under eight weights for every place. The forward pass is one fused pass over the table
(an embedding bag); the backward pass adds to the table corner by corner, which on a CPU is several times faster than
what an embedding bag does by itself.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

CORNERS = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
"""Offsets of a cell's corners along the three coordinates, in the order in which all of them are listed."""


def cells_of(coordinates: Float[Tensor, "n 3"], side: int) -> tuple[Int[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """The cell of a ``side`` x ``side`` x ``side`` grid that each place is in, and where in it, in [0, 1]."""
    scaled = coordinates * side
    cells = scaled.detach().to(torch.int32).clamp_(0, side - 1)
    return cells, scaled - cells


def at_corners(
    near: Shaped[Tensor, "n 3"], far: Shaped[Tensor, "n 3"], combined: Callable[[Tensor, Tensor], Tensor]
) -> Shaped[Tensor, "n 8"]:
    """What the eight corners of a cell have, put together from what its nearer and farther sides have along each axis.

    Axis by axis, as long vectors: to broadcast over axes of length 2 takes a CPU far longer.
    """
    (x, y, z), (far_x, far_y, far_z) = near.T.contiguous(), far.T.contiguous()
    edges = [combined(second, third) for second in (y, far_y) for third in (z, far_z)]
    return torch.stack([combined(first, edge) for first in (x, far_x) for edge in edges], 1)


def corner_weights(inside: Float[Tensor, "n 3"]) -> Float[Tensor, "n 8"]:
    """Trilinear weights of a cell's corners at places inside it."""
    return at_corners(1 - inside, inside, torch.mul)


def interpolate(
    table: Float[Tensor, "rows features"], index: Int[Tensor, "n 8"], weights: Float[Tensor, "n 8"]
) -> Float[Tensor, "n features"]:
    """Rows of a table, summed under weights; differentiable in the table and in the weights."""
    result: Tensor = _Interpolate.apply(table, index, weights)  # pyright: ignore[reportAssignmentType]
    return result


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, index, weights)
        return functional.embedding_bag(index, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        table, index, weights = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_table = of_weights = None
        if ctx.needs_input_grad[0]:
            of_table = torch.zeros_like(table, memory_format=torch.contiguous_format)
            # With 64-bit numbers, which lie together, adding is far quicker on a CPU than with 32.
            for rows, shares in zip(index.T.long(), weights.T.contiguous(), strict=True):
                of_table.index_add_(0, rows, gradient * shares[:, None])
        if ctx.needs_input_grad[2]:
            of_weights = torch.stack([(gradient * table[column]).sum(1) for column in index.long().unbind(1)], 1)
        return of_table, None, of_weights
