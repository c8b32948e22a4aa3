"""Fitting a scene to photographs: random pixels, empty space skipped, every prefix of the levels a scene of its own.

A step looks at the scene through one prefix of the levels, mostly through all of them. What it samples is thinned out
twice: cells whose density was next to nothing when last met are rarely asked, and of the rest only what adds to what a
ray sees gets a colour and a gradient.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from fieldpress.encodings.octree import OctreeEncoding, octree_of
from fieldpress.field import Field, Points
from fieldpress.rendering import Occupancy, Path, Rendered, Samples, before, bins_for, composite, lay, reached, sample
from fieldpress.signals.space import Space
from fieldpress.training.objective import Objective, Trimmed
from fieldpress.training.rays import PhotoRays
from fieldpress.training.trimming import shown_cells

FINEST_SHARE = 0.6
"""Of the steps that look through all levels; the others are shared evenly by the coarser prefixes."""
_SPREAD_WEIGHT = 0.005
"""Of the term that draws what a ray sees together; without it thin fog hangs before the cameras."""
_EMPTY = 0.01
"""Density below which a cell counts as empty ..."""
_FORGETTING = 0.98
"""... its greatest density remembered with this decay per step ..."""
_SECOND_LOOKS = 0.03
"""... and this share of its samples taken all the same."""
_LEAST_WEIGHT = 1e-3
"""What a sample has to add to its ray's colour to be worth a gradient."""


class Glance(NamedTuple):
    """What a batch of rays met."""

    rendered: Rendered
    samples: Samples
    """Those that have colours and gradients."""


class Sight:
    """What is remembered of one prefix of the levels: which of its cells are worth a look.

    Args:
        encoding: Its finest shown level is the one remembered.
    """

    def __init__(self, encoding: OctreeEncoding, levels: int) -> None:
        encoding.show_levels(levels)
        self.levels = levels
        self.bins = bins_for(encoding.config.side(levels - 1))
        self.occupancy = Occupancy.of(encoding.occupancy)
        self.densities = torch.ones(encoding.config.cells[levels - 1], device=encoding.octants[0].device)
        """Greatest density met in each cell lately; 1 where none was yet."""

    def look(self, field: Field, path: Path, directions: Tensor, generator: torch.Generator) -> Glance:
        """Renders rays with jittered samples, differentiable in the field."""
        count, device = len(directions), directions.device
        jitter = torch.rand(count, self.bins, generator=generator).to(device, non_blocking=True)
        samples = sample(path, self.bins, self.occupancy, jitter)
        again = torch.rand(len(samples.rays), generator=generator).to(device, non_blocking=True) < _SECOND_LOOKS
        samples = samples.where(((self.densities[samples.cells] > _EMPTY) | again).nonzero()[:, 0])
        points = Points(samples.places)
        with torch.no_grad():
            density = field.planar(points)[0]
        self.densities *= _FORGETTING
        self.densities.scatter_reduce_(0, samples.cells.long(), density, "amax")
        worth = reached(density, samples, count, _LEAST_WEIGHT).nonzero()[:, 0]
        samples = samples.where(worth)
        seen = field.planar(points.part(worth, directions[samples.rays]))
        return Glance(composite(seen[:3], seen[3], samples, count), samples)


def spread(rendered: Rendered, samples: Samples, bins: int) -> Float[Tensor, ""]:
    """How far along each ray that is scattered which it sees, averaged over rays.

    Source: the distortion loss of mip-NeRF 360 (Barron et al. 2022), in the prefix sums of DVGO.
    """
    weights, shares, rays = rendered.weights, samples.shares, samples.rays
    count = len(rendered.opacity)
    pairs = weights * (shares * before(weights, rays, count) - before(weights * shares, rays, count))
    return (2 * pairs.sum() + weights.square().sum() / (3 * bins)) / count


class SceneObjective(Objective):
    """Photographs.

    Args:
        rays: Their pixels.
        space: How the world is laid into the cube.
        observed: Pixels of all photographs, those held out too: what bits are counted per.
        batch: Rays of a step.
        seed: Of everything drawn.
    """

    def __init__(self, rays: PhotoRays, space: Space, observed: int, batch: int, seed: int) -> None:
        self._rays, self._space, self._batch = rays, space, batch
        self._generator = torch.Generator().manual_seed(seed)
        self._sights: list[Sight] = []
        self.pixels, self.pixels_per_step, self.device = observed, batch, rays.device

    def start(self, field: Field) -> None:
        """Fields of scenes start from the survey that found their octree."""
        octree = octree_of(field)
        self._sights = [Sight(octree, levels + 1) for levels in range(octree.level_count)]

    def trim(self, field: Field) -> Trimmed:
        """Cuts off what no photograph shows."""
        octree = octree_of(field)
        left = octree.trim(shown_cells(field, self._space, self._rays))
        self.start(field)
        name = next(name for name, encoding in field.encodings.items() if encoding is octree)
        return Trimmed({name: octree.config}, {f"{name}.{grid}": corners for grid, corners in left.items()})

    def descend(self, field: Field, share: float) -> float:
        levels = self._prefix(field.level_count)
        sight = self._sights[min(levels, len(self._sights)) - 1]
        field.show_levels(levels)
        loss, squared = scene_loss(field, sight, self._rays, self._space, self._batch, self._generator)
        loss.backward()
        field.show_levels(field.level_count)
        return squared.item()  # by now a GPU has its work, and may be waited for

    def _prefix(self, all_levels: int) -> int:
        """How many levels a step looks through."""
        if all_levels == 1 or float(torch.rand((), generator=self._generator)) < FINEST_SHARE:
            return all_levels
        return 1 + int(torch.randint(all_levels - 1, (), generator=self._generator))

    def state(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state(), "densities": [sight.densities for sight in self._sights]}

    def load_state(self, state: dict[str, Any]) -> None:
        self._generator.set_state(state["generator"])
        for sight, densities in zip(self._sights, state["densities"], strict=True):
            sight.densities.copy_(densities)


def scene_loss(
    field: Field,
    sight: Sight,
    rays: PhotoRays,
    space: Space,
    count: int,
    generator: torch.Generator,
    on_glance: Any = None,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch of random pixels, and its mean squared error.

    Picture and scene are laid over the same random colours: the scene has to be solid wherever the picture is.
    """
    batch = rays.draw(count, generator)
    behind = torch.rand(count, 3, generator=generator).to(rays.device, non_blocking=True)
    path = lay(space, batch.origins, batch.directions)
    glance = sight.look(field, path, batch.directions, generator)
    if on_glance is not None:
        on_glance(glance)
    rendered = glance.rendered
    shown = rendered.colours + (1 - rendered.opacity[:, None]) * behind
    target = batch.colours * batch.opacity[:, None] + (1 - batch.opacity[:, None]) * behind
    squared = (shown - target).square().mean()
    return squared + _SPREAD_WEIGHT * spread(rendered, glance.samples, sight.bins), squared.detach()
