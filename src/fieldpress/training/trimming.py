"""Which cells of a scene photographs show.

A survey leaves an octree that is wide enough to learn in: surfaces as thick as they were uncertain, and much behind
them. When the scene has been learned most of that is never seen, but its cells and their corners are paid for.
"""

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field
from fieldpress.progress import tell
from fieldpress.rendering import lay
from fieldpress.sightlines import Sightlines
from fieldpress.signals.space import Space
from fieldpress.training.rays import PhotoRays

_SEEN = 0.03
"""A cell that adds at most so much to any ray's colour is not missed."""
_MOST_RAYS = 1 << 21
"""That look."""
_TOGETHER = 1 << 14


@torch.no_grad()
def shown_cells(field: Field, space: Space, rays: PhotoRays) -> Bool[Tensor, "s s s"]:
    """Cells of the finest level that photographs show, and those between them; all where none is shown."""
    octree = octree_of(field)
    rows = octree.occupancy
    sightlines = Sightlines(field)
    shown = torch.zeros(octree.config.cells[octree.shown - 1], device=rows.device)
    every = max(1, -(-len(rays) // _MOST_RAYS))
    parts = torch.arange(0, len(rays), every, device=rays.device).split(_TOGETHER)
    for number, some in enumerate(parts):
        if number:
            tell(number / len(parts))
        batch = rays.at(some)
        for met in sightlines.along(lay(space, batch.origins, batch.directions)):
            shown.scatter_reduce_(0, met.cells, met.weights, "amax")
    occupied = rows >= 0
    found = occupied & (shown > _SEEN)[rows.clamp_min(0).long()]
    return closed(found) & occupied if bool(found.any()) else occupied


def closed(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s s s"]:
    """Without holes of up to two cells: no ray may have met a cell of a surface that others look at from elsewhere."""
    return ~widened(~widened(cells)) | cells


def widened(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s s s"]:
    """With their 26 neighbours."""
    return functional.max_pool3d(cells[None, None].float(), 3, 1, 1)[0, 0] > 0
