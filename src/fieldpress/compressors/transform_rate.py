"""What a transform codec will spend on pictures, as a smooth function of the numbers in them.

A codec predicts a block from what it has coded, transforms what the prediction leaves, and rounds the coefficients.
Gaussian components coded with a mean squared error D cost half a bit for every doubling of their energy above D, and
below it nothing (Cover and Thomas, Elements of Information Theory, 10.3). This is that, without the kink::

    bits = log2(1 + c^2 / D) / 2

Coefficients c are those of the cosine transform of 8 x 8 cells. A block costs what it costs at least, predicted from
its own mean, from the same block one picture earlier or later, or from the mean of these two.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fieldpress.compressors.rate import Slices

BLOCK = 8
"""Cells along a side of a block."""

Blocks = Float[Tensor, "*predictions n down across 8 8"]
"""Coefficients of the blocks of n slices; of each prediction, where there are several."""
Offset = tuple[int, int]
"""How far the first block begins above and to the left of the first cell, 0 to 7. Different ones from step to step see
to it that no cell is always at the edge of a block."""


def coefficients(slices: Slices, offset: Offset = (0, 0)) -> Blocks:
    """The cosine transform of each block; edges repeat. Orthonormal: a square error of cells is one of coefficients."""
    above, left = offset
    rows, columns = slices.shape[-2:]
    pad = (left, -(left + columns) % BLOCK, above, -(above + rows) % BLOCK)
    padded = functional.pad(slices[:, None], pad, mode="replicate")[:, 0]
    blocks = padded.unflatten(2, (-1, BLOCK)).unflatten(1, (-1, BLOCK)).transpose(2, 3)
    cosines = _cosines(slices.device)
    return cosines @ blocks @ cosines.T


def cells(blocks: Blocks, like: Slices, offset: Offset = (0, 0)) -> Slices:
    """The inverse of :func:`coefficients`, without what lies beyond the edges."""
    above, left = offset
    rows, columns = like.shape[-2:]
    cosines = _cosines(blocks.device)
    whole = (cosines.T @ blocks @ cosines).transpose(2, 3).flatten(3).flatten(1, 2)
    return whole[:, above : above + rows, left : left + columns]


def detail(blocks: Blocks) -> Blocks:
    """What a prediction from a block's own mean leaves."""
    rest = blocks.clone()
    rest[..., 0, 0] = 0
    return rest


def cheapest(blocks: Blocks, before: Blocks, after: Blocks, error: Float[Tensor, " n"]) -> Blocks:
    """What the prediction that costs least leaves of each block; ``before`` and ``after`` are zero where there is none.

    Args:
        blocks: Of n slices.
        before: The same blocks one slice earlier.
        after: ... and one later.
        error: Mean square of what the codec leaves, of each slice.
    """
    ways = torch.stack([detail(blocks), blocks - before, blocks - after, blocks - (before + after) / 2])
    best = bits(ways, error).sum((-1, -2)).argmin(0)
    return ways.gather(0, best[None, ..., None, None].expand(1, *blocks.shape))[0]


def bits(blocks: Blocks, error: Float[Tensor, " n"]) -> Blocks:
    """Of each coefficient.

    Example:
        >>> bits(torch.tensor(3.0).expand(1, 1, 1, 8, 8), torch.tensor([3.0]))[0, 0, 0, 0, 0]
        tensor(1.)
    """
    return 0.5 * torch.log2(1 + blocks.square() / error[:, None, None, None, None])


def slopes(blocks: Blocks, error: Float[Tensor, " n"]) -> Blocks:
    """How :func:`bits` grow with each coefficient."""
    return blocks / (math.log(2) * (blocks.square() + error[:, None, None, None, None]))


def _cosines(device: torch.device) -> Float[Tensor, "8 8"]:
    """The orthonormal cosine transform (DCT-II): a row for each frequency."""
    frequency = torch.arange(BLOCK, device=device)[:, None]
    place = torch.arange(BLOCK, device=device)[None] + 0.5
    waves = torch.cos(math.pi / BLOCK * frequency * place) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    return waves
