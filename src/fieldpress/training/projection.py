"""Least squares onto a grid, axis by axis: the grid whose reading comes nearest to given samples.

A field reads a grid along each axis with one matrix, two non-zeros a row. Its samples at pixel centres are a Tucker
product with these matrices, so the best grid follows from one small pseudo-inverse an axis.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fieldpress.interpolation import taps

_RIDGE = 1e-9
"""Makes cells that no pixel reads zero; far below what float32 resolves elsewhere."""


class Axis(NamedTuple):
    """How samples at pixel centres follow from the cells of one axis, and back. None for both if they are the same."""

    read: Float[Tensor, "samples cells"] | None
    fit: Float[Tensor, "cells samples"] | None


def axis(samples: int, cells: int, device: torch.device, *, nearest: bool = False) -> Axis:
    """The matrices of an axis.

    Example:
        >>> axis(4, 2, torch.device("cpu"), nearest=True).fit
        tensor([[0.5000, 0.5000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    centres = ((torch.arange(samples, dtype=torch.float64, device=device) + 0.5) / samples).float()
    found = taps(centres, cells, nearest=nearest)
    rows = torch.arange(samples, device=device)
    if samples == cells and found.whole and bool((found.lower == rows).all()):
        return Axis(None, None)
    share = torch.zeros(samples, device=device) if found.share is None else found.share
    read = torch.zeros(samples, cells, dtype=torch.float64, device=device)
    read[rows, found.lower] = 1 - share.double()
    read[rows, found.upper] += share.double()
    gram = read.T @ read
    gram.diagonal().add_(_RIDGE)
    return Axis(read.float(), torch.linalg.solve(gram, read.T).float())


def along_both(
    values: Float[Tensor, "rows columns"], rows: Tensor | None, columns: Tensor | None
) -> Float[Tensor, "other_rows other_columns"]:
    """``rows @ values @ columns.T``; None is the identity."""
    values = values if rows is None else rows @ values
    return values if columns is None else values @ columns.T
