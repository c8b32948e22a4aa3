"""How a field of other features than a survey's begins where the survey ended: it is taught what that field shows.

Features of an octree are carried over corner by corner. Those of a hash grid or of a full grid stand elsewhere, and
would begin as noise, so a quarter of the budget would be lost on them. What they should show is known at every place,
so no ray has to be sent: places in occupied cells, seen from anywhere, are enough. Source of the idea: distillation
(Hinton, Vinyals and Dean 2015).
"""

import torch
from torch import Tensor
from torch.nn import functional

from fieldpress.encodings.octree import octree_of
from fieldpress.field import Field, Points
from fieldpress.rendering import UNIT

_STEPS = 100
"""Of so many places each: together a few hundredths of a fit's time."""
_PLACES = 8192
_RATE = 3e-2


def teach(before: Field, after: Field, generator: torch.Generator) -> None:
    """Fits one field to another in the cells that the latter's octree says are occupied.

    Args:
        before: Has densities and colours.
        after: Is changed.
        generator: Of places and directions.
    """
    octree = octree_of(before)
    cells = (octree.occupancy >= 0).nonzero()
    side = len(octree.occupancy)
    learned = [parameter for parameter in after.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=_RATE, betas=(0.9, 0.99), eps=1e-15)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        chosen = torch.randint(len(cells), (_PLACES,), generator=generator).to(cells.device)
        inside = torch.rand(_PLACES, 3, generator=generator).to(cells.device)
        directions = functional.normalize(torch.randn(_PLACES, 3, generator=generator)).to(cells.device)
        query = Points((cells[chosen] + inside) / side, directions)
        with torch.no_grad():
            colours, opacity = _seen(before, query, side)
        found, own = _seen(after, query, side)
        loss = (opacity * (found - colours).square()).mean() + (own - opacity).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    optimiser.zero_grad()


def _seen(field: Field, query: Points, side: int) -> tuple[Tensor, Tensor]:
    """Colours, (3, n), and how much of the light a cell's length absorbs, (n,)."""
    values = field.planar(query)
    return values[:3], 1 - torch.exp(-values[3] * UNIT / side)
