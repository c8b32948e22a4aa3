"""Fitting a shape to the signed distance of a mesh: places drawn from a pool, and every prefix of the levels trained.

A step looks through one prefix of the levels, mostly through all of them, at places in cells of its finest level. What
an error counts shrinks with the distance: near the surface it moves the surface, far from it only a ray's next step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fieldpress.encodings.octree import depths, octree_of
from fieldpress.field import Field, Points
from fieldpress.training.objective import Objective
from fieldpress.training.scene import FINEST_SHARE
from fieldpress.training.survey import put_octants

_NEAR = 0.01
"""Errors are relative to the distance plus this part of the cube's side. Source: the losses of instant-ngp (Müller et
al. 2022), there for absolute errors."""


class ShapeObjective(Objective):
    """Places and their distances.

    Args:
        places: In the cube.
        distances: Signed, in sides of the cube.
        octants: Of the octree around the surface.
        pixels: What bits per pixel are counted by.
        batch: Places of a step.
        seed: Of everything drawn.
    """

    def __init__(
        self,
        places: Float[Tensor, "n 3"],
        distances: Float[Tensor, "n"],
        octants: Sequence[Tensor],
        pixels: int,
        batch: int,
        seed: int,
    ) -> None:
        self._places, self._distances, self._octants = places, distances, octants
        self._generator = torch.Generator().manual_seed(seed)
        self._pools: list[Tensor] = []
        self.pixels, self.pixels_per_step, self.device = pixels, batch, places.device

    def start(self, field: Field) -> None:
        """Says which cells are occupied, and sorts the places by the levels that have a cell there."""
        octree = octree_of(field)
        put_octants(octree, self._octants)
        levels = len(octree.config.cells)
        side = octree.config.side(levels - 1)
        cells = (self._places * side).long().clamp_(0, side - 1)
        found = depths(octree.worked_out(levels))[cells.unbind(1)]
        self._pools = [(found >= level + 1).nonzero()[:, 0] for level in range(levels)]

    def descend(self, field: Field, share: float) -> float:
        level = self._level()
        pool = self._pools[level]
        index = torch.randint(len(pool), (self.pixels_per_step,), generator=self._generator)
        drawn = pool[index.to(self.device, non_blocking=True)]
        octree, target = octree_of(field), self._distances[drawn]
        octree.show_levels(level + 1)
        error = field.planar(Points(self._places[drawn]))[0] - target
        (error / (target.abs() + _NEAR)).square().mean().backward()
        octree.show_levels(len(self._pools))
        return error.detach().square().mean().item()

    def _level(self) -> int:
        finest = len(self._pools) - 1
        if not finest or float(torch.rand((), generator=self._generator)) < FINEST_SHARE:
            return finest
        return int(torch.randint(finest, (), generator=self._generator))

    def state(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state()}

    def load_state(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"])
