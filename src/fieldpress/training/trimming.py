"""Which cells of a scene photographs show.

A survey leaves an octree that is wide enough to learn in: surfaces as thick as they were uncertain, and much behind
them. When the scene has been learned most of that is never seen, but its cells and their corners are paid for.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field
from fieldpress.progress import tell
from fieldpress.rendering import lay
from fieldpress.sightlines import Sightlines
from fieldpress.signals.space import Space
from fieldpress.training.rays import PhotoRays

_FAINT = 0.03
"""A sample that adds at most so much to its ray's colour may be lost ..."""
_LOST = 0.15
"""... if all that the ray loses adds at most so much: fog is many faint samples."""
_RAYS_A_CELL = 16
"""That look, if there are so many pixels: a third of the cells is on a surface, and a few rays miss one of those."""
_TOGETHER = 1 << 14
_GOLDEN = (5**0.5 - 1) / 2


@torch.no_grad()
def shown_cells(field: Field, space: Space, rays: PhotoRays) -> Bool[Tensor, "s s s"]:
    """Cells of the finest level that some ray of the photographs needs, and those between them; all if none does."""
    octree = octree_of(field)
    rows, count = octree.occupancy, octree.config.cells[octree.shown - 1]
    sightlines = Sightlines(field)
    needed = torch.zeros(count, dtype=torch.bool, device=rows.device)
    parts = _spread(len(rays), _RAYS_A_CELL * count).to(rays.device).split(_TOGETHER)
    for number, some in enumerate(parts):
        if number:
            tell(number / len(parts))
        batch = rays.at(some)
        met = list(sightlines.along(lay(space, batch.origins, batch.directions)))
        on, weights, cells = (torch.cat(values) for values in zip(*((m.rays, m.weights, m.cells) for m in met)))  # noqa: B905
        needed[cells[~_spared(on, weights)]] = True
    occupied = rows >= 0
    found = occupied & needed[rows.clamp_min(0).long()]
    return closed(found) & occupied if bool(found.any()) else occupied


def _spread(pixels: int, most: int) -> Int[Tensor, "n"]:
    """Numbers of pixels, evenly spread over all of them: every so-and-so-manyth could be the same columns of all
    pictures."""
    if pixels <= most:
        return torch.arange(pixels)
    return (torch.arange(most, dtype=torch.float64) * _GOLDEN % 1 * pixels).long()


def _spared(rays: Int[Tensor, "n"], weights: Float[Tensor, "n"]) -> Bool[Tensor, "n"]:
    """Of samples: those that their rays can do without, the faintest first."""
    order = weights.argsort()
    order = order[rays[order].argsort(stable=True)]
    on, sums = rays[order], weights[order].double().cumsum(0)
    first = torch.searchsorted(on, on)  # of the samples on the same ray
    before = torch.where(first > 0, sums[first - 1], 0)
    spared = torch.empty_like(weights, dtype=torch.bool)
    spared[order] = (weights[order] <= _FAINT) & (sums - before <= _LOST)
    return spared


def closed(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s s s"]:
    """Without holes of up to two cells: no ray may have met a cell of a surface that others look at from elsewhere."""
    return ~widened(~widened(cells)) | cells


def widened(cells: Bool[Tensor, "s s s"]) -> Bool[Tensor, "s s s"]:
    """With their 26 neighbours."""
    return functional.max_pool3d(cells[None, None].float(), 3, 1, 1)[0, 0] > 0
