"""The guide of Tucker and of low rank: tensors that never leave their ranks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from fieldpress.compressors.guides import Guidance, Moment, RoundTrip
from fieldpress.compressors.hosvd import decompose

if TYPE_CHECKING:
    from fieldpress.compressors.lowrank import LowRank
    from fieldpress.compressors.tucker import Tucker


class TuckerGuide(RoundTrip):
    """Every step of the optimiser is followed by a truncation, so that all a step learns is learned within the ranks.

    This is descent on the manifold of tensors of these ranks: a step through the space around it, and the truncated
    SVD as the way back (a retraction; Kressner et al. 2014). What the ranks do not allow is dropped at once: kept for
    later, as a straight-through round trip keeps it, it would grow without ever being seen. The rounding of core and
    factors, which is small, is measured at round trips and held in between.

    Two other ways were tried in short runs: the elementwise optimiser on core and factors themselves, lightly tuned,
    was worse; truncation of a sum that keeps a share of what was dropped was no better, and takes another copy.

    Tensors that the compressor does not decompose have a straight-through round trip.
    """

    def __init__(self, compressor: "Tucker | LowRank", guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance, tensors)
        self.ranks = [compressor.ranks_of(tuple(tensor.shape)) for tensor in tensors]
        self.begun = False

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        if not self.begun:
            self.begun = True
            self._truncate(tensors)
        super().meet(tensors)

    @torch.no_grad()
    def show(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        if self.begun:
            self._truncate(tensors)

    def _truncate(self, tensors: Sequence[nn.Parameter]) -> None:
        for tensor, error, ranks in zip(tensors, self.errors(), self.ranks, strict=True):
            if ranks is not None:
                free = np.ascontiguousarray((tensor - error).cpu().numpy())
                tensor.copy_(torch.from_numpy(decompose(free, ranks).expand()).to(tensor.device) + error)

    def get_extra_state(self) -> dict[str, float]:
        return {**super().get_extra_state(), "begun": float(self.begun)}

    def set_extra_state(self, state: dict[str, float]) -> None:
        super().set_extra_state(state)
        self.begun = bool(state["begun"])
