"""What rays meet in a field, stretch by stretch, from near to far, until no light comes through."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field
from fieldpress.rendering import UNIT, Occupancy, Path, bins_for, sample, weights_of
from fieldpress.shading import shader_of

_EMPTY = 2e-2
"""What a cell has to absorb of the light that crosses it, at most, to be skipped."""
_LEAST_WEIGHT = 3e-3
"""What a sample has to add to its ray's colour to be given one: less than an 8-bit code."""
_OPAQUE = -math.log(_LEAST_WEIGHT)
"""Behind what absorbs so much no sample can add that."""
_STRETCH = 32
"""Bins of a path that are looked at before the next ones."""


class Met(NamedTuple):
    """Samples that count, of one stretch."""

    rays: Int[Tensor, "n"]
    """Which ray each is on; rises."""
    shares: Float[Tensor, "n"]
    """Where along its path it is."""
    weights: Float[Tensor, "n"]
    """What it adds to its ray's colour."""
    cells: Int[Tensor, "n"]
    """Number of the octree's cell that it is in."""
    colours: Callable[[Float[Tensor, "n 3"]], Float[Tensor, "3 n"]]
    """Theirs, seen from these directions."""


class Sightlines:
    """Follows rays through a field.

    Args:
        field: With an octree among its encodings; as many levels are used as it shows now.
    """

    @torch.inference_mode()
    def __init__(self, field: Field) -> None:
        octree = octree_of(field)
        self._bins = bins_for(octree.config.side(octree.shown - 1))
        self._shader = shader_of(field)
        # Cells that absorb nothing are not looked at. A density is greatest at a corner of its cell.
        self._cells = (self._shader.greatest() * (UNIT / len(octree.occupancy)) > _EMPTY).nonzero()[:, 0]
        self._shader.keep(self._cells)
        numbers = torch.full_like(octree.occupancy, -1)
        numbers[self._shader.places.unbind(1)] = torch.arange(
            len(self._cells), dtype=numbers.dtype, device=numbers.device
        )
        self._occupancy = Occupancy.of(numbers)

    def along(self, path: Path) -> Iterator[Met]:
        """What these rays meet. Those that light no longer comes through are left behind."""
        rays = path.hit.nonzero()[:, 0]
        absorbed, absorbed_by_met = path.hit.new_zeros(2, len(path.hit), dtype=torch.float32)
        for first in range(0, self._bins, _STRETCH):
            samples = sample(path.part(rays), self._bins, self._occupancy, among=(first, first + _STRETCH))
            samples = samples._replace(rays=rays[samples.rays])
            answer = self._shader.answer(samples.places, samples.cells)
            own = answer.densities * samples.lengths
            worth = (weights_of(own, samples.rays, absorbed) > _LEAST_WEIGHT).nonzero()[:, 0]
            absorbed.index_add_(0, samples.rays, own)
            own, on, shares, cells = (
                values.index_select(0, worth) for values in (own, samples.rays, samples.shares, samples.cells)
            )
            weights = weights_of(own, on, absorbed_by_met)
            absorbed_by_met.index_add_(0, on, own)
            yield Met(
                on,
                shares,
                weights,
                self._cells.index_select(0, cells),
                lambda seen_from, answer=answer, worth=worth: answer.colours(worth, seen_from),
            )
            rays = rays[absorbed[rays] < _OPAQUE]
