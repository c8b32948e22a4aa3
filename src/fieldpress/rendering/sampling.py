"""Samples along paths: one in every bin of a path that is where something may be, the others never looked at."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from fieldpress.rendering.paths import Path

_LEAST_BINS = 64
_WIDER = 4
"""Cells along a side of a cell of the map that is asked first."""
_TOGETHER = 8
"""Bins that are asked for together: half of them are at most as long as a cell of that map, if paths are straight."""


class Occupancy(NamedTuple):
    """Where something is, so that empty space is not even looked at sample by sample.

    Attributes:
        cells: The cells of a grid: a number each, -1 where nothing is.
        near: The same from afar, with four cells along a side of each of these: whether anything is in one, or in one
            of the 26 around it.
    """

    cells: Int[Tensor, "s s s"]
    near: Bool[Tensor, "w w w"]

    @staticmethod
    def of(cells: Int[Tensor, "s s s"]) -> "Occupancy":
        """Made for a map of cells; the side is a power of two."""
        within = min(_WIDER, len(cells))
        wide = len(cells) // within
        taken = (cells >= 0).view(wide, within, wide, within, wide, within).any(5).any(3).any(1)
        return Occupancy(cells, functional.max_pool3d(taken[None, None].float(), 3, 1, 1)[0, 0] > 0)


class Samples(NamedTuple):
    """Places along rays, packed: ray after ray, near to far.

    Attributes:
        places: In the cube, (n, 3).
        lengths: Of the path that each stands for, in :data:`UNIT`.
        rays: Which ray each is on; rises.
        shares: Where along its path it is.
        cells: What the map of cells holds there.
    """

    places: Float[Tensor, "n 3"]
    lengths: Float[Tensor, "n"]
    rays: Int[Tensor, "n"]
    shares: Float[Tensor, "n"]
    cells: Int[Tensor, "n"]

    def where(self, chosen: Tensor) -> "Samples":
        """Those chosen, by number or by true and false."""
        return Samples(*(values[chosen] for values in self))


def bins_for(side: int) -> int:
    """Samples along a path for cells of this size: about one for each cell that it crosses."""
    return max(_LEAST_BINS, side)


def sample(
    path: Path,
    bins: int,
    occupancy: Occupancy,
    jitter: Float[Tensor, "rays bins"] | None = None,
    among: tuple[int, int] | None = None,
) -> Samples:
    """One sample in every bin of every path that is in a cell with a number.

    Args:
        path: From :func:`lay`.
        bins: Equal parts of each path.
        occupancy: The cells.
        jitter: Where in its bin each sample lies, in [0, 1); the middle if none.
        among: The first bin and the one after the last to look at; all if none.
    """
    first, last = among or (0, bins)
    together = math.gcd(_TOGETHER, first, last)
    rays, groups = _promising(path, torch.arange(first, last + 1, together, device=path.hit.device) / bins, occupancy)
    columns = (first + groups * together)[:, None] + torch.arange(together, device=path.hit.device)
    shares = (columns + (0.5 if jitter is None else jitter[rays[:, None], columns])) / bins
    x, y, z = path.part(rays).at(shares)
    found = occupancy.cells.flatten().index_select(0, _flat(x, y, z, len(occupancy.cells)))
    chosen = (found >= 0).nonzero()[:, 0]
    found, columns, shares, x, y, z = (
        values.flatten().index_select(0, chosen) for values in (found, columns, shares, x, y, z)
    )
    rays = rays.index_select(0, chosen // together)
    return Samples(torch.stack([x, y, z], 1), path.lengths(bins, columns, rays), rays, shares, found)


def _promising(path: Path, borders: Float[Tensor, "n"], occupancy: Occupancy) -> tuple[Tensor, Tensor]:
    """The stretches between neighbouring borders on which something may be: their rays, and their numbers."""
    wide = len(occupancy.near)
    ends = path.at(borders.expand(len(path.hit), len(borders)))
    x, y, z = ((axis[:, :-1] + axis[:, 1:]) / 2 for axis in ends)
    near = occupancy.near.flatten().index_select(0, _flat(x, y, z, wide)).view(x.shape)
    # Whatever is within a cell's side of a place is in its cell or in one of those around it.
    far = torch.stack([axis.diff(dim=1).abs_() for axis in ends]).amax(0) > (2 + 1e-4) / wide / path.bend
    rays, groups = ((near | far) & path.hit[:, None]).nonzero(as_tuple=True)
    return rays, groups


def _flat(x: Tensor, y: Tensor, z: Tensor, side: int) -> Int[Tensor, "n"]:
    """The cells that places are in, as flat numbers."""
    flat = x.mul(side).int().clamp_(0, side - 1)
    flat.mul_(side).add_(y.mul(side).int().clamp_(0, side - 1))
    flat.mul_(side).add_(z.mul(side).int().clamp_(0, side - 1))
    return flat.flatten()
