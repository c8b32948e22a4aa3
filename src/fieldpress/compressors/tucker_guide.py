"""The guide of Tucker and of low rank: tensors that never leave their ranks, and a price on their cores."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldpress.compressors.base import Array
from fieldpress.compressors.guides import Guidance, Moment, RoundTrip
from fieldpress.compressors.hosvd import Decomposition, decompose, multiply

if TYPE_CHECKING:
    from fieldpress.compressors.lowrank import LowRank
    from fieldpress.compressors.tucker import Tucker

_LEAST_ERROR = 1e-12
"""Mean squared error below which the numbers of a core count as free of errors: there is nothing to save."""


class TuckerGuide(RoundTrip):
    """Every step of the optimiser is followed by a truncation, so that all a step learns is learned within the ranks.

    This is descent on the manifold of tensors of these ranks: a step through the space around it, and the truncated
    SVD as the way back (a retraction; Kressner et al. 2014). What the ranks do not allow is dropped at once: kept for
    later, as a straight-through round trip keeps it, it would grow without ever being seen. The rounding of core and
    factors, which is small, is measured at round trips and held in between.

    Ranks say how many numbers there are, and a price on bits how large they are: the core is the tensor in a basis of
    its own, so its numbers c are priced as a codec's coefficients (transform_rate.py), log2(1 + c^2 / D) / 2, with D
    their mean squared error. Round trips measure D and by how much the real bytes differ.

    Two other ways were tried in short runs: the elementwise optimiser on core and factors themselves, lightly tuned,
    was worse; truncation of a sum that keeps a share of what was dropped was no better, and takes another copy.

    Tensors that the compressor does not decompose have a straight-through round trip, and no price.
    """

    compressor: "Tucker | LowRank"

    def __init__(self, compressor: "Tucker | LowRank", guidance: Guidance, tensors: Sequence[Tensor]) -> None:
        super().__init__(compressor, guidance, tensors)
        self.ranks = [compressor.ranks_of(tuple(tensor.shape)) for tensor in tensors]
        self.begun = False
        self.calibration = 0.0
        """True bits per expected one; 0 before the first round trip."""
        self._decompositions: list[Decomposition | None] = [None] * len(tensors)
        self.squared = [math.inf] * len(tensors)
        """Mean square of the errors of the numbers of each core."""

    @torch.no_grad()
    def trim(self, tensors: Sequence[nn.Parameter], left: Sequence[Tensor | None]) -> None:
        super().trim(tensors, left)
        self.ranks = [self.compressor.ranks_of(tuple(tensor.shape)) for tensor in tensors]
        if self.begun:
            self._truncate(tensors, [number for number, cells in enumerate(left) if cells is not None])

    @torch.no_grad()
    def meet(self, tensors: Sequence[nn.Parameter]) -> None:
        if not self.begun:
            self.begun = True
            self._truncate(tensors)
        super().meet(tensors)
        expected = 0.0
        for number, (error, found) in enumerate(zip(self.errors(), self._decompositions, strict=True)):
            if found is not None:
                numbers = found.core.size + sum(factor.size for factor in found.factors.values())
                squared = float(error.square().sum()) / numbers
                self.squared[number] = squared if squared > _LEAST_ERROR else math.inf
                expected += 0.5 * float(np.log2(1 + found.core.astype(np.float64) ** 2 / self.squared[number]).sum())
        self.calibration = self.bits / max(expected, 1.0)

    @torch.no_grad()
    def learn(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        price = moment.bit_price * self.calibration
        if not price:
            return
        for tensor, squared, found in zip(tensors, self.squared, self._decompositions, strict=True):
            if found is not None and tensor.grad is not None:
                slopes = price / math.log(2) * found.core / (found.core**2 + np.float32(squared))
                _add(tensor, Decomposition(slopes.astype(np.float32), found.factors))

    @torch.no_grad()
    def show(self, tensors: Sequence[nn.Parameter], moment: Moment) -> None:
        if self.begun:
            self._truncate(tensors)

    def _truncate(self, tensors: Sequence[nn.Parameter], some: Sequence[int] | None = None) -> None:
        """Of these tensors those with some numbers; all if none are given."""
        for number, (tensor, error, ranks) in enumerate(zip(tensors, self.errors(), self.ranks, strict=True)):
            if ranks is not None and (some is None or number in some):
                found = decompose(_array(tensor - error), ranks)
                tensor.copy_(torch.from_numpy(found.expand()).to(tensor.device) + error)
                self._decompositions[number] = found

    def get_extra_state(self) -> dict[str, Any]:
        own = {"begun": float(self.begun), "calibration": self.calibration, "squared": list(self.squared)}
        decompositions = [_to_plain(found) for found in self._decompositions]
        return {**super().get_extra_state(), **own, "decompositions": decompositions}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        super().set_extra_state(state)
        self.begun, self.calibration = bool(state["begun"]), state["calibration"]
        self.squared = list(state["squared"])
        self._decompositions = [_from_plain(found) for found in state["decompositions"]]


def _add(tensor: nn.Parameter, slopes: Decomposition) -> None:
    """Adds to a tensor's gradient; of a volume only to the times that the step has read, which then stand for all."""
    gradient = tensor.grad
    assert gradient is not None
    if not gradient.is_sparse:
        gradient += torch.from_numpy(slopes.expand()).to(gradient.device)
        return
    gradient = tensor.grad = gradient.coalesce()
    channel, time = gradient.indices()
    read, place = time.unique(return_inverse=True)
    share = tensor.shape[0] * tensor.shape[1] / len(time)
    core, factors = slopes
    at = read.cpu().numpy()
    core, factors = (core, {**factors, 1: factors[1][:, at]}) if 1 in factors else (core[:, at], factors)
    gradient.values().add_(torch.from_numpy(multiply(core, factors)).to(gradient.device)[channel, place], alpha=share)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.cpu().numpy())


def _to_plain(found: Decomposition | None) -> dict[str, Any] | None:
    if found is None:
        return None
    factors = {axis: torch.from_numpy(factor) for axis, factor in found.factors.items()}
    return {"core": torch.from_numpy(found.core), "factors": factors}


def _from_plain(state: dict[str, Any] | None) -> Decomposition | None:
    if state is None:
        return None
    return Decomposition(state["core"].numpy(), {axis: factor.numpy() for axis, factor in state["factors"].items()})
