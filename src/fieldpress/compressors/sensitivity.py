"""How much a loss depends on each cell of a grid, and on each direction of its features: from gradients alone.

A mean square of gradients stands for a curvature (Gauss and Newton). Cells differ by orders of magnitude, as rays meet
them often, rarely or never; so do directions, and much alike in all cells: in a scene the strongest counts a hundred
times as much as the weakest. So each cell has one number, and all cells share one matrix (the sensitivity matrix of
Gardner and Rao 1995).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_LEAST = 0.05
"""Of the loss to a direction of the features, of the mean over all: what hardly mattered yet may do so later."""


class Sensitivity(nn.Module):
    """What the steps so far say of a grid.

    Args:
        tensor: Shape (channels, cells ...).
    """

    squares: Float[Tensor, "cells"]
    """Of gradients: means over a cell's channels, summed over steps."""
    products: Float[Tensor, "channels channels"]
    """Of gradients, each channel's with each other's: sums over cells and steps."""
    steps: Int[Tensor, ""]
    """How many there were."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__()
        self.register_buffer("squares", tensor.new_zeros(tensor[0].numel()))
        self.register_buffer("products", tensor.new_zeros(len(tensor), len(tensor)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def add(self, cells: Int[Tensor, "n"], gradients: Float[Tensor, "n channels"], squares: Float[Tensor, "n"]) -> None:
        """A step's gradients.

        Args:
            cells: Those with a gradient, each once.
            gradients: Theirs.
            squares: Of these, the mean over a cell's channels.
        """
        self.steps += 1
        self.squares.index_add_(0, cells, squares)
        self.products.addmm_(gradients.T, gradients)

    def trim(self, left: Int[Tensor, "n"]) -> None:
        """Goes on with these of the cells."""
        self.squares = self.squares[left]

    def of_cells(self, cells: Tensor | slice) -> Float[Tensor, "n"]:
        """Mean squares of their gradients."""
        return self.squares[cells] / self.steps.clamp_min(1)

    def felt(self, group: slice) -> Float[Tensor, "channels channels"]:
        """Takes features of a group of channels to where squared distances are those that the loss feels.

        On average over all channels they stay about as they are.
        """
        mean = self.products.diagonal().mean().clamp_min(torch.finfo(self.products.dtype).tiny)
        matrix = self.products[group, group] / mean
        matrix.diagonal().add_(_LEAST)
        return torch.linalg.cholesky_ex(matrix).L.T
